"""Patches for one training step, drawn by the step's own seed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from LiverTumorAILib.inference.preprocess import normalise
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import REFERENCE_ORDER, Phase
from LiverTumorAILib.training.augmentation import (
    Patch,
    apply_warp,
    augment_intensities,
    delay_arterial,
    draw_warp,
    drop_phases,
    unmix_veins,
)
from LiverTumorAILib.training.cases import UNKNOWN, CaseFolder, TrainingCase
from LiverTumorAILib.training.implant import Implanter
from LiverTumorAILib.training.recipe import TrainingRecipe
from LiverTumorAILib.training.targets import LESION_CLASSES, UNLABELLED, UNSPLIT_LIVER, VEIN_CLASSES
from LiverTumorAILib.training.visibility import hide_unseen

Sampler = Callable[[int, Progress | None], tuple[torch.Tensor, torch.Tensor]]
"""From a step's number to its input float32 (batch, channels, ...) and class indices int64 (batch, ...)."""

LESION_SHARE = 0.65
LIVER_SHARE = 0.6
"""Of the patches that no lesion draws."""
_MARGIN = (4, 8, 8)
_TRIES = 6
"""How often a healthy case is put back when a lesion is wanted."""
_AHEAD = 6
"""Samples that wait for their step."""


@dataclass(frozen=True)
class _Steps(Dataset):
    sampler: Sampler
    steps: range

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.sampler(self.steps[index], None)


def _other_processes() -> BaseContext:
    """How processes begin: never by a fork of this one, in which inference libraries may run threads of their own."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def samples_ahead(
    sampler: Sampler, steps: range, progress: Progress | None = None
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Samples of steps in their order, made ahead of time in a process of their own.

    Parameters
    ----------
    sampler: Sampler
        Gives the same sample for the same step.
    steps: range
    progress: Progress, optional
        Polled for cancel.

    """
    if not steps:
        return
    loader = DataLoader(
        _Steps(sampler, steps),
        batch_size=None,
        num_workers=1,
        prefetch_factor=_AHEAD,
        multiprocessing_context=_other_processes(),
    )
    for sample in loader:
        if progress:
            progress.check()
        yield sample


@dataclass(frozen=True)
class PatchSampler:
    """Draws augmented patches: two thirds around lesions, most others around the liver.

    A step's patch depends on nothing but recipe, cases and step, so that a resumed training repeats it.

    Attributes
    ----------
    recipe: TrainingRecipe
    cases: CaseFolder
    negatives: CaseFolder, optional
        Real CT without lesions, whose `lesions` are places where a network saw some.

    """

    recipe: TrainingRecipe
    cases: CaseFolder
    negatives: CaseFolder | None = None

    def __call__(self, step: int, progress: Progress | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Input float32 (1, channels, z, y, x) and class indices int64 (1, z, y, x) of a step."""
        rng = np.random.default_rng([self.recipe.seed, step])
        images, labels = self._patch(rng, self.recipe.pool(step, len(self.cases)), progress)
        delay_arterial(rng, self.recipe.augmentation, images, self._phases)
        unmix_veins(
            rng, self.recipe.augmentation, images, np.isin(labels, self._indices(VEIN_CLASSES)), self.recipe.spacing_mm
        )
        augment_intensities(rng, self.recipe.augmentation, images)
        drop_phases(rng, self.recipe.augmentation, images, self._phases)
        hide_unseen(images, labels, self._indices(LESION_CLASSES), self.recipe.classes.index("liver"))
        labels[~np.isfinite(images).any(axis=0)] = UNLABELLED
        channels = [normalise(image, self.recipe.normalisation) for image in images]
        inputs = np.stack([*channels, *np.isfinite(images).astype(np.float32)])
        return torch.from_numpy(inputs)[None], torch.from_numpy(labels.astype(np.int64))[None]

    def _patch(self, rng: np.random.Generator, pool: int, progress: Progress | None) -> tuple[np.ndarray, np.ndarray]:
        recipe = self.recipe
        if self.negatives and rng.random() < recipe.negative_share:
            case = self.negatives.case(int(rng.integers(len(self.negatives))), progress)
            centre = self._centre_of(rng, case, UNSPLIT_LIVER)
        else:
            case, centre = self._centre(rng, pool, progress)
        shape = case.labels.shape
        jitter = rng.uniform(-0.3, 0.3, 3) * recipe.patch
        corner = [
            int(np.clip(c + j - p / 2, min(0, n - p), max(0, n - p)))
            for c, j, p, n in zip(centre, jitter, recipe.patch, shape, strict=True)
        ]
        reference = next(self._phases.index(phase) for phase in REFERENCE_ORDER if phase in self._phases)
        patch = Patch(recipe.patch, _MARGIN, recipe.spacing_mm, len(recipe.inputs), reference)
        warp = draw_warp(rng, self.recipe.augmentation, patch)
        if warp is None:
            images, labels = _cut(case, corner, recipe.patch)
        else:
            images, labels = _cut(case, [c - m for c, m in zip(corner, _MARGIN, strict=True)], patch.source_shape)
        if rng.random() < recipe.implant_share:
            Implanter(self._phases, recipe.classes, recipe.spacing_mm).implant(rng, images, labels)
        return (images, labels) if warp is None else apply_warp(warp, images, labels, recipe.patch)

    @cached_property
    def _phases(self) -> tuple[Phase, ...]:
        return tuple(Phase(name) for name in self.recipe.inputs)

    def _indices(self, names: Sequence[str]) -> list[int]:
        """Of those of some classes that the recipe has."""
        return [self.recipe.classes.index(name) for name in names if name in self.recipe.classes]

    def _centre(
        self, rng: np.random.Generator, pool: int, progress: Progress | None
    ) -> tuple[TrainingCase, np.ndarray]:
        """A case and a voxel (z, y, x) of it, around which the patch will lie."""
        wanted = rng.random() < LESION_SHARE
        case = self.cases.case(int(rng.integers(pool)), progress)
        for _ in range(_TRIES if wanted else 0):
            if case.lesions:
                break
            case = self.cases.case(int(rng.integers(pool)), progress)
        return case, self._centre_of(rng, case, self.recipe.classes.index("liver"), wanted)

    @staticmethod
    def _centre_of(rng: np.random.Generator, case: TrainingCase, liver: int, lesion: bool | None = None) -> np.ndarray:
        """A voxel (z, y, x) of a case."""
        choice = rng.random()
        if case.lesions and (choice < LESION_SHARE if lesion is None else lesion):
            return np.asarray(case.lesions[int(rng.integers(len(case.lesions)))].voxel)
        coarse = case.labels[::4, ::4, ::4]
        found = np.flatnonzero(coarse == liver)
        if found.size and rng.random() < LIVER_SHARE:
            place = found[int(rng.integers(found.size))]
            return 4 * np.asarray(np.unravel_index(place, coarse.shape))
        return np.asarray([rng.integers(length) for length in case.labels.shape])


def _cut(case: TrainingCase, corner: list[int], size: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Cut a patch: float32 (phases, z, y, x) HU with NaN where unknown or outside, and its labels."""
    shape = case.labels.shape
    low = [max(c, 0) for c in corner]
    high = [min(c + s, n) for c, s, n in zip(corner, size, shape, strict=True)]
    source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    target = tuple(slice(a - c, b - c) for a, b, c in zip(low, high, corner, strict=True))
    images = np.full((len(case.images), *size), np.nan, np.float32)
    labels = np.zeros(size, np.uint8)
    stored = case.images[(slice(None), *source)]
    images[(slice(None), *target)] = np.where(stored == UNKNOWN, np.nan, stored.astype(np.float32))
    labels[target] = case.labels[source]
    return images, labels

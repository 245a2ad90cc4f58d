"""Liver-only patches for one training step: four shuffling schemes (multi-sensitivity paper, Fig. 4)."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import torch
from scipy import ndimage

from LiverTumorAILib.inference.preprocess import normalise
from LiverTumorAILib.lesions.reclassification import RULE
from LiverTumorAILib.lesions.shuffle import LEAST_FIT, cut, find_places, take_graft, transplant
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import REFERENCE_ORDER, Phase
from LiverTumorAILib.training.augmentation import (
    Patch,
    apply_warp,
    augment_intensities,
    delay_arterial,
    draw_warp,
    drop_phases,
)
from LiverTumorAILib.training.cases import UNKNOWN
from LiverTumorAILib.training.implant import Implanter
from LiverTumorAILib.training.recipe import TrainingRecipe
from LiverTumorAILib.training.reclassification.livers import LiverCase, LiverFolder
from LiverTumorAILib.training.reclassification.recipe import ABLATIONS, CLASSES
from LiverTumorAILib.training.visibility import hide_unseen

_MARGIN = (3, 6, 6)
_TRIES = 8
_JITTER = 0.25
_RIM = 1
"""Voxels around a lesion that go with it when healthy liver replaces it."""


class Scheme(StrEnum):
    """What a patch shows: a lesion where it is, liver without one, a lesion elsewhere, liver where one was."""

    ORIGINAL_POSITIVE = "original positive"
    ORIGINAL_NEGATIVE = "original negative"
    SHUFFLED_POSITIVE = "shuffled positive"
    SHUFFLED_NEGATIVE = "shuffled negative"


@dataclass(frozen=True)
class LiverPatch:
    """A patch before augmentation.

    Attributes
    ----------
    images: numpy.ndarray
        float32 (phases, z, y, x) HU, NaN where unknown; not yet masked to the liver.
    labels: numpy.ndarray
        uint8 (z, y, x), index into `CLASSES`.
    lesion: numpy.ndarray
        bool (z, y, x): the lesion that the scheme is about, or where it was.

    """

    images: np.ndarray
    labels: np.ndarray
    lesion: np.ndarray


def draw_patch(
    rng: np.random.Generator, liver: LiverCase, scheme: Scheme, shape: tuple[int, int, int], recipe: TrainingRecipe
) -> LiverPatch | None:
    """Draw a patch of a scheme; None where the liver has no lesion, or no place, for it.

    Parameters
    ----------
    rng: numpy.random.Generator
        Source of all chance.
    liver: LiverCase
        One patient's.
    scheme: Scheme
        What to show.
    shape: tuple of three ints
        (z, y, x) of the patch.
    recipe: TrainingRecipe
        Gives the grid's spacing.

    """
    if scheme is Scheme.ORIGINAL_NEGATIVE:
        return _without_lesion(rng, liver, shape)
    largest = RULE.largest_cm3 * 1000 / np.prod(recipe.spacing_mm)
    numbers = [number for number in liver.lesions if (liver.instances == number).sum() <= largest]
    if not numbers:
        return None
    mask = liver.instances == rng.choice(numbers)
    start, length = _extent(mask)
    if scheme is Scheme.ORIGINAL_POSITIVE:
        return _patch(liver, _corner(rng, start, length, shape), shape, mask)
    replaced = scheme is Scheme.SHUFFLED_NEGATIVE
    moved = ndimage.binary_dilation(mask, iterations=_RIM) if replaced else mask
    places = find_places(rng, moved, liver.healthy, 1, 1.0 if replaced else LEAST_FIT)
    if not places:
        return None
    images = _hounsfield(liver.images)
    if replaced:
        corner = _corner(rng, start, length, shape)
        patch = _patch(liver, corner, shape, mask)
        graft = take_graft(images, moved, recipe.spacing_mm, at=places[0])
        transplant(patch.images, graft, [a - b for a, b in zip(graft.corner, corner, strict=True)])
        patch.labels[patch.lesion & (patch.labels > 0)] = CLASSES.index("liver")
        return patch
    corner = _corner(rng, np.array(places[0]), length, shape)
    shift = np.array(places[0]) - start
    patch = _patch(liver, corner, shape, mask)
    graft = take_graft(np.where(liver.labels > 0, images, np.nan), mask, recipe.spacing_mm)
    transplant(patch.images, graft, (np.array(graft.corner) + shift - corner).tolist())
    lesion = cut(mask, np.array(corner) - shift, shape, False) & (patch.labels > 0)
    patch.labels[lesion] = liver.labels[mask][0]
    return replace(patch, lesion=lesion)


@dataclass(frozen=True)
class ReclassificationSampler:
    """Draws augmented patches of the liver alone: suspects, or each scheme as often as the others; some with implants.

    A step's patch depends on nothing but recipe, livers and step, so that a resumed training repeats it.
    """

    recipe: TrainingRecipe
    livers: LiverFolder

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """Beside suspects; without lesion shuffle only lesions where they are, as in the paper's ablation."""
        return (Scheme.ORIGINAL_POSITIVE,) if self.recipe.name in ABLATIONS else tuple(Scheme)

    def __call__(self, step: int, progress: Progress | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Input float32 (1, channels, z, y, x) and class indices int64 (1, z, y, x) of a step."""
        rng = np.random.default_rng([self.recipe.seed, step])
        recipe = self.recipe
        names = [Phase(name) for name in recipe.inputs]
        reference = next(names.index(phase) for phase in REFERENCE_ORDER if phase in names)
        geometry = Patch(recipe.patch, _MARGIN, recipe.spacing_mm, len(names), reference)
        patch = self._draw(rng, step, geometry.source_shape, progress)
        if rng.random() < recipe.implant_share:
            Implanter(tuple(names), CLASSES, recipe.spacing_mm).implant(rng, patch.images, patch.labels)
        warp = draw_warp(rng, recipe.augmentation, geometry)
        if warp is None:
            images, labels = (cut(array, _MARGIN, recipe.patch, 0) for array in (patch.images, patch.labels))
        else:
            images, labels = apply_warp(warp, patch.images, patch.labels, recipe.patch)
        delay_arterial(rng, recipe.augmentation, images, names)
        augment_intensities(rng, recipe.augmentation, images)
        drop_phases(rng, recipe.augmentation, images, names)
        hide_unseen(images, labels, range(1, CLASSES.index("liver")), CLASSES.index("liver"))
        images, labels = mask_to_liver(images, labels, _outline(rng, labels > 0))
        channels = [normalise(image, recipe.normalisation) for image in images]
        inputs = np.stack([*channels, *np.isfinite(images).astype(np.float32)])
        return torch.from_numpy(inputs)[None], torch.from_numpy(labels.astype(np.int64))[None]

    def _draw(
        self, rng: np.random.Generator, step: int, shape: tuple[int, int, int], progress: Progress | None
    ) -> LiverPatch:
        hard = rng.random() < self.recipe.negative_share
        scheme = self.schemes[int(rng.integers(len(self.schemes)))]
        for _ in range(_TRIES):
            liver = self.livers.liver(int(rng.integers(self.recipe.pool(step, len(self.livers)))), progress)
            patch = draw_suspect(rng, liver, shape) if hard else draw_patch(rng, liver, scheme, shape, self.recipe)
            if patch is not None:
                return patch
        return draw_patch(rng, liver, Scheme.ORIGINAL_NEGATIVE, shape, self.recipe)


def draw_suspect(rng: np.random.Generator, liver: LiverCase, shape: tuple[int, int, int]) -> LiverPatch | None:
    """Draw a patch (z, y, x) around what the first network takes for a lesion and is none; None without such a place.

    Its `lesion` is the suspect.
    """
    count = int(liver.suspects.max(initial=0))
    if not count:
        return None
    mask = liver.suspects == rng.integers(1, count + 1)
    return _patch(liver, _corner(rng, *_extent(mask), shape), shape, mask)


def mask_to_liver(images: np.ndarray, labels: np.ndarray, outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images (phases, z, y, x) with NaN, and labels (z, y, x) with background, outside a bool outline."""
    return np.where(outline, images, np.nan).astype(np.float32), np.where(outline, labels, 0)


def _outline(rng: np.random.Generator, inside: np.ndarray) -> np.ndarray:
    """The liver as the first network may have outlined it: a voxel less or more."""
    choice = rng.random()
    if choice < 0.25:
        return ndimage.binary_dilation(inside)
    return ndimage.binary_erosion(inside, border_value=1) if choice < 0.5 else inside


def _without_lesion(rng: np.random.Generator, liver: LiverCase, shape: tuple[int, int, int]) -> LiverPatch:
    """Of some places in the liver the one whose patch shows least of lesions."""
    candidates = np.flatnonzero(liver.labels > 0)
    centres = np.stack(np.unravel_index(rng.choice(candidates, _TRIES), liver.labels.shape), axis=1)
    corners = [tuple((centre - np.array(shape) // 2).tolist()) for centre in centres]
    shown = [int((cut(liver.instances, corner, shape, 0) > 0).sum()) for corner in corners]
    return _patch(liver, corners[int(np.argmin(shown))], shape, np.zeros(liver.labels.shape, bool))


def _patch(
    liver: LiverCase, corner: tuple[int, int, int], shape: tuple[int, int, int], lesion: np.ndarray
) -> LiverPatch:
    images = _hounsfield(cut(liver.images, corner, shape, UNKNOWN))
    return LiverPatch(images, cut(liver.labels, corner, shape, 0), cut(lesion, corner, shape, False))


def _hounsfield(stored: np.ndarray) -> np.ndarray:
    return np.where(stored == UNKNOWN, np.float32(np.nan), stored.astype(np.float32))


def _extent(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First voxel and size (z, y, x) of a mask's bounding box."""
    (box,) = ndimage.find_objects(mask.view(np.uint8))
    start = np.array([side.start for side in box])
    return start, np.array([side.stop for side in box]) - start


def _corner(
    rng: np.random.Generator, start: np.ndarray, length: np.ndarray, shape: tuple[int, int, int]
) -> tuple[int, int, int]:
    """A corner for a patch that shows a box, not always in its middle."""
    room = np.minimum((np.array(shape) - length) / 2, _JITTER * np.array(shape)).clip(0)
    middle = start + length / 2 - np.array(shape) / 2
    return tuple(np.rint(middle + rng.uniform(-room, room)).astype(int).tolist())

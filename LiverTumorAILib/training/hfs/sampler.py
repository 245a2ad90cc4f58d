"""Batches for one training step, drawn by the step's own seed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from LiverTumorAILib.cascades.hfs_net import PHASES
from LiverTumorAILib.inference.preprocess import normalise
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training.hfs.augmentation import SliceAugmentation, SliceWarp, augment_hu
from LiverTumorAILib.training.hfs.cases import HfsCase, Label, SliceContent, known_hu, target_mask
from LiverTumorAILib.training.hfs.priors import read_priors
from LiverTumorAILib.training.hfs.recipe import HfsRecipe
from LiverTumorAILib.training.liver_samples import LiverSampler
from LiverTumorAILib.training.materials import Material

Batch = tuple[torch.Tensor, torch.Tensor]
"""Input float32 (batch, channels, ...) and target int64 (batch, ...), 0 or 1."""

_SHARES = {
    "HCC": {"tumour": 0.55, "other": 0.2, "liver": 0.2, "rest": 0.05},
    "liver": {"tumour": 0.35, "other": 0.15, "liver": 0.25, "rest": 0.25},
}
"""Of a batch, by target: slices with HCC, with other lesions only, with liver only, without liver."""

_JITTER = 0.25
"""Of a patch's sides: how far its centre may lie from what it was chosen for."""


def kind_of_slice(content: SliceContent, tumour_px: tuple[float, float]) -> str | None:
    """'tumour', 'other', 'liver' or 'rest'; None if its tumours are of another size than the recipe's."""
    if content.axes_px:
        wanted = any(tumour_px[0] < axis <= tumour_px[1] for axis in content.axes_px)
        return "tumour" if wanted else None
    if content.other:
        return "other"
    return "liver" if content.liver else "rest"


@dataclass(frozen=True)
class HfsSampler:
    """Draws augmented patches; what a step gets depends on recipe, cases, materials and step alone."""

    recipe: HfsRecipe
    cases: Sequence[HfsCase]
    augmentation: SliceAugmentation = field(default_factory=SliceAugmentation)
    materials: tuple[Material, ...] = ()

    def __post_init__(self) -> None:
        pools: dict[str, dict[int, list[int]]] = {kind: {} for kind in _SHARES[self.recipe.target]}
        for number, case in enumerate(self.cases):
            for index, content in enumerate(case.slices):
                kind = kind_of_slice(content, self.recipe.tumour_px)
                if kind:
                    pools[kind].setdefault(number, []).append(index)
        filled = {kind: by_case for kind, by_case in pools.items() if by_case}
        shares = np.array([_SHARES[self.recipe.target][kind] for kind in filled])
        object.__setattr__(self, "_pools", [list(by_case.items()) for by_case in filled.values()])
        object.__setattr__(self, "_shares", shares / shares.sum())

    def __call__(self, step: int, _progress: Progress | None = None) -> Batch:
        """The batch of a step: (slices, channels, y, x) for 2D recipes, (batch, channels, z, y, x) for the 3D one."""
        rng = np.random.default_rng([self.recipe.seed, step])
        if self.recipe.architecture == "unet3d":
            drawn = [self._patch(rng, self.recipe.patch[0]) for _ in range(self.recipe.batch)]
        else:
            drawn = [self._patch(rng, 1) for _ in range(self.recipe.patch[0] - self.recipe.bodies)]
            drawn = [(image[:, 0], target[0]) for image, target in drawn]
            drawn += self._body_slices(step) if self.recipe.bodies else []
        images, targets = zip(*drawn, strict=True)
        return torch.stack(images), torch.stack(targets)

    def _body_slices(self, step: int) -> list[Batch]:
        """Neighbouring slices, (1, y, x) and (y, x) each, of a bent and recoloured body."""
        image, target = self._slabs(step)
        return list(zip(image[0].transpose(0, 1), target[0], strict=True))

    @cached_property
    def _slabs(self) -> LiverSampler:
        """Draws as many neighbouring slices as the recipe wants of bodies."""
        return LiverSampler(replace(self.recipe, patch=(self.recipe.bodies, *self.recipe.patch[1:])), self.materials)

    def _patch(self, rng: np.random.Generator, depth: int) -> Batch:
        """Input (channels, depth, y, x) and target (depth, y, x) around a slice that chance chose.

        Patients come before slices: a tumour of 1 cm has a tenth of the slices that one of 10 cm has.
        """
        pool = self._pools[rng.choice(len(self._pools), p=self._shares)]
        number, slices = pool[rng.integers(len(pool))]
        index = slices[rng.integers(len(slices))]
        case = self.cases[number]
        stored = case.labels
        first = index if depth == 1 else index - int(rng.integers(depth))
        planes = np.arange(first, first + depth)
        shown = (planes >= 0) & (planes < len(stored))
        planes = np.clip(planes, 0, len(stored) - 1)
        labels = np.asarray(stored[planes])
        sides = self.recipe.patch[1:]
        warp = SliceWarp.draw(rng, self.augmentation, _centre(rng, np.asarray(stored[index]), sides), sides)
        channels = [self._phase(rng, case, phase, planes, warp) for phase in self.recipe.inputs]
        if self.recipe.priors:
            channels += [warp.sample(prior) for prior in read_priors(case, planes)]
        target = warp.sample(target_mask(labels, self.recipe.target), "nearest").long()
        image, beyond = torch.stack(channels), torch.from_numpy(~shown)
        image[:, beyond], target[beyond] = 0, 0
        return image, target

    def _phase(
        self, rng: np.random.Generator, case: HfsCase, phase: Phase, planes: np.ndarray, warp: SliceWarp
    ) -> torch.Tensor:
        values = augment_hu(rng, self.augmentation, known_hu(case.images[PHASES.index(phase), planes]))
        slip = None
        if phase is not Phase.PORTAL_VENOUS:
            slip = rng.normal(0, 1, 2) * self.augmentation.misregistration_px
        return warp.sample(normalise(values, self.recipe.normalisation), slip_px=slip)


def _centre(rng: np.random.Generator, labels: np.ndarray, sides: Sequence[int]) -> tuple[float, float]:
    """A centre (y, x) near an HCC, else a lesion, else liver, else the middle; patches stay inside where they fit."""
    place = np.array(labels.shape) / 2
    for wanted in (Label.HCC, Label.OTHER_LESION, Label.LIVER):
        found = np.flatnonzero(labels == wanted)
        if found.size:
            place = np.array(np.unravel_index(found[rng.integers(found.size)], labels.shape), float)
            break
    place += rng.uniform(-_JITTER, _JITTER, 2) * sides
    low = np.minimum(np.array(sides) / 2, np.array(labels.shape) / 2)
    y, x = np.clip(place, low, np.array(labels.shape) - low) - 0.5
    return float(y), float(x)

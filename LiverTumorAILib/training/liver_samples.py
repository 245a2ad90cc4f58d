"""Samples for the liver networks: bodies bent, recoloured, given lesions, and scanned badly.

Each step's sample depends on nothing but the materials, the recipe and the step. What a sample goes through, in
order: a body (`materials`), a bent cut of it (`draw_view`), intensities (`liver_intensities`), the scanner
(`scanner_faults`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from LiverTumorAILib.inference.preprocess import normalise
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.training.augmentation import rotation, sampled, sampling_grid, upsampled
from LiverTumorAILib.training.cases import UNKNOWN
from LiverTumorAILib.training.liver_intensities import UNLABELLED, draw_intensities
from LiverTumorAILib.training.materials import SPACING_MM, Material
from LiverTumorAILib.training.recipe import TrainingRecipe
from LiverTumorAILib.training.scanner_faults import add_faults

REAL_SHARE = 0.65
LIVER_SHARE = 0.7
_ROTATION_DEG = (14.0, 9.0, 9.0)
_SCALE = (0.75, 1.3)
_ELASTIC_MM = 9.0
_KNOTS = (4, 5, 5)
_COARSE_MM = 6.0


@dataclass(frozen=True)
class LiverSampler:
    """Draws one sample a step.

    Attributes
    ----------
    recipe: TrainingRecipe
        Takes any phase and, if it has a prior, a coarse liver.
    materials: tuple of Material

    """

    recipe: TrainingRecipe
    materials: tuple[Material, ...]

    def __call__(self, step: int, progress: Progress | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Input float32 (1, channels, z, y, x) and classes int64 (1, z, y, x): 0 elsewhere, 1 liver."""
        rng = np.random.default_rng([self.recipe.seed, step])
        material = self._material(rng)
        labels, liver, ct = self._view(rng, material)
        inside = liver >= 0.5
        image = draw_intensities(rng, labels, inside, ct, self.recipe.spacing_mm)
        image = add_faults(rng, image, self.recipe.spacing_mm)
        channels = [normalise(image, self.recipe.normalisation)]
        if self.recipe.priors:
            channels.append(coarse_guess(rng, liver, self.recipe.spacing_mm))
        return torch.from_numpy(np.stack(channels))[None], torch.from_numpy(inside.astype(np.int64))[None]

    @cached_property
    def _places(self) -> list[np.ndarray]:
        """Some liver voxels (z, y, x) of each material."""
        return [8 * np.argwhere(material.liver[::8, ::8, ::8]) for material in self.materials]

    @cached_property
    def _donors(self) -> tuple[list[int], ...]:
        """Materials of each CT, its transfers among them; each CT is drawn as often as any other."""
        found: dict[str, list[int]] = {}
        for index, material in enumerate(self.materials):
            if material.is_real:
                found.setdefault(material.donor, []).append(index)
        return tuple(found.values())

    @cached_property
    def _synthetic(self) -> list[int]:
        return [index for index, material in enumerate(self.materials) if not material.is_real]

    def _material(self, rng: np.random.Generator) -> int:
        group = self._synthetic
        if self._donors and (not group or rng.random() < REAL_SHARE):
            group = self._donors[int(rng.integers(len(self._donors)))]
        return group[int(rng.integers(len(group)))]

    def _view(self, rng: np.random.Generator, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labels uint8, liver share float32 and HU float32 (NaN where none), each of the patch's shape."""
        material, places = self.materials[index], self._places[index]
        shape = np.asarray(material.labels.shape)
        if len(places) and rng.random() < LIVER_SHARE:
            reach = 0.2 * np.asarray(self.recipe.patch) * self.recipe.spacing_mm / SPACING_MM
            centre = places[int(rng.integers(len(places)))] + rng.uniform(-reach, reach)
        else:
            centre = rng.uniform(0.15, 0.85, 3) * shape
        places_in_body = _bent_grid(rng, self.recipe.patch, self.recipe.spacing_mm) / SPACING_MM
        places_in_body += torch.from_numpy(np.clip(centre, 0, shape - 1).astype(np.float32))[:, None, None, None]
        low = np.clip(np.floor(places_in_body.amin(dim=(1, 2, 3)).numpy()).astype(int) - 1, 0, shape - 2)
        high = np.clip(np.ceil(places_in_body.amax(dim=(1, 2, 3)).numpy()).astype(int) + 2, low + 2, shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        first, size = (torch.from_numpy(part.astype(np.float32)) for part in (low, high - low))
        grid = sampling_grid(places_in_body - first[:, None, None, None], size)
        labels = sampled(material.labels[box].astype(np.float32), grid, "nearest")
        liver = sampled(material.liver[box].astype(np.float32), grid, "bilinear")
        stored = material.ct[box].astype(np.float32)
        image = sampled(np.maximum(stored, -1024), grid, "bilinear")
        # A voxel mixed with unknown ones would look like lung at the edge of a cut liver.
        unknown = sampled((stored == UNKNOWN).astype(np.float32), grid, "bilinear") > 0.01
        outside = ~(grid.abs() <= 1).all(dim=-1)[0].numpy()
        if material.is_real:
            image[unknown | outside] = np.nan
        else:
            image[:] = np.nan
            labels = np.where(outside, UNLABELLED, labels)
        liver[outside | (material.is_real & ~np.isfinite(image))] = 0
        return labels.astype(np.uint8), liver, image


def _bent_grid(rng: np.random.Generator, shape: tuple[int, int, int], spacing_mm: tuple[float, ...]) -> torch.Tensor:
    """Offsets (3, z, y, x; mm) from the centre: rotated, scaled along each axis, and bent."""
    axes = [
        (torch.arange(n, dtype=torch.float32) - (n - 1) / 2) * step for n, step in zip(shape, spacing_mm, strict=True)
    ]
    turn = rotation(np.clip(rng.normal(0, 1, 3), -2, 2) * _ROTATION_DEG)
    scale = np.exp(rng.uniform(*np.log(_SCALE))) * np.exp(rng.normal(0, 0.08, 3))
    matrix = torch.from_numpy((turn @ np.diag(1 / scale)).astype(np.float32))
    linear = torch.einsum("ij,jzyx->izyx", matrix, torch.stack(torch.meshgrid(*axes, indexing="ij")))
    knots = rng.normal(0, rng.uniform(0, _ELASTIC_MM), (3, *_KNOTS))
    return linear + upsampled(knots, shape)


def coarse_guess(rng: np.random.Generator, liver: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """What a coarse network might have said of a liver: blurred, displaced, leaking here and missing there.

    Parameters
    ----------
    rng: numpy.random.Generator
    liver: numpy.ndarray
        float32 (z, y, x), 0-1.
    spacing_mm: tuple of three floats
        (z, y, x).

    Returns
    -------
    numpy.ndarray
        float32 (z, y, x), 0 (none) to 1 (liver).

    """
    if rng.random() < 0.05:
        return np.zeros(liver.shape, np.float32)
    small = tuple(max(round(n * s / _COARSE_MM), 4) for n, s in zip(liver.shape, spacing_mm, strict=True))
    coarse = functional.interpolate(torch.from_numpy(liver)[None, None], size=small, mode="trilinear")[0, 0].numpy()
    wide = np.abs(rng.normal(0, 1.2)) + 0.5
    smooth = ndimage.gaussian_filter(coarse, wide)
    local = ndimage.gaussian_filter(rng.standard_normal(small).astype(np.float32), 1.5)
    local *= rng.uniform(0.1, 0.45) / max(float(local.std()), 1e-6)
    # The wider the blur, the farther a change of level moves the border: by up to about 15 mm here and there.
    lifted = smooth + local * np.exp(-(((smooth - 0.5) / 0.4) ** 2)) + rng.normal(0.0, 0.12)
    if rng.random() < 0.4:
        blob = ndimage.gaussian_filter(rng.standard_normal(small).astype(np.float32), 2.2)
        near = ndimage.gaussian_filter(coarse, 4.0) > 0.05
        lifted = lifted + (0.8 if rng.random() < 0.6 else -0.8) * (near & (blob > np.quantile(blob, 0.96)))
    guess = 1 / (1 + np.exp(-np.clip((lifted - 0.5) * rng.uniform(6, 16), -30, 30)))
    whole = torch.from_numpy(guess.astype(np.float32))[None, None]
    return functional.interpolate(whole, size=liver.shape, mode="trilinear")[0, 0].numpy()

"""Augmentation of slices. Nothing is mirrored: the abdomen has a left and a right."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

_COARSE = 5
"""Nodes of the elastic deformation along each side."""


@dataclass(frozen=True)
class SliceAugmentation:
    """What may happen to a slice; lengths in pixels, intensities in HU."""

    rotation_deg: float = 15.0
    scale: tuple[float, float] = (0.85, 1.2)
    elastic_px: float = 2.5
    misregistration_px: float = 1.0
    shift_hu: float = 8.0
    gain: float = 0.06
    noise_probability: float = 0.4
    noise_hu: float = 15.0


NO_AUGMENTATION = SliceAugmentation(0, (1.0, 1.0), 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class SliceWarp:
    """Where each pixel of a patch comes from in its slice: float32 (y, x, 2), pixels, x before y."""

    places: torch.Tensor

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        settings: SliceAugmentation,
        centre: tuple[float, float],
        shape: tuple[int, int],
    ) -> "SliceWarp":
        """Draw rotation, scale and elastic deformation of a patch of a shape around a centre (y, x) of its slice."""
        angle = np.deg2rad(rng.uniform(-1, 1) * settings.rotation_deg)
        scale = np.exp(rng.uniform(*np.log(settings.scale)))
        cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
        y, x = np.meshgrid(*(np.arange(length) - (length - 1) / 2 for length in shape), indexing="ij")
        places = np.stack([cos * x - sin * y + centre[1], sin * x + cos * y + centre[0]])
        nodes = rng.normal(0, 1, (2, _COARSE, _COARSE)) * rng.uniform(0, settings.elastic_px)
        smooth = functional.interpolate(torch.from_numpy(nodes)[None], shape, mode="bicubic", align_corners=True)[0]
        return cls((torch.from_numpy(places) + smooth).permute(1, 2, 0).float())

    def sample(self, slices: np.ndarray, mode: str = "bilinear", slip_px: np.ndarray | None = None) -> torch.Tensor:
        """Slices (channels, y, x) as patches (channels, *shape), 0 from outside; all move alike, `slip_px` (x, y) more.

        Parameters
        ----------
        slices: numpy.ndarray
            Numbers that float32 holds.
        mode: str
            'bilinear' or 'nearest'.
        slip_px: numpy.ndarray, optional
            Two numbers.

        """
        places = self.places if slip_px is None else self.places + torch.from_numpy(slip_px).float()
        sides = torch.tensor(slices.shape[:0:-1], dtype=torch.float32)
        grid = (2 * places + 1) / sides - 1
        values = torch.from_numpy(np.ascontiguousarray(slices, np.float32))[None]
        return functional.grid_sample(values, grid[None], mode=mode, padding_mode="zeros", align_corners=False)[0]


def augment_hu(rng: np.random.Generator, settings: SliceAugmentation, values: np.ndarray) -> np.ndarray:
    """Changed HU of one phase, any shape, NaN where unknown: gain, level, noise."""
    gain = 1 + rng.uniform(-1, 1) * settings.gain
    result = values * np.float32(gain) + np.float32(rng.normal(0, 1) * settings.shift_hu)
    if rng.random() < settings.noise_probability:
        sigma = np.float32(settings.noise_hu * rng.random())
        result += rng.standard_normal(values.shape, np.float32) * sigma
    return result

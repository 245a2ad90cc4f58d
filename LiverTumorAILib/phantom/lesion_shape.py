"""Shapes of lesions: irregular ellipsoids with a depth field."""

from dataclasses import dataclass

import numpy as np

from LiverTumorAILib.phantom.anatomy import Grid
from LiverTumorAILib.phantom.random_fields import smooth_noise

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Outline:
    """How irregular a type's border is.

    Attributes
    ----------
    elongation: float
        Spread of the half axes (0 is a sphere).
    irregularity: float
        Amplitude of the border's deviation relative to the radius.
    lobules: float
        Size of the bumps relative to the radius.
    softness_mm: float
        Width over which the lesion fades into the liver.

    """

    elongation: float
    irregularity: float
    lobules: float
    softness_mm: float


@dataclass(frozen=True)
class Shape:
    """A lesion's shape inside its box.

    Attributes
    ----------
    box: tuple of slices
        Part of the grid (z, y, x) that the arrays cover.
    depth_mm: numpy.ndarray
        float32: about the distance to the border, positive inside.
    radius_mm: float
        Mean radius.

    """

    box: Box
    depth_mm: np.ndarray
    radius_mm: float


def box_around(grid: Grid, centre: tuple[int, int, int], reach_mm: float) -> Box:
    """The part of a grid within `reach_mm` of a voxel along each axis."""
    reach = [int(np.ceil(reach_mm / s)) + 1 for s in grid.spacing_mm]
    return tuple(slice(max(c - r, 0), min(c + r + 1, n)) for c, r, n in zip(centre, reach, grid.shape, strict=True))


def box_shape(box: Box) -> tuple[int, int, int]:
    """Number of voxels of a box along each axis."""
    return tuple(part.stop - part.start for part in box)


def offsets_mm(grid: Grid, box: Box, centre: tuple[int, int, int], shift: np.ndarray | float = 0.0) -> list[np.ndarray]:
    """Offsets (z, y, x) in mm of a box's voxels from a voxel, ready for broadcasting."""
    shift = np.broadcast_to(shift, 3)
    axes = [
        ((np.arange(part.start, part.stop) - c - d) * s).astype(np.float32)
        for part, c, d, s in zip(box, centre, shift, grid.spacing_mm, strict=True)
    ]
    return list(np.meshgrid(*axes, indexing="ij", sparse=True))


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A random orthogonal 3 x 3 matrix."""
    return np.linalg.qr(rng.standard_normal((3, 3)))[0]


def draw_shape(
    rng: np.random.Generator, grid: Grid, centre: tuple[int, int, int], diameter_mm: float, outline: Outline
) -> Shape:
    """Draw a lesion's shape around a voxel.

    Parameters
    ----------
    rng: numpy.random.Generator
    grid: Grid
    centre: tuple of three ints
        Voxel (z, y, x).
    diameter_mm: float
        Mean diameter.
    outline: Outline

    Returns
    -------
    Shape

    """
    radius = diameter_mm / 2
    axes = np.exp(rng.normal(0, outline.elongation, 3))
    axes *= radius / np.cbrt(axes.prod())
    rotation = random_rotation(rng)
    box = box_around(grid, centre, axes.max() * (1 + 2 * outline.irregularity) + 3)
    z, y, x = offsets_mm(grid, box, centre, rng.uniform(-0.5, 0.5, 3))
    distance = np.sqrt(
        sum(((row[0] * z + row[1] * y + row[2] * x) / axis) ** 2 for row, axis in zip(rotation, axes, strict=True))
    )
    shape = box_shape(box)
    bumps = smooth_noise(rng, shape, grid.spacing_mm, max(outline.lobules * radius, 1.5))
    fine = smooth_noise(rng, shape, grid.spacing_mm, max(0.35 * outline.lobules * radius, 1.5))
    deviation = np.clip(outline.irregularity * (0.85 * bumps + 0.3 * fine), -0.6, 0.6)
    depth = (1 - distance - deviation) * radius
    return Shape(box, depth.astype(np.float32), radius)

"""Breathing: where each phase shows what the reference phase shows."""

import numpy as np
import SimpleITK as sitk
from numba import njit

from LiverTumorAILib.phantom.anatomy import Grid
from LiverTumorAILib.phantom.random_fields import smooth_noise

_STEP_MM = 6.0


def _coarse_grid(grid: Grid) -> Grid:
    extent = [n * s for n, s in zip(grid.shape, grid.spacing_mm, strict=True)]
    shape = tuple(int(np.ceil(e / _STEP_MM)) + 2 for e in extent)
    origin = tuple(o - _STEP_MM / 2 for o in grid.origin_mm)
    return Grid(shape, (_STEP_MM,) * 3, origin)


def _relative_position(grid: Grid, centre_mm: tuple[float, float, float]) -> list[np.ndarray]:
    """Coordinates (z, y, x) of a grid relative to a point, mm, ready for broadcasting."""
    axes = [
        o + s * np.arange(n) - c
        for n, s, o, c in zip(grid.shape, grid.spacing_mm, grid.origin_mm, centre_mm, strict=True)
    ]
    return list(np.meshgrid(*axes, indexing="ij", sparse=True))


def draw_breathing(
    rng: np.random.Generator, grid: Grid, dome_mm: tuple[float, float, float], amplitude_mm: float
) -> sitk.Image:
    """Draw the displacement of one phase against the reference phase.

    Mostly craniocaudal, greatest at the dome of the liver, fading towards the spine, the body wall and the pelvis.

    Parameters
    ----------
    rng: numpy.random.Generator
    grid: Grid
        The region to cover.
    dome_mm: tuple of three floats
        Top of the liver (z, y, x), LPS, mm.
    amplitude_mm: float
        Craniocaudal displacement at the dome; positive is towards the head.

    Returns
    -------
    SimpleITK.Image
        Displacement field (x, y, z components; LPS, mm; float64) on a coarse grid: what the reference phase shows
        at x, this phase shows at x + u(x).

    """
    coarse = _coarse_grid(grid)
    z, y, x = _relative_position(coarse, dome_mm)
    along = np.exp(-0.5 * (z / np.where(z > 0, 70.0, 130.0)) ** 2)
    backwards = 0.2 + 0.8 / (1 + np.exp((y - 45) / 18))
    sideways = np.exp(-0.5 * (np.maximum(np.abs(x + 40) - 60, 0) / 70) ** 2)
    weight = along * backwards * sideways
    wobble = min(0.22 * abs(amplitude_mm), 2.5)
    field = np.stack([wobble * smooth_noise(rng, coarse.shape, coarse.spacing_mm, 70.0) * weight for _ in range(3)], -1)
    field[..., 2] += amplitude_mm * weight
    field[..., 1] += -rng.uniform(0.1, 0.35) * amplitude_mm * weight
    field[..., 0] += rng.uniform(-0.1, 0.1) * amplitude_mm * weight
    return as_field(field, coarse)


def as_field(components: np.ndarray, grid: Grid) -> sitk.Image:
    """Displacement field (z, y, x, 3) with components x, y, z in mm as an image."""
    field = sitk.GetImageFromArray(components.astype(np.float64), isVector=True)
    field.SetSpacing([float(s) for s in grid.spacing_mm[::-1]])
    field.SetOrigin([float(o) for o in grid.origin_mm[::-1]])
    return field


@njit(cache=True)
def _sample(field: np.ndarray, z: float, y: float, x: float) -> tuple[float, float, float]:
    """Displacement (z, y, x, 3) at a position in voxels, trilinear, continued at the border."""
    depth, height, width, _ = field.shape
    z, y, x = min(max(z, 0.0), depth - 1.0), min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    k, j, i = min(int(z), depth - 2), min(int(y), height - 2), min(int(x), width - 2)
    a, b, c = z - k, y - j, x - i
    u = v = w = 0.0
    for dk in range(2):
        for dj in range(2):
            for di in range(2):
                weight = (a if dk else 1 - a) * (b if dj else 1 - b) * (c if di else 1 - c)
                corner = field[k + dk, j + dj, i + di]
                u += weight * corner[0]
                v += weight * corner[1]
                w += weight * corner[2]
    return u, v, w


@njit(cache=True)
def _fixed_points(field: np.ndarray, spacing: tuple[float, float, float], iterations: int) -> np.ndarray:
    inverse = np.zeros_like(field)
    for k, j, i in np.ndindex(field.shape[:3]):
        u = v = w = 0.0
        for _ in range(iterations):
            u, v, w = _sample(field, k - w / spacing[2], j - v / spacing[1], i - u / spacing[0])
        inverse[k, j, i] = (-u, -v, -w)
    return inverse


def invert(field: sitk.Image, iterations: int = 25) -> sitk.Image:
    """The field v with x = y + v(y) for y = x + u(x), by fixed-point iteration v(y) = -u(y + v(y))."""
    inverse = sitk.GetImageFromArray(
        _fixed_points(sitk.GetArrayFromImage(field), field.GetSpacing(), iterations), isVector=True
    )
    inverse.CopyInformation(field)
    return inverse


def on_grid(field: sitk.Image, reference: sitk.Image) -> sitk.Image:
    """A field resampled onto an image's grid, float32, in whole 1/64 mm (finer digits would only fill disks)."""
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(reference)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetOutputPixelType(sitk.sitkVectorFloat32)
    resampler.SetUseNearestNeighborExtrapolator(True)
    fine = resampler.Execute(field)
    rounded = sitk.GetImageFromArray(np.rint(sitk.GetArrayViewFromImage(fine) * 64) / 64, isVector=True)
    rounded.CopyInformation(reference)
    return rounded

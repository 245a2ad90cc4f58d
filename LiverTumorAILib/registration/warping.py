"""Images, labels and points through a registration field.

A registration field is a SimpleITK displacement field (LPS, mm, vector float64) on the fixed image's grid:
what the fixed image shows at x, the moving image shows at x + field(x).
"""

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError


def warp_image(moving: sitk.Image, field: sitk.Image, default: float = float("nan")) -> sitk.Image:
    """The moving image on the fixed grid, linear, as float32; `default` where it shows nothing."""
    return _warp(sitk.Cast(moving, sitk.sitkFloat32), field, sitk.sitkLinear, default)


def warp_labels(labels: sitk.Image, field: sitk.Image) -> sitk.Image:
    """A label map of the moving image on the fixed grid: nearest neighbour, same pixel type, 0 outside."""
    return _warp(labels, field, sitk.sitkNearestNeighbor, 0)


def _warp(image: sitk.Image, field: sitk.Image, interpolator: int, default: float) -> sitk.Image:
    return sitk.Warp(
        image,
        field,
        interpolator,
        field.GetSize(),
        field.GetOrigin(),
        field.GetSpacing(),
        field.GetDirection(),
        default,
    )


def warp_points(points_mm: np.ndarray, field: sitk.Image) -> np.ndarray:
    """Where points of the fixed image lie in the moving image.

    Parameters
    ----------
    points_mm: numpy.ndarray
        (n, 3), LPS (x, y, z), in the fixed image. Outside its grid the nearest displacement is used.
    field: SimpleITK.Image

    Returns
    -------
    numpy.ndarray
        float64 (n, 3), LPS, in the moving image.

    """
    points = np.atleast_2d(np.asarray(points_mm, dtype=float))
    if points.ndim != 2 or points.shape[1] != 3:
        raise LiverTumorAIError(f"Points must have the shape (n, 3), not {points.shape}")
    last = np.array(field.GetSize()) - 1
    direction = np.array(field.GetDirection()).reshape(3, 3)
    index = (points - field.GetOrigin()) @ np.linalg.inv(direction).T / field.GetSpacing()
    index = np.clip(index, 0, last)
    cell = np.minimum(index.astype(int), np.maximum(last - 1, 0))
    fraction = index - cell
    vectors = sitk.GetArrayViewFromImage(field)
    moved = points.copy()
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, fraction, 1 - fraction), axis=1)
        x, y, z = np.minimum(cell + corner, last).T
        moved += weight[:, None] * vectors[z, y, x]
    return moved


def compose_fields(first: sitk.Image, second: sitk.Image) -> sitk.Image:
    """Field of `first` (A to B), then `second` (B to C): from A to C on the grid of `first`.

    Where `first` leads outside the grid of `second`, nothing is added.
    """
    further = _warp(second, first, sitk.sitkLinear, 0.0)
    return _field_like(first, sitk.GetArrayViewFromImage(first) + sitk.GetArrayViewFromImage(further))


def invert_field(field: sitk.Image, moving: sitk.Image, iterations: int = 20) -> sitk.Image:
    """The inverse of a field without folds, on the moving image's grid, by fixed-point iteration.

    Outside the field's own grid its border's displacements are continued.
    """
    inverse = _field_like(moving, np.zeros((*moving.GetSize()[::-1], 3)))
    for _ in range(iterations):
        back = sitk.DisplacementFieldTransform(inverse)
        there = sitk.Resample(field, moving, back, sitk.sitkLinear, 0.0, sitk.sitkVectorFloat64, True)
        inverse = _field_like(moving, -sitk.GetArrayViewFromImage(there))
    return inverse


def _field_like(image: sitk.Image, vectors: np.ndarray) -> sitk.Image:
    """A displacement field on an image's grid from an array (z, y, x, 3)."""
    field = sitk.GetImageFromArray(vectors, isVector=True)
    field.CopyInformation(image)
    return field

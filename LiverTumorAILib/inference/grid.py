"""The regular grid that a network works on, and the way between it and image grids."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk


@dataclass(frozen=True)
class NetworkGrid:
    """A voxel grid with axes along LPS.

    Attributes
    ----------
    shape: tuple of three ints
        (z, y, x).
    spacing_mm: tuple of three floats
        (z, y, x).
    origin_mm: tuple of three floats
        Centre of voxel (0, 0, 0), (z, y, x) of LPS.

    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]

    @classmethod
    def covering(cls, images: Iterable[sitk.Image], spacing_mm: tuple[float, float, float]) -> "NetworkGrid":
        """The smallest grid of a spacing (z, y, x; mm) whose voxels cover all the images' voxels."""
        corners = np.concatenate([_corners_zyx(image) for image in images])
        low, high = corners.min(axis=0), corners.max(axis=0)
        spacing = np.asarray(spacing_mm, dtype=float)
        shape = np.maximum(np.ceil((high - low) / spacing - 1e-6).astype(int), 1)
        origin = (low + high) / 2 - (shape - 1) / 2 * spacing
        return cls(tuple(shape.tolist()), tuple(spacing.tolist()), tuple(origin.tolist()))

    def cropped(self, low: tuple[int, int, int], high: tuple[int, int, int]) -> "NetworkGrid":
        """The part from voxel `low` up to, without, voxel `high` (z, y, x)."""
        origin = tuple(o + s * first for o, s, first in zip(self.origin_mm, self.spacing_mm, low, strict=True))
        shape = tuple(int(last - first) for first, last in zip(low, high, strict=True))
        return NetworkGrid(shape, self.spacing_mm, origin)

    def sample(self, image: sitk.Image, interpolator: int = sitk.sitkLinear, outside: float = 0.0) -> np.ndarray:
        """An image's values on this grid as an array (z, y, x); `outside` where the image shows nothing."""
        resampler = sitk.ResampleImageFilter()
        resampler.SetSize(self.shape[::-1])
        resampler.SetOutputSpacing(self.spacing_mm[::-1])
        resampler.SetOutputOrigin(self.origin_mm[::-1])
        resampler.SetOutputDirection(np.eye(3).ravel().tolist())
        resampler.SetInterpolator(interpolator)
        resampler.SetDefaultPixelValue(outside)
        return sitk.GetArrayFromImage(resampler.Execute(image))

    def image(self, array: np.ndarray) -> sitk.Image:
        """An array (z, y, x) on this grid as an image (LPS, mm)."""
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.spacing_mm[::-1])
        image.SetOrigin(self.origin_mm[::-1])
        return image

    def index_transform(self, image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
        """Matrix and offset from an image's voxel index (z, y, x) to this grid's."""
        direction = np.asarray(image.GetDirection()).reshape(3, 3)
        to_mm = (direction * np.asarray(image.GetSpacing()))[::-1, ::-1]
        spacing = np.asarray(self.spacing_mm)
        offset = (np.asarray(image.GetOrigin())[::-1] - np.asarray(self.origin_mm)) / spacing
        return to_mm / spacing[:, None], offset


def _corners_zyx(image: sitk.Image) -> np.ndarray:
    """The eight outer corners of an image's voxels: array (8, 3) of (z, y, x), LPS, mm."""
    size = image.GetSize()
    corners = [
        image.TransformContinuousIndexToPhysicalPoint([-0.5 if bit == 0 else length - 0.5 for bit, length in pairs])
        for pairs in (list(zip(bits, size, strict=True)) for bits in np.ndindex(2, 2, 2))
    ]
    return np.asarray(corners)[:, ::-1]

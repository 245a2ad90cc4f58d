"""The isotropic grid on which two images are compared, and the images on it."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.registration.descriptors import fill_unknown
from LiverTumorAILib.registration.fields import grid_positions
from LiverTumorAILib.registration.linear import LinearMap

_CT_PADDING = -1500.0
_CT_WINDOW = (-500.0, 400.0)
_CT_BODY = -300.0


@dataclass(frozen=True)
class WorkingGrid:
    """An isotropic grid along the axes of the fixed image.

    Attributes
    ----------
    origin_mm: numpy.ndarray
        Centre of voxel 0, LPS (x, y, z).
    direction: numpy.ndarray
        3 x 3, columns are the directions of the axes x, y, z.
    spacing_mm: float
    shape: tuple of three ints
        (z, y, x).

    """

    origin_mm: np.ndarray
    direction: np.ndarray
    spacing_mm: float
    shape: tuple[int, int, int]

    @staticmethod
    def spanning(lower: np.ndarray, upper: np.ndarray, direction: np.ndarray, spacing_mm: float) -> "WorkingGrid":
        """Grid over a box; its corners (x, y, z) are given in mm along the axes of `direction`."""
        size = np.maximum(np.ceil((upper - lower) / spacing_mm).astype(int) + 1, 4)
        return WorkingGrid(direction @ lower, direction, spacing_mm, tuple(int(n) for n in size[::-1]))

    @property
    def to_world(self) -> LinearMap:
        """From voxels (z, y, x) to points (LPS, mm)."""
        return LinearMap(self.spacing_mm * self.direction[:, ::-1], self.origin_mm)

    def in_world(self, voxels: LinearMap) -> LinearMap:
        """A map of this grid's voxels (z, y, x) as a map of points (LPS, mm)."""
        to_world, to_voxels = self.to_world, self.to_world.inverse
        matrix = to_world.matrix @ voxels.matrix @ to_voxels.matrix
        return LinearMap(matrix, to_world(voxels(to_voxels.offset)))

    def shrunk(self, ratio: int) -> "WorkingGrid":
        """Grid whose voxel i lies at voxel ratio * i of this one; it covers this one."""
        shape = tuple(-(-(size - 1) // ratio) + 1 for size in self.shape)
        return WorkingGrid(self.origin_mm, self.direction, self.spacing_mm * ratio, shape)

    def sample(self, image: sitk.Image, start: LinearMap | None = None) -> np.ndarray:
        """`image` at each voxel, or where `start` (LPS, mm) takes it: float32 (z, y, x), NaN outside."""
        transform = start.transform if start else sitk.Transform()
        resampled = sitk.Resample(
            image,
            self.shape[::-1],
            transform,
            sitk.sitkLinear,
            self.origin_mm.tolist(),
            [self.spacing_mm] * 3,
            self.direction.ravel().tolist(),
            float("nan"),
            sitk.sitkFloat32,
        )
        return sitk.GetArrayFromImage(resampled)

    def displacement_image(self, field: np.ndarray, start: LinearMap) -> sitk.Image:
        """A field of this grid (voxels, components z, y, x), then `start`, as displacements in LPS, mm."""
        voxels = grid_positions(self.shape)
        vectors = start(self.to_world(voxels + field)) - self.to_world(voxels)
        image = sitk.GetImageFromArray(vectors.astype(np.float32), isVector=True)
        image.SetOrigin(self.origin_mm.tolist())
        image.SetSpacing([self.spacing_mm] * 3)
        image.SetDirection(self.direction.ravel().tolist())
        return image


def prepare(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """The image as registration sees it: float32, windowed, NaN where unknown, not much finer than needed."""
    prepared = sitk.Cast(image, sitk.sitkFloat32)
    factors = [max(1, int(1.3 * spacing_mm / spacing)) for spacing in image.GetSpacing()]
    factors = [min(factor, size // 2) for factor, size in zip(factors, image.GetSize(), strict=True)]
    if max(factors) > 1:
        prepared = sitk.BinShrink(prepared, factors)
    values = sitk.GetArrayFromImage(prepared)
    values[~np.isfinite(values)] = np.nan
    if is_ct(values):
        values[values < _CT_PADDING] = np.nan
        window = _CT_WINDOW
    else:
        window = np.nanpercentile(values[::2, ::4, ::4], (0.1, 99.5))
    windowed = sitk.GetImageFromArray(np.clip(values, *window))
    windowed.CopyInformation(prepared)
    return windowed


def is_ct(values: np.ndarray) -> bool:
    """Whether values look like Hounsfield units: air is far below zero, MR signals never are."""
    return bool(np.nanmin(values) < -300)


def shrink(image: np.ndarray, ratio: int) -> np.ndarray:
    """Image (z, y, x) on the grid `WorkingGrid.shrunk(ratio)`, smoothed before."""
    if ratio == 1:
        return image
    padded = np.pad(image, [(0, -(size - 1) % ratio) for size in image.shape], constant_values=np.nan)
    smooth = ndimage.gaussian_filter(fill_unknown(padded), 0.4 * ratio, truncate=2.5)
    smooth[np.isnan(padded)] = np.nan
    return np.ascontiguousarray(smooth[::ratio, ::ratio, ::ratio])


def body_mask(image: np.ndarray, margin: int = 2) -> np.ndarray:
    """Body (bool) in a coarse image (z, y, x), without the table, grown by `margin` voxels."""
    known = np.isfinite(image)
    threshold = _CT_BODY if is_ct(image) else _otsu(image[known])
    tissue = ndimage.binary_opening(np.where(known, image, threshold) > threshold, iterations=2)
    components, count = ndimage.label(tissue)
    if count == 0:
        return known
    largest = components == 1 + np.argmax(np.bincount(components.ravel())[1:])
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in largest])
    return ndimage.binary_dilation(filled, iterations=margin) & known


def _otsu(values: np.ndarray) -> float:
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.GetImageFromArray(values[None]))
    return float(otsu.GetThreshold())

"""Where the search starts: the translation that brings edges onto edges, over every possible translation.

Source of the masked correlation: Padfield, "Masked object registration in the Fourier domain",
IEEE Transactions on Image Processing 21(5), 2012.
"""

import numpy as np
import SimpleITK as sitk
from scipy import fft, ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.registration.working_grid import WorkingGrid

COARSE_MM = 8.0
_NEAR_MM = 60.0
_HEADER_BONUS = 0.1
_LEAST_OVERLAP = 0.15


def image_box(image: sitk.Image, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Box around an image's voxel centres as (x, y, z) in mm along the axes of `direction`."""
    last = np.array(image.GetSize()) - 1
    corners = [image.TransformIndexToPhysicalPoint([int(n) for n in last * bits]) for bits in np.ndindex(2, 2, 2)]
    along = np.array(corners) @ direction
    return along.min(axis=0), along.max(axis=0)


def initial_translation(fixed: sitk.Image, moving: sitk.Image, direction: np.ndarray) -> np.ndarray:
    """Translation (LPS, mm) from the fixed to the moving image.

    The positions in the headers are preferred; a translation far from them must fit clearly better.

    Parameters
    ----------
    fixed, moving: SimpleITK.Image
        Prepared images, NaN where unknown.
    direction: numpy.ndarray
        3 x 3, axes along which to compare.

    """
    fixed_box, moving_box = image_box(fixed, direction), image_box(moving, direction)
    first, second = (
        _edges(WorkingGrid.spanning(*box, direction, COARSE_MM).sample(image))
        for image, box in ((fixed, fixed_box), (moving, moving_box))
    )
    correlation = _masked_correlation(first, second)
    # Shift s compares fixed voxel i with moving voxel i + s.
    shifts = [(np.arange(size) - (n - 1)) * COARSE_MM for size, n in zip(correlation.shape, first.shape, strict=True)]
    offset = (moving_box[0] - fixed_box[0])[::-1]
    along = [shift + start for shift, start in zip(shifts, offset, strict=True)]
    distance = np.sqrt(along[0][:, None, None] ** 2 + along[1][None, :, None] ** 2 + along[2][None, None, :] ** 2)
    preferred = correlation + np.where(distance <= _NEAR_MM, _HEADER_BONUS, 0.0)
    best = np.unravel_index(np.argmax(preferred), preferred.shape)
    if not np.isfinite(preferred[best]):
        raise LiverTumorAIError(
            "The images have no part in common", advice="Check that both show the same region of the body"
        )
    return direction @ np.array([along[axis][best[axis]] for axis in (2, 1, 0)])


def _edges(image: np.ndarray) -> np.ndarray:
    """Edges, saturated so that bone and body surface do not outshout organs; NaN where unknown."""
    known = np.isfinite(image)
    filled = np.where(known, image, np.nanmin(image))
    gradient = sum(ndimage.sobel(filled, axis) ** 2 for axis in range(3)) ** 0.5
    inside = ndimage.binary_erosion(known) if min(image.shape) > 4 else known
    typical = np.percentile(gradient[inside], 75) if inside.any() else 0.0
    return np.where(inside, gradient / (gradient + typical + 1e-6), np.nan)


def _masked_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlation over the common known part for every shift; -inf where that part is too small."""
    shape = [a + b - 1 for a, b in zip(first.shape, second.shape, strict=True)]
    padded = [fft.next_fast_len(size, real=True) for size in shape]

    def transform(values: np.ndarray) -> np.ndarray:
        return fft.rfftn(values, padded)

    def correlate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        full = fft.irfftn(np.conj(a) * b, padded)
        back = tuple(size - 1 for size in first.shape)
        return np.roll(full, back, (0, 1, 2))[tuple(slice(size) for size in shape)]

    mask_a, mask_b = np.isfinite(first), np.isfinite(second)
    if not (mask_a.any() and mask_b.any()):
        return np.full(shape, -np.inf)
    a = np.where(mask_a, first - np.nanmean(first), 0.0)
    b = np.where(mask_b, second - np.nanmean(second), 0.0)
    ma, mb, fa, fb = (transform(v) for v in (mask_a.astype(float), mask_b.astype(float), a, b))
    overlap = np.maximum(np.rint(correlate(ma, mb)), 1.0)
    sum_a, sum_b = correlate(fa, mb), correlate(ma, fb)
    covariance = correlate(fa, fb) - sum_a * sum_b / overlap
    variance_a = np.maximum(correlate(transform(a * a), mb) - sum_a**2 / overlap, 0.0)
    variance_b = np.maximum(correlate(ma, transform(b * b)) - sum_b**2 / overlap, 0.0)
    deviation = np.sqrt(variance_a * variance_b)
    least = _LEAST_OVERLAP * min(mask_a.sum(), mask_b.sum())
    useful = (overlap >= max(least, 8)) & (deviation > 1e-6 * deviation.max())
    return np.where(useful, covariance / np.where(useful, deviation, 1.0), -np.inf)

"""Lesions that no shown phase shows: a network that is told to find them learns to see lesions everywhere."""

from collections.abc import Collection

import cc3d
import numpy as np
from scipy import ndimage

LEAST_CONTRAST_HU = 4.0
"""By which a lesion differs from the liver around it, or deviates from it more than that liver does itself."""
SMOOTHED_VOXELS = 0.7
_RING = 3
"""Voxels around a lesion that are compared with it."""
_LEAST_VOXELS = 10
"""Of the ring; with fewer a lesion counts as seen."""


def hide_unseen(images: np.ndarray, labels: np.ndarray, lesions: Collection[int], liver: int) -> None:
    """Make lesions liver, in place, that differ from the liver around them in no phase.

    Parameters
    ----------
    images: numpy.ndarray
        float32 (phases, z, y, x), HU, NaN where unknown.
    labels: numpy.ndarray
        uint8 (z, y, x), class indices.
    lesions: collection of int
        Classes that are lesions.
    liver: int
        The liver's class.

    """
    parts = cc3d.connected_components(np.isin(labels, list(lesions)).view(np.uint8), connectivity=26)
    smoothed = [_smoothed(image) for image in images if np.isfinite(image).any()]
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        wide = tuple(slice(max(side.start - _RING, 0), side.stop + _RING) for side in box)
        inside = parts[wide] == number
        ring = ndimage.binary_dilation(inside, iterations=_RING) & (labels[wide] == liver)
        if ring.sum() >= _LEAST_VOXELS and not any(_is_seen(image[wide], inside, ring) for image in smoothed):
            labels[wide][inside] = liver


def _is_seen(image: np.ndarray, inside: np.ndarray, ring: np.ndarray) -> bool:
    """Whether a lesion stands out in a smoothed phase, as a whole or in parts."""
    lesion, liver = image[inside], image[ring]
    lesion, liver = lesion[np.isfinite(lesion)], liver[np.isfinite(liver)]
    if lesion.size == 0 or liver.size == 0:
        return False
    level = np.median(liver)
    in_parts = np.abs(lesion - level).mean() - np.abs(liver - level).mean()
    return bool(max(abs(lesion.mean() - level), in_parts) > LEAST_CONTRAST_HU)


def _smoothed(image: np.ndarray) -> np.ndarray:
    known = np.isfinite(image)
    filled = np.where(known, image, np.float32(np.median(image[known])))
    return np.where(known, ndimage.gaussian_filter(filled, SMOOTHED_VOXELS, truncate=2.5), np.float32(np.nan))

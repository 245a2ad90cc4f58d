"""Lesion shuffle: lesions moved within one patient's liver (multi-sensitivity paper, Eq. 9 and Sec. IV-B1).

Arrays are images (phases, z, y, x), HU with NaN where nothing is known, and masks (z, y, x) on the same grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

BORDER_MM = 4.0
"""Over it a transplanted lesion fades into its new surroundings."""

LEAST_FIT = 0.9
"""Share of a lesion that has to lie in healthy liver at its new place."""

_TRIES = 96

Voxel = tuple[int, int, int]


@dataclass(frozen=True)
class Graft:
    """Tissue to be put elsewhere.

    Attributes
    ----------
    images: numpy.ndarray
        float32 (phases, z, y, x), a box around the tissue.
    mask: numpy.ndarray
        bool (z, y, x), the tissue within the box.
    weight: numpy.ndarray
        float32 (z, y, x): 1 in the tissue, falling to 0 over `BORDER_MM` around it.
    corner: tuple of three ints
        Where the box came from; may be negative, as the box may reach beyond the images.

    """

    images: np.ndarray
    mask: np.ndarray
    weight: np.ndarray
    corner: Voxel


def cut(array: np.ndarray, corner: Sequence[int], shape: Sequence[int], outside: float) -> np.ndarray:
    """A box (its last three axes z, y, x) of an array, which it may leave; there it is `outside`. Always a copy."""
    result = np.full((*array.shape[:-3], *shape), outside, array.dtype)
    source, target = _overlap(corner, shape, array.shape[-3:])
    result[(..., *target)] = array[(..., *source)]
    return result


def take_graft(images: np.ndarray, mask: np.ndarray, spacing_mm: Sequence[float], at: Voxel | None = None) -> Graft:
    """Tissue with its surroundings, to be put elsewhere.

    Parameters
    ----------
    images: numpy.ndarray
        float32 (phases, z, y, x).
    mask: numpy.ndarray
        bool (z, y, x), not empty: the shape of the graft.
    spacing_mm: sequence of three floats
        (z, y, x).
    at: tuple of three ints, optional
        Take the tissue from where a box that starts here lies, not from where the mask lies: healthy liver in the
        shape of a lesion.

    """
    margin = [int(np.ceil(BORDER_MM / step)) for step in spacing_mm]
    (box,) = ndimage.find_objects(mask.view(np.uint8))
    shape = tuple(side.stop - side.start + 2 * extra for side, extra in zip(box, margin, strict=True))
    corner = tuple(side.start - extra for side, extra in zip(box, margin, strict=True))
    inside = cut(mask, corner, shape, False)
    distance = ndimage.distance_transform_edt(~inside, sampling=spacing_mm)
    weight = 0.5 + 0.5 * np.cos(np.pi * np.clip(distance / BORDER_MM, 0, 1))
    source = corner if at is None else tuple(first - extra for first, extra in zip(at, margin, strict=True))
    return Graft(cut(images, source, shape, np.nan), inside, weight.astype(np.float32), corner)


def transplant(images: np.ndarray, graft: Graft, corner: Sequence[int]) -> None:
    """Put a graft into images (phases, z, y, x), in place, its box at a corner; what lies outside is lost.

    Voxels that either of both does not know keep what they are.
    """
    source, target = _overlap(corner, images.shape[-3:], graft.mask.shape, reverse=True)
    host, guest = images[(slice(None), *target)], graft.images[(slice(None), *source)]
    weight = np.where(np.isfinite(guest), graft.weight[source], 0)
    images[(slice(None), *target)] = host + weight * (np.nan_to_num(guest) - host)


def find_places(
    rng: np.random.Generator, mask: np.ndarray, free: np.ndarray, count: int, fit: float = LEAST_FIT
) -> list[Voxel]:
    """Draw places in healthy liver for a lesion, each as likely as any other.

    Parameters
    ----------
    rng: numpy.random.Generator
        Source of all chance.
    mask: numpy.ndarray
        bool (z, y, x), the lesion; only its shape matters.
    free: numpy.ndarray
        bool (z, y, x), liver without lesions.
    count: int
        How many are wanted.
    fit: float
        Share of the lesion that has to lie in healthy liver; 1 for healthy liver that is to replace a lesion.

    Returns
    -------
    list of tuple of three ints
        Where the lesion's bounding box would start; fewer than `count`, or none, if it does not fit anywhere else.

    """
    voxels = np.argwhere(mask)
    candidates = np.flatnonzero(free)
    if not len(candidates) or not len(voxels):
        return []
    centres = np.stack(np.unravel_index(rng.choice(candidates, _TRIES), free.shape), axis=1)
    start = voxels.min(axis=0)
    middle = (voxels.max(axis=0) + start + 1) // 2 - start
    places = []
    for centre in centres:
        moved = voxels - start + (centre - middle)
        within = ((moved >= 0) & (moved < free.shape)).all(axis=1)
        if free[tuple(moved[within].T)].sum() >= fit * len(voxels):
            places.append(tuple((centre - middle).tolist()))
        if len(places) == count:
            break
    return places


def _overlap(
    corner: Sequence[int], shape: Sequence[int], whole: Sequence[int], *, reverse: bool = False
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a box at a corner overlaps a whole: the part in the whole's and in the box's own voxels.

    In reverse the whole lies at the corner of the box.
    """
    if reverse:
        corner = [-first for first in corner]
    low = [min(max(first, 0), length) for first, length in zip(corner, whole, strict=True)]
    high = [
        max(min(first + size, length), start)
        for first, size, length, start in zip(corner, shape, whole, low, strict=True)
    ]
    source = tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))
    target = tuple(slice(start - first, stop - first) for start, stop, first in zip(low, high, corner, strict=True))
    return source, target

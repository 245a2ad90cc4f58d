"""How well two images agree where they lie, compared with a little off, whatever their contrast."""

from dataclasses import dataclass

import numpy as np

from LiverTumorAILib.registration.descriptors import BITS, UNKNOWN, describe

_SHIFT = 2
_CELL = 8
_LEAST_FILLED = 0.25


@dataclass(frozen=True)
class Agreement:
    """What comparing two images told.

    Attributes
    ----------
    similarity: float
        Mean descriptor similarity (0-1).
    match: float
        How much more similar they are than after a shift, relative to the first image with itself: 1 for a copy,
        0 for unrelated images, whatever their contrast.
    misplaced_share: float
        Share (0-1) of the cells of 8 voxels that are more similar after one of the shifts.

    """

    similarity: float
    match: float
    misplaced_share: float


def agreement(first: np.ndarray, second: np.ndarray, region: np.ndarray) -> Agreement:
    """Compare two images with each other, and with the second one shifted by two voxels to each side.

    Parameters
    ----------
    first, second: numpy.ndarray
        float32 (z, y, x) on one isotropic grid, NaN where unknown.
    region: numpy.ndarray
        bool (z, y, x). Nothing known in it by both counts as no agreement at all.

    """
    described = [describe(image) for image in (first, second)]
    here = _similarity(*described)
    counted = region & np.isfinite(here)
    if not counted.any():
        return Agreement(0.0, 0.0, 1.0)
    shifts = [sign * step for step in _SHIFT * np.eye(3, dtype=int) for sign in (-1, 1)]
    moved = [_similarity(described[0], _shifted(described[1], shift)) for shift in shifts]
    alone = [_similarity(described[0], _shifted(described[0], shift)) for shift in shifts]
    similarity = float(here[counted].mean())
    drop, full_drop = similarity - _mean(moved, counted), 1 - _mean(alone, counted)
    in_cells = _cell_means(here, region)
    shifted_cells = np.array([_cell_means(other, region) for other in moved])
    best = np.fmax.reduce(shifted_cells)
    compared = np.isfinite(in_cells) & np.isfinite(best)
    misplaced = float((best[compared] > in_cells[compared]).mean()) if compared.any() else 1.0
    return Agreement(similarity, float(np.nan_to_num(drop / full_drop)) if full_drop > 0 else 0.0, misplaced)


def _similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Descriptor similarity (0-1) at each voxel, NaN where either is unknown."""
    share = 1 - np.bitwise_count(first ^ second) / np.float32(BITS)
    share[(first | second) >= UNKNOWN] = np.nan
    return share


def _shifted(described: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Descriptors at each voxel plus `shift`."""
    result = np.full_like(described, UNKNOWN)
    source = tuple(slice(max(s, 0), n + min(s, 0)) for s, n in zip(shift, described.shape, strict=True))
    target = tuple(slice(max(-s, 0), n + min(-s, 0)) for s, n in zip(shift, described.shape, strict=True))
    result[target] = described[source]
    return result


def _mean(similarities: list[np.ndarray], region: np.ndarray) -> float:
    return float(np.nanmean([similarity[region] for similarity in similarities]))


def _cell_means(similarity: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Mean in each cell, NaN where too little of it counts."""
    counted = region & np.isfinite(similarity)
    filled = _cell_sums(counted.astype(np.float32)) / _CELL**3
    sums = _cell_sums(np.where(counted, similarity, 0)) / _CELL**3
    return np.where(filled > _LEAST_FILLED, sums / np.maximum(filled, 1e-6), np.nan)


def _cell_sums(values: np.ndarray) -> np.ndarray:
    for axis, size in enumerate(values.shape):
        values = np.add.reduceat(values, np.arange(0, size, _CELL), axis=axis)
    return values

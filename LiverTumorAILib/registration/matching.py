"""Dense displacement sampling: the cost of every displacement of every control point.

Source: Heinrich et al., "MRF-based deformable registration and ventilation estimation of lung CT",
IEEE Transactions on Medical Imaging 32(7), 2013.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration.descriptors import UNKNOWN, popcount

_CHUNK_COMPARISONS = 3e8


@dataclass(frozen=True)
class Level:
    """One level of the search.

    Attributes
    ----------
    shrink: int
        Voxels of the level's grid are this many times those of the working grid.
    spacing: int
        Distance of the control points, in voxels of the level's grid.
    radius: int
        Displacements sampled to each side of each axis.
    step: int
        Distance of the sampled displacements, in voxels of the level's grid.
    thinning: int
        One of this many voxels takes part.
    context: int
        Distance of the descriptors' patches from their centre, in voxels of the level's grid.
    smoothness: float
        Weight of squared displacement differences (mm2) per mm of control point spacing.

    """

    shrink: int
    spacing: int
    radius: int
    step: int
    thinning: int
    context: int
    smoothness: float

    @property
    def side(self) -> int:
        """Number of displacements along one axis."""
        return 2 * self.radius + 1

    def control_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Number of control points that cover a grid of `shape`; point i lies at voxel i * spacing."""
        return tuple(-(-(size - 1) // self.spacing) + 1 for size in shape)


@njit(cache=True)
def _mean_costs(sums: np.ndarray, unknown: np.ndarray, samples: int, volume: float, out: np.ndarray) -> None:
    """Costs of one control point: what the moving image does not show shall neither attract nor repel."""
    total = 0.0
    count = 0
    lowest = np.inf
    for label in range(len(sums)):
        known = samples - unknown[label]
        total += sums[label]
        count += known
        if known > 0 and 2 * known >= samples:
            lowest = min(lowest, sums[label] / known)
    if count == 0 or lowest == np.inf:
        out[:] = 0.0
        return
    neutral = 0.5 * (lowest + total / count)
    for label in range(len(sums)):
        out[label] = (sums[label] + unknown[label] * neutral) / volume


@njit(parallel=True, cache=True)
def mean_costs(sums: np.ndarray, unknown: np.ndarray, samples: np.ndarray, volume: float) -> np.ndarray:
    """Costs, float32 (control points, displacements), from Hamming distances summed over each control point's cell.

    Parameters
    ----------
    sums, unknown: numpy.ndarray
        int64 (control points, displacements): sum over the compared voxels, and how many the moving image does
        not show.
    samples: numpy.ndarray
        int64 (control points), voxels that take part.
    volume: float
        Voxels of a whole cell that could take part.

    """
    out = np.empty(sums.shape, np.float32)
    for node in prange(len(sums)):
        _mean_costs(sums[node], unknown[node], samples[node], np.float32(volume), out[node])
    return out


@njit(cache=True)
def _is_known(described: np.ndarray, z: int, y: int, x: int, size: int) -> bool:
    """Whether no descriptor of a cube that starts at a voxel is unknown."""
    flags = np.uint64(0)
    for plane in described[z : z + size]:
        for row in plane[y : y + size]:
            for value in row[x : x + size]:
                flags |= value
    return flags >> np.uint64(63) == 0


@njit(cache=True)
def _distance(values: np.ndarray, others: np.ndarray, places: np.ndarray, offset: int) -> int:
    """Sum of Hamming distances of voxels at `places` plus an offset, all of them known."""
    total = np.int64(0)
    for i in range(len(values)):
        total += popcount(values[i] ^ others[places[i] + offset])
    return total


@njit(cache=True)
def _known_distance(values: np.ndarray, others: np.ndarray, places: np.ndarray, offset: int) -> tuple[int, int]:
    """Sum of Hamming distances of voxels at `places` plus an offset, and how many of them are unknown."""
    total = np.int64(0)
    unknown = np.int64(0)
    for i in range(len(values)):
        other = others[places[i] + offset]
        flag = np.int64(other >> np.uint64(63))
        total += popcount(values[i] ^ other) * (1 - flag)
        unknown += flag
    return total, unknown


@njit(parallel=True, cache=True)
def _sample(  # noqa: PLR0917 (numba)
    fixed: np.ndarray,
    moving: np.ndarray,
    active: np.ndarray,
    control_shape: tuple[int, int, int],
    spacing: int,
    radius: int,
    step: int,
    thinning: int,
    first: int,
    last: int,
    out: np.ndarray,
) -> None:
    depth, height, width = fixed.shape
    side = 2 * radius + 1
    others = moving.ravel()
    for node in prange(first, last):
        z0 = node // (control_shape[1] * control_shape[2]) * spacing - spacing // 2
        y0 = node // control_shape[2] % control_shape[1] * spacing - spacing // 2
        x0 = node % control_shape[2] * spacing - spacing // 2
        values = np.empty(spacing**3, np.uint64)
        places = np.empty(spacing**3, np.uint64)
        count = 0
        for z in range(max(z0, 0), min(z0 + spacing, depth)):
            for y in range(max(y0, 0), min(y0 + spacing, height)):
                start = max(x0, 0)
                # Spreads the chosen voxels evenly in all directions.
                start += -(start + 2 * y + 5 * z) % thinning
                for x in range(start, min(x0 + spacing, width), thinning):
                    if fixed[z, y, x] >> np.uint64(63) == 0 and active[z, y, x]:
                        values[count] = fixed[z, y, x]
                        places[count] = (z * moving.shape[1] + y) * moving.shape[2] + x
                        count += 1
        if count == 0:
            out[node] = 0.0
            continue
        is_whole = _is_known(moving, max(z0, 0), max(y0, 0), max(x0, 0), spacing + 2 * radius * step)
        sums = np.zeros(side**3, np.int64)
        unknown = np.zeros(side**3, np.int64)
        chosen = values[:count], others, places[:count]
        for label in range(side**3):
            row = (label // (side * side)) * step * moving.shape[1] + (label // side % side) * step
            offset = np.uint64(row * moving.shape[2] + label % side * step)
            if is_whole:
                sums[label] = _distance(*chosen, offset)
            else:
                sums[label], unknown[label] = _known_distance(*chosen, offset)
        _mean_costs(sums, unknown, count, np.float32(spacing**3 / thinning), out[node])


def sample_displacements(
    fixed: np.ndarray, moving: np.ndarray, active: np.ndarray, level: Level, progress: Progress
) -> np.ndarray:
    """Mean Hamming distance of each control point's cell for each sampled displacement.

    Parameters
    ----------
    fixed, moving: numpy.ndarray
        Descriptors, uint64 (z, y, x), on the same grid.
    active: numpy.ndarray
        bool (z, y, x), the voxels of `fixed` that take part.
    level: Level
    progress: Progress
        Polled for cancel between chunks of control points.

    Returns
    -------
    numpy.ndarray
        float32 (control points, displacements); displacements in (z, y, x) order, `level.side` to each axis.

    """
    reach = level.radius * level.step
    padded = np.full(tuple(size + 2 * reach for size in moving.shape), UNKNOWN, np.uint64)
    padded[reach:-reach, reach:-reach, reach:-reach] = moving
    control_shape = level.control_shape(fixed.shape)
    nodes = int(np.prod(control_shape))
    costs = np.empty((nodes, level.side**3), np.float32)
    chunk = max(int(_CHUNK_COMPARISONS * level.thinning / (level.side**3 * level.spacing**3)), 64)
    geometry = (control_shape, level.spacing, level.radius, level.step, level.thinning)
    for first in range(0, nodes, chunk):
        progress.check()
        last = min(first + chunk, nodes)
        _sample(fixed, padded, active, *geometry, first, last, costs)
    return costs

"""The search's two costly steps in plain array operations: on a GPU with CuPy, or with NumPy for comparison.

The counterparts of `descriptors.describe` and `matching.sample_displacements`, which see for the sources.
"""

from types import ModuleType

import numpy as np

from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration.descriptors import CONTEXT, DIAGONALS, LEAST_NOISE, THRESHOLDS, UNKNOWN, fill_unknown
from LiverTumorAILib.registration.matching import Level, mean_costs

_ODD_BITS = np.uint64(0x5555555555555555)
_BIT_PAIRS = np.uint64(0x3333333333333333)
_BIT_FOURS = np.uint64(0x0F0F0F0F0F0F0F0F)
_BYTES = np.uint64(0x0101010101010101)


def describe(image: np.ndarray, step: int, arrays: ModuleType) -> np.ndarray:
    """Self-similarity context descriptors, by numpy or cupy; parameters and result as of `descriptors.describe`."""
    filled = arrays.asarray(fill_unknown(image))
    distances = [_patch_distance(filled, offset, arrays) for offset in DIAGONALS * step]
    mean = float(sum(float(distance[:, ::2, ::2].mean()) for distance in distances)) / len(distances)
    context = [_shifted(distances[pair], step * np.array(start), arrays) for pair, *start in CONTEXT.tolist()]
    lowest, total = context[0], context[0]
    for distance in context[1:]:
        lowest, total = arrays.minimum(lowest, distance), total + distance
    noise = arrays.maximum(total / np.float32(len(context)) - lowest, np.float32(max(mean * LEAST_NOISE, 1e-12)))
    code = arrays.zeros(image.shape, np.uint64)
    for distance in context:
        scaled = (distance - lowest) / noise
        bits = sum((scaled <= threshold).astype(np.uint64) for threshold in THRESHOLDS)
        code = code << np.uint64(5) | (np.uint64(1) << bits) - np.uint64(1)
    known = arrays.asarray(np.isfinite(image))
    return _on_host(arrays.where(known, code, UNKNOWN))


def sample_displacements(  # noqa: PLR0917
    fixed: np.ndarray, moving: np.ndarray, active: np.ndarray, level: Level, progress: Progress, arrays: ModuleType
) -> np.ndarray:
    """Mean Hamming distance of each control point's cell for each displacement, by numpy or cupy.

    Parameters and result are those of `matching.sample_displacements`.
    """
    reach = level.radius * level.step
    z, y, x = np.nonzero(active & (fixed < UNKNOWN))
    chosen = (x + 2 * y + 5 * z) % level.thinning == 0
    places = np.stack((z[chosen], y[chosen], x[chosen]))
    control_shape = level.control_shape(fixed.shape)
    nodes = np.ravel_multi_index(tuple((places + level.spacing // 2) // level.spacing), control_shape)
    order = np.argsort(nodes, kind="stable")
    places, nodes = places[:, order], nodes[order]
    ends = arrays.asarray(np.searchsorted(nodes, np.arange(np.prod(control_shape) + 1)))
    padded_shape = tuple(size + 2 * reach for size in moving.shape)
    first = arrays.asarray(np.ravel_multi_index(tuple(places), padded_shape))
    values = arrays.asarray(fixed[tuple(places)])
    others = arrays.asarray(np.pad(moving, reach, constant_values=UNKNOWN)).ravel()
    sums, unknown = [], []
    along = np.arange(level.side) * level.step
    for dz in along:
        progress.check()
        for dy in along:
            for offset in (dz * padded_shape[1] + dy) * padded_shape[2] + along:
                other = others[first + offset]
                is_known = other < UNKNOWN
                differences = arrays.where(is_known, _count_bits(values ^ other), 0)
                sums.append(_sums_between(differences, ends, arrays))
                unknown.append(_sums_between(~is_known, ends, arrays))
    samples = _on_host(ends[1:] - ends[:-1])
    stacked = (np.stack([_on_host(part) for part in parts], axis=1) for parts in (sums, unknown))
    return mean_costs(*stacked, samples, level.spacing**3 / level.thinning)


def _patch_distance(image: np.ndarray, offset: np.ndarray, arrays: ModuleType) -> np.ndarray:
    """Squared difference between the image and itself shifted, summed over 3x3x3 patches."""
    squares = (image - _shifted(image, offset, arrays)) ** 2
    for axis, edge in enumerate(("constant", "edge", "edge")):
        margin = [(1, 1) if axis == each else (0, 0) for each in range(3)]
        padded, size = arrays.pad(squares, margin, mode=edge), squares.shape[axis]
        parts = [padded[(slice(None),) * axis + (slice(start, start + size),)] for start in range(3)]
        squares = parts[0] + parts[1] + parts[2]
    return squares


def _shifted(values: np.ndarray, offset: np.ndarray, arrays: ModuleType) -> np.ndarray:
    """Values at each voxel plus the offset; the border's values go on outside."""
    for axis, move in enumerate(offset.tolist()):
        size = values.shape[axis]
        values = arrays.take(values, arrays.clip(arrays.arange(size) + move, 0, size - 1), axis=axis)
    return values


def _count_bits(codes: np.ndarray) -> np.ndarray:
    """Number of bits set, as int64."""
    codes = codes - (codes >> np.uint64(1) & _ODD_BITS)
    codes = (codes & _BIT_PAIRS) + (codes >> np.uint64(2) & _BIT_PAIRS)
    codes = codes + (codes >> np.uint64(4)) & _BIT_FOURS
    return (codes * _BYTES >> np.uint64(56)).astype(np.int64)


def _sums_between(values: np.ndarray, ends: np.ndarray, arrays: ModuleType) -> np.ndarray:
    """Sums of values[ends[i]:ends[i + 1]]."""
    totals = arrays.concatenate((arrays.zeros(1, np.int64), arrays.cumsum(values, dtype=np.int64)))[ends]
    return totals[1:] - totals[:-1]


def _on_host(values: np.ndarray) -> np.ndarray:
    return values.get() if hasattr(values, "get") else values

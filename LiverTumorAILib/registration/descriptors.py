"""Self-similarity context: 12 distances around a voxel, quantised to 60 bits.

Source: Heinrich et al., "Towards realtime multimodal fusion for image-guided interventions using
self-similarities", MICCAI 2013.
"""

import numpy as np
from numba import njit, prange, types
from numba.extending import intrinsic

UNKNOWN = np.uint64(1 << 63)
"""Descriptor of a voxel that the image does not show."""

BITS = 60
"""Bits that a Hamming distance counts: 12 distances of 5 bits each."""

LEAST_NOISE = 0.001
"""Least noise that distances are measured in, as a share of the image's mean distance."""

_LEAST_NOISE_SOFT = 0.2
"""Higher, so that noise inside an even organ does not look like structure that a refinement could follow."""

THRESHOLDS = -np.log((np.arange(5, dtype=np.float32) + 1.5) / 6)
"""Distances that part the six levels of a quantised value."""

DIAGONALS = np.array([(1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)], dtype=np.int64)


def _context() -> np.ndarray:
    """The 12 pairs of face neighbours: for each pair its diagonal and the neighbour at which it starts."""
    faces = [np.array(face) for face in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))]
    rows = [
        (index, *start)
        for index, diagonal in enumerate(DIAGONALS)
        for start in faces
        if any(np.array_equal(start + diagonal, end) for end in faces)
    ]
    return np.array(rows, dtype=np.int64)


CONTEXT = _context()


CHANNELS = len(CONTEXT)
FULL = 250
"""Value of a soft descriptor's channel where the patches are most alike."""
MISSING = 255
"""First channel of the soft descriptor of a voxel that the image does not show."""


@intrinsic
def popcount(_typing_context, value):  # noqa: ANN001, ANN201
    """Number of bits set in a uint64, as int64."""

    def generate(_context, builder, _signature, arguments):  # noqa: ANN001, ANN202
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@njit(parallel=True, cache=True)
def _fill_along_first_axis(image: np.ndarray) -> None:
    """Extend known values into unknown ones along the first axis, in place."""
    depth, height, width = image.shape
    for y in prange(height):
        for z in range(1, depth):
            for x in range(width):
                if np.isnan(image[z, y, x]):
                    image[z, y, x] = image[z - 1, y, x]
        for z in range(depth - 2, -1, -1):
            for x in range(width):
                if np.isnan(image[z, y, x]):
                    image[z, y, x] = image[z + 1, y, x]


def fill_unknown(image: np.ndarray) -> np.ndarray:
    """A copy without NaN: known values are extended along z, then y, then x."""
    filled = image.copy()
    for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        if np.isnan(filled).any():
            _fill_along_first_axis(filled.transpose(order))
    return filled


@njit(parallel=True, cache=True)
def _patch_distance(image: np.ndarray, dz: int, dy: int, dx: int, out: np.ndarray) -> None:
    """Squared difference between the image and itself shifted, summed over 3x3x3 patches."""
    depth, height, width = image.shape
    for z in prange(depth):
        plane = np.zeros((height, width), np.float32)
        for pz in range(max(z - 1, 0), min(z + 2, depth)):
            sz = min(max(pz + dz, 0), depth - 1)
            for y in range(height):
                sy = min(max(y + dy, 0), height - 1)
                for x in range(width):
                    sx = min(max(x + dx, 0), width - 1)
                    difference = image[pz, y, x] - image[sz, sy, sx]
                    plane[y, x] += difference * difference
        rows = np.zeros((height, width), np.float32)
        for y in range(height):
            before = max(y - 1, 0)
            after = min(y + 1, height - 1)
            for x in range(width):
                rows[y, x] = plane[before, x] + plane[y, x] + plane[after, x]
        for y in range(height):
            for x in range(width):
                out[z, y, x] = rows[y, max(x - 1, 0)] + rows[y, x] + rows[y, min(x + 1, width - 1)]


@njit(parallel=True, cache=True)
def _mean_context(distances: np.ndarray, context: np.ndarray, stride: int) -> float:
    """Mean distance over a sample of the voxels."""
    _, depth, height, width = distances.shape
    sums = np.zeros(depth)
    for z in prange(depth):
        total = 0.0
        for y in range(0, height, stride):
            for x in range(0, width, stride):
                for pair in range(context.shape[0]):
                    total += distances[context[pair, 0], z, y, x]
        sums[z] = total
    rows = (height + stride - 1) // stride
    columns = (width + stride - 1) // stride
    return sums.sum() / (depth * rows * columns * context.shape[0])


@njit(cache=True)
def _scaled_context(  # noqa: PLR0917 (numba)
    distances: np.ndarray, context: np.ndarray, step: int, z: int, y: int, least: float, out: np.ndarray
) -> None:
    """The distances around a row of voxels, (12, x), above their lowest, in units of their own mean."""
    _, depth, height, width = distances.shape
    lowest = np.full(width, np.inf, np.float32)
    factor = np.zeros(width, np.float32)
    for pair in range(CHANNELS):
        row = distances[
            context[pair, 0],
            min(max(z + step * context[pair, 1], 0), depth - 1),
            min(max(y + step * context[pair, 2], 0), height - 1),
        ]
        move = step * context[pair, 3]
        first, last = min(max(0, -move), width), max(min(width, width - move), 0)
        for x in range(first):
            out[pair, x] = row[0]
        for x in range(first, last):
            out[pair, x] = row[x + move]
        for x in range(last, width):
            out[pair, x] = row[width - 1]
        for x in range(width):
            factor[x] += out[pair, x]
            lowest[x] = min(lowest[x], out[pair, x])
    least = max(np.float32(least), np.float32(1e-12))
    for x in range(width):
        factor[x] = 1 / max(factor[x] / np.float32(CHANNELS) - lowest[x], least)
    for pair in range(CHANNELS):
        for x in range(width):
            out[pair, x] = (out[pair, x] - lowest[x]) * factor[x]


@njit(parallel=True, cache=True)
def _quantise(distances: np.ndarray, context: np.ndarray, step: int, known: np.ndarray, mean: float) -> np.ndarray:
    """Descriptors from patch distances: each of 12 values in six levels as a thermometer code."""
    _, depth, height, width = distances.shape
    out = np.empty((depth, height, width), np.uint64)
    for z in prange(depth):
        values = np.empty((CHANNELS, width), np.float32)
        codes = np.empty(width, np.uint64)
        for y in range(height):
            _scaled_context(distances, context, step, z, y, mean * LEAST_NOISE, values)
            codes[:] = 0
            for pair in range(CHANNELS):
                for x in range(width):
                    bits = np.uint64(0)
                    for level in range(5):
                        bits += np.uint64(values[pair, x] <= THRESHOLDS[level])
                    codes[x] = codes[x] << np.uint64(5) | (np.uint64(1) << bits) - np.uint64(1)
            for x in range(width):
                out[z, y, x] = codes[x] if known[z, y, x] else np.uint64(1) << np.uint64(63)
    return out


@njit(parallel=True, cache=True)
def _soften(distances: np.ndarray, context: np.ndarray, step: int, known: np.ndarray, mean: float) -> np.ndarray:
    _, depth, height, width = distances.shape
    out = np.zeros((depth, height, width, CHANNELS), np.uint8)
    for z in prange(depth):
        values = np.empty((CHANNELS, width), np.float32)
        for y in range(height):
            _scaled_context(distances, context, step, z, y, mean * _LEAST_NOISE_SOFT, values)
            for x in range(width):
                if not known[z, y, x]:
                    out[z, y, x, 0] = MISSING
                    continue
                for channel in range(CHANNELS):
                    out[z, y, x, channel] = np.uint8(FULL * np.exp(-values[channel, x]) + 0.5)
    return out


def _context_distances(image: np.ndarray, step: int) -> tuple[np.ndarray, float]:
    """Patch distances along the six diagonals and their mean."""
    filled = fill_unknown(image)
    distances = np.empty((len(DIAGONALS), *image.shape), np.float32)
    for index, (dz, dy, dx) in enumerate(DIAGONALS * step):
        _patch_distance(filled, dz, dy, dx, distances[index])
    return distances, _mean_context(distances, CONTEXT, 2)


def describe(image: np.ndarray, step: int = 2) -> np.ndarray:
    """Self-similarity context descriptors of an image.

    Parameters
    ----------
    image: numpy.ndarray
        float32 (z, y, x) on an isotropic grid, NaN where unknown.
    step: int
        Distance of the compared patches from the centre, in voxels.

    Returns
    -------
    numpy.ndarray
        uint64 (z, y, x); `UNKNOWN` where the image is NaN.

    """
    distances, mean = _context_distances(image, step)
    return _quantise(distances, CONTEXT, step, np.isfinite(image), mean)


def describe_softly(image: np.ndarray, step: int = 2) -> np.ndarray:
    """The descriptors of `describe` before quantisation: uint8 (z, y, x, 12), 0 to `FULL`, or `MISSING`."""
    distances, mean = _context_distances(image, step)
    return _soften(distances, CONTEXT, step, np.isfinite(image), mean)


@njit(parallel=True, cache=True)
def _similarity(first: np.ndarray, second: np.ndarray, region: np.ndarray) -> tuple[float, int]:
    depth, height, width = first.shape
    sums = np.zeros(depth, np.int64)
    counts = np.zeros(depth, np.int64)
    mask = ~(np.uint64(1) << np.uint64(63))
    for z in prange(depth):
        total = 0
        count = 0
        for y in range(height):
            for x in range(width):
                a = first[z, y, x]
                b = second[z, y, x]
                if region[z, y, x] and (a | b) <= mask:
                    total += popcount(a ^ b)
                    count += 1
        sums[z] = total
        counts[z] = count
    return sums.sum(), counts.sum()


def similarity(first: np.ndarray, second: np.ndarray, region: np.ndarray) -> float:
    """Mean similarity (0-1) of two descriptor volumes in a region (bool) where both are known; 0 if nowhere."""
    total, count = _similarity(first, second, region)
    return 1.0 - total / (BITS * count) if count else 0.0

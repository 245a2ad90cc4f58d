"""Overlapping sliding window with Gaussian weights."""

from collections.abc import Callable
from itertools import pairwise, product

import numpy as np

from LiverTumorAILib.progress import Progress

Network = Callable[[np.ndarray], np.ndarray]
"""float32 (1, channels, z, y, x) to scores (1, classes, z, y, x)."""


def sliding_window(
    volume: np.ndarray,
    network: Network,
    classes: int,
    patch: tuple[int, int, int],
    *,
    overlap: float = 0.5,
    region: np.ndarray | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Class probabilities of a volume, patch by patch.

    Each patch's softmax is weighted with a Gaussian (sigma: an eighth of the patch) so that its centre, which sees
    most context, counts most (Isensee et al., nnU-Net, Nature Methods 2021). Only one layer of patches is held in
    float32 at a time; the rest is float16.

    Parameters
    ----------
    volume: numpy.ndarray
        float32 (channels, z, y, x).
    network: callable
        float32 (1, channels, z, y, x) to scores (1, classes, z, y, x).
    classes: int
        Number of the network's classes.
    patch: tuple of three ints
        (z, y, x) voxels. A smaller volume is padded with 0.
    overlap: float
        Least overlap of neighbouring patches, as share (0 to below 1) of the patch.
    region: numpy.ndarray, optional
        bool (z, y, x). Patches that miss it are skipped, and the voxels outside it become background (class 0).
    progress: Progress, optional
        Updated, and polled for cancel, before each patch.

    Returns
    -------
    numpy.ndarray
        float16 (classes, z, y, x); adds up to 1 over the classes.

    """
    shape = volume.shape[1:]
    padding = [(0, 0), *((0, max(p - length, 0)) for p, length in zip(patch, shape, strict=True))]
    if any(after for _, after in padding):
        volume = np.pad(volume, padding)
        region = None if region is None else np.pad(region, padding[1:])
    result = np.zeros((classes, *volume.shape[1:]), np.float16)
    layers, rows, columns = (_starts(n, p, overlap) for n, p in zip(volume.shape[1:], patch, strict=True))
    corners = [
        [(y, x) for y, x in product(rows, columns) if region is None or region[_box((z, y, x), patch)].any()]
        for z in layers
    ]
    total, done = max(sum(map(len, corners)), 1), 0
    weight = _gaussian(patch)
    sums = np.zeros((classes, patch[0], *volume.shape[2:]), np.float32)
    weights = np.zeros(sums.shape[1:], np.float32)
    for (z, following), layer in zip(pairwise([*layers, volume.shape[1]]), corners, strict=True):
        for y, x in layer:
            if progress:
                progress.update(done / total, f"patch {done + 1} of {total}")
            box = _box((z, y, x), patch)
            scores = network(np.ascontiguousarray(volume[(slice(None), *box)])[None])[0]
            sums[(slice(None), slice(None), *box[1:])] += weight * _softmax(scores)
            weights[(slice(None), *box[1:])] += weight
            done += 1
        _finish(result[:, z:following], sums[:, : following - z], weights[: following - z])
        _advance(sums, following - z, axis=1)
        _advance(weights, following - z, axis=0)
    if region is not None:
        result[:, ~region] = 0
        result[0, ~region] = 1
    if progress:
        progress.update(1.0)
    return result[:, : shape[0], : shape[1], : shape[2]]


def _starts(length: int, patch: int, overlap: float) -> list[int]:
    """First voxels of evenly spread patches that cover a length with at least the overlap."""
    step = max(int(patch * (1 - overlap)), 1)
    count = -(-(length - patch) // step) + 1
    return np.linspace(0, length - patch, count).astype(int).tolist()


def _box(corner: tuple[int, int, int], patch: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    return tuple(slice(first, first + length) for first, length in zip(corner, patch, strict=True))


def _gaussian(patch: tuple[int, int, int]) -> np.ndarray:
    """Weights (z, y, x), 1 at the centre and never 0."""
    axes = [np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n / 8)) ** 2) for n in patch]
    weights = axes[0][:, None, None] * axes[1][:, None] * axes[2]
    return np.maximum(weights / weights.max(), 1e-4).astype(np.float32)


def _softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max(axis=0))
    return exponentials / exponentials.sum(axis=0)


def _finish(result: np.ndarray, sums: np.ndarray, weights: np.ndarray) -> None:
    """Write weighted means to the result; background where no patch ran."""
    seen = weights > 0
    np.divide(sums, np.where(seen, weights, 1), out=sums)
    result[:] = sums
    result[0][~seen] = 1


def _advance(buffer: np.ndarray, planes: int, axis: int) -> None:
    """Drop the first planes of a buffer and append empty ones."""
    moved = np.moveaxis(buffer, axis, 0)
    kept = moved.shape[0] - planes
    moved[:kept] = moved[planes:].copy()
    moved[kept:] = 0

"""Seeded random numbers and smooth random fields."""

import zlib

import numpy as np
from numba import njit

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


def stream(*key: int | str) -> np.random.Generator:
    """An independent random generator for a key, so that one stage's draws never shift another's."""
    return np.random.default_rng([zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key])


def _spline_weights(size: int, step: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """First knot (size,) and cubic B-spline weights (size, 4), of unit norm so that white noise keeps its variance."""
    position = np.arange(size) * step + offset
    first = np.floor(position).astype(np.int64)
    t = position - first
    basis = np.stack(
        [(1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6], axis=1
    )
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    return first, basis.astype(np.float32)


@njit(cache=True)
def _expand_middle(field: np.ndarray, first: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Bring the middle axis of a 3D field from knots to voxels."""
    outer, _, inner = field.shape
    expanded = np.empty((outer, len(first), inner), np.float32)
    for i in range(outer):
        for j in range(len(first)):
            k = first[j]
            w0, w1, w2, w3 = weights[j]
            for m in range(inner):
                expanded[i, j, m] = (
                    w0 * field[i, k, m] + w1 * field[i, k + 1, m] + w2 * field[i, k + 2, m] + w3 * field[i, k + 3, m]
                )
    return expanded


def smooth_noise(
    rng: np.random.Generator, shape: Shape, spacing_mm: Spacing, correlation_mm: float | Spacing
) -> np.ndarray:
    """Gaussian noise of zero mean and unit variance, smooth over about `correlation_mm`.

    White noise on a coarse grid, brought to the full one by cubic B-splines along each axis.

    Parameters
    ----------
    rng: numpy.random.Generator
    shape: tuple of three ints
        (z, y, x).
    spacing_mm: tuple of three floats
        (z, y, x).
    correlation_mm: float or three floats (z, y, x)
        Distance of the coarse grid's points.

    Returns
    -------
    numpy.ndarray
        float32 of that shape.

    """
    correlation = np.broadcast_to(np.asarray(correlation_mm, float), 3)
    splines = [
        _spline_weights(n, s / max(c, s), rng.random()) for n, s, c in zip(shape, spacing_mm, correlation, strict=True)
    ]
    coarse = rng.standard_normal([int(first[-1]) + 4 for first, _ in splines], dtype=np.float32)
    depth, height, width = coarse.shape
    field = _expand_middle(coarse.reshape(1, depth, height * width), *splines[0])
    field = _expand_middle(field.reshape(shape[0], height, width), *splines[1])
    return _expand_middle(field.reshape(shape[0] * shape[1], width, 1), *splines[2]).reshape(shape)


def smooth_step(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)

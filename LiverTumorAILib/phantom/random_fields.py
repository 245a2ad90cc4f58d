"""Seeded random numbers and smooth random fields."""

import zlib

import numpy as np

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


def stream(*key: int | str) -> np.random.Generator:
    """An independent random generator for a key, so that one stage's draws never shift another's."""
    return np.random.default_rng([zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key])


def _spline_weights(size: int, step: float, offset: float) -> np.ndarray:
    """Cubic B-spline weights (size, knots), rows of unit norm so that white noise keeps its variance."""
    position = np.arange(size) * step + offset
    first = np.floor(position).astype(int)
    t = position - first
    basis = np.stack(
        [(1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6], axis=1
    )
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    weights = np.zeros((size, first[-1] + 4), np.float32)
    np.put_along_axis(weights, first[:, None] + np.arange(4), basis.astype(np.float32), axis=1)
    return weights


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
    weights = [
        _spline_weights(n, s / max(c, s), rng.random()) for n, s, c in zip(shape, spacing_mm, correlation, strict=True)
    ]
    coarse = rng.standard_normal([w.shape[1] for w in weights], dtype=np.float32)
    field = np.tensordot(weights[0], coarse, axes=(1, 0))
    field = weights[1] @ field
    return field @ weights[2].T


def smooth_step(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)

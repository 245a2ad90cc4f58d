"""Displacement fields on the working grid: float32 (z, y, x, 3), components (z, y, x) in voxels of their own grid."""

import numpy as np
from numba import njit, prange
from scipy.ndimage import gaussian_filter

_LEAST_JACOBIAN = 0.15


@njit(cache=True, inline="always")
def _bounded(position: float, size: int) -> tuple[int, float]:
    """Cell and fraction of a position, kept inside the grid."""
    inside = min(max(position, 0.0), size - 1.0)
    cell = min(int(inside), max(size - 2, 0))
    return cell, inside - cell


@njit(parallel=True, cache=True)
def warp(image: np.ndarray, field: np.ndarray, ratio: float) -> np.ndarray:
    """Image (z, y, x) at x + field(x), trilinear, NaN outside; the field's voxels are `ratio` times the image's."""
    depth, height, width = image.shape
    fz, fy, fx = field.shape[:3]
    out = np.empty(image.shape, np.float32)
    for z in prange(depth):
        cz, wz = _bounded(z / ratio, fz)
        for y in range(height):
            cy, wy = _bounded(y / ratio, fy)
            for x in range(width):
                cx, wx = _bounded(x / ratio, fx)
                move_z = np.float32(0)
                move_y = np.float32(0)
                move_x = np.float32(0)
                for corner in range(8):
                    oz, oy, ox = corner >> 2, corner >> 1 & 1, corner & 1
                    weight = (wz if oz else 1 - wz) * (wy if oy else 1 - wy) * (wx if ox else 1 - wx)
                    if weight > 0:
                        move_z += weight * field[cz + oz, cy + oy, cx + ox, 0]
                        move_y += weight * field[cz + oz, cy + oy, cx + ox, 1]
                        move_x += weight * field[cz + oz, cy + oy, cx + ox, 2]
                pz = z + ratio * move_z
                py = y + ratio * move_y
                px = x + ratio * move_x
                if pz < 0 or py < 0 or px < 0 or pz > depth - 1 or py > height - 1 or px > width - 1:
                    out[z, y, x] = np.nan
                    continue
                iz, vz = _bounded(pz, depth)
                iy, vy = _bounded(py, height)
                ix, vx = _bounded(px, width)
                value = 0.0
                for corner in range(8):
                    oz, oy, ox = corner >> 2, corner >> 1 & 1, corner & 1
                    weight = (vz if oz else 1 - vz) * (vy if oy else 1 - vy) * (vx if ox else 1 - vx)
                    if weight > 0:
                        value += weight * image[iz + oz, iy + oy, ix + ox]
                out[z, y, x] = value
    return out


@njit(parallel=True, cache=True)
def sample_field(field: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Field at positions (n, 3) in voxels of its grid, trilinear, the border's values outside."""
    out = np.empty((len(positions), 3), np.float32)
    for i in prange(len(positions)):
        cz, wz = _bounded(positions[i, 0], field.shape[0])
        cy, wy = _bounded(positions[i, 1], field.shape[1])
        cx, wx = _bounded(positions[i, 2], field.shape[2])
        for axis in range(3):
            value = 0.0
            for corner in range(8):
                oz, oy, ox = corner >> 2, corner >> 1 & 1, corner & 1
                weight = (wz if oz else 1 - wz) * (wy if oy else 1 - wy) * (wx if ox else 1 - wx)
                if weight > 0:
                    value += weight * field[cz + oz, cy + oy, cx + ox, axis]
            out[i, axis] = value
    return out


def grid_positions(shape: tuple[int, ...]) -> np.ndarray:
    """Positions of the voxels of a grid (z, y, x): float32 (z, y, x, 3)."""
    return np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape[:3]), indexing="ij"), axis=-1)


def compose(inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Displacement of going along `inner` first, then along `outer`."""
    positions = grid_positions(inner.shape) + inner
    return inner + sample_field(outer, positions.reshape(-1, 3)).reshape(inner.shape)


def make_inverse_consistent(
    forward: np.ndarray, backward: np.ndarray, iterations: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Fields that are nearer to each other's inverse, by fixed-point iteration (Heinrich et al., TMI 2013)."""
    for _ in range(iterations):
        there_and_back = compose(forward, backward)
        back_and_there = compose(backward, forward)
        forward = forward - 0.5 * there_and_back
        backward = backward - 0.5 * back_and_there
    return forward, backward


def invert(forward: np.ndarray, guess: np.ndarray, iterations: int = 8) -> np.ndarray:
    """The inverse of a field without folds, by damped fixed-point iteration from a guess."""
    for _ in range(iterations):
        guess = guess - np.float32(0.7) * compose(guess, forward)
    return guess


def inverse_consistency(forward: np.ndarray, backward: np.ndarray, region: np.ndarray) -> float:
    """Mean distance in voxels, in a region (bool), from a point to where both fields together take it."""
    error = np.linalg.norm(compose(forward, backward), axis=-1)
    return float(error[region].mean()) if region.any() else 0.0


@njit(cache=True, inline="always")
def _cubic(fraction: float) -> tuple[float, float, float, float]:
    """Weights of the uniform cubic B-spline."""
    rest = 1 - fraction
    return (
        rest**3 / 6,
        (4 - 6 * fraction**2 + 3 * fraction**3) / 6,
        (4 - 6 * rest**2 + 3 * rest**3) / 6,
        fraction**3 / 6,
    )


@njit(parallel=True, cache=True)
def spline_field(control: np.ndarray, spacing: float, shape: tuple[int, int, int]) -> np.ndarray:
    """Dense field from control points (z, y, x, 3) `spacing` voxels apart, as cubic B-spline coefficients."""
    out = np.empty((shape[0], shape[1], shape[2], 3), np.float32)
    cz, cy, cx = control.shape[:3]
    for z in prange(shape[0]):
        kz = int(z / spacing)
        wz = _cubic(z / spacing - kz)
        for y in range(shape[1]):
            ky = int(y / spacing)
            wy = _cubic(y / spacing - ky)
            for x in range(shape[2]):
                kx = int(x / spacing)
                wx = _cubic(x / spacing - kx)
                s0 = 0.0
                s1 = 0.0
                s2 = 0.0
                for a in range(4):
                    iz = min(max(kz + a - 1, 0), cz - 1)
                    for b in range(4):
                        iy = min(max(ky + b - 1, 0), cy - 1)
                        w = wz[a] * wy[b]
                        for c in range(4):
                            ix = min(max(kx + c - 1, 0), cx - 1)
                            weight = w * wx[c]
                            s0 += weight * control[iz, iy, ix, 0]
                            s1 += weight * control[iz, iy, ix, 1]
                            s2 += weight * control[iz, iy, ix, 2]
                out[z, y, x, 0] = s0
                out[z, y, x, 1] = s1
                out[z, y, x, 2] = s2
    return out


def jacobian_determinant(field: np.ndarray) -> np.ndarray:
    """Jacobian determinant of x + field(x), (z, y, x)."""
    matrix = np.empty((*field.shape[:3], 3, 3), np.float32)
    for axis in range(3):
        matrix[..., axis] = np.gradient(field, axis=axis)
    for axis in range(3):
        matrix[..., axis, axis] += 1
    a, b, c = matrix[..., 0, :], matrix[..., 1, :], matrix[..., 2, :]
    return np.einsum("...i,...i->...", a, np.cross(b, c))


def unfold(field: np.ndarray, least: float = _LEAST_JACOBIAN) -> np.ndarray:
    """The field, smoothed around places where its Jacobian determinant is below `least`, and at last scaled down."""
    for sigma in np.arange(1.0, 6.0, 0.5):
        folded = jacobian_determinant(field) < least
        if not folded.any():
            return field
        share = np.clip(3 * gaussian_filter(folded.astype(np.float32), sigma + 1) * (sigma + 1) ** 3, 0, 1)
        smooth = gaussian_filter(field, (sigma, sigma, sigma, 0), mode="nearest")
        field = field + share[..., None] * (smooth - field)
    while (jacobian_determinant(field) < least).any():
        field = gaussian_filter(field, (2, 2, 2, 0), mode="nearest") * np.float32(0.8)
    return field

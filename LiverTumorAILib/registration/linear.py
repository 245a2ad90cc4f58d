"""Linear maps of points, and the one that fits matched points best although many of them match wrongly.

Source: Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
IEEE Transactions on Pattern Analysis and Machine Intelligence 13(4), 1991.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

_KEPT = 0.5
_FITS = 20
_SCALES = (0.8, 1.25)


@dataclass(frozen=True)
class LinearMap:
    """x -> matrix x + offset, for points (..., 3)."""

    matrix: np.ndarray
    offset: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3), mapped."""
        return points @ self.matrix.T + self.offset

    @property
    def inverse(self) -> "LinearMap":
        """The map back."""
        back = np.linalg.inv(self.matrix)
        return LinearMap(back, -back @ self.offset)

    @property
    def rotation_degrees(self) -> float:
        """Angle of the rotation in it."""
        rotation = self.matrix / np.cbrt(np.linalg.det(self.matrix))
        return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))

    @property
    def transform(self) -> sitk.AffineTransform:
        """The same map for SimpleITK."""
        return sitk.AffineTransform(self.matrix.ravel().tolist(), self.offset.tolist())


def translation(offset: np.ndarray) -> LinearMap:
    """The map that only translates."""
    return LinearMap(np.eye(3), np.asarray(offset, float))


def similarity_transform(points: np.ndarray, matched: np.ndarray) -> LinearMap:
    """Rotation, isotropic scale and translation that bring points (n, 3) nearest to the matched ones."""
    centre, target = points.mean(axis=0), matched.mean(axis=0)
    u, values, vt = np.linalg.svd((matched - target).T @ (points - centre))
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    scale = (values * signs).sum() / max(((points - centre) ** 2).sum(), 1e-9)
    matrix = np.clip(scale, *_SCALES) * (u * signs) @ vt
    return LinearMap(matrix, target - matrix @ centre)


def trimmed_fit(points: np.ndarray, matched: np.ndarray) -> LinearMap:
    """Similarity transform of the half of the matches (n, 3) that agree best: least trimmed squares."""
    kept = np.arange(len(points))
    for _ in range(_FITS):
        fitted = similarity_transform(points[kept], matched[kept])
        residual = np.linalg.norm(fitted(points) - matched, axis=1)
        nearest = np.sort(np.argsort(residual)[: max(round(_KEPT * len(points)), 3)])
        if np.array_equal(nearest, kept):
            break
        kept = nearest
    return fitted

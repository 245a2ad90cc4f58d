"""Distance to tubes: vessels, ducts, bowel loops."""

import numba
import numpy as np


@numba.njit(cache=True)
def distance_to_segments(
    coordinates: tuple[np.ndarray, np.ndarray, np.ndarray],
    segments: np.ndarray,
    bounds: np.ndarray,
    distance: np.ndarray,
) -> None:
    """Lower `distance` to the signed distance (mm) from cones with round ends.

    Parameters
    ----------
    coordinates: tuple of three numpy.ndarray
        float32, (x, y, z) in mm of the voxels.
    segments: numpy.ndarray
        float32 (n, 8): start (x, y, z), end (x, y, z), radius at start and end, mm.
    bounds: numpy.ndarray
        int64 (n, 3, 2): voxels, axes as those of the coordinates, that a segment can reach.
    distance: numpy.ndarray
        float32, as the coordinates; changed in place.

    """
    x, y, z = coordinates
    for s in range(segments.shape[0]):
        ax, ay, az = segments[s, 0], segments[s, 1], segments[s, 2]
        dx, dy, dz = segments[s, 3] - ax, segments[s, 4] - ay, segments[s, 5] - az
        length2 = max(dx * dx + dy * dy + dz * dz, np.float32(1e-6))
        r0 = segments[s, 6]
        growth = segments[s, 7] - r0
        for i in range(bounds[s, 0, 0], bounds[s, 0, 1]):
            for j in range(bounds[s, 1, 0], bounds[s, 1, 1]):
                for k in range(bounds[s, 2, 0], bounds[s, 2, 1]):
                    px, py, pz = x[i, j, k] - ax, y[i, j, k] - ay, z[i, j, k] - az
                    t = (px * dx + py * dy + pz * dz) / length2
                    t = min(max(t, np.float32(0)), np.float32(1))
                    ex, ey, ez = px - t * dx, py - t * dy, pz - t * dz
                    d = np.sqrt(ex * ex + ey * ey + ez * ez) - (r0 + t * growth)
                    distance[i, j, k] = min(distance[i, j, k], d)


def smooth_curve(points: np.ndarray, step_mm: float = 4.0) -> np.ndarray:
    """Catmull-Rom curve through points.

    Parameters
    ----------
    points: numpy.ndarray
        (n, d); the first three columns are mm, further ones (radii) are interpolated alike.
    step_mm: float
        About the distance of the samples.

    Returns
    -------
    numpy.ndarray
        (m, d), first and last point included.

    """
    points = np.asarray(points, float)
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    pieces = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        count = max(2, int(np.ceil(np.linalg.norm((p2 - p1)[:3]) / step_mm)))
        t = (np.arange(count) / count)[:, None]
        pieces.append(
            0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
        )
    return np.concatenate([*pieces, points[-1:]])

"""Linear start: rotation, scale and translation from matched blocks, by trimmed least squares.

Source: Ourselin et al., "Reconstructing a 3D structure from serial histological sections", Image and Vision
Computing 19, 2001.
"""

import numpy as np

from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration.descriptors import describe, similarity
from LiverTumorAILib.registration.fields import grid_positions, warp
from LiverTumorAILib.registration.linear import LinearMap, translation, trimmed_fit
from LiverTumorAILib.registration.matching import Level, sample_displacements

_PASSES = (
    Level(shrink=2, spacing=6, radius=6, step=2, thinning=8, context=2, smoothness=0.0),
    Level(shrink=2, spacing=6, radius=4, step=2, thinning=8, context=2, smoothness=0.0),
    Level(shrink=2, spacing=6, radius=5, step=1, thinning=8, context=2, smoothness=0.0),
)
_LEAST_GAIN = 0.004
_FEWEST_BLOCKS = 12


def linear_start(fixed: np.ndarray, moving: np.ndarray, body: np.ndarray, progress: Progress) -> LinearMap | None:
    """Linear map from the fixed to the moving image, or None if staying as they are is as good.

    Parameters
    ----------
    fixed, moving: numpy.ndarray
        Images, float32 (z, y, x) on one coarse isotropic grid, NaN where unknown, brought together by a
        translation.
    body: numpy.ndarray
        bool (z, y, x), where blocks of `fixed` are matched.
    progress: Progress

    Returns
    -------
    LinearMap or None
        In voxels (z, y, x).

    """
    positions = grid_positions(fixed.shape)
    described, other = describe(fixed), describe(moving)
    best, most = None, similarity(described, other, body) + _LEAST_GAIN
    current = translation(np.zeros(3))
    for index, level in enumerate(_PASSES):
        progress.update(index / len(_PASSES))
        costs = sample_displacements(described, other, body, level, progress)
        points, matched = _matches(costs, level, fixed.shape, current)
        if len(points) < _FEWEST_BLOCKS:
            break
        current = trimmed_fit(points, matched)
        field = (current(positions) - positions).astype(np.float32)
        other = describe(warp(moving, field, 1.0))
        after = similarity(described, other, body)
        if after > most:
            best, most = current, after
    return best


def _matches(
    costs: np.ndarray, level: Level, shape: tuple[int, ...], current: LinearMap
) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the blocks (n, 3) whose best displacement stands out most, and where they go."""
    points = grid_positions(level.control_shape(shape)).reshape(-1, 3).astype(float) * level.spacing
    distinct = costs.mean(axis=1) - costs.min(axis=1)
    useful = distinct > 0
    if not useful.any():
        return points[:0], points[:0]
    useful &= distinct >= np.median(distinct[useful])
    labels = np.stack(np.unravel_index(costs[useful].argmin(axis=1), (level.side,) * 3), axis=1)
    return points[useful], current(points[useful]) + (labels - level.radius) * level.step

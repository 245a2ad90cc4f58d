"""Symmetric search for the displacement field, from coarse to fine, and its refinement.

Source: Heinrich et al., IEEE Transactions on Medical Imaging 32(7), 2013.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration.descriptors import fill_unknown
from LiverTumorAILib.registration.fields import (
    compose,
    invert,
    make_inverse_consistent,
    sample_field,
    spline_field,
    unfold,
    warp,
)
from LiverTumorAILib.registration.kernels import Kernels
from LiverTumorAILib.registration.matching import Level
from LiverTumorAILib.registration.refinement import is_loaded, refine
from LiverTumorAILib.registration.spanning_tree import regularise, spanning_tree
from LiverTumorAILib.registration.working_grid import shrink

FIELD_RATIO = 2
"""Voxels of the grid that holds the fields are this many times those of the working grid."""

LEVELS = (
    Level(shrink=2, spacing=4, radius=6, step=2, thinning=2, context=2, smoothness=1.0),
    Level(shrink=2, spacing=3, radius=4, step=1, thinning=1, context=2, smoothness=1.0),
    Level(shrink=1, spacing=5, radius=3, step=1, thinning=2, context=1, smoothness=2.0),
)
"""At 2 mm: control points every 16, 12, 10 mm; displacements up to 48, 16, 6 mm."""

_REFINEMENT_SHARE = 0.2


@dataclass(frozen=True)
class View:
    """One of the two images on the working grid.

    Attributes
    ----------
    image: numpy.ndarray
        float32 (z, y, x), NaN where unknown.
    body: numpy.ndarray
        bool on the grid of the fields: where displacements are sought.

    """

    image: np.ndarray
    body: np.ndarray


def _at(mask: np.ndarray, ratio: int, shape: tuple[int, ...]) -> np.ndarray:
    """A mask of the fields' grid on the working grid shrunk by `ratio`."""
    repeats = FIELD_RATIO // ratio
    for axis in range(3):
        mask = np.repeat(mask, repeats, axis)
    return np.ascontiguousarray(mask[tuple(slice(size) for size in shape)])


def _control_field(field: np.ndarray, control_shape: tuple[int, ...], spacing: float) -> np.ndarray:
    """Field at the control points, `spacing` voxels apart, as (control points, 3)."""
    axes = (np.arange(size, dtype=np.float32) * spacing for size in control_shape)
    positions = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return sample_field(field, positions)


def _improve(
    *,
    fixed: np.ndarray,
    described: np.ndarray,
    active: np.ndarray,
    moving: np.ndarray,
    field: np.ndarray,
    level: Level,
    spacing_mm: float,
    kernels: Kernels,
    progress: Progress,
) -> np.ndarray:
    """One level in one direction: what has to be added to `field`, then `field` itself, as one field."""
    ratio = FIELD_RATIO / level.shrink
    warped = kernels.describe(warp(moving, field, ratio), level.context)
    costs = kernels.sample_displacements(described, warped, active, level, progress)
    control_shape = level.control_shape(fixed.shape)
    progress.check()
    tree = spanning_tree(fill_unknown(fixed), control_shape, level.spacing)
    prior = _control_field(field, control_shape, level.spacing / ratio) * np.float32(ratio / level.step)
    voxel_mm = spacing_mm * level.shrink
    weight = level.smoothness * (level.step * voxel_mm) ** 2 / (level.spacing * voxel_mm)
    steps = regularise(costs, tree, prior, weight, progress)
    control = (steps * np.float32(level.step / ratio)).reshape(*control_shape, 3)
    progress.check()
    return compose(spline_field(control, level.spacing / ratio, field.shape[:3]), field)


def search(
    fixed: View, moving: View, spacing_mm: float, progress: Progress, kernels: Kernels
) -> tuple[np.ndarray, np.ndarray]:
    """Fields from fixed to moving and back, on the working grid shrunk by `FIELD_RATIO`.

    Parameters
    ----------
    fixed, moving: View
        On the same working grid, roughly aligned.
    spacing_mm: float
        Of the working grid.
    progress: Progress
    kernels: Kernels
        What does the costly steps.

    Returns
    -------
    tuple of numpy.ndarray
        float32 (z, y, x, 3), components (z, y, x) in voxels of the fields' grid.

    """
    forward = np.zeros((*fixed.body.shape, 3), np.float32)
    backward = forward
    shares = np.cumsum([0.0] + [_work(level) for level in LEVELS])
    shares *= (1 - _REFINEMENT_SHARE) / shares[-1]

    @cache
    def shrunk(ratio: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Both images and the voxels that take part, for all levels of one grid."""
        images = [shrink(view.image, ratio) for view in (fixed, moving)]
        return images, [_at(view.body, ratio, images[0].shape) for view in (fixed, moving)]

    @cache
    def described_at(ratio: int, context: int) -> list[np.ndarray]:
        return [kernels.describe(image, context) for image in shrunk(ratio)[0]]

    for index, level in enumerate(LEVELS):
        part = progress.part(shares[index], shares[index + 1])
        images, actives = shrunk(level.shrink)
        part.update(0.05)
        described = described_at(level.shrink, level.context)
        part.update(0.2)
        improved = []
        for one, other, field in ((0, 1, forward), (1, 0, backward)):
            improved.append(
                _improve(
                    fixed=images[one],
                    described=described[one],
                    active=actives[one],
                    moving=images[other],
                    field=field,
                    level=level,
                    spacing_mm=spacing_mm,
                    kernels=kernels,
                    progress=part,
                )
            )
            part.update(0.6 if one == 0 else 0.95)
        forward, backward = make_inverse_consistent(*improved)
        forward, backward = unfold(forward), unfold(backward)
        part.update(1.0)
    part = progress.part(shares[-1], 1.0)
    active = _at(fixed.body, 1, fixed.image.shape)
    forward = refine(fixed.image, moving.image, active=active, field=forward, ratio=FIELD_RATIO, progress=part)
    forward = unfold(forward)
    return forward, invert(forward, backward)


def load_kernels(progress: Progress) -> None:
    """Compile the kernels, or read from disk what an earlier process compiled, unless this one has them."""
    if is_loaded():
        return
    progress.update(0.0, "loading the kernels; at the very first use they are compiled, up to a minute more")
    noise = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
    view = View(noise, np.ones(shrink(noise, FIELD_RATIO).shape, bool))
    search(view, view, 2.0, Progress(is_cancelled=progress.is_cancelled), Kernels())


def _work(level: Level) -> float:
    return (0.5 + level.side**3 / (300 * level.thinning)) / level.shrink**3

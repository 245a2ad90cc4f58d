"""One image onto another."""

import time

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration.checks import check_image
from LiverTumorAILib.registration.fields import inverse_consistency
from LiverTumorAILib.registration.initial import COARSE_MM, image_box, initial_translation
from LiverTumorAILib.registration.quality import judge
from LiverTumorAILib.registration.region import Region
from LiverTumorAILib.registration.registered_study import RegistrationResult
from LiverTumorAILib.registration.search import FIELD_RATIO, View, search
from LiverTumorAILib.registration.warping import warp_image
from LiverTumorAILib.registration.working_grid import WorkingGrid, body_mask, prepare, shrink

_FINEST_MM = 2.0
_MOST_VOXELS = 4e6
_MARGIN_MM = 12.0
_REACH_MM = 40.0


def register(
    fixed: sitk.Image, moving: sitk.Image, progress: Progress = Progress(), region: Region | None = None
) -> RegistrationResult:
    """Register a moving image onto a fixed image, deformably.

    Parameters
    ----------
    fixed, moving: SimpleITK.Image
        3D scalar volumes (CT in HU, or MR), LPS, mm; NaN counts as unknown. Size, spacing, orientation and
        coverage may differ.
    progress: Progress
        Told how far it is; polled for cancel at least once a second.
    region: Region, optional
        Where the verdict looks; the liver as found in the fixed image if not given.

    Returns
    -------
    RegistrationResult

    Raises
    ------
    LiverTumorAIError
        If an image cannot be registered at all, or the two have nothing in common.

    """
    started = time.monotonic()
    check_image(fixed, "fixed image")
    check_image(moving, "moving image")
    progress.update(0.0, "preparing")
    direction = np.array(fixed.GetDirection()).reshape(3, 3)
    prepared_fixed, prepared_moving = prepare(fixed, _FINEST_MM), prepare(moving, _FINEST_MM)
    progress.update(0.04, "finding the position")
    translation = initial_translation(prepared_fixed, prepared_moving, direction)
    grid = _working_grid(prepared_fixed, prepared_moving, translation, direction)
    progress.update(0.08, "matching")
    views = [_view(grid.sample(prepared_fixed)), _view(grid.sample(prepared_moving, translation))]
    if not _overlap(*views):
        raise LiverTumorAIError(
            "The images have no part in common", advice="Check that both show the same region of the body"
        )
    forward, backward = search(*views, grid.spacing_mm, progress.part(0.08, 0.85))
    coarse = grid.shrunk(FIELD_RATIO)
    field = _on_grid_of(fixed, coarse.displacement_image(forward, translation))
    progress.update(0.9, "warping")
    moved = warp_image(moving, field)
    progress.update(0.95, "judging")

    body = views[0].body
    quality = judge(
        prepared_fixed,
        prepared_moving,
        field,
        inverse_consistency_mm=inverse_consistency(forward, backward, body) * coarse.spacing_mm,
        region=region,
        seconds=time.monotonic() - started,
    )
    progress.update(1.0)
    return RegistrationResult(field, moved, quality)


def _view(image: np.ndarray) -> View:
    return View(image, body_mask(shrink(image, FIELD_RATIO)) if np.isfinite(image).any() else np.zeros(0, bool))


def _overlap(fixed: View, moving: View) -> bool:
    return bool(fixed.body.size and moving.body.size and (fixed.body & moving.body).any())


def _working_grid(fixed: sitk.Image, moving: sitk.Image, translation: np.ndarray, direction: np.ndarray) -> WorkingGrid:
    """Grid around the body of both images, but not far beyond the fixed image."""
    lower, upper = _body_box(fixed, direction)
    other_lower, other_upper = (corner - translation @ direction for corner in _body_box(moving, direction))
    image_lower, image_upper = image_box(fixed, direction)
    lower = np.minimum(lower, np.maximum(other_lower, image_lower - _REACH_MM)) - _MARGIN_MM
    upper = np.maximum(upper, np.minimum(other_upper, image_upper + _REACH_MM)) + _MARGIN_MM
    spacing = max(_FINEST_MM, float(np.prod(upper - lower) / _MOST_VOXELS) ** (1 / 3))
    return WorkingGrid.spanning(lower, upper, direction, spacing)


def _body_box(image: sitk.Image, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Box around the body as (x, y, z) in mm along the axes of `direction`."""
    lower, upper = image_box(image, direction)
    mask = body_mask(WorkingGrid.spanning(lower, upper, direction, COARSE_MM).sample(image), margin=1)
    if not mask.any():
        return lower, upper
    inside = np.argwhere(mask)[:, ::-1]
    return (
        np.maximum(lower, lower + (inside.min(axis=0) - 1) * COARSE_MM),
        np.minimum(upper, lower + (inside.max(axis=0) + 1) * COARSE_MM),
    )


def _on_grid_of(image: sitk.Image, displacements: sitk.Image) -> sitk.Image:
    """Displacements on an image's grid as vector float64; beyond their own grid its border's values."""
    return sitk.Resample(displacements, image, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkVectorFloat64, True)

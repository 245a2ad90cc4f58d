"""One image onto another."""

import time

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration.block_matching import linear_start
from LiverTumorAILib.registration.checks import check_contrast, check_image
from LiverTumorAILib.registration.fields import inverse_consistency
from LiverTumorAILib.registration.initial import COARSE_MM, image_box, initial_translation
from LiverTumorAILib.registration.kernels import choose_kernels
from LiverTumorAILib.registration.linear import LinearMap, translation
from LiverTumorAILib.registration.quality import judge
from LiverTumorAILib.registration.region import Region
from LiverTumorAILib.registration.registered_study import RegistrationResult
from LiverTumorAILib.registration.search import FIELD_RATIO, View, load_kernels, search
from LiverTumorAILib.registration.warping import warp_image
from LiverTumorAILib.registration.working_grid import WorkingGrid, body_mask, prepare, shrink

_FINEST_MM = 2.0
_MOST_VOXELS = 4e6
_MARGIN_MM = 12.0
_REACH_MM = 40.0
_LEAST_OVERLAP = 0.05
_FAR_MM = 60.0
_MUCH_TURNED = 3.0


def register(
    fixed: sitk.Image,
    moving: sitk.Image,
    progress: Progress = Progress(),
    region: Region | None = None,
    device: str = "auto",
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
    device: str
        'auto', 'cpu' or 'cuda' (needs CuPy).

    Returns
    -------
    RegistrationResult

    Raises
    ------
    LiverTumorAIError
        If an image cannot be registered at all, or the two have nothing in common.

    """
    started = time.monotonic()
    kernels = choose_kernels(device)
    check_image(fixed, "fixed image")
    check_image(moving, "moving image")
    load_kernels(progress.part(0.0, 0.02))
    progress.update(0.02, "preparing")
    direction = np.array(fixed.GetDirection()).reshape(3, 3)
    prepared_fixed, prepared_moving = prepare(fixed, _FINEST_MM), prepare(moving, _FINEST_MM)
    check_contrast(prepared_fixed, "fixed image")
    check_contrast(prepared_moving, "moving image")
    progress.update(0.05, "finding the position")
    shift = initial_translation(prepared_fixed, prepared_moving, direction)
    grid = _working_grid(prepared_fixed, prepared_moving, shift, direction)
    start, views = _start(prepared_fixed, prepared_moving, grid, shift, progress.part(0.06, 0.15))
    progress.update(0.15, "matching")
    forward, backward = search(*views, grid.spacing_mm, progress.part(0.15, 0.85), kernels)
    coarse = grid.shrunk(FIELD_RATIO)
    field = _on_grid_of(fixed, coarse.displacement_image(forward, start))
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
    return RegistrationResult(field, moved, quality, _notes(fixed, moving, start))


def _start(
    fixed: sitk.Image, moving: sitk.Image, grid: WorkingGrid, shift: np.ndarray, progress: Progress
) -> tuple[LinearMap, tuple[View, View]]:
    """Linear map (LPS, mm) at which the search starts, and both images as it shows them on the working grid."""
    start = translation(shift)
    first, second = _view(grid.sample(fixed)), _view(grid.sample(moving, start))
    _require_overlap(first, second)
    coarse = [shrink(view.image, FIELD_RATIO) for view in (first, second)]
    turned = linear_start(*coarse, first.body, progress)
    if turned is not None:
        turned = grid.shrunk(FIELD_RATIO).in_world(turned)
        start = LinearMap(turned.matrix, turned.offset + shift)
        second = _view(grid.sample(moving, start))
        _require_overlap(first, second)
    return start, (first, second)


def _view(image: np.ndarray) -> View:
    if not np.isfinite(image).any():
        raise _nothing_in_common()
    return View(image, body_mask(shrink(image, FIELD_RATIO)))


def _require_overlap(fixed: View, moving: View) -> None:
    if (fixed.body & moving.body).sum() <= _LEAST_OVERLAP * min(fixed.body.sum(), moving.body.sum()):
        raise _nothing_in_common()


def _nothing_in_common() -> LiverTumorAIError:
    return LiverTumorAIError(
        "The images have no part in common", advice="Check that both show the same region of the body"
    )


def _notes(fixed: sitk.Image, moving: sitk.Image, start: LinearMap) -> tuple[str, ...]:
    """What the user should know about where the moving image was found."""
    (lower, upper), (other_lower, other_upper) = (image_box(image, np.eye(3)) for image in (fixed, moving))
    centre = (lower + upper) / 2
    away = float(np.linalg.norm(start(centre) - centre))
    notes = []
    if (other_lower > upper).any() or (other_upper < lower).any():
        notes.append("the images lie apart by their headers; they were brought together by what they show")
    elif away > _FAR_MM:
        notes.append(f"the other image was found {away / 10:.0f} cm from where its header places it")
    if start.rotation_degrees > _MUCH_TURNED:
        notes.append(f"the other image is turned by {start.rotation_degrees:.0f} degrees")
    return tuple(notes)


def _working_grid(fixed: sitk.Image, moving: sitk.Image, shift: np.ndarray, direction: np.ndarray) -> WorkingGrid:
    """Grid around the body of both images, but not far beyond the fixed image."""
    lower, upper = _body_box(fixed, direction)
    other_lower, other_upper = (corner - shift @ direction for corner in _body_box(moving, direction))
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

"""Verdict of a registration: how well the images agree in the liver, and whether the field is plausible."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.registration.agreement import Agreement, agreement
from LiverTumorAILib.registration.region import Region, liver_region
from LiverTumorAILib.registration.registered_study import RegistrationQuality, Verdict
from LiverTumorAILib.registration.working_grid import prepare

_PROBE_MM = 3.0
_MARGIN_MM = 15.0


@dataclass(frozen=True)
class Limit:
    """From which value of a figure on a registration is to be checked, and from which on it has failed."""

    check: float
    failed: float


MATCH = Limit(0.17, 0.10)
"""Less is worse. Well registered phases of real and synthetic studies reach 0.2 and more."""

MISPLACED = Limit(0.35, 0.65)
OUTSIDE = Limit(0.25, 0.85)
VOLUME_CHANGE = Limit(0.25, 0.45)
"""Breathing moves the liver, but hardly changes the volume of its parts; another liver does not fit without that."""

INVERSE_MM = Limit(1.5, 10.0)
DOUBTS_THAT_FAIL = 3
"""So many figures beyond their first limit are a failure, even if none is beyond its second."""

MATCH_LOSS = 0.02
"""A registration that matches so much less than the headers alone is to be checked."""


def judge(
    fixed: sitk.Image,
    moving: sitk.Image,
    field: sitk.Image,
    *,
    inverse_consistency_mm: float,
    region: Region | None = None,
    seconds: float = 0.0,
) -> RegistrationQuality:
    """Measure a registration in the liver and say whether it can be trusted.

    Parameters
    ----------
    fixed, moving: SimpleITK.Image
        LPS, mm; NaN where unknown.
    field: SimpleITK.Image
        Displacement field (LPS, mm) over the fixed image, from `register` or anywhere else.
    inverse_consistency_mm: float
        Mean distance from a point to where forward and backward field together take it.
    region: Region, optional
        Where the registration has to be right; found in the fixed image if not given.
    seconds: float
        How long the registration took.

    """
    fixed, moving = prepare(fixed, _PROBE_MM), prepare(moving, _PROBE_MM)
    region = region or liver_region(fixed)
    grid = _probe_grid(region.mask)
    inside = sitk.GetArrayFromImage(_sampled(region.mask, grid, sitk.Transform(), 0.0)) > 0
    displacement = _on_grid(field, grid)
    reference = sitk.GetArrayFromImage(_sampled(fixed, grid, sitk.Transform()))
    inside &= np.isfinite(reference)
    jacobian = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(displacement, True))[inside]
    moved, unmoved = (
        sitk.GetArrayFromImage(_sampled(moving, grid, transform))
        for transform in (sitk.DisplacementFieldTransform(displacement), sitk.Transform())
    )
    after, before = (agreement(reference, image, inside) for image in (moved, unmoved))
    outside = float(np.isnan(moved[inside]).mean()) if inside.any() else 1.0
    logarithm = np.log(np.maximum(jacobian, 0.01))
    volume_change = float(np.sqrt(np.mean(logarithm**2))) if inside.any() else 0.0
    failed, check = _reasons(region.name, before, after, outside, volume_change, inverse_consistency_mm, jacobian)
    has_failed = failed or len(check) >= DOUBTS_THAT_FAIL
    return RegistrationQuality(
        Verdict.FAILED if has_failed else Verdict.CHECK if check else Verdict.GREEN,
        (*failed, *check),
        before.similarity,
        after.similarity,
        float(jacobian.min(initial=1.0)),
        float(jacobian.max(initial=1.0)),
        inverse_consistency_mm,
        outside,
        seconds,
        after.match,
        after.misplaced_share,
        volume_change,
    )


def _reasons(  # noqa: PLR0917
    name: str,
    before: Agreement,
    after: Agreement,
    outside: float,
    volume_change: float,
    inverse_mm: float,
    jacobian: np.ndarray,
) -> tuple[list[str], list[str]]:
    """Why it failed, and why it is to be checked, in words for the user."""
    failed, check = [], []

    def compare(excess: float, limit: Limit, words: str) -> None:
        if excess >= limit.failed:
            failed.append(words)
        elif excess >= limit.check:
            check.append(words)

    compare(outside, OUTSIDE, f"the other phase does not show {outside:.0%} of the {name}")
    if outside < OUTSIDE.failed:
        words = f"the images match {after.match:.2f} in the {name}, at least {MATCH.check:.2f} is usual"
        compare(-after.match, Limit(-MATCH.check, -MATCH.failed), words)
        share = after.misplaced_share
        compare(share, MISPLACED, f"{share:.0%} of the {name} matches better 6 mm off")
        if after.match < before.match - MATCH_LOSS:
            check.append(f"the images matched better before ({before.match:.2f}, now {after.match:.2f})")
    words = f"parts of the {name} change their volume by {np.expm1(volume_change):.0%}, breathing does not"
    compare(volume_change, VOLUME_CHANGE, words)
    compare(inverse_mm, INVERSE_MM, f"forward and backward field differ by {inverse_mm:.1f} mm")
    if jacobian.min(initial=1.0) <= 0:
        failed.append("the field folds")
    return failed, check


def _probe_grid(mask: sitk.Image) -> sitk.Image:
    """An empty isotropic image around what is inside the mask."""
    inside = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)[:, ::-1]
    ends = np.array([inside.min(axis=0), inside.max(axis=0)]) if len(inside) else np.zeros((2, 3))
    corners = [
        mask.TransformContinuousIndexToPhysicalPoint([float(ends[bit, axis]) for axis, bit in enumerate(bits)])
        for bits in np.ndindex(2, 2, 2)
    ]
    lower, upper = np.min(corners, axis=0) - _MARGIN_MM, np.max(corners, axis=0) + _MARGIN_MM
    grid = sitk.Image([int(length / _PROBE_MM) + 1 for length in upper - lower], sitk.sitkUInt8)
    grid.SetSpacing([_PROBE_MM] * 3)
    grid.SetOrigin(lower.tolist())
    return grid


def _sampled(
    image: sitk.Image, grid: sitk.Image, transform: sitk.Transform, outside: float = float("nan")
) -> sitk.Image:
    return sitk.Resample(image, grid, transform, sitk.sitkLinear, outside, sitk.sitkFloat32)


def _on_grid(field: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """A field on the grid; beyond its own grid its border's values."""
    return sitk.Resample(field, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkVectorFloat64, True)

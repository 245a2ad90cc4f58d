"""When a lesion's type is uncertain, and why, in words for the user."""

from collections.abc import Collection, Mapping

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.lesions.instances import LesionInstance
from LiverTumorAILib.lesions.lesion import LesionType
from LiverTumorAILib.study import Phase

CERTAIN_TYPE = 0.85
"""Of the best type. Scores are not calibrated: on phantoms and real HCC, types of .6 to .7 were mostly wrong."""

CERTAIN_SCORE = 0.5
CHARACTERISABLE_MM = 10.0
"""Smaller lesions are too small to characterise on CT by radiological convention."""

SHOWN_SHARE = 0.95

TELL_THEMSELVES = {LesionType.CYST, LesionType.CALCIFICATION}
"""Types that show without contrast enhancement."""


def phase_limits(present: Collection[Phase]) -> tuple[str, ...]:
    """What cannot be judged of an enhancing lesion because phases are missing."""
    if not set(present) - {Phase.NON_CONTRAST}:
        return ("only non-contrast: enhancement cannot be judged",)
    limits = []
    if Phase.ARTERIAL not in present:
        limits.append("arterial phase missing: arterial hyperenhancement cannot be judged")
    if not {Phase.PORTAL_VENOUS, Phase.DELAYED} & set(present):
        limits.append("portal venous and delayed phases missing: washout cannot be judged")
    return tuple(limits)


def missing_phase_warnings(present: Collection[Phase], expected: Collection[Phase]) -> tuple[str, ...]:
    """What the absence of phases that a network expects costs the study."""
    costs = {
        Phase.NON_CONTRAST: "calcification and haemorrhage may be taken for enhancement",
        Phase.ARTERIAL: "arterial hyperenhancement cannot be judged; HCC and FNH may be missed or mistyped",
        Phase.PORTAL_VENOUS: "hypovascular metastases may be missed and early washout cannot be judged",
        Phase.DELAYED: "late washout, capsule and fill-in cannot be judged",
        Phase.HEPATOBILIARY: "uptake by hepatocytes cannot be judged",
    }
    missing = [phase for phase in Phase if phase in expected and phase not in present]
    return tuple(f"The {phase.title} phase is missing: {costs[phase]}" for phase in missing)


def uncertainty_reasons(
    instance: LesionInstance,
    mask: np.ndarray,
    images: Mapping[Phase, sitk.Image],
    box: tuple[slice, ...],
    long_axis_mm: float,
) -> tuple[str, ...]:
    """Why a lesion's type is uncertain; empty if it is certain.

    Parameters
    ----------
    instance: LesionInstance
        The lesion.
    mask: numpy.ndarray
        bool (z, y, x), the lesion's voxels within `box`.
    images: Mapping[Phase, SimpleITK.Image]
        On the reference grid, NaN where a phase shows nothing.
    box: tuple of three slices
        The lesion's bounding box (z, y, x) on the reference grid.
    long_axis_mm: float
        Of the lesion.

    """
    reasons = []
    best, second = sorted(instance.type_probabilities.items(), key=lambda item: -item[1])[:2]
    if best[1] < CERTAIN_TYPE:
        reasons.append(f"best type only {best[1]:.0%} ({second[0].title} {second[1]:.0%})")
    if instance.score < CERTAIN_SCORE:
        reasons.append(f"score {instance.score:.2f}: may be no lesion")
    if long_axis_mm < CHARACTERISABLE_MM and instance.type is not LesionType.CALCIFICATION:
        reasons.append(f"only {long_axis_mm:.0f} mm: too small to characterise")
    shape = next(iter(images.values())).GetSize()[::-1]
    if any(side.start == 0 or side.stop == length for side, length in zip(box, shape, strict=True)):
        reasons.append("touches the edge of the coverage")
    if instance.type not in TELL_THEMSELVES:
        shown = {phase: _shown_share(image, box, mask) for phase, image in images.items()}
        whole = [phase for phase, share in shown.items() if share >= SHOWN_SHARE]
        reasons += [f"{phase.title} phase does not show it whole" for phase in images if phase not in whole]
        reasons += phase_limits([phase for phase, share in shown.items() if share > 0])
    return tuple(reasons)


def _shown_share(image: sitk.Image, box: tuple[slice, ...], mask: np.ndarray) -> float:
    return float(np.isfinite(sitk.GetArrayViewFromImage(image)[box][mask]).mean())

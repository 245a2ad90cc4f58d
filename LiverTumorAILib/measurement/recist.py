"""Target lesions after RECIST 1.1 (Eisenhauer et al., Eur J Cancer 2009;45:228-247)."""

from collections.abc import Collection

from LiverTumorAILib.lesions import Lesion

MEASURABLE_MM = 10.0
"""Long axis from which a lesion is measurable on CT with slices of 5 mm or less."""

MEASURABLE_SLICES = 2.0
"""Thicker slices: long axis of at least so many slice thicknesses."""

MOST_IN_ONE_ORGAN = 2


def smallest_target_mm(slice_mm: float) -> float:
    """Long axis from which a lesion is measurable at a slice thickness (mm)."""
    return max(MEASURABLE_MM, MEASURABLE_SLICES * slice_mm)


def not_a_target(lesion: Lesion, targets: Collection[Lesion], slice_mm: float) -> str:
    """Why a lesion cannot be a further target beside others of the liver, in words; empty if it can."""
    least = smallest_target_mm(slice_mm)
    if lesion.measurement.long_axis.length_mm < least:
        return f"Its long axis is below {least:.0f} mm: not measurable at slices of {slice_mm:.1f} mm"
    if len(targets) >= MOST_IN_ONE_ORGAN:
        return f"RECIST 1.1 takes at most {MOST_IN_ONE_ORGAN} target lesions in one organ"
    return ""


def sum_of_diameters_mm(targets: Collection[Lesion]) -> float:
    """Sum of the long axes (mm)."""
    return sum(lesion.measurement.long_axis.length_mm for lesion in targets)

"""Findings in words."""

from LiverTumorAILib.lesions import NORMAL, Certainty, Findings, Lesion, LesionType


def classification_title(classification: str) -> str:
    """Patient class as the user reads it."""
    if classification == NORMAL:
        return "no lesion found"
    kind = LesionType(classification)
    return f"{kind.title} ({'malignant' if kind.is_malignant else 'benign'})"


def patient_line(findings: Findings) -> str:
    """The patient level result in one sentence."""
    patient = findings.patient
    sure = "uncertain" if patient.certainty is Certainty.UNCERTAIN else "certain"
    count = len(findings.lesions)
    lesions = "no lesion" if count == 0 else f"{count} lesion{'s' if count > 1 else ''}"
    return f"{lesions}; leading type: {classification_title(patient.classification)}, {sure}"


def lesion_line(lesion: Lesion) -> str:
    """One lesion in one sentence."""
    measured = lesion.measurement
    mark = " (uncertain)" if lesion.certainty is Certainty.UNCERTAIN else ""
    return (
        f"{lesion.label}: {lesion.type.title} {lesion.type_probabilities[lesion.type]:.0%}{mark}, "
        f"{measured.long_axis.length_mm:.0f} x {measured.short_axis.length_mm:.0f} mm, "
        f"{measured.volume_mm3 / 1000:.1f} ml"
    )


def summary_lines(findings: Findings) -> list[str]:
    """The findings as the command line prints them."""
    return [
        f"Liver {findings.liver_volume_mm3 / 1000:.0f} ml; {patient_line(findings)}",
        *(f"  {lesion_line(lesion)}" for lesion in findings.lesions),
        *(f"  Note: {warning}" for warning in findings.warnings),
        "Not for clinical use.",
    ]

"""Findings in words."""

from LiverTumorAILib.lesions import NORMAL, Certainty, Findings, Lesion, LesionType, PatientSummary
from LiverTumorAILib.lesions.joint import HIGH, LOW

OPINION_TITLES = {LOW: "low sensitivity", HIGH: "high sensitivity"}
"""Of the parts of a joint decision, for the user."""


def classification_title(classification: str) -> str:
    """Patient class as the user reads it."""
    title = opinion_title(classification)
    if classification == NORMAL:
        return title
    return f"{title} ({'malignant' if LesionType(classification).is_malignant else 'benign'})"


def opinion_title(classification: str) -> str:
    """Patient class without more words."""
    return "no lesion found" if classification == NORMAL else LesionType(classification).title


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
        f"{lesion.label}: {lesion.type.title} {lesion.probability:.0%}{mark}, "
        f"{measured.long_axis.length_mm:.0f} x {measured.short_axis.length_mm:.0f} mm, "
        f"{measured.volume_mm3 / 1000:.1f} ml"
    )


def evidence_lines(lesion: Lesion) -> list[str]:
    """How sure the cascade is that this is a lesion, at which sensitivities it found it, and what it went by."""
    line = f"Score {lesion.score:.2f} (how sure that it is a lesion)"
    if lesion.found_at:
        line += ", found at sensitivity " + " and ".join(f"× {factor:g}" for factor in lesion.found_at)
    return [line, *(["Seen by the networks: " + "; ".join(lesion.evidence)] if lesion.evidence else [])]


def opinions_line(patient: PatientSummary) -> str:
    """What each part of a cascade that decides jointly says of the patient; empty for others."""
    said = (f"{OPINION_TITLES.get(name, name)} {opinion_title(opinion)}" for name, opinion in patient.opinions.items())
    return "Opinions: " + "; ".join(said) if patient.opinions else ""


def _diameter_words(findings: Findings) -> str:
    return f"; maximum diameter {findings.maximum_diameter_mm:.0f} mm" if findings.lesions else ""


def summary_lines(findings: Findings) -> list[str]:
    """The findings as the command line prints them."""
    return [
        f"Liver {findings.liver_volume_mm3 / 1000:.0f} ml; {patient_line(findings)}{_diameter_words(findings)}",
        *(f"  {lesion_line(lesion)}" for lesion in findings.lesions),
        *(f"  Note: {warning}" for warning in findings.warnings),
        "Not for clinical use.",
    ]

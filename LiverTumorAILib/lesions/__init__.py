"""Lesions and findings: from probability maps to individual lesions."""

from LiverTumorAILib.lesions.findings import (
    NORMAL,
    Findings,
    Organ,
    PatientSummary,
    PhaseRecord,
    Provenance,
)
from LiverTumorAILib.lesions.findings_io import read_findings, write_findings, write_findings_files
from LiverTumorAILib.lesions.lesion import (
    Axis,
    Certainty,
    Enhancement,
    Lesion,
    LesionType,
    Measurement,
    Point,
    SecondHeatmaps,
)

__all__ = [
    "NORMAL",
    "Axis",
    "Certainty",
    "Enhancement",
    "Findings",
    "Lesion",
    "LesionType",
    "Measurement",
    "Organ",
    "PatientSummary",
    "PhaseRecord",
    "Point",
    "Provenance",
    "SecondHeatmaps",
    "read_findings",
    "write_findings",
    "write_findings_files",
]

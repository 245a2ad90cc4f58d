"""Findings: what a cascade hands to reports, the module and curation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import SimpleITK as sitk

from LiverTumorAILib.lesions.lesion import Certainty, Lesion, LesionType
from LiverTumorAILib.registration import RegistrationQuality
from LiverTumorAILib.study import Modality, Phase

if TYPE_CHECKING:
    from LiverTumorAILib.lesions.sensitivity_file import SensitivityData


class Organ(IntEnum):
    """Values of `Findings.organ_labels`."""

    LIVER = 1
    HEPATIC_VESSELS = 2
    PORTAL_SPLENIC_VEIN = 3
    GALLBLADDER = 4
    SPLEEN = 5
    PANCREAS = 6
    STOMACH = 7

    @property
    def title(self) -> str:
        """Name for the user."""
        return "portal and splenic vein" if self is Organ.PORTAL_SPLENIC_VEIN else self.name.lower().replace("_", " ")


NORMAL = "NORMAL"
"""`PatientSummary.classification` of a patient without lesions."""


@dataclass(frozen=True)
class PatientSummary:
    """Patient level result.

    Attributes
    ----------
    classification: str
        A `LesionType` value by the priority order of Eq. 12 of the multi-sensitivity paper, or `NORMAL`.
    probabilities: Mapping[str, float]
        For each `LesionType` value: probability (0-1) that the patient has such a lesion.
    certainty: Certainty
    certainty_reasons: tuple of str
        In words for the user; not empty where uncertain.
    opinions: Mapping[str, str]
        Classification by each part of a cascade that decides jointly, by its name; empty for others.
    deciding_lesions: tuple of int
        Labels of the lesions that make the difference between the opinions, or that are too small to decide.

    """

    classification: str
    probabilities: Mapping[str, float]
    certainty: Certainty
    certainty_reasons: tuple[str, ...] = ()
    opinions: Mapping[str, str] = field(default_factory=dict)
    deciding_lesions: tuple[int, ...] = ()

    @property
    def is_malignant(self) -> bool:
        """Whether the classification is a malignant type."""
        return self.classification != NORMAL and LesionType(self.classification).is_malignant


@dataclass(frozen=True)
class Provenance:
    """How findings came about: versions, models with SHA-256 by name, device, seconds by stage."""

    software_version: str
    cascade: str
    models: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PhaseRecord:
    """What became of one volume of the study: its phase, why, and its registration (None for the reference)."""

    phase: Phase | None
    source: str
    reason: str
    probability: float
    registration: RegistrationQuality | None = None


@dataclass(frozen=True)
class Findings:
    """Result of a cascade.

    Attributes
    ----------
    modality: Modality
    reference_phase: Phase
    organ_labels: SimpleITK.Image
        uint8 on the reference grid (LPS, mm), values of `Organ`, 0 elsewhere. Voxels of lesions, and of vessels
        inside the liver, belong to the liver for the liver's volume.
    lesion_labels: SimpleITK.Image
        uint16 on the reference grid: `Lesion.label`, 0 elsewhere.
    lesions: tuple of Lesion
        By falling volume.
    patient: PatientSummary
    liver_volume_mm3: float
        Lesions and vessels inside included.
    heatmaps: Mapping[str, SimpleITK.Image]
        By `Lesion.heatmap` file name: float32 0-1 on the reference grid or a part of it.
    provenance: Provenance
    phases: tuple of PhaseRecord
    warnings: tuple of str
        In words for the user.
    sensitivity: SensitivityData or None
        What it takes to find lesions anew with another sensitivity, for cascades that can.

    """

    modality: Modality
    reference_phase: Phase
    organ_labels: sitk.Image
    lesion_labels: sitk.Image
    lesions: tuple[Lesion, ...]
    patient: PatientSummary
    liver_volume_mm3: float
    provenance: Provenance
    heatmaps: Mapping[str, sitk.Image] = field(default_factory=dict)
    phases: tuple[PhaseRecord, ...] = ()
    warnings: tuple[str, ...] = ()
    sensitivity: "SensitivityData | None" = None

    @property
    def maximum_diameter_mm(self) -> float:
        """Longest axis of any lesion in its axial slices (mm), 0 without lesions."""
        return max((lesion.measurement.long_axis.length_mm for lesion in self.lesions), default=0.0)

"""Study and its volumes: what loading hands to registration."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.study.phase import REFERENCE_ORDER, Phase


class Modality(StrEnum):
    """DICOM modality of a study."""

    CT = "CT"
    MR = "MR"


@dataclass(frozen=True)
class StudyVolume:
    """One acquisition of a study as a volume.

    Attributes
    ----------
    image: SimpleITK.Image
        3D float32, LPS, mm; HU for CT, arbitrary units for MR.
    phase: Phase or None
        None while it could not be recognised and the user has not set it.
    phase_probabilities: Mapping[Phase, float]
        Adds up to 1; empty where the phase was given by the file's name or the user.
    phase_reason: str
        Why this phase, in words for the user.
    source: str
        Where the volume came from without patient data, such as 'series 4, acquisition 2' or a file name.
    warnings: tuple of str
        What was mended or is unusual (missing slices, gantry tilt ...), in words for the user.
    dicom_files: tuple of Path
        The DICOM files in slice order (first slice first); empty for other formats.

    """

    image: sitk.Image
    phase: Phase | None
    phase_probabilities: Mapping[Phase, float] = field(default_factory=dict)
    phase_reason: str = ""
    source: str = ""
    warnings: tuple[str, ...] = ()
    dicom_files: tuple[Path, ...] = ()

    @property
    def phase_is_sure(self) -> bool:
        """Whether the phase was given, or recognised with a probability of at least 0.7."""
        if self.phase is None:
            return False
        return not self.phase_probabilities or self.phase_probabilities.get(self.phase, 0.0) >= 0.7


@dataclass(frozen=True)
class Study:
    """A multi-phase liver study.

    Attributes
    ----------
    modality: Modality
    volumes: tuple of StudyVolume
        In order of acquisition where it is known. Two volumes may carry the same phase;
        `volume` then gives the one recognised with the highest probability.
    warnings: tuple of str
        In words for the user, such as series that were left out and why.

    """

    modality: Modality
    volumes: tuple[StudyVolume, ...]
    warnings: tuple[str, ...] = ()

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases present, in the order of `Phase`."""
        present = {volume.phase for volume in self.volumes}
        return tuple(phase for phase in Phase if phase in present)

    def volume(self, phase: Phase) -> StudyVolume:
        """The volume of a phase; KeyError if the study lacks it."""
        found = [volume for volume in self.volumes if volume.phase == phase]
        if not found:
            raise KeyError(phase)
        return max(found, key=lambda volume: volume.phase_probabilities.get(phase, 1.0))

    @property
    def reference_phase(self) -> Phase:
        """Portal venous, else the phase nearest to it; LiverTumorAIError if no phase is known."""
        for phase in REFERENCE_ORDER:
            if phase in self.phases:
                return phase
        raise LiverTumorAIError(
            "No volume of the study has a known phase",
            advice="Set the phase of at least one volume in the phases table",
        )

    def with_phase(self, index: int, phase: Phase | None) -> "Study":
        """The same study where the user has set the phase of `volumes[index]`."""
        volumes = list(self.volumes)
        reason = "set by the user" if phase else "left out by the user"
        volumes[index] = replace(volumes[index], phase=phase, phase_probabilities={}, phase_reason=reason)
        return replace(self, volumes=tuple(volumes))

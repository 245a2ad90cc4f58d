"""Reading results folders; runs beside the GUI's thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slicer.i18n import tr as _

from LiverTumorAIModule.lesion_details import LesionDetails
from LiverTumorAIModule.terms import term

if TYPE_CHECKING:
    from collections.abc import Mapping

    import SimpleITK as sitk

    from LiverTumorAILib.lesions import Findings, Organ
    from LiverTumorAILib.review.reading import Reading
    from LiverTumorAILib.study import Phase
    from LiverTumorAILib.worker.events import PhasesFound


SEG = "seg.dcm"


class Results(NamedTuple):
    """Findings, registered images (reference grid, LPS, mm) and the reading of a results folder.

    The folder is None where a saved scene brought them back. What tells the DICOM images that a SEG was made of is
    empty where there is none; see `report.dicom_source`.
    """

    folder: Path | None
    findings: Findings
    images: Mapping[Phase, sitk.Image]
    reading: Reading
    details: LesionDetails
    fields: Mapping[Phase, sitk.Image] = {}
    organs: Mapping[Organ, sitk.Image] | None = None
    evidence: str = ""
    dicom_source: str = ""


def read_results(folder: Path, session: Path | None = None) -> Results:
    """Read a results folder, with the reading that its session saved, or that was exported with it.

    Raises
    ------
    LiverTumorAIError
        If it is none, is broken or lacks the reference phase's image.

    """
    from LiverTumorAILib.errors import LiverTumorAIError
    from LiverTumorAILib.lesions.findings_io import read_findings
    from LiverTumorAILib.mrml.saved_evidence import packed_evidence
    from LiverTumorAILib.report.dicom_source import source_of_segmentation
    from LiverTumorAILib.review.files import read_reading
    from LiverTumorAILib.review.organs import organ_masks
    from LiverTumorAILib.review.reading import begin_reading
    from LiverTumorAILib.review.sensitivity import LiveSensitivity
    from LiverTumorAILib.study import Phase

    load_libraries()
    findings = read_findings(folder)
    images = {}
    for phase in Phase:
        file = next(iter(sorted((folder / "registered").glob(f"{phase}.*"))), None)
        if file is not None:
            images[phase] = _read_image(file)
    if findings.reference_phase not in images:
        raise LiverTumorAIError(
            _("The results lack the image of the {phase} phase").format(phase=term(findings.reference_phase.title)),
            folder.name,
            _("Analyze the study again"),
        )
    files = {phase: folder / "fields" / f"{phase}.nrrd" for phase in Phase}
    fields = {phase: _read_image(file) for phase, file in files.items() if file.is_file()}
    reading = (read_reading(session) if session else None) or read_reading(folder) or begin_reading(findings)
    if reading.factor and findings.sensitivity:
        reading, findings = LiveSensitivity(findings, images).at(reading.factor, reading, findings)
    details, organs = LesionDetails(findings, images), organ_masks(findings)
    evidence, source = packed_evidence(folder), source_of_segmentation(folder / SEG)
    return Results(folder, findings, images, reading, details, fields, organs, evidence, source)


def _read_image(file: Path) -> sitk.Image:
    import SimpleITK as sitk

    from LiverTumorAILib.errors import LiverTumorAIError

    try:
        return sitk.ReadImage(file)
    except RuntimeError as error:
        raise LiverTumorAIError(
            _("An image of these results cannot be read"), file.name, _("Analyze the study again")
        ) from error


def load_libraries() -> None:
    """Load the parts of the library that the panel needs to show findings: they take a second."""
    import LiverTumorAILib.mrml.saved_evidence
    import LiverTumorAILib.mrml.showing
    import LiverTumorAILib.report.summary
    import LiverTumorAILib.report.thumbnail
    import LiverTumorAILib.review.corrections
    import LiverTumorAILib.review.sensitivity  # noqa: F401


def read_volumes(folder: Path, found: PhasesFound) -> list[sitk.Image]:
    """The images (LPS, mm) that the worker wrote for the volumes of a study, in their order, as views show them."""
    import SimpleITK as sitk

    from LiverTumorAILib.mrml.volumes import displayable
    from LiverTumorAILib.study import Modality

    images = []
    for volume in found.volumes:
        image = sitk.ReadImage(folder / "volumes" / f"{volume.index}.nrrd")
        shown = sitk.GetImageFromArray(displayable(sitk.GetArrayViewFromImage(image), Modality(found.modality)))
        shown.CopyInformation(image)
        images.append(shown)
    return images

"""Reading and exporting results folders; runs beside the GUI's thread."""

from __future__ import annotations

import shutil
from dataclasses import replace
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

DICOM_FILES = ("seg.dcm", "sr.dcm")


class Results(NamedTuple):
    """Findings, registered images (reference grid, LPS, mm) and the reading of a results folder.

    The folder is None where a saved scene brought them back.
    """

    folder: Path | None
    findings: Findings
    images: Mapping[Phase, sitk.Image]
    reading: Reading
    details: LesionDetails
    fields: Mapping[Phase, sitk.Image] = {}
    organs: Mapping[Organ, sitk.Image] | None = None
    evidence: str = ""


def read_results(folder: Path, session: Path | None = None) -> Results:
    """Read a results folder, with the reading that its session saved, or that was exported with it.

    Raises
    ------
    LiverTumorAIError
        If it is none, is broken or lacks the reference phase's image.

    """
    import SimpleITK as sitk

    from LiverTumorAILib.errors import LiverTumorAIError
    from LiverTumorAILib.lesions.findings_io import read_findings
    from LiverTumorAILib.mrml.saved_evidence import packed_evidence
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
            images[phase] = sitk.ReadImage(file)
    if findings.reference_phase not in images:
        raise LiverTumorAIError(
            _("The results lack the image of the {phase} phase").format(phase=term(findings.reference_phase.title)),
            folder.name,
            _("Analyze the study again"),
        )
    files = {phase: folder / "fields" / f"{phase}.nrrd" for phase in Phase}
    fields = {phase: sitk.ReadImage(file) for phase, file in files.items() if file.is_file()}
    reading = (read_reading(session) if session else None) or read_reading(folder) or begin_reading(findings)
    if reading.factor and findings.sensitivity:
        reading, findings = LiveSensitivity(findings, images).at(reading.factor, reading, findings)
    details, organs = LesionDetails(findings, images), organ_masks(findings)
    return Results(folder, findings, images, reading, details, fields, organs, packed_evidence(folder))


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


class Export(NamedTuple):
    """What to save: a results folder, and the reading of its findings, which says what the user edited.

    The folder of networks explains lesions that the analysis did not; None for those that come with the module.
    """

    results: Results
    original: Findings
    reading: Reading
    is_edited: bool
    study: str
    phases: Mapping[int, Phase | None]
    models: str | None = None

    @property
    def source(self) -> Path | None:
        """The results folder; None where there is none, or it was deleted meanwhile."""
        folder = self.results.folder
        return folder if folder is not None and folder.is_dir() else None


def export_results(export: Export, out: Path) -> Path:
    """Save results to a new or empty folder, rewriting what an edit changed.

    DICOM SEG and SR are rewritten too where the study's files are at hand, else left out.
    """
    from LiverTumorAILib.folders import new_folder
    from LiverTumorAILib.review.reading import reviewed_findings

    is_rewritten = export.is_edited or export.source is None
    with new_folder(out) as folder:
        if export.source is not None:
            left_out = shutil.ignore_patterns(*DICOM_FILES) if is_rewritten else None
            shutil.copytree(export.source, folder, dirs_exist_ok=True, ignore=left_out)
        else:
            _write_images(export.results.images, folder / "registered")
        if is_rewritten:
            _rewrite(export, _explained(export, reviewed_findings(export.original, export.reading)), folder)
    return out


def _explained(export: Export, findings: Findings) -> Findings:
    """The findings with the evidence that the window shows of lesions that the slider or a click found."""
    from LiverTumorAILib.errors import LiverTumorAIError
    from LiverTumorAILib.inference import ModelStore
    from LiverTumorAILib.review.late_evidence import explaining_networks, with_late_evidence

    try:
        networks = explaining_networks(findings, ModelStore(Path(export.models) if export.models else None))
    except LiverTumorAIError:
        # Without its networks a study can be saved all the same.
        return findings
    return with_late_evidence(findings, export.reading.masks, export.results.images, networks)


def _write_images(images: Mapping[Phase, sitk.Image], folder: Path) -> None:
    import SimpleITK as sitk

    folder.mkdir()
    for phase, image in images.items():
        sitk.WriteImage(
            sitk.Cast(sitk.Round(sitk.Cast(image, sitk.sitkFloat32)), sitk.sitkInt16), folder / f"{phase}.nrrd"
        )


def _rewrite(export: Export, findings: Findings, folder: Path) -> None:
    from LiverTumorAILib.lesions.findings_io import write_findings_files
    from LiverTumorAILib.measurement.location import locate_lesions
    from LiverTumorAILib.registration import RegisteredStudy
    from LiverTumorAILib.report.html import write_report
    from LiverTumorAILib.report.lesions_csv import write_lesions_csv
    from LiverTumorAILib.review.files import write_reading
    from LiverTumorAILib.study import Study, StudyVolume

    images = export.results.images
    shutil.rmtree(folder / "heatmaps", ignore_errors=True)
    write_findings_files(findings, folder)
    explained = {lesion.uid: lesion for lesion in findings.lesions}
    lesions = tuple(explained.get(lesion.uid, lesion) for lesion in export.reading.lesions)
    write_reading(replace(export.reading, lesions=lesions), folder)
    places = locate_lesions(findings)
    write_lesions_csv(findings, places, folder / "lesions.csv", export.reading)
    study = Study(findings.modality, tuple(StudyVolume(image, phase) for phase, image in images.items()))
    quality = {record.phase: record.registration for record in findings.phases if record.registration}
    registered = RegisteredStudy(study, findings.reference_phase, images, export.results.fields, quality)
    write_report(registered, findings, places, folder / "report.html", reading=export.reading)
    if export.source and (export.source / DICOM_FILES[0]).exists() and Path(export.study).exists():
        _rewrite_dicom(export, findings, folder)


def _rewrite_dicom(export: Export, findings: Findings, folder: Path) -> None:
    from LiverTumorAILib.report.dicom_seg import build_segmentation, read_headers
    from LiverTumorAILib.report.dicom_sr import build_structured_report
    from LiverTumorAILib.study import load_study

    study = load_study(Path(export.study))
    for index, phase in export.phases.items():
        study = study.with_phase(index, phase)
    headers = read_headers(study.volume(findings.reference_phase).dicom_files)
    segmentation = build_segmentation(findings, headers)
    segmentation.save_as(folder / DICOM_FILES[0])
    build_structured_report(findings, segmentation, headers).save_as(folder / DICOM_FILES[1])

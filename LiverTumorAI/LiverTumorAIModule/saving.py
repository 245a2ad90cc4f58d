"""Saving findings as they are shown: results folders and reports; runs beside the GUI's thread."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slicer.i18n import tr as _

from LiverTumorAIModule.results import SEG

if TYPE_CHECKING:
    from collections.abc import Mapping

    import SimpleITK as sitk

    from LiverTumorAILib.lesions import Findings
    from LiverTumorAILib.measurement.location import Location
    from LiverTumorAILib.progress import Progress
    from LiverTumorAILib.review.reading import Reading
    from LiverTumorAILib.study import Phase
    from LiverTumorAIModule.results import Results

REPORT = "report.html"
SR = "sr.dcm"
DICOM_FILES = SEG, SR


class Export(NamedTuple):
    """What to save: a results folder, and the reading of its findings, which says what the user edited.

    Studies are the folders where the study's files may be. The folder of networks explains lesions that the analysis
    did not; None for those that come with the module. Only `with_identity` the report names the patient.
    """

    results: Results
    original: Findings
    reading: Reading
    is_edited: bool
    studies: tuple[str, ...] = ()
    models: str | None = None
    with_identity: bool = False

    @property
    def source(self) -> Path | None:
        """The results folder; None where there is none, or it was deleted meanwhile."""
        folder = self.results.folder
        return folder if folder is not None and folder.is_dir() else None

    @property
    def is_rewritten(self) -> bool:
        """Whether files differ from those of the results folder."""
        return self.is_edited or self.source is None

    @property
    def has_dicom(self) -> bool:
        """Whether the analysis wrote DICOM SEG and SR."""
        return bool(self.results.dicom_source)


def export_results(export: Export, out: Path, progress: Progress) -> Path:
    """Save results to a new or empty folder, rewriting what an edit changed; cancelled, nothing is left behind.

    DICOM SEG and SR are rewritten too where the study's files are at hand, else left out.
    """
    from LiverTumorAILib.folders import new_folder, require_free
    from LiverTumorAILib.measurement.location import locate_lesions

    require_free(out)
    # What takes longest comes before anything is written.
    findings = _current(export, progress.part(0, 0.5)) if export.is_rewritten else export.original
    with new_folder(out) as folder:
        if export.source is not None:
            left_out = shutil.ignore_patterns(*DICOM_FILES) if export.is_rewritten else None
            copy = partial(_copy, progress.part(0.5, 0.5))
            shutil.copytree(export.source, folder, dirs_exist_ok=True, ignore=left_out, copy_function=copy)
        else:
            _write_images(export.results.images, folder / "registered", progress.part(0.5, 0.5))
            _write_fields(export.results.fields, folder / "fields", progress.part(0.5, 0.5))
        if export.is_rewritten:
            _rewrite(export, findings, folder, progress.part(0.5, 1))
        elif export.with_identity:
            _write_report(export, findings, locate_lesions(findings), folder, progress.part(0.5, 1))
        progress.check()
    return out


def current_report(export: Export, new: Path, progress: Progress) -> Path:
    """The report of the findings as they are shown: the analysis's, or one in a new folder where that is another."""
    from LiverTumorAILib.folders import new_folder
    from LiverTumorAILib.measurement.location import locate_lesions

    if not (export.is_rewritten or export.with_identity) and (export.source / REPORT).is_file():
        return export.source / REPORT
    findings = _current(export, progress.part(0, 0.5))
    with new_folder(new) as folder:
        _write_report(export, findings, locate_lesions(findings), folder, progress.part(0.5, 1))
    return new / REPORT


def _copy(progress: Progress, source: str, target: str) -> None:
    progress.check()
    shutil.copy2(source, target)


def _current(export: Export, progress: Progress) -> Findings:
    """The findings as shown, with the evidence that the window shows of lesions that the slider or a click found."""
    from LiverTumorAILib.errors import LiverTumorAIError
    from LiverTumorAILib.inference import ModelStore
    from LiverTumorAILib.review.explaining_networks import explaining_networks
    from LiverTumorAILib.review.late_evidence import with_late_evidence
    from LiverTumorAILib.review.reading import reviewed_findings

    findings = reviewed_findings(export.original, export.reading)
    try:
        networks = explaining_networks(findings, ModelStore(Path(export.models) if export.models else None))
    except LiverTumorAIError:
        # Without its networks a study can be saved all the same.
        return findings
    return with_late_evidence(findings, export.reading.masks, export.results.images, networks, progress)


def _write_images(images: Mapping[Phase, sitk.Image], folder: Path, progress: Progress) -> None:
    import SimpleITK as sitk

    folder.mkdir()
    for phase, image in images.items():
        progress.check()
        sitk.WriteImage(
            sitk.Cast(sitk.Round(sitk.Cast(image, sitk.sitkFloat32)), sitk.sitkInt16), folder / f"{phase}.nrrd"
        )


def _write_fields(fields: Mapping[Phase, sitk.Image], folder: Path, progress: Progress) -> None:
    import SimpleITK as sitk

    for phase, field in fields.items():
        progress.check()
        folder.mkdir(exist_ok=True)
        sitk.WriteImage(sitk.Cast(field, sitk.sitkVectorFloat32), folder / f"{phase}.nrrd")


def _rewrite(export: Export, findings: Findings, folder: Path, progress: Progress) -> None:
    from LiverTumorAILib.lesions.findings_io import write_findings_files
    from LiverTumorAILib.measurement.location import locate_lesions
    from LiverTumorAILib.report.lesions_csv import write_lesions_csv
    from LiverTumorAILib.review.files import write_reading

    shutil.rmtree(folder / "heatmaps", ignore_errors=True)
    write_findings_files(findings, folder)
    progress.check()
    explained = {lesion.uid: lesion for lesion in findings.lesions}
    lesions = tuple(explained.get(lesion.uid, lesion) for lesion in export.reading.lesions)
    write_reading(replace(export.reading, lesions=lesions), folder)
    places = locate_lesions(findings)
    write_lesions_csv(findings, places, folder / "lesions.csv", export.reading)
    _write_report(export, findings, places, folder, progress.part(0, 0.9))
    files = _dicom_files(export)
    progress.update(0.9)
    if files:
        _write_dicom(findings, files, folder)


def _write_report(
    export: Export, findings: Findings, places: Mapping[str, Location], folder: Path, progress: Progress
) -> None:
    from LiverTumorAILib.registration import RegisteredStudy
    from LiverTumorAILib.report.html import write_report
    from LiverTumorAILib.study import Study, StudyVolume

    images = export.results.images
    study = Study(findings.modality, tuple(StudyVolume(image, phase) for phase, image in images.items()))
    quality = {record.phase: record.registration for record in findings.phases if record.registration}
    registered = RegisteredStudy(study, findings.reference_phase, images, export.results.fields, quality)
    reading = export.reading if export.is_edited else None
    identity = _identity(export) if export.with_identity else ""
    write_report(registered, findings, places, folder / REPORT, progress, reading=reading, identity=identity)


def _identity(export: Export) -> str:
    from LiverTumorAILib.errors import LiverTumorAIError
    from LiverTumorAILib.report.results import identity_of

    identity = identity_of(_dicom_files(export))
    if not identity:
        raise LiverTumorAIError(
            _("The DICOM files that name the patient are not where they were"),
            advice=_("Load the study and show these results again, or leave the patient unnamed"),
        )
    return identity


def _dicom_files(export: Export) -> tuple[Path, ...]:
    """The images that the analysis made its SEG of, whatever study is loaded now; empty if they are not at hand."""
    from LiverTumorAILib.errors import LiverTumorAIError
    from LiverTumorAILib.report.dicom_source import source_of_images
    from LiverTumorAILib.study import load_study

    if not export.has_dicom:
        return ()
    for study in export.studies:
        try:
            volumes = load_study(Path(study)).volumes
        except LiverTumorAIError:
            continue
        for volume in volumes:
            if volume.dicom_files and source_of_images(volume.dicom_files) == export.results.dicom_source:
                return volume.dicom_files
    return ()


def _write_dicom(findings: Findings, files: tuple[Path, ...], folder: Path) -> None:
    from LiverTumorAILib.report.dicom_seg import build_segmentation, read_headers
    from LiverTumorAILib.report.dicom_sr import build_structured_report

    headers = read_headers(files)
    segmentation = build_segmentation(findings, headers)
    segmentation.save_as(folder / SEG)
    build_structured_report(findings, segmentation, headers).save_as(folder / SR)

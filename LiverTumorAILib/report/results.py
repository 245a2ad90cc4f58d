"""The results folder of `analyze`: everything the contract names."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom import dcmread

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions.findings_io import write_findings_files
from LiverTumorAILib.measurement.location import locate_lesions
from LiverTumorAILib.pipeline import Analysis
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.report.dicom_seg import build_segmentation, read_headers
from LiverTumorAILib.report.dicom_sr import build_structured_report
from LiverTumorAILib.report.html import write_report
from LiverTumorAILib.report.lesions_csv import write_lesions_csv
from LiverTumorAILib.study import Modality

BYTES_FOR_EACH_PHASE = 2
IDENTITY = {"PatientName": "", "PatientID": "ID", "PatientBirthDate": "born", "StudyDate": "study of"}
FIELD_MM = 4.0
"""Spacing of the written fields; the search knows no finer one."""


def write_results(
    analysis: Analysis, folder: Path, progress: Progress = Progress(), *, with_identity: bool = False
) -> None:
    """Write findings, segmentation, table, heatmaps, report and, for DICOM input, SEG and SR into a folder.

    The registered phases go to `registered/PHASE.nrrd` on the reference grid, so that the window shows them, and
    their registration fields (LPS, mm) to `fields/PHASE.nrrd`. Only `with_identity` the report says whose study it is,
    as far as DICOM headers tell; SEG and SR always do, since they belong to the study.
    """
    findings, registered = analysis.findings, analysis.registered
    _require_space(registered, folder)
    write_findings_files(findings, folder)
    progress.update(0.2)
    places = locate_lesions(findings)
    write_lesions_csv(findings, places, folder / "lesions.csv")
    files = registered.study.volume(registered.reference_phase).dicom_files
    identity = identity_of(files) if with_identity else ""
    write_report(registered, findings, places, folder / "report.html", progress.part(0.2, 0.6), identity=identity)
    _write_registered(registered, folder / "registered")
    _write_fields(registered, folder / "fields")
    progress.update(0.8)
    if files:
        sources = read_headers(files)
        segmentation = build_segmentation(findings, sources)
        segmentation.save_as(folder / "seg.dcm")
        build_structured_report(findings, segmentation, sources).save_as(folder / "sr.dcm")
    progress.update(1.0)


def identity_of(files: Sequence[Path]) -> str:
    """Name, ID, birth and study date of the patient in DICOM files; what is unknown is left out."""
    if not files:
        return ""
    header = dcmread(files[0], stop_before_pixels=True, specific_tags=list(IDENTITY))
    known = {words: str(header.get(tag) or "").replace("^", " ").strip() for tag, words in IDENTITY.items()}
    return ", ".join(f"{words} {value}".strip() for words, value in known.items() if value)


def _require_space(registered: RegisteredStudy, folder: Path) -> None:
    """Raise LiverTumorAIError before writing what the disk cannot hold: image libraries do not always notice."""
    voxels = registered.reference.GetNumberOfPixels()
    needed = voxels * BYTES_FOR_EACH_PHASE * len(registered.images) + voxels
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise LiverTumorAIError(
            f"The disk is full: the results need {needed / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free",
            folder.parent,
            "Free some space or choose another disk",
        )


def _write_registered(registered: RegisteredStudy, folder: Path) -> None:
    folder.mkdir()
    unknown = -1024.0 if registered.study.modality is Modality.CT else 0.0
    for phase, image in registered.images.items():
        values = np.rint(np.nan_to_num(sitk.GetArrayFromImage(image), nan=unknown))
        stored = sitk.GetImageFromArray(np.clip(values, -32768, 32767).astype(np.int16))
        stored.CopyInformation(image)
        sitk.WriteImage(stored, folder / f"{phase}.nrrd", useCompression=False)


def _write_fields(registered: RegisteredStudy, folder: Path) -> None:
    for phase, field in registered.fields.items():
        folder.mkdir(exist_ok=True)
        sitk.WriteImage(_coarse(field), folder / f"{phase}.nrrd", useCompression=False)


def _coarse(field: sitk.Image) -> sitk.Image:
    """The field in single precision on a coarser grid that covers it."""
    last = np.array(field.GetSize()) - 1
    spacing = np.maximum(field.GetSpacing(), FIELD_MM)
    size = np.ceil(last * field.GetSpacing() / spacing).astype(int) + 1
    return sitk.Resample(
        field,
        size.tolist(),
        sitk.Transform(),
        sitk.sitkLinear,
        field.GetOrigin(),
        spacing.tolist(),
        field.GetDirection(),
        0.0,
        sitk.sitkVectorFloat32,
        True,
    )

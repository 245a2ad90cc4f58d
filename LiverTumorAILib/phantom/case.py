"""Writing a synthetic study as a case with truth."""

import json
from dataclasses import asdict
from pathlib import Path

import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.folders import new_folder
from LiverTumorAILib.phantom.dicom_writer import write_dicom_study
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.phantom import PHANTOM_VERSION, Phantom


def write_case(phantom: Phantom, folder: Path, dicom: bool = False, seed: int = 0) -> None:
    """Write a study folder with `truth/`; it appears by one rename when it is complete.

    Parameters
    ----------
    phantom: Phantom
    folder: Path
        Must not exist, or be empty.
    dicom: bool
        Whether the phases are written as DICOM series instead of one `.nii.gz` each.
    seed: int
        Of the DICOM headers.

    Raises
    ------
    LiverTumorAIError
        The folder is not empty or cannot be written; nothing is left behind.

    """
    with new_folder(folder) as unfinished:
        try:
            _write_images(phantom, unfinished, dicom, seed)
            _write_truth(phantom, unfinished / "truth")
        except RuntimeError as error:
            raise LiverTumorAIError("Writing the case failed", folder, "Check free disk space") from error


def _write_images(phantom: Phantom, folder: Path, dicom: bool, seed: int) -> None:
    if dicom:
        write_dicom_study(phantom.images, phantom.modality, folder, seed)
        return
    for phase, image in phantom.images.items():
        _write(sitk.Cast(image, sitk.sitkInt16), folder / f"{phase}.nii.gz")


def _write_truth(phantom: Phantom, folder: Path) -> None:
    (folder / "fields").mkdir(parents=True)
    _write(phantom.organs, folder / "organs.nii.gz")
    _write(phantom.lesions, folder / "lesions.nii.gz")
    for phase, field in phantom.fields.items():
        _write(field, folder / "fields" / f"{phase}.nrrd")
    lesions = {
        "phantom_version": PHANTOM_VERSION,
        "modality": phantom.modality,
        "reference_phase": phantom.reference_phase,
        "lesions": [asdict(lesion) for lesion in phantom.lesion_truth],
        "description": dict(phantom.description),
    }
    (folder / "lesions.json").write_text(json.dumps(lesions, indent=2) + "\n", encoding="utf-8")
    labels = {str(tissue.value): tissue.name.lower() for tissue in Tissue}
    (folder / "labels.json").write_text(json.dumps(labels, indent=2) + "\n", encoding="utf-8")


def _write(image: sitk.Image, path: Path) -> None:
    sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=3)

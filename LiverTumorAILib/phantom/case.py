"""Writing a synthetic study as a case with truth."""

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
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
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LiverTumorAIError("The output folder is not empty", folder, "Choose a new or an empty folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise LiverTumorAIError(f"Cannot write here: {error.strerror}", folder, "Choose another folder") from error
    try:
        unfinished.chmod(0o755)
        _write_images(phantom, unfinished, dicom, seed)
        _write_truth(phantom, unfinished / "truth")
        unfinished.replace(folder)
    except (OSError, RuntimeError) as error:
        raise LiverTumorAIError("Writing the case failed", folder, "Check free disk space and permissions") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


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

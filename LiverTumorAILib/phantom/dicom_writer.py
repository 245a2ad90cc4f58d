"""Writes phantoms as DICOM series with plausible headers."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)
from pydicom.valuerep import DS

from LiverTumorAILib.study.phase import Phase
from LiverTumorAILib.study.study import Modality

_STUDY_DATE = "20200101"
_STUDY_START_SECONDS = 9 * 3600
_SECONDS_AFTER_STUDY_START = {
    Phase.NON_CONTRAST: 60,
    Phase.ARTERIAL: 155,
    Phase.PORTAL_VENOUS: 190,
    Phase.DELAYED: 300,
    Phase.HEPATOBILIARY: 1320,
}
_CT_DESCRIPTIONS = {
    Phase.NON_CONTRAST: "Liver native",
    Phase.ARTERIAL: "Liver arterial phase",
    Phase.PORTAL_VENOUS: "Liver portal venous phase",
    Phase.DELAYED: "Liver delayed phase 3 min",
    Phase.HEPATOBILIARY: "Liver hepatobiliary phase 20 min",
}
_MR_DESCRIPTIONS = {
    Phase.NON_CONTRAST: "T1 VIBE fs tra pre contrast",
    Phase.ARTERIAL: "T1 VIBE fs tra arterial",
    Phase.PORTAL_VENOUS: "T1 VIBE fs tra portal venous",
    Phase.DELAYED: "T1 VIBE fs tra delayed",
    Phase.HEPATOBILIARY: "T1 VIBE fs tra hepatobiliary 20 min",
}


def write_dicom_study(images: Mapping[Phase, sitk.Image], modality: Modality, folder: Path, seed: int) -> None:
    """Write one series a phase below `folder`, in folders named by series number and phase.

    The attributes are those that DICOM PS3.3 A.3 (CT Image IOD) and A.4 (MR Image IOD) require. All UIDs follow
    from `seed`, so the same call writes the same files.

    Parameters
    ----------
    images: Mapping[Phase, SimpleITK.Image]
        3D, LPS, mm. HU for CT; any non-negative unit for MR, where all phases are stored with one common factor.
    modality: Modality
        CT or MR Image Storage.
    folder: Path
        Made if it is missing.
    seed: int
        Number of the phantom: gives the UIDs and the anonymous patient name 'Phantom^NNN'.

    """
    factor = _common_factor(images) if modality is Modality.MR else 1.0
    phases = [phase for phase in Phase if phase in images]
    hepatobiliary_agent = Phase.HEPATOBILIARY in images
    for number, phase in enumerate(phases, start=2):
        series_folder = folder / f"series-{number}-{phase.value}"
        series_folder.mkdir(parents=True, exist_ok=True)
        header = _series_header(phase, modality, number, seed, hepatobiliary_agent)
        _write_series(images[phase], header, series_folder, factor)


def _uid(seed: int, *parts: object) -> UID:
    return generate_uid(entropy_srcs=["LiverTumorAI phantom", str(seed), *(str(part) for part in parts)])


def _common_factor(images: Mapping[Phase, sitk.Image]) -> float:
    """Factor that puts the brightest voxel of all phases near the top of 12 bits, so that ratios stay."""
    brightest = max(float(sitk.GetArrayViewFromImage(image).max()) for image in images.values())
    return 4000.0 / brightest if brightest > 0 else 1.0


def _time(seconds: float) -> str:
    minutes, second = divmod(_STUDY_START_SECONDS + seconds, 60)
    hours, minute = divmod(int(minutes), 60)
    return f"{hours:02d}{minute:02d}{second:09.6f}"


def _series_header(phase: Phase, modality: Modality, number: int, seed: int, hepatobiliary_agent: bool) -> Dataset:
    """All that the images of one series have in common."""
    seconds = _SECONDS_AFTER_STUDY_START[phase]
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientName = f"Phantom^{seed:03d}"
    header.PatientID = f"PHANTOM-{seed:03d}"
    header.PatientBirthDate = ""
    header.PatientSex = "O"
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = "Synthetic images, no patient"
    header.StudyInstanceUID = _uid(seed, "study")
    header.StudyID = "1"
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = _STUDY_DATE
    header.StudyTime = _time(0)
    header.SeriesTime = header.AcquisitionTime = _time(seconds)
    header.AccessionNumber = ""
    header.ReferringPhysicianName = ""
    header.StudyDescription = f"{modality.value} liver, multi-phase (synthetic)"
    header.SeriesInstanceUID = _uid(seed, "series", phase)
    header.SeriesNumber = number
    header.AcquisitionNumber = number
    header.Modality = modality.value
    header.PatientPosition = "HFS"
    header.BodyPartExamined = "LIVER"
    header.FrameOfReferenceUID = _uid(seed, "frame of reference")
    header.PositionReferenceIndicator = ""
    header.Manufacturer = "Liver Tumor AI"
    header.ManufacturerModelName = "Phantom"
    header.InstitutionName = ""
    header.SoftwareVersions = "1"
    if phase is not Phase.NON_CONTRAST:
        header.ContrastBolusAgent = _contrast_agent(modality, hepatobiliary_agent)
        header.ContrastBolusRoute = "IV"
    if modality is Modality.CT:
        _add_ct_technique(header, phase)
    else:
        _add_mr_technique(header, phase)
    return header


def _contrast_agent(modality: Modality, hepatobiliary_agent: bool) -> str:
    if modality is Modality.CT:
        return "Iomeprol 400"
    return "Gadoxetate disodium" if hepatobiliary_agent else "Gadobutrol"


def _add_ct_technique(header: Dataset, phase: Phase) -> None:
    header.SOPClassUID = CTImageStorage
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.SeriesDescription = _CT_DESCRIPTIONS[phase]
    header.ProtocolName = "Liver multi-phase"
    header.KVP = "120"
    header.ConvolutionKernel = "STANDARD"
    header.RescaleIntercept = "-1024"
    header.RescaleSlope = "1"
    header.RescaleType = "HU"
    header.WindowCenter = "60"
    header.WindowWidth = "400"


def _add_mr_technique(header: Dataset, phase: Phase) -> None:
    header.SOPClassUID = MRImageStorage
    header.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    header.SeriesDescription = _MR_DESCRIPTIONS[phase]
    header.ProtocolName = "T1 VIBE dynamic"
    header.ScanningSequence = "GR"
    header.SequenceVariant = ["SP", "OSP"]
    header.ScanOptions = "FS"
    header.MRAcquisitionType = "3D"
    header.RepetitionTime = "4.1"
    header.EchoTime = "1.9"
    header.EchoTrainLength = "1"
    header.FlipAngle = "10"
    header.MagneticFieldStrength = "1.5"
    header.WindowCenter = "1200"
    header.WindowWidth = "2400"


def _write_series(image: sitk.Image, header: Dataset, folder: Path, factor: float) -> None:
    voxels = sitk.GetArrayViewFromImage(image)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    columns, rows, slices = image.GetSize()
    spacing_x, spacing_y, spacing_z = image.GetSpacing()
    for index in range(slices):
        dataset = FileDataset(None, {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
        dataset.update(header)
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[header.SeriesInstanceUID, str(index)])
        dataset.InstanceNumber = index + 1
        dataset.ContentTime = header.AcquisitionTime
        dataset.Rows, dataset.Columns = rows, columns
        dataset.PixelSpacing = [_decimal(spacing_y), _decimal(spacing_x)]
        dataset.SliceThickness = _decimal(spacing_z)
        dataset.SpacingBetweenSlices = _decimal(spacing_z)
        dataset.ImageOrientationPatient = [_decimal(value) for value in (*direction[:, 0], *direction[:, 1])]
        position = image.TransformIndexToPhysicalPoint((0, 0, index))
        dataset.ImagePositionPatient = [_decimal(value) for value in position]
        dataset.SliceLocation = _decimal(float(np.dot(position, direction[:, 2])))
        _set_pixels(dataset, voxels[index], factor)
        dataset.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
        dataset.save_as(folder / f"{index + 1:04d}.dcm", enforce_file_format=True)


def _decimal(value: float) -> DS:
    return DS(float(value) + 0.0, auto_format=True)


def _set_pixels(dataset: Dataset, values: np.ndarray, factor: float) -> None:
    """Store as 12 bits unsigned; HU beyond -1024 to 3071 are clipped as a scanner does."""
    stored = values + 1024.0 if dataset.Modality == Modality.CT else values * factor
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12
    dataset.HighBit = 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = np.clip(np.rint(stored), 0, 4095).astype("<u2").tobytes()

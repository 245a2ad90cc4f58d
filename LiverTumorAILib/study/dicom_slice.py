"""One DICOM image slice: its header as far as loading needs it, and its pixels."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag

from LiverTumorAILib.errors import LiverTumorAIError

SPLITTING_ATTRIBUTES = (
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "AcquisitionTime",
    "TriggerTime",
    "ContentTime",
)
"""What may tell the acquisitions of one series apart, most reliable first."""


@dataclass(frozen=True)
class Slice:
    """One slice of a series.

    Attributes
    ----------
    path: Path
    frame: int or None
        Index of the frame in a multi-frame file, None for a file with one image.
    header: pydicom.Dataset
        The file's header without pixels.
    position: numpy.ndarray
        Centre of the first pixel, LPS, mm.
    row_direction, column_direction: numpy.ndarray
        Unit vectors (LPS) along which the column and the row index grow.
    spacing: tuple of two floats
        Between columns (along a row) and between rows, mm.
    size: tuple of two ints
        Columns, rows.
    acquisition: dict of str to str
        Values of `SPLITTING_ATTRIBUTES` and what else tells stacks apart.

    """

    path: Path
    frame: int | None
    header: Dataset
    position: np.ndarray
    row_direction: np.ndarray
    column_direction: np.ndarray
    spacing: tuple[float, float]
    size: tuple[int, int]
    acquisition: dict[str, str] = field(default_factory=dict)

    @property
    def normal(self) -> np.ndarray:
        """Unit normal of the slice, LPS."""
        return np.cross(self.row_direction, self.column_direction)

    @property
    def order(self) -> tuple[int, int]:
        """Instance number and frame: the order in which the scanner counted."""
        return int(self.header.get("InstanceNumber") or 0), self.frame or 0


def read_header(path: Path) -> Dataset | None:
    """Header of a DICOM file without pixels; None if the file is not DICOM."""
    try:
        with path.open("rb") as stream:
            start = stream.read(132)
        preamble = start[128:132] == b"DICM"
        # Files from before the preamble existed begin with group 0008.
        if not preamble and start[:2] != b"\x08\x00":
            return None
        header = pydicom.dcmread(path, stop_before_pixels=True, force=not preamble)
    except InvalidDicomError:
        return None
    except PermissionError as error:
        raise LiverTumorAIError("No permission to read the file", path.name, "Ask for access to it") from error
    except OSError as error:
        raise LiverTumorAIError("The file cannot be read", path.name, "Check the disk or copy it again") from error
    except Exception as error:
        raise _truncated(path) from error
    if "SOPClassUID" not in header:
        if preamble and header.file_meta.get("MediaStorageSOPClassUID") != "1.2.840.10008.1.3.10":
            raise _truncated(path)
        return None
    return header


def check_complete(path: Path, header: Dataset) -> None:
    """Raise LiverTumorAIError if an uncompressed image file is shorter than its pixels."""
    syntax = getattr(header, "file_meta", Dataset()).get("TransferSyntaxUID")
    if syntax is not None and syntax.is_compressed:
        return
    try:
        bits = header.Rows * header.Columns * header.SamplesPerPixel * header.BitsAllocated
        expected = bits * int(header.get("NumberOfFrames") or 1) // 8
    except AttributeError as error:
        raise _truncated(path) from error
    if path.stat().st_size < expected:
        raise _truncated(path)


def _truncated(path: Path) -> LiverTumorAIError:
    return LiverTumorAIError("The DICOM file is truncated or damaged", path.name, "Export or copy the study again")


def slices_of_file(path: Path, header: Dataset) -> list[Slice]:
    """The slices in a file: one, or one for each frame.

    Raises
    ------
    LiverTumorAIError
        If position, orientation or pixel spacing are missing or make no sense.

    """
    try:
        if "PerFrameFunctionalGroupsSequence" in header:
            return list(_frames(path, header))
        acquisition = {key: str(header.get(key) or "") for key in (*SPLITTING_ATTRIBUTES, "EchoTime", "ImageType")}
        geometry = (header.ImagePositionPatient, header.ImageOrientationPatient, header.PixelSpacing)
        return [_slice(path, None, header, geometry, acquisition)]
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise LiverTumorAIError(
            "Position, orientation or pixel spacing is missing in the header",
            path.name,
            "Export the original series, not a secondary capture",
        ) from error


def _slice(path: Path, frame: int | None, header: Dataset, geometry: tuple, acquisition: dict[str, str]) -> Slice:
    position, orientation, pixel_spacing = geometry
    cosines = np.array(orientation, dtype=float).reshape(2, 3)
    lengths = np.linalg.norm(cosines, axis=1)
    between_rows, between_columns = (float(value) for value in pixel_spacing)
    values = np.array([*np.array(position, dtype=float), *cosines.ravel(), between_rows, between_columns])
    if not np.isfinite(values).all() or (abs(lengths - 1) > 0.05).any() or abs(cosines[0] @ cosines[1]) > 0.05:
        raise ValueError("no orthonormal orientation")
    row, column = cosines / lengths[:, None]
    column = column - (row @ column) * row
    return Slice(
        path,
        frame,
        header,
        np.array(position, dtype=float).reshape(3),
        row,
        column / np.linalg.norm(column),
        (between_columns, between_rows),
        (int(header.Columns), int(header.Rows)),
        acquisition,
    )


def _frames(path: Path, header: Dataset) -> Iterator[Slice]:
    """Frames of an enhanced (multi-frame) image, DICOM PS3.3 C.7.6.16."""
    shared = header.SharedFunctionalGroupsSequence[0] if "SharedFunctionalGroupsSequence" in header else Dataset()
    for index, own in enumerate(header.PerFrameFunctionalGroupsSequence):

        def group(name: str, own: Dataset = own) -> Dataset:
            return (own.get(name) or shared.get(name) or [Dataset()])[0]

        content = group("FrameContentSequence")
        acquisition = {
            "AcquisitionNumber": str(content.get("FrameAcquisitionNumber") or ""),
            "TemporalPositionIndex": str(content.get("TemporalPositionIndex") or ""),
            "AcquisitionTime": str(content.get("FrameAcquisitionDateTime") or "")[8:],
            "EchoTime": str(group("MREchoSequence").get("EffectiveEchoTime") or ""),
            "ImageType": str(
                (group("MRImageFrameTypeSequence") or group("CTImageFrameTypeSequence")).get("FrameType") or ""
            ),
        }
        geometry = (
            group("PlanePositionSequence").ImagePositionPatient,
            group("PlaneOrientationSequence").ImageOrientationPatient,
            group("PixelMeasuresSequence").PixelSpacing,
        )
        yield _slice(path, index, header, geometry, acquisition)


def read_pixels(slices: list[Slice]) -> Iterator[np.ndarray]:
    """Rescaled pixels of each slice in order, float32 (rows, columns), HU for CT.

    Raises
    ------
    LiverTumorAIError
        If a file is truncated, or compressed in a way that no installed decoder reads.

    """
    path, dataset, pixels = None, None, None
    for item in slices:
        if item.path != path:
            path = item.path
            dataset, pixels = _decode(path)
        stored = pixels if item.frame is None or pixels.ndim == 2 else pixels[item.frame]
        slope, intercept = _rescale(dataset, item.frame)
        yield stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def _decode(path: Path) -> tuple[Dataset, np.ndarray]:
    try:
        dataset = pydicom.dcmread(path, force=True)
        syntax = dataset.file_meta.get("TransferSyntaxUID") or pydicom.uid.ImplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = syntax
    except (OSError, EOFError, ValueError, AttributeError) as error:
        raise _truncated(path) from error
    try:
        return dataset, dataset.pixel_array
    except (RuntimeError, NotImplementedError) as error:
        if not syntax.is_compressed or _decoder_available(syntax):
            raise _truncated(path) from error
        raise LiverTumorAIError(
            f"No decoder for pixels compressed as {syntax.name} is installed",
            path.name,
            "Install pylibjpeg with pylibjpeg-libjpeg and pylibjpeg-openjpeg, or export the study uncompressed",
        ) from error
    except Exception as error:
        raise _truncated(path) from error


def _decoder_available(syntax: pydicom.uid.UID) -> bool:
    try:
        return pydicom.pixels.get_decoder(syntax).is_available
    except NotImplementedError:
        return False


def _rescale(dataset: Dataset, frame: int | None) -> tuple[float, float]:
    if frame is not None:
        for groups in (dataset.PerFrameFunctionalGroupsSequence[frame], dataset.SharedFunctionalGroupsSequence[0]):
            if "PixelValueTransformationSequence" in groups:
                transformation = groups.PixelValueTransformationSequence[0]
                return float(transformation.RescaleSlope), float(transformation.RescaleIntercept)
    slope = dataset.get(Tag("RescaleSlope"))
    intercept = dataset.get(Tag("RescaleIntercept"))
    return (
        float(slope.value) if slope is not None and slope.value is not None else 1.0,
        float(intercept.value) if intercept is not None and intercept.value is not None else 0.0,
    )

"""Volumes that are one file each: NIfTI, NRRD, MetaImage."""

import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study.grey_values import GreyValues, read_grey_values
from LiverTumorAILib.study.nifti_values import count_not_numbers
from LiverTumorAILib.study.phase import Phase
from LiverTumorAILib.study.raw_volume import RawVolume
from LiverTumorAILib.study.sanity import (
    check_extent,
    check_memory,
    check_numbers,
    check_spacing,
    check_values,
)
from LiverTumorAILib.study.study import Modality

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_LABEL_NAME = re.compile(
    r"(^|[\W_])(seg|segs|segmentations?|labels?|masks?|organs|lesions|tumou?rs?|liver_?seg|rois?|gt|ground_?truth)"
    r"($|[\W_])|\.seg$",
    re.IGNORECASE,
)


def stem_of(path: Path) -> str:
    """File name without its volume suffix."""
    for suffix in sorted(VOLUME_SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def read_volume_files(
    paths: Sequence[Path], where: str, progress: Progress
) -> tuple[Modality, list[RawVolume], list[str]]:
    """Read every file that is an image; label maps are left out with a warning.

    A 4D file gives one volume for each point in time.

    Raises
    ------
    LiverTumorAIError
        If a file cannot be read, is in colour, holds absurd sizes, spacings or values, or all are label maps.

    """
    headers = {path: _read_header(path) for path in paths}
    check_memory(sum(4 * int(np.prod(header.GetSize())) for header in headers.values()), where)
    volumes, warnings, modalities = [], [], set()
    for index, path in enumerate(paths):
        progress.update(index / len(paths), path.name)
        images = _read_images(path, headers[path])
        if _is_label_map(path, headers[path], images[0]):
            warnings.append(f"{path.name} left out: it is a label map")
            continue
        check_numbers(count_not_numbers(path), path.name)
        for number, image in enumerate(images, start=1):
            source = path.name if len(images) == 1 else f"{path.name}, time {number}"
            check_values(image, source)
            grey = read_grey_values(image, None, source)
            modalities.add(grey.modality)
            if grey.note:
                warnings.append(f"{source}: {grey.note}")
            volumes.append(_raw_volume(path, grey, source, len(images) > 1))
    if not volumes:
        raise LiverTumorAIError("There are label maps only, no image", where, "Choose a folder with the phases")
    if len(modalities) > 1:
        raise LiverTumorAIError("CT and MR volumes are mixed", where, "Put one modality in the folder")
    return modalities.pop(), _in_phase_order(volumes), warnings


def read_image(path: Path) -> sitk.Image:
    """One 3D volume file as float32 (LPS, mm), whatever it shows; LiverTumorAIError if it cannot be read."""
    images = _read_images(path, _read_header(path))
    if len(images) > 1:
        raise LiverTumorAIError("The file holds several volumes (4D)", path.name, "Give one volume")
    return images[0]


def _raw_volume(path: Path, grey: GreyValues, source: str, is_one_of_several: bool) -> RawVolume:
    stem = stem_of(path)
    given = Phase(stem.lower()) if stem.lower() in set(Phase) and not is_one_of_several else None
    words = () if is_one_of_several else (stem,)
    return RawVolume(
        grey.image,
        source,
        words,
        given_phase=given,
        is_ordered=is_one_of_several,
        values_are_approximate=grey.are_approximate,
    )


def _in_phase_order(volumes: list[RawVolume]) -> list[RawVolume]:
    order = list(Phase)
    if all(volume.given_phase for volume in volumes):
        return sorted(volumes, key=lambda volume: order.index(volume.given_phase))
    return volumes


def _read_header(path: Path) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with path.open("rb"):
            pass
        reader.ReadImageInformation()
    except PermissionError as error:
        raise LiverTumorAIError("No permission to read the file", path.name, "Ask for access to it") from error
    except OSError as error:
        raise LiverTumorAIError("The file cannot be read", path.name, "Check that it is there") from error
    except RuntimeError as error:
        what = "orthonormal" if "orthonormal" in str(error) else ""
        if what:
            raise LiverTumorAIError(
                "The axes in the header are not perpendicular", path.name, "Mend the header or export again"
            ) from error
        raise LiverTumorAIError(
            "The file is no image that can be read", path.name, "Give NIfTI, NRRD, MetaImage or DICOM"
        ) from error
    if reader.GetNumberOfComponents() != 1:
        raise LiverTumorAIError("The image is in colour (RGB)", path.name, "Give the grey-value volume")
    if reader.GetDimension() < 3:
        raise LiverTumorAIError("There is a single slice only", path.name, "Choose a volume that covers the liver")
    check_spacing(reader.GetSpacing()[:3], path.name)
    check_extent(reader.GetSize()[:3], reader.GetSpacing()[:3], path.name)
    return reader


def _read_images(path: Path, header: sitk.ImageFileReader) -> list[sitk.Image]:
    # ITK fills what a short NIfTI file lacks with zeros and says nothing.
    if path.name.lower().endswith((".nii", ".nii.gz")):
        _check_complete_nifti(path, header)
    try:
        image = sitk.ReadImage(str(path), sitk.sitkFloat32)
    except RuntimeError as error:
        raise _truncated(path) from error
    if image.GetDimension() > 4:
        raise LiverTumorAIError("The image has more than four dimensions", path.name, "Give one volume a file")
    times = [image[..., index] for index in range(image.GetSize()[3])] if image.GetDimension() == 4 else [image]
    return [sitk.DICOMOrient(time, "LPS") for time in times]


def _check_complete_nifti(path: Path, header: sitk.ImageFileReader) -> None:
    expected = int(np.prod(header.GetSize())) * sitk.Image([1, 1], header.GetPixelID()).GetSizeOfPixelComponent()
    try:
        complete = path.stat().st_size >= expected
        if path.name.lower().endswith(".gz"):
            complete = _length_at_end(path) - expected in range(1 << 20) or _unpacked_length(path) >= expected
    except (OSError, EOFError, zlib.error) as error:
        raise _truncated(path) from error
    if not complete:
        raise _truncated(path)


def _length_at_end(path: Path) -> int:
    """Unpacked length modulo 2**32, from the last four bytes of a gzip file with one member (RFC 1952)."""
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        return int.from_bytes(stream.read(4), "little")


def _unpacked_length(path: Path) -> int:
    length = 0
    with gzip.open(path) as stream:
        while block := stream.read(1 << 22):
            length += len(block)
    return length


def _truncated(path: Path) -> LiverTumorAIError:
    return LiverTumorAIError("The file is truncated or damaged", path.name, "Export or copy the volume again")


def _is_label_map(path: Path, header: sitk.ImageFileReader, image: sitk.Image) -> bool:
    stem = stem_of(path)
    if stem.lower() in set(Phase):
        return False
    if _LABEL_NAME.search(stem):
        return True
    if header.GetPixelID() in (sitk.sitkFloat32, sitk.sitkFloat64):
        return False
    values = sitk.GetArrayViewFromImage(image)
    # Grey values of a scanner fill hundreds of levels.
    return values.min() >= 0 and len(np.unique(values[:: max(1, len(values) // 40)])) <= 130 and values.max() < 256

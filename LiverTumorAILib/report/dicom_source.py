"""Which images a DICOM SEG was made of, told without naming them or the patient."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

UNKNOWN_SOURCE = "unknown"


def source_of_images(files: Iterable[Path]) -> str:
    """What tells a series by its images, in any order: a SHA-256 of their UIDs."""
    headers = (dcmread(file, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]) for file in files)
    return _digest(header.SOPInstanceUID for header in headers)


def source_of_segmentation(file: Path) -> str:
    """The same of the images that a SEG refers to: empty if there is no such file, `UNKNOWN_SOURCE` if it is broken."""
    if not file.is_file():
        return ""
    try:
        (series,) = dcmread(file, stop_before_pixels=True).ReferencedSeriesSequence
        return _digest(item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence)
    except (InvalidDicomError, OSError, AttributeError, ValueError):
        return UNKNOWN_SOURCE


def _digest(uids: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(set(uids))).encode()).hexdigest()

"""Which DICOM series of a folder belong to a multi-phase liver study."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset

from LiverTumorAILib.study.dicom_slice import Slice

_IMAGE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2",  # CT Image Storage
    "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT Image Storage
    "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT Image Storage
    "1.2.840.10008.5.1.4.1.1.4",  # MR Image Storage
    "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR Image Storage
    "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR Image Storage
}
_OTHER_MR_SEQUENCES = re.compile(
    r"\bt2|t2w|haste|\bdwi|\badc\b|diff|ep2d|mrcp|trufi|fiesta|b-?ffe|ssfse|\btse\b|\bfse\b|\bstir\b"
    r"|\bsub\b|subtra|opp\b|opp?osed|in.?phase|out.?phase|_(in|opp|f)$|fat.?only|elasto|\bt2\*|perf.?map",
    re.IGNORECASE,
)
_PROJECTIONS = re.compile(r"\b(mip|minip|vrt|3d.?render|mpr.?(cor|sag))", re.IGNORECASE)
_LONGEST_T1_ECHO_MS = 15


def is_scanner_image(header: Dataset) -> bool:
    """Whether the file's class is a CT or MR image."""
    return str(header.SOPClassUID) in _IMAGE_CLASSES


def why_not_an_image(header: Dataset) -> str | None:
    """Why a DICOM file is no axial image of a patient, in the plural for the user; None if it may be one."""
    modality = str(header.get("Modality") or "")
    image_type = [str(part).upper() for part in np.atleast_1d(header.get("ImageType") or [])]
    if not is_scanner_image(header) or modality not in ("CT", "MR"):
        return f"files of another kind ({modality or 'unknown'})"
    if int(header.get("SamplesPerPixel") or 1) != 1:
        return "colour (RGB) images"
    if "LOCALIZER" in image_type or "SCOUT" in image_type:
        return "localizers"
    if "PROJECTION IMAGE" in image_type or ("SECONDARY" in image_type and "SCREEN SAVE" in image_type):
        return "projections and screen shots"
    return None


def why_not_a_phase(slices: Sequence[Slice]) -> str | None:
    """Why a stack of slices cannot be a phase of a liver study; None if it can."""
    header = slices[0].header
    description = str(header.get("SeriesDescription") or "")
    if abs(slices[0].normal[2]) < 0.8:
        return "not axial"
    if _PROJECTIONS.search(description):
        return "a projection or rendering"
    if re.search(r"\b(local|scout|topogram|survey|localizer|loc)\b", description, re.IGNORECASE):
        return "a localizer"
    if header.get("Modality") == "MR":
        echo = _echo_time(slices[0])
        if _OTHER_MR_SEQUENCES.search(description) or (echo is not None and echo > _LONGEST_T1_ECHO_MS):
            return "not a T1-weighted contrast phase"
    return None


def _echo_time(item: Slice) -> float | None:
    try:
        return float(item.acquisition["EchoTime"])
    except (KeyError, ValueError):
        return None


def count_in_words(reasons: Counter[str]) -> list[str]:
    """One warning for each reason, such as '3 files left out: localizers'."""
    return [f"{number} file{'' if number == 1 else 's'} left out: {reason}" for reason, number in reasons.items()]

"""A volume as read, before its phase is known."""

from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from LiverTumorAILib.study.phase import Phase


@dataclass(frozen=True)
class RawVolume:
    """One acquisition as read.

    Attributes
    ----------
    image: SimpleITK.Image
        3D float32, LPS, mm.
    source: str
        For the user, without patient data.
    words: tuple of str
        What header or file name say about the phase, the most specific first; empty where they say the same of
        several acquisitions.
    given_phase: Phase or None
        Where the file is named exactly by its phase.
    contrast_agent: str
        Contrast agent of the header, empty where unknown.
    seconds: float or None
        Time of acquisition since midnight, None where unknown.
    is_ordered: bool
        Whether its place among the volumes tells when it was acquired.
    values_are_approximate: bool
        Whether HU were guessed from a display window, so that enhancement proves little.
    warnings: tuple of str
    dicom_files: tuple of Path
        In slice order.

    """

    image: sitk.Image
    source: str
    words: tuple[str, ...] = ()
    given_phase: Phase | None = None
    contrast_agent: str = ""
    seconds: float | None = None
    is_ordered: bool = False
    values_are_approximate: bool = False
    warnings: tuple[str, ...] = ()
    dicom_files: tuple[Path, ...] = ()

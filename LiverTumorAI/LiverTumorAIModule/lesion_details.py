"""What the lesion table shows beside a lesion's own figures: its place in the liver and a small picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LiverTumorAILib.lesions import Findings, Lesion
    from LiverTumorAILib.review.reading import Reading
    from LiverTumorAILib.study import Phase


class Details(NamedTuple):
    """Place in words, and a PNG."""

    place: str
    thumbnail: bytes


class LesionDetails:
    """Makes details where they are missing and keeps them until a lesion's type or voxels change.

    Parameters
    ----------
    findings: Findings
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases (reference grid, LPS, mm).

    """

    def __init__(self, findings: Findings, images: Mapping[Phase, sitk.Image]) -> None:
        from LiverTumorAILib.measurement.location import LiverMap
        from LiverTumorAILib.report.window import liver_window

        self._map = LiverMap(findings.organ_labels, findings.lesion_labels)
        self._image = images[findings.reference_phase]
        self._window = liver_window(self._image, findings.reference_phase, findings.modality)
        self._known: dict[str, tuple[sitk.Image, str, Details]] = {}

    def prepare(self, reading: Reading) -> None:
        """Make the details of all lesions; takes its time, so not on the GUI's thread."""
        for lesion in reading.lesions:
            self.of(lesion, reading.masks[lesion.uid])

    def of(self, lesion: Lesion, mask: sitk.Image) -> Details:
        """Place and picture of a lesion with these voxels (uint8; a box of the reference grid)."""
        from LiverTumorAILib.report.thumbnail import lesion_thumbnail

        known = self._known.get(lesion.uid)
        if known is None or known[0] is not mask or known[1] != lesion.type:
            location = self._map.locate(mask)
            picture = lesion_thumbnail(self._image, self._window, lesion, mask)
            self._known[lesion.uid] = known = (mask, lesion.type, Details(location.words if location else "", picture))
        return known[2]

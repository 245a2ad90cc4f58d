"""What the lesion table shows beside a lesion's own figures: its place in the liver and a small picture.

Both take their time, so they are made beside the GUI's thread and follow the lesions they belong to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    import SimpleITK as sitk

    from LiverTumorAILib.lesions import Findings, Lesion
    from LiverTumorAILib.lesions.terminology import Colour, Palette
    from LiverTumorAILib.measurement.location import LiverMap
    from LiverTumorAILib.review.reading import Reading
    from LiverTumorAILib.study import Phase


class Details(NamedTuple):
    """Place in words, and a PNG."""

    place: str = ""
    thumbnail: bytes = b""


class LesionDetails:
    """Details of lesions as they were when they were made last.

    Parameters
    ----------
    findings: Findings
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases (reference grid, LPS, mm).

    Attributes
    ----------
    palette: Palette
        Colours of the outlines in the pictures.

    """

    def __init__(self, findings: Findings, images: Mapping[Phase, sitk.Image]) -> None:
        from LiverTumorAILib.lesions.terminology import STANDARD_PALETTE

        self.palette: Palette = STANDARD_PALETTE
        self._findings = findings
        self._image = images[findings.reference_phase]
        self._map: LiverMap | None = None
        self._known: dict[str, tuple[sitk.Image, Colour, Details]] = {}

    def of(self, lesion: Lesion) -> Details:
        """The latest details of a lesion; empty ones if none were made yet."""
        known = self._known.get(lesion.uid)
        return known[2] if known else Details()

    def missing(self, reading: Reading) -> list[Lesion]:
        """The lesions whose colour or voxels have changed since their details were made, and new ones."""
        known = {lesion.uid: self._known.get(lesion.uid, (None, None)) for lesion in reading.lesions}
        return [
            lesion
            for lesion in reading.lesions
            if known[lesion.uid][0] is not reading.masks[lesion.uid]
            or known[lesion.uid][1] != self.palette[lesion.type]
        ]

    def make(self, lesion: Lesion, mask: sitk.Image) -> None:
        """Make place and picture of a lesion with these voxels (uint8; a box of the reference grid)."""
        from LiverTumorAILib.measurement.location import LiverMap
        from LiverTumorAILib.report.thumbnail import lesion_thumbnail
        from LiverTumorAILib.report.window import liver_window

        findings = self._findings
        self._map = self._map or LiverMap(findings.organ_labels, findings.lesion_labels)
        location = self._map.locate(mask)
        window = liver_window(self._image, findings.reference_phase, findings.modality)
        palette = self.palette
        picture = lesion_thumbnail(self._image, window, lesion, mask, palette)
        self._known[lesion.uid] = (mask, palette[lesion.type], Details(location.words if location else "", picture))

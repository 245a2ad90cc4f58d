"""Measures beyond the table: tumour load, LI-RADS features with their numbers, viable part, axes set by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from LiverTumorAIModule.background import BackgroundTask
from LiverTumorAIModule.wording import escaped, problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import SimpleNamespace

    import SimpleITK as sitk

    from LiverTumorAILib.lesions import Lesion, Point
    from LiverTumorAILib.study import Modality, Phase
    from LiverTumorAIModule.findings_panel import FindingsPanel


class MeasurePanel:
    """Keeps the measures of the views section up to date, and takes over axes that are dragged.

    Parameters
    ----------
    ui: SimpleNamespace
        The form's widgets by name.
    findings: FindingsPanel
        Holds what is shown.

    """

    def __init__(self, ui: SimpleNamespace, findings: FindingsPanel) -> None:
        self.ui = ui
        self._findings = findings
        self._axes = None
        self._task = None
        self._texts: dict[str, tuple[Lesion, str]] = {}
        ui.measureAgainButton.clicked.connect(self._measureAgain)
        findings.followers.append(self.follow)
        self.follow()

    def follow(self, *_change: object) -> None:
        """Show the measures of the selected lesion as they are now."""
        shown = self._findings.shown
        lesion = self._findings.review.selected if shown else None
        if self._task is not None and lesion is None:
            self._task.forget()
        self._observeAxes(lesion)
        self.ui.evidenceLabel.text = self._text(lesion) if lesion else ""
        measured = lesion.measurement if lesion else None
        self.ui.measureAgainButton.visible = bool(measured) and (
            measured.long_axis.by_hand or measured.short_axis.by_hand
        )

    def release(self) -> None:
        """Leave nothing running or observed."""
        if self._task is not None:
            self._task.forget()
        self._stopObserving()

    def _stopObserving(self) -> None:
        if self._axes is not None:
            self._axes.stop()
            self._axes = None

    def _observeAxes(self, lesion: Lesion | None) -> None:
        """Observe the axes that are seen."""
        from LiverTumorAILib.mrml.markups import AxisObserver

        self._stopObserving()
        if lesion is not None:
            self._axes = AxisObserver(slicer.mrmlScene, [lesion], self._drag)

    def _drag(self, uid: str, kind: str, start_mm: Point, end_mm: Point) -> None:
        from LiverTumorAILib.review.remeasure import with_axis

        lesion = self._findings.shown.lesion(uid) if self._findings.shown else None
        if lesion is not None:
            what = {"long": _("long axis of lesion {number}"), "short": _("short axis of lesion {number}")}[kind]
            self._replace(what, with_axis(lesion, f"{kind}_axis", start_mm, end_mm))

    def _measureAgain(self) -> None:
        from LiverTumorAILib.review.remeasure import with_measured_axes

        shown, lesion = self._findings.shown, self._findings.review.selected
        if shown is not None and lesion is not None:
            mask = shown.reading.masks[lesion.uid]
            self._replace(_("measured axes of lesion {number}"), with_measured_axes(lesion, mask))

    def _replace(self, what: str, lesion: Lesion) -> None:
        shown = self._findings.shown
        shown.do(what.format(number=lesion.label), shown.reading.with_lesion(lesion).touched(lesion.uid))
        self._findings.followReading()

    def _text(self, lesion: Lesion) -> str:
        """Tumour load, and the evidence of one lesion, which is measured anew where the lesion has changed."""
        shown = self._findings.shown
        volume = sum(other.measurement.volume_mm3 for other in shown.reading.present)
        load = volume / shown.findings.liver_volume_mm3 if shown.findings.liver_volume_mm3 else 0.0
        known = self._texts.get(lesion.uid)
        if known is None or known[0] is not lesion:
            self._measure(lesion)
        lines = [
            _("Tumour load {share:.1%} of the liver").format(share=load),
            known[1] if known else _("Measuring the evidence…"),
        ]
        if lesion.measurement.long_axis.by_hand or lesion.measurement.short_axis.by_hand:
            lines.append(_("<b>Axes set by hand</b>: edits of the segment do not change them"))
        return "<br>".join(lines)

    def _measure(self, lesion: Lesion) -> None:
        """Measure the evidence of a lesion beside the GUI's thread: large ones take their time."""
        if self._task is not None:
            self._task.forget()
        shown = self._findings.shown
        mask, images = shown.reading.masks[lesion.uid], {phase: shown.image(phase) for phase in shown.phases}
        modality = shown.findings.modality

        def keep(text: str) -> None:
            self._texts[lesion.uid] = (lesion, text)
            self.follow()

        self._task = BackgroundTask(lambda: evidence_text(lesion, mask, images, modality), keep, self._fail)

    def _fail(self, error: Exception) -> None:
        text = _("The evidence could not be measured: {error}")
        self.ui.evidenceLabel.text = text.format(error=escaped(problem(error)))


def evidence_text(lesion: Lesion, mask: sitk.Image, images: Mapping[Phase, sitk.Image], modality: Modality) -> str:
    """LI-RADS major features and mRECIST's viable part of a lesion with these voxels, as rich text."""
    from LiverTumorAILib.measurement.lirads import major_features
    from LiverTumorAILib.measurement.viable import viable_part

    signs = {True: _("yes"), False: _("no"), None: _("cannot be judged")}
    lines = [
        f"<b>{escaped(feature.name)}</b>: {signs[feature.seen]} ({escaped(feature.numbers)})"
        for feature in major_features(lesion, mask, images, modality)[:-1]
    ]
    viable = viable_part(mask, images, modality)
    if viable is not None:
        part = _("<b>Viable part (mRECIST)</b>: {diameter:.0f} mm, {share:.0%} of the volume")
        lines.append(part.format(diameter=viable.diameter_mm, share=viable.share))
    return "<br>".join(lines)

"""The sensitivity of the multi-sensitivity cascade as a slider; lesions follow without any network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from LiverTumorAIModule.background import BackgroundTask, InTurns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import SimpleNamespace

    from LiverTumorAILib.lesions import Findings
    from LiverTumorAILib.review.reading import Reading
    from LiverTumorAIModule.findings_panel import FindingsPanel

FACTORS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
PAUSE_MS = 150


class SensitivityPanel:
    """Binds the slider to findings that hold the probabilities of their lesions.

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
        self._factors = FACTORS
        self._wanted: float | None = None
        self._live = None
        self._task: BackgroundTask | InTurns | None = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.interval = PAUSE_MS
        self._timer.timeout.connect(self._find)
        ui.sensitivitySlider.valueChanged.connect(self._moved)
        findings.followers.append(self.follow)
        self.follow()

    @property
    def is_busy(self) -> bool:
        """Whether lesions are on their way."""
        return self._wanted is not None

    def clear(self) -> None:
        """Forget the study; nothing follows any more."""
        self._timer.stop()
        if self._task is not None:
            self._task.forget()
        self._task = self._live = self._wanted = None

    def follow(self) -> None:
        """Show the sensitivity of the present reading; what the user moves to meanwhile stays."""
        data = self._findings.shown.original.sensitivity if self._findings.shown else None
        self.ui.sensitivityRow.visible = data is not None
        if data is None or self.is_busy:
            return
        analyzed, factor = data.factor, self._findings.shown.reading.factor or data.factor
        self._factors = tuple(sorted({*FACTORS, analyzed, factor}))
        slider = self.ui.sensitivitySlider
        slider.blockSignals(True)
        slider.maximum = len(self._factors) - 1
        slider.value = self._factors.index(factor)
        slider.blockSignals(False)
        self._name()

    def _name(self) -> None:
        factor = self._factors[self.ui.sensitivitySlider.value]
        is_analyzed = factor == self._findings.shown.original.sensitivity.factor
        text = _("× {factor:g} as analyzed") if is_analyzed else _("× {factor:g}")
        self.ui.sensitivityLabel.text = text.format(factor=factor)

    def _moved(self, *_value: int) -> None:
        self._wanted = self._factors[self.ui.sensitivitySlider.value]
        self._name()
        self._timer.start()

    def _find(self) -> None:
        """Find the lesions at the slider's factor beside the GUI's thread."""
        if self._task is not None or self._findings.corrections.is_busy:
            self._timer.start()
            return
        self._findings.editing.settle()
        shown = self._findings.shown
        factor, before, live = self._wanted, shown.reading, self._live
        findings, images = shown.original, {phase: shown.image(phase) for phase in shown.phases}

        def find() -> tuple[object, Reading, Findings]:
            from LiverTumorAILib.review.sensitivity import LiveSensitivity

            made = live or LiveSensitivity(findings, images)
            return made, *made.at(factor, before, findings)

        def show(result: tuple[object, Reading, Findings]) -> None:
            self._task = None
            self._live, reading, found = result
            if factor != self._wanted or shown.reading is not before:
                # The slider, or the reader, went on meanwhile.
                self._timer.start()
                return
            parts = shown.doing_sensitivity(_("change of sensitivity"), reading, found)
            self._task = InTurns(self._showing(parts), ended, self._fail)
            self._task.start()

        def ended() -> None:
            self._task = None
            if factor == self._wanted:
                self._wanted = None
            self.follow()

        self._task = BackgroundTask(find, show, self._fail)

    def _showing(self, parts: Iterator[None]) -> Iterator[None]:
        """The table follows at once, the views lesion by lesion."""
        next(parts)
        self._findings.followTable()
        yield
        self._findings.tellFollowers()
        yield
        yield from parts

    def _fail(self, error: Exception) -> None:
        self._task = self._wanted = None
        self.follow()
        slicer.util.errorDisplay(str(error))

"""The sensitivity of the multi-sensitivity cascade as a slider; lesions follow without any network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from LiverTumorAIModule.background import BackgroundTask, InTurns
from LiverTumorAIModule.wording import problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import SimpleNamespace

    from LiverTumorAILib.lesions import Findings
    from LiverTumorAILib.review.reading import Reading
    from LiverTumorAILib.review.sensitivity import LiveSensitivity
    from LiverTumorAIModule.findings_panel import FindingsPanel

FACTORS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
PAUSE_MS = 150
PREPARE_MS = 1500
"""After results came; until then places and pictures of the lesions are made."""


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
        self._ahead: BackgroundTask | None = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.interval = PAUSE_MS
        self._timer.timeout.connect(self._find)
        self._preparing = qt.QTimer()
        self._preparing.setSingleShot(True)
        self._preparing.interval = PREPARE_MS
        self._preparing.timeout.connect(self._prepare)
        ui.sensitivitySlider.valueChanged.connect(self._moved)
        findings.followers.append(self.follow)
        self.follow()

    @property
    def is_busy(self) -> bool:
        """Whether lesions are on their way."""
        return self._wanted is not None

    @property
    def is_prepared(self) -> bool:
        """Whether a move of the slider finds ready what all factors need."""
        return self._live is not None

    @property
    def is_finding_ahead(self) -> bool:
        """Whether lesions at factors that the slider may move to are being found."""
        return self._ahead is not None

    def clear(self) -> None:
        """Forget the study; nothing follows any more."""
        self._timer.stop()
        self._preparing.stop()
        if self._task is not None:
            self._task.forget()
        if self._ahead is not None:
            self._ahead.forget()
        self._task = self._ahead = self._live = self._wanted = None

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
        if self._live is None and not self._preparing.active:
            self._preparing.start()

    def _name(self) -> None:
        factor = self._factors[self.ui.sensitivitySlider.value]
        is_analyzed = factor == self._findings.shown.original.sensitivity.factor
        text = _("× {factor:g} as analyzed") if is_analyzed else _("× {factor:g}")
        self.ui.sensitivityLabel.text = text.format(factor=factor)

    def _moved(self, *_value: int) -> None:
        self._wanted = self._factors[self.ui.sensitivitySlider.value]
        self._name()
        self._timer.start()

    def _prepare(self) -> None:
        """Make what every factor needs before the slider moves, which would wait for it."""
        if self._task is not None or self._live is not None or self._findings.shown is None:
            return
        make = self._maker()

        def keep(live: LiveSensitivity) -> None:
            self._task, self._live = None, live
            self._find_ahead(self._nearest_first())

        def leave(_error: Exception) -> None:
            # A move of the slider tries again, and tells.
            self._task = None

        self._task = BackgroundTask(make, keep, leave)

    def _nearest_first(self) -> list[float]:
        """The slider's factors by their distance from where it stands."""
        now = self._factors[self.ui.sensitivitySlider.value]
        return sorted(self._factors, key=lambda factor: abs(math.log(factor / now)))

    def _find_ahead(self, factors: list[float]) -> None:
        """Find the lesions at these factors one after another, so that moves of the slider have only to show them."""
        live = self._live
        if live is None or not factors:
            self._ahead = None
            return
        self._ahead = BackgroundTask(
            lambda: live.find(factors[0]),
            lambda _found: self._find_ahead(factors[1:]),
            # A move of the slider tries again, and tells.
            lambda _error: None,
        )

    def _maker(self) -> Callable[[], LiveSensitivity]:
        """Makes the readings of the shown study at other factors, beside the GUI's thread."""
        shown = self._findings.shown
        findings, images = shown.original, {phase: shown.image(phase) for phase in shown.phases}

        def make() -> LiveSensitivity:
            from LiverTumorAILib.review.sensitivity import LiveSensitivity

            live = LiveSensitivity(findings, images)
            live.prepare()
            return live

        return make

    def _find(self) -> None:
        """Find the lesions at the slider's factor beside the GUI's thread."""
        if self._task is not None or self._findings.corrections.is_busy:
            self._timer.start()
            return
        if self._ahead is not None:
            # It would compete with the move; what is left follows it.
            self._ahead.forget()
        self._findings.editing.settle()
        shown = self._findings.shown
        factor, before, live = self._wanted, shown.reading, self._live
        findings, make = shown.original, self._maker()

        def find() -> tuple[LiveSensitivity, Reading, Findings]:
            made = live or make()
            return made, *made.at(factor, before, findings)

        def show(result: tuple[LiveSensitivity, Reading, Findings]) -> None:
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
            self._find_ahead(self._nearest_first())

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
        slicer.util.errorDisplay(problem(error))

"""Corrections of whole lesions: add by a click, delete, split, merge."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from LiverTumorAIModule import wording
from LiverTumorAIModule.background import BackgroundTask
from LiverTumorAIModule.view_keys import Keys

if TYPE_CHECKING:
    from types import SimpleNamespace

    from LiverTumorAILib.lesions import Point
    from LiverTumorAILib.review.reading import Reading
    from LiverTumorAIModule.findings_panel import FindingsPanel


class CorrectionPanel:
    """Binds corrections to the buttons above the segment editor.

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
        self._picker = None
        self._task: BackgroundTask | None = None
        ui.addLesionButton.clicked.connect(self._wait)
        ui.deleteLesionButton.clicked.connect(lambda *_args: self.delete())
        ui.splitLesionButton.clicked.connect(lambda *_args: self.split())
        # A menu without parent lives as long as this panel.
        self._others = qt.QMenu()
        self._others.aboutToShow.connect(self._listOthers)
        ui.mergeLesionButton.setMenu(self._others)
        self._keys = Keys({"L": ui.addLesionButton.click, "Del": self.delete, "E": self._toggleEditor})
        self._keys.enable(False)

    @property
    def is_busy(self) -> bool:
        """Whether a lesion is being drawn."""
        return self._task is not None

    def enableKeys(self, enabled: bool) -> None:
        """Let the keys work or not."""
        self._keys.enable(enabled)
        if not enabled:
            self.stop()

    def release(self) -> None:
        """Leave nothing behind in the application."""
        self.stop()
        self._keys.remove()

    def stop(self) -> None:
        """Wait for no click and no lesion any more."""
        if self._task is not None:
            self._task.forget()
            self._task = None
        if self._picker is not None:
            self._picker.stop()
        self.ui.addLesionButton.checked = False

    def updateButtons(self) -> None:
        """Enable what can be done now."""
        shown, chosen = self._findings.shown, self._findings.review.selected
        self.ui.addLesionButton.enabled = shown is not None and not self.is_busy
        self.ui.deleteLesionButton.enabled = self.ui.splitLesionButton.enabled = chosen is not None
        self.ui.mergeLesionButton.enabled = chosen is not None and len(shown.reading.present) > 1

    def addAt(self, point: Point) -> None:
        """Draw the missed lesion at a point (LPS, mm) beside the GUI's thread, and select it."""
        shown = self._findings.shown
        if shown is None:
            return
        before = shown.reading

        def show(reading: Reading) -> None:
            self._task = None
            if self._findings.shown is shown and shown.reading is before:
                lesion = reading.lesions[-1]
                self._findings.review.do(_("new lesion {number}").format(number=lesion.label), reading)
                self._findings.review.goTo(lesion.uid)
            self.updateButtons()

        def fail(error: Exception) -> None:
            self._task = None
            self.updateButtons()
            slicer.util.errorDisplay(wording.problem(error))

        self._task = BackgroundTask(lambda: shown.reading_with_lesion_at(point), show, fail)
        self.updateButtons()

    def delete(self) -> None:
        """Delete the selected lesion."""
        self._correct(_("deletion of lesion {number}"), lambda reading, uid: reading.without(uid))

    def split(self) -> None:
        """Cut the selected lesion into its parts."""
        if self._findings.shown is not None:
            self._correct(_("split of lesion {number}"), self._findings.shown.corrector.split)

    def merge(self, other: str) -> None:
        """Make one lesion of the selected one and another one (UID)."""
        self._correct(
            _("merge of lesion {number}"),
            lambda reading, uid: self._findings.shown.corrector.merge(reading, uid, other),
        )

    def _correct(self, what: str, correct: Callable[[Reading, str], Reading]) -> None:
        lesion = self._findings.review.selected
        if lesion is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The lesion was not changed."), waitCursor=True):
            self._findings.editing.settle()
            reading = correct(self._findings.shown.reading, lesion.uid)
            self._findings.review.do(what.format(number=lesion.label), reading)

    def _toggleEditor(self) -> None:
        if self._findings.shown is not None:
            self.ui.editingSection.collapsed = not self.ui.editingSection.collapsed

    def _wait(self) -> None:
        """Wait for a click in a slice view, or wait no more."""
        from LiverTumorAILib.mrml.point_picking import PointPicker

        if not self.ui.addLesionButton.checked or self._findings.shown is None:
            self.stop()
            return
        self._findings.editing.putToolsDown()
        # Slicer still works on the click when it tells of it; what follows from it comes after.
        self._picker = PointPicker(
            slicer.mrmlScene,
            lambda point: qt.QTimer.singleShot(0, lambda: self._clicked(point)),
            lambda: qt.QTimer.singleShot(0, self._waited),
        )
        self._picker.start()

    def _clicked(self, point: Point) -> None:
        self._waited()
        self.addAt(point)

    def _waited(self) -> None:
        self._picker.stop()
        self.ui.addLesionButton.checked = False

    def _listOthers(self) -> None:
        self._others.clear()
        chosen = self._findings.review.selected
        for lesion in self._findings.shown.reading.present if chosen else ():
            if lesion.uid != chosen.uid:
                action = self._others.addAction(wording.choice(lesion))
                action.triggered.connect(lambda *_args, uid=lesion.uid: self.merge(uid))

"""The reader's decisions: lesion table, states, types, target lesions, undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from LiverTumorAIModule import wording
from LiverTumorAIModule.lesion_table import LesionRow, LesionTable
from LiverTumorAIModule.terms import term
from LiverTumorAIModule.view_keys import Keys

if TYPE_CHECKING:
    from types import SimpleNamespace

    from LiverTumorAILib.lesions import Lesion
    from LiverTumorAILib.mrml.findings_scene import SceneFindings
    from LiverTumorAILib.review.reading import Reading
    from LiverTumorAIModule.findings_panel import FindingsPanel

ALL_STATES, ALL_TYPES = _("all states"), _("all types")
MALIGNANT, UNCERTAIN = _("malignant types"), _("uncertain")


class ReviewPanel:
    """Binds a reading to the lesion table and the buttons below it.

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
        self._selected: str | None = None
        self.table = LesionTable(ui.lesionTable, self._jump)
        self._buttons = {
            ui.acceptButton: self.accept,
            ui.rejectButton: self.reject,
            ui.targetButton: self.toggleTarget,
            ui.undoButton: self.undo,
            ui.redoButton: self.redo,
            ui.previousButton: lambda: self.step(-1),
            ui.nextButton: lambda: self.step(1),
        }
        for button, action in self._buttons.items():
            button.clicked.connect(lambda *_args, action=action: action())
        ui.zoomButton.toggled.connect(self._zoom)
        ui.typeComboBox.activated.connect(self._chooseType)
        ui.stateFilterComboBox.currentIndexChanged.connect(self._filter)
        ui.typeFilterComboBox.currentIndexChanged.connect(self._filter)
        self._keys = Keys(
            {
                "N": lambda: self.step(1),
                "P": lambda: self.step(-1),
                "A": self.accept,
                "X": self.reject,
                "T": self._openTypes,
                "G": self.toggleTarget,
                "Z": ui.zoomButton.click,
                "Ctrl+Z": self.undo,
                "Ctrl+Y": self.redo,
            }
        )
        self._keys.enable(False)

    @property
    def shown(self) -> SceneFindings | None:
        """What is read."""
        return self._findings.shown

    @property
    def reading(self) -> Reading | None:
        """The reader's work as it is now."""
        return self.shown.reading if self.shown else None

    @property
    def selected(self) -> Lesion | None:
        """The lesion that decisions are about."""
        return self.reading.lesion(self._selected) if self.reading else None

    def begin(self) -> None:
        """Let filters and types fit newly shown findings."""
        from LiverTumorAILib.lesions import LesionType
        from LiverTumorAILib.review.reading import ReviewState

        types = [wording.type_title(kind) for kind in LesionType]
        self._fillCombo(self.ui.stateFilterComboBox, [ALL_STATES, *(term(state.value) for state in ReviewState)])
        self._fillCombo(self.ui.typeFilterComboBox, [ALL_TYPES, MALIGNANT, UNCERTAIN, *types])
        self._fillCombo(self.ui.typeComboBox, types)
        self._filter()

    def clear(self) -> None:
        """Forget what was read."""
        self._selected = None
        self.follow()

    def release(self) -> None:
        """Leave nothing behind in the application."""
        self._keys.remove()

    def enableKeys(self, enabled: bool) -> None:
        """Let the keys work or not."""
        self._keys.enable(enabled)

    def select(self, uid: str) -> None:
        """Make a lesion the one that decisions are about."""
        self._selected = uid
        self.table.select(uid)
        self._followSelected()

    def goTo(self, uid: str) -> None:
        """Make a lesion the one that decisions are about, now, and move the views to it in a further turn."""
        self.select(uid)
        qt.QTimer.singleShot(0, lambda: self._moveViews(uid))

    def follow(self) -> None:
        """Show the reading as it is now."""
        reading, heir = self.reading, self.table.neighbour(self._selected)
        self.table.show([self._row(lesion) for lesion in reading.lesions] if reading else [])
        if self.selected is None:
            self._selected = None
            if reading and heir is not None:
                self.goTo(heir)
        self.table.select(self._selected)
        self.ui.reviewedLabel.text = wording.reviewed(reading) if reading else ""
        self.ui.targetsLabel.text = wording.targets(reading) if reading else ""
        self.ui.targetsLabel.visible = bool(reading and reading.targets)
        self._followSelected()

    def do(self, what: str, reading: Reading) -> None:
        """Take a step, which can be undone."""
        self.shown.do(what, reading)
        self._findings.followReading()

    def accept(self) -> None:
        """Agree with the selected lesion and go on to the next one that waits."""
        if self.selected:
            self._decide(_("acceptance of lesion {number}"), self.reading.accepted(self._selected))
            self._goOn()

    def reject(self) -> None:
        """Say that the selected lesion is none and go on to the next one that waits."""
        if self.selected:
            self._decide(_("rejection of lesion {number}"), self.reading.rejected(self._selected))
            self._goOn()

    def setType(self, kind: str) -> None:
        """Give the selected lesion another type."""
        from LiverTumorAILib.lesions import LesionType

        if self.selected:
            self._decide(_("type of lesion {number}"), self.reading.with_type(self._selected, LesionType(kind)))

    def toggleTarget(self) -> None:
        """Make the selected lesion a target lesion, or no target any more."""
        from LiverTumorAILib.measurement.recist import not_a_target

        lesion, reading = self.selected, self.reading
        if lesion is None:
            return
        if lesion.uid in reading.targets:
            self._decide(_("target lesion {number}"), reading.without_target(lesion.uid))
            return
        chosen = [reading.lesion(uid) for uid in reading.targets]
        reason = not_a_target(lesion, chosen, self.shown.findings.lesion_labels.GetSpacing()[2])
        if reason:
            self._followSelected()
            text = _("Lesion {number} cannot be a target lesion. {reason}.")
            slicer.util.warningDisplay(text.format(number=lesion.label, reason=reason))
        else:
            self._decide(_("target lesion {number}"), reading.with_target(lesion.uid))

    def undo(self) -> None:
        """Take back the last step."""
        self._move("undo")

    def redo(self) -> None:
        """Do again what was taken back last."""
        self._move("redo")

    def step(self, by: int) -> None:
        """Select the lesion that stands so many rows below the selected one; the last is followed by the first."""
        uids = self.table.uids
        if uids:
            row = uids.index(self._selected) + by if self._selected in uids else 0
            self._jump(uids[row % len(uids)])

    def updateButtons(self) -> None:
        """Enable what can be done now."""
        there, chosen = self.reading is not None, self.selected is not None
        for widget in (self.ui.acceptButton, self.ui.rejectButton, self.ui.targetButton, self.ui.typeComboBox):
            widget.enabled = chosen
        for widget in (
            self.ui.previousButton,
            self.ui.nextButton,
            self.ui.zoomButton,
            self.ui.stateFilterComboBox,
            self.ui.typeFilterComboBox,
        ):
            widget.enabled = there
        history = self.shown.history if there else None
        for button, what, words in (
            (self.ui.undoButton, history.can_undo if there else "", (_("Undo"), _("Undo: {step}"))),
            (self.ui.redoButton, history.can_redo if there else "", (_("Redo"), _("Redo: {step}"))),
        ):
            button.enabled = bool(what)
            button.toolTip = words[bool(what)].format(step=what)

    def _decide(self, what: str, reading: Reading) -> None:
        self.do(what.format(number=self.selected.label), reading)

    def _move(self, direction: str) -> None:
        if self.shown is not None:
            # A stroke that was not measured yet is a step too.
            self._findings.editing.settle()
            getattr(self.shown, direction)()
            self._findings.followReading()

    def _moveViews(self, uid: str) -> None:
        if self.selected is not None and self._selected == uid:
            self._jump(uid)

    def _jump(self, uid: str) -> None:
        """Go to a lesion that the reader asked for."""
        self._findings.selectLesion(uid)
        if self.ui.zoomButton.checked:
            self._zoom(True)

    def _zoom(self, near: bool) -> None:
        """Zoom all views in on the selected lesion, or out to the whole image."""
        if self.selected is None:
            return
        if near:
            self.shown.zoom(self.selected)
        else:
            slicer.util.resetSliceViews()
            self.shown.select(self.selected)

    def _goOn(self) -> None:
        uids = self.table.uids
        start = uids.index(self._selected) + 1 if self._selected in uids else 0
        waiting = [uid for uid in uids[start:] + uids[:start] if self.reading.state(uid).value == "to review"]
        if waiting:
            self.goTo(waiting[0])

    def _row(self, lesion: Lesion) -> LesionRow:
        reading = self.reading
        return LesionRow(
            lesion,
            reading.state(lesion.uid),
            self._findings.results.details.of(lesion),
            lesion.uid in reading.typed_by_hand,
            lesion.uid in reading.targets,
        )

    def _followSelected(self) -> None:
        lesion = self.selected
        self.ui.lesionHintLabel.text = ""
        if lesion is not None:
            row = self._row(lesion)
            self.ui.lesionHintLabel.text = wording.lesion_hint(lesion, row.details.place, row.typed_by_hand)
            self.ui.typeComboBox.currentIndex = list(type(lesion.type)).index(lesion.type)
            self.ui.targetButton.checked = row.is_target
        self.updateButtons()

    def _chooseType(self, index: int) -> None:
        from LiverTumorAILib.lesions import LesionType

        self.setType(list(LesionType)[index])

    def _openTypes(self) -> None:
        if self.selected:
            self.ui.typeComboBox.setFocus()
            self.ui.typeComboBox.showPopup()

    def _filter(self) -> None:
        state, kind = self.ui.stateFilterComboBox.currentText, self.ui.typeFilterComboBox.currentText

        def is_shown(row: LesionRow) -> bool:
            lesion = row.lesion
            kinds = {ALL_TYPES, wording.type_title(lesion.type)}
            kinds |= {MALIGNANT} if lesion.type.is_malignant else set()
            kinds |= {UNCERTAIN} if lesion.certainty.value == "uncertain" else set()
            return state in (ALL_STATES, term(row.state.value)) and kind in kinds

        self.table.filter(is_shown)
        self.table.select(self._selected)

    @staticmethod
    def _fillCombo(combo: object, texts: list[str]) -> None:
        combo.blockSignals(True)
        combo.clear()
        for text in texts:
            combo.addItem(text)
        combo.blockSignals(False)

"""Phases that a method needs and the study lacks: the user may let another phase stand in."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _

from LiverTumorAIModule.terms import term

if TYPE_CHECKING:
    from types import SimpleNamespace

    from LiverTumorAILib.study import Phase

NONE = _("nothing (cannot run)")
HINT = _(
    "This method needs the {phase} phase. Another one may stand in for it; "
    "the findings say so, and lesions may be missed."
)


class SubstitutePanel:
    """Shows a list for each phase that is missing.

    Parameters
    ----------
    ui: SimpleNamespace
        The form's widgets by name.

    """

    def __init__(self, ui: SimpleNamespace) -> None:
        self._row = ui.substituteRow
        self._shown: tuple[tuple[Phase, ...], tuple[Phase, ...]] = ((), ())
        self._combos: dict[Phase, qt.QComboBox] = {}
        self._row.visible = False

    @property
    def chosen(self) -> dict[Phase, Phase]:
        """For a missing phase the one that stands in for it, where the user chose one."""
        present = self._shown[1]
        return {phase: present[combo.currentIndex - 1] for phase, combo in self._combos.items() if combo.currentIndex}

    def follow(self, cascade: str, phases: Collection[Phase]) -> None:
        """Fit the method and the phases of the study; without a study nothing is missing."""
        needed = _required_phases(cascade) if phases else ()
        missing = tuple(phase for phase in needed if phase not in phases)
        shown = (missing, tuple(sorted(set(phases), key=list(type(missing[0])).index)) if missing else ())
        if shown == self._shown:
            return
        self._shown = shown
        layout = self._row.layout()
        while layout.rowCount():
            layout.removeRow(0)
        self._combos = {phase: self._combo(phase) for phase in missing}
        for phase, combo in self._combos.items():
            layout.addRow(_("No {phase} phase; in its place:").format(phase=term(phase.title)), combo)
        self._row.visible = bool(missing)

    def _combo(self, missing: Phase) -> qt.QComboBox:
        combo = qt.QComboBox()
        for text in (NONE, *(term(phase.title) for phase in self._shown[1])):
            combo.addItem(text)
        combo.toolTip = HINT.format(phase=term(missing.title))
        return combo


def _required_phases(cascade: str) -> tuple[Phase, ...]:
    from LiverTumorAILib.cascades import CASCADES

    return CASCADES[cascade].required_phases if cascade in CASCADES else ()

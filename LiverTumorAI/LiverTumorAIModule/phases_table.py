"""The table of acquisitions, where the user corrects phases and sees how well they were registered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _

from LiverTumorAIModule import wording
from LiverTumorAIModule.table_height import fit_height
from LiverTumorAIModule.terms import term

if TYPE_CHECKING:
    from LiverTumorAILib.lesions import Findings, PhaseRecord
    from LiverTumorAILib.study import Phase
    from LiverTumorAILib.worker.events import FoundVolume

SOURCE, PHASE, SURE, SLICES, REGISTRATION = range(5)
LEFT_OUT = _("leave out")
LEAST_ROWS, MOST_ROWS = 2, 6
VERDICT_COLOURS = {
    "green": ("#1b7037", "#63d391"),
    "check": ("#8f4e00", "#f5ad5c"),
    "failed": ("#c2232a", "#ffa0a0"),
}
"""On a light and on a dark table."""
HALF_LIGHTNESS = 128
"""Readable on light and dark; the word says the same."""


class PhasesTable:
    """Shows the volumes of a study in a QTableWidget and remembers which phases the user set.

    Parameters
    ----------
    table: QTableWidget
        With the columns of the form.
    on_selected: callable
        Receives the volume whose row was selected.
    on_changed: callable
        Called after the user set a phase.

    """

    def __init__(
        self, table: qt.QTableWidget, on_selected: Callable[[FoundVolume], None], on_changed: Callable[[], None]
    ) -> None:
        self._table, self._on_selected, self._on_changed = table, on_selected, on_changed
        self._volumes: tuple[FoundVolume, ...] = ()
        self._chosen: dict[int, Phase | None] = {}
        header = table.horizontalHeader()
        header.setSectionResizeMode(SOURCE, qt.QHeaderView.Stretch)
        for column in (PHASE, SURE, SLICES, REGISTRATION):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        table.currentCellChanged.connect(self._select)
        self.show(())

    @property
    def volumes(self) -> tuple[FoundVolume, ...]:
        """The volumes shown."""
        return self._volumes

    @property
    def chosen_phases(self) -> dict[int, Phase | None]:
        """The phases that the user set, by volume index; None leaves a volume out."""
        return dict(self._chosen)

    def phase(self, volume: FoundVolume) -> Phase | None:
        """The phase of a volume as it stands now."""
        from LiverTumorAILib.study import Phase

        if volume.index in self._chosen:
            return self._chosen[volume.index]
        return Phase(volume.phase) if volume.phase else None

    @property
    def phases(self) -> list[Phase]:
        """The phases of all volumes that are not left out."""
        return [phase for volume in self._volumes if (phase := self.phase(volume))]

    def show(self, volumes: tuple[FoundVolume, ...]) -> None:
        """Show other volumes, forgetting what the user had set."""
        self._volumes, self._chosen = volumes, {}
        self._begin(len(volumes))
        for row, volume in enumerate(volumes):
            hint = wording.volume_hint(volume)
            self._setText(row, SOURCE, volume.source, volume.source)
            self._setText(row, SURE, wording.sureness(volume), hint)
            self._setText(row, SLICES, wording.slices(volume), hint)
            self._table.setCellWidget(row, PHASE, self._combo(row, volume, hint))
        self._end(SLICES)

    def showRegistrations(self, findings: Findings) -> None:
        """Add how well the volumes shown were registered, with the phases that they were analyzed as."""
        self._table.blockSignals(True)
        for row, record in enumerate(findings.phases):
            if record.phase != self.phase(self._volumes[row]):
                self._set(row, record.phase)
            self._setRegistration(row, record, findings)
        self._end(REGISTRATION)

    def showRecords(self, findings: Findings) -> None:
        """Show the volumes that findings were made of; their phases cannot be changed without the study."""
        self._volumes, self._chosen = (), {}
        self._begin(len(findings.phases))
        for row, record in enumerate(findings.phases):
            self._setText(row, SOURCE, record.source, record.source)
            self._setText(row, PHASE, term(record.phase.title) if record.phase else _("none"), record.reason)
            self._setText(row, SURE, wording.share(record.probability) if record.phase else "", record.reason)
            self._setRegistration(row, record, findings)
        self._end(REGISTRATION)

    def _begin(self, rows: int) -> None:
        self._table.blockSignals(True)
        self._table.clearContents()
        for row in range(self._table.rowCount):
            self._table.removeCellWidget(row, PHASE)
        self._table.rowCount = rows

    def _end(self, last: int) -> None:
        """Show the slices of acquisitions, or the registration of what was analyzed: there is no room for both."""
        for column in (SLICES, REGISTRATION):
            self._table.setColumnHidden(column, column != last)
        self._table.blockSignals(False)
        fit_height(self._table, LEAST_ROWS, MOST_ROWS)

    def _setText(self, row: int, column: int, text: str, hint: str) -> None:
        item = qt.QTableWidgetItem(text)
        item.setToolTip(hint)
        self._table.setItem(row, column, item)

    def _setRegistration(self, row: int, record: PhaseRecord, findings: Findings) -> None:
        self._setText(row, REGISTRATION, *wording.registration(record, findings))
        if record.registration is not None:
            colour = VERDICT_COLOURS[record.registration.verdict.value][self._isDark()]
            self._table.item(row, REGISTRATION).setForeground(qt.QBrush(qt.QColor(colour)))

    def _isDark(self) -> bool:
        return self._table.palette.color(qt.QPalette.Base).lightness() < HALF_LIGHTNESS

    def _combo(self, row: int, volume: FoundVolume, hint: str) -> qt.QComboBox:
        from LiverTumorAILib.study import Phase

        combo, choices = qt.QComboBox(), [*Phase, None]
        for choice in choices:
            combo.addItem(term(choice.title) if choice else LEFT_OUT)
        combo.currentIndex = choices.index(self.phase(volume))
        combo.toolTip = hint
        combo.currentIndexChanged.connect(lambda *_index: self._choose(row, choices[combo.currentIndex]))
        return combo

    def _choose(self, row: int, phase: Phase | None) -> None:
        self._set(row, phase)
        # Verdicts are of the phases as they were analyzed.
        self._end(SLICES)
        self._table.setCurrentCell(row, SOURCE)
        self._on_changed()

    def _set(self, row: int, phase: Phase | None) -> None:
        from LiverTumorAILib.study import Phase

        self._chosen[self._volumes[row].index] = phase
        self._table.item(row, SURE).setText(_("set"))
        combo = self._table.cellWidget(row, PHASE)
        combo.blockSignals(True)
        combo.currentIndex = [*Phase, None].index(phase)
        combo.blockSignals(False)

    def _select(self) -> None:
        row = self._table.currentRow()
        if 0 <= row < len(self._volumes):
            self._on_selected(self._volumes[row])

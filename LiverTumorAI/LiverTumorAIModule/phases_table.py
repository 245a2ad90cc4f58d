"""The table of acquisitions, where the user corrects phases."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import qt

from LiverTumorAIModule import wording
from LiverTumorAIModule.table_height import fit_height

if TYPE_CHECKING:
    from LiverTumorAILib.study import Phase
    from LiverTumorAILib.worker.events import FoundVolume

SOURCE, PHASE, SURE, SLICES = range(4)
LEFT_OUT = "leave out"
LEAST_ROWS, MOST_ROWS = 2, 6


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
        for column in (PHASE, SURE, SLICES):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        table.currentCellChanged.connect(self._select)
        fit_height(table, LEAST_ROWS, MOST_ROWS)

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
        from LiverTumorAILib.study import Phase

        self._volumes, self._chosen = volumes, {}
        choices = [*Phase, None]
        self._table.blockSignals(True)
        self._table.clearContents()
        self._table.rowCount = len(volumes)
        for row, volume in enumerate(volumes):
            for column, text in (
                (SOURCE, volume.source),
                (SURE, wording.sureness(volume)),
                (SLICES, wording.slices(volume)),
            ):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(wording.volume_hint(volume) if column != SOURCE else volume.source)
                self._table.setItem(row, column, item)
            combo = qt.QComboBox()
            for choice in choices:
                combo.addItem(choice.title if choice else LEFT_OUT)
            combo.currentIndex = choices.index(self.phase(volume))
            combo.toolTip = wording.volume_hint(volume)
            combo.currentIndexChanged.connect(self._setter(row, combo, choices))
            self._table.setCellWidget(row, PHASE, combo)
        self._table.blockSignals(False)
        fit_height(self._table, LEAST_ROWS, MOST_ROWS)

    def _setter(self, row: int, combo: qt.QComboBox, choices: list[Phase | None]) -> Callable[[], None]:
        def set_phase() -> None:
            self._chosen[self._volumes[row].index] = choices[combo.currentIndex]
            self._table.item(row, SURE).setText("set")
            self._table.setCurrentCell(row, SOURCE)
            self._on_changed()

        return set_phase

    def _select(self) -> None:
        row = self._table.currentRow()
        if 0 <= row < len(self._volumes):
            self._on_selected(self._volumes[row])

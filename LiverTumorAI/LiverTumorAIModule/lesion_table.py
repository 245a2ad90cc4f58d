"""The table of lesions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import qt

from LiverTumorAIModule import wording
from LiverTumorAIModule.table_height import fit_height

if TYPE_CHECKING:
    from LiverTumorAILib.lesions import Findings, Lesion

NUMBER, TYPE, SURE, AXES, VOLUME = range(5)
REMOVED = "removed"
LEAST_ROWS, MOST_ROWS = 3, 8


class LesionTable:
    """Shows lesions in a QTableWidget, one a row.

    Parameters
    ----------
    table: QTableWidget
        With the columns of the form.
    on_selected: callable
        Receives the UID of the lesion whose row was selected or clicked.

    """

    def __init__(self, table: qt.QTableWidget, on_selected: Callable[[str], None]) -> None:
        self._table, self._on_selected = table, on_selected
        self._uids: list[str] = []
        header = table.horizontalHeader()
        header.setSectionResizeMode(TYPE, qt.QHeaderView.Stretch)
        for column in (NUMBER, SURE, AXES, VOLUME):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        table.currentCellChanged.connect(self._select)
        # A second click on the same row brings lost views back to the lesion.
        table.cellClicked.connect(self._select)
        fit_height(table, LEAST_ROWS, MOST_ROWS)

    def show(self, findings: Findings | None) -> None:
        """Show the lesions of findings; None empties the table."""
        lesions = findings.lesions if findings else ()
        self._table.blockSignals(True)
        self._table.clearContents()
        self._table.rowCount = len(lesions)
        self._uids = [lesion.uid for lesion in lesions]
        for row, lesion in enumerate(lesions):
            for column in (NUMBER, TYPE, SURE, AXES, VOLUME):
                self._table.setItem(row, column, qt.QTableWidgetItem())
            self._fill(row, lesion)
        self._table.blockSignals(False)
        fit_height(self._table, LEAST_ROWS, MOST_ROWS)

    def update(self, lesion: Lesion) -> None:
        """Show the present state of one lesion."""
        if lesion.uid in self._uids:
            self._fill(self._uids.index(lesion.uid), lesion)

    def mark_removed(self, uid: str) -> None:
        """Show that nothing is left of a lesion's segment."""
        if uid in self._uids:
            row = self._uids.index(uid)
            self._table.item(row, AXES).setText(REMOVED)
            self._table.item(row, VOLUME).setText("—")

    def select(self, uid: str) -> None:
        """Select a lesion's row without telling anybody."""
        if uid in self._uids and self._table.currentRow() != self._uids.index(uid):
            self._table.blockSignals(True)
            self._table.setCurrentCell(self._uids.index(uid), TYPE)
            self._table.blockSignals(False)

    @property
    def selected_uid(self) -> str | None:
        """UID of the selected lesion."""
        row = self._table.currentRow()
        return self._uids[row] if 0 <= row < len(self._uids) else None

    def _fill(self, row: int, lesion: Lesion) -> None:
        from LiverTumorAILib.lesions.terminology import LESION_TERMS

        probability = lesion.type_probabilities.get(lesion.type, 0.0)
        texts = {
            NUMBER: str(lesion.label),
            TYPE: f"{wording.type_title(lesion.type)} {probability:.0%}",
            SURE: "yes" if lesion.certainty.value == "certain" else "uncertain",
            AXES: wording.axes(lesion),
            VOLUME: wording.millilitres(lesion.measurement.volume_mm3),
        }
        for column, text in texts.items():
            item = self._table.item(row, column)
            item.setText(text)
            item.setToolTip(wording.lesion_hint(lesion))
            if column in (AXES, VOLUME):
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        self._table.item(row, NUMBER).setData(qt.Qt.DecorationRole, qt.QColor(*LESION_TERMS[lesion.type].colour))
        font = self._table.item(row, TYPE).font()
        font.setBold(lesion.type.is_malignant)
        self._table.item(row, TYPE).setFont(font)

    def _select(self) -> None:
        if self.selected_uid:
            self._on_selected(self.selected_uid)

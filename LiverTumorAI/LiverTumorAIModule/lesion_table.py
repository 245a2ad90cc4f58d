"""The table of lesions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import qt

from LiverTumorAIModule import wording
from LiverTumorAIModule.table_height import fit_height
from LiverTumorAIModule.terms import term

if TYPE_CHECKING:
    from LiverTumorAILib.lesions import Lesion
    from LiverTumorAILib.review.reading import ReviewState
    from LiverTumorAIModule.lesion_details import Details

NUMBER, TYPE, SURE, AXES, VOLUME, STATE = COLUMNS = range(6)
LEAST_ROWS, MOST_ROWS = 3, 7


class LesionRow(NamedTuple):
    """One lesion as the table shows it."""

    lesion: Lesion
    state: ReviewState
    details: Details
    typed_by_hand: bool
    is_target: bool


class LesionTable:
    """Shows lesions in a QTableWidget, one a row, in the order of the column that the user chose.

    Parameters
    ----------
    table: QTableWidget
        With the columns of the form.
    on_selected: callable
        Receives the UID of the lesion whose row was selected or clicked.

    """

    def __init__(self, table: qt.QTableWidget, on_selected: Callable[[str], None]) -> None:
        self._table, self._on_selected = table, on_selected
        self._rows: list[LesionRow] = []
        self._all: list[LesionRow] = []
        self._icons: dict[bytes, qt.QIcon] = {}
        self._column, self._descending = NUMBER, False
        self._is_shown: Callable[[LesionRow], bool] = lambda _row: True
        table.iconSize = qt.QSize(30, 30)
        header = table.horizontalHeader()
        header.setSectionResizeMode(TYPE, qt.QHeaderView.Stretch)
        for column in (NUMBER, SURE, AXES, VOLUME, STATE):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        header.setSectionsClickable(True)
        header.setSortIndicatorShown(True)
        header.setSortIndicator(NUMBER, qt.Qt.AscendingOrder)
        header.sectionClicked.connect(self._sortBy)
        table.currentCellChanged.connect(self._select)
        # A second click on the same row brings lost views back to the lesion.
        table.cellClicked.connect(self._select)
        fit_height(table, LEAST_ROWS, MOST_ROWS)

    def show(self, rows: list[LesionRow]) -> None:
        """Show these lesions, keeping the selected one."""
        self._all = rows
        shown = {row.details.thumbnail for row in rows}
        self._icons = {png: icon for png, icon in self._icons.items() if png in shown}
        self._fill()

    def filter(self, is_shown: Callable[[LesionRow], bool]) -> None:
        """Show only some of the lesions."""
        self._is_shown = is_shown
        self._fill()

    @property
    def uids(self) -> list[str]:
        """UIDs of the lesions shown, from top to bottom."""
        return [row.lesion.uid for row in self._rows]

    def neighbour(self, uid: str | None) -> str | None:
        """The lesion that takes a lesion's place when it goes: the next one, else the one before."""
        others = [other for other in self.uids if other != uid]
        row = self.uids.index(uid) if uid in self.uids else 0
        return others[min(row, len(others) - 1)] if others else None

    def select(self, uid: str | None) -> None:
        """Select a lesion's row without telling anybody; no row if the lesion is not shown."""
        row = self.uids.index(uid) if uid in self.uids else -1
        if self._table.currentRow() != row:
            self._table.blockSignals(True)
            self._table.setCurrentCell(row, TYPE)
            self._table.blockSignals(False)

    @property
    def selected_uid(self) -> str | None:
        """UID of the selected lesion."""
        row = self._table.currentRow()
        return self._rows[row].lesion.uid if 0 <= row < len(self._rows) else None

    def _sortBy(self, column: int) -> None:
        self._descending = column == self._column and not self._descending
        self._column = column
        order = qt.Qt.DescendingOrder if self._descending else qt.Qt.AscendingOrder
        self._table.horizontalHeader().setSortIndicator(column, order)
        self._fill()

    def _fill(self) -> None:
        uid, before = self.selected_uid, self._rows
        rows = sorted(filter(self._is_shown, self._all), key=lambda row: row.lesion.label)
        self._rows = sorted(rows, key=lambda row: _sort_key(row, self._column), reverse=self._descending)
        self._table.blockSignals(True)
        self._table.rowCount = len(self._rows)
        for index, row in enumerate(self._rows):
            # Filling all of many rows after each stroke would be felt.
            if index >= len(before) or row != before[index]:
                self._fillRow(index, row)
        self._table.blockSignals(False)
        self.select(uid)
        fit_height(self._table, LEAST_ROWS, MOST_ROWS)

    def _fillRow(self, index: int, row: LesionRow) -> None:
        lesion = row.lesion
        texts = {
            NUMBER: f"{lesion.label}{wording.TARGET_MARK if row.is_target else ''}",
            TYPE: f"{wording.type_and_share(lesion, row.typed_by_hand)}\n{wording.short_place(row.details.place)}",
            SURE: wording.sure(lesion, row.typed_by_hand),
            AXES: wording.axes(lesion),
            VOLUME: wording.volume_ml(lesion.measurement.volume_mm3),
            STATE: term(row.state.value),
        }
        rejected = row.state.value == "rejected"
        hint = wording.lesion_hint(lesion, row.details.place, row.typed_by_hand)
        for column in COLUMNS:
            item = qt.QTableWidgetItem(texts[column])
            item.setToolTip(hint)
            if column in (AXES, VOLUME):
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            font = item.font()
            font.setBold(column == TYPE and lesion.type.is_malignant)
            font.setStrikeOut(rejected and column != STATE)
            item.setFont(font)
            self._table.setItem(index, column, item)
        self._table.item(index, NUMBER).setIcon(self._icon(row.details.thumbnail))

    def _icon(self, png: bytes) -> qt.QIcon:
        if png not in self._icons:
            self._icons[png] = _icon(png)
        return self._icons[png]

    def _select(self) -> None:
        if self.selected_uid:
            self._on_selected(self.selected_uid)


def _icon(png: bytes) -> qt.QIcon:
    pixmap = qt.QPixmap()
    pixmap.loadFromData(qt.QByteArray(png))
    return qt.QIcon(pixmap)


def _sort_key(row: LesionRow, column: int) -> tuple:
    """Most pressing first: likely malignant, uncertain, large, not reviewed."""
    lesion = row.lesion
    return {
        NUMBER: (lesion.label,),
        TYPE: (list(type(lesion.type)).index(lesion.type), -lesion.probability),
        SURE: (lesion.certainty.value == "certain",),
        AXES: (-lesion.measurement.long_axis.length_mm,),
        VOLUME: (-lesion.measurement.volume_mm3,),
        STATE: (list(type(row.state)).index(row.state),),
    }[column]

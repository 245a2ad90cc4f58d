"""Tables that are as high as what they show."""

from __future__ import annotations

import qt


def fit_height(table: qt.QTableWidget, least_rows: int, most_rows: int) -> None:
    """Make a table as high as its rows, within limits; beyond them it scrolls."""
    rows = min(max(table.rowCount, least_rows), most_rows)
    row_height = table.verticalHeader().defaultSectionSize
    height = table.horizontalHeader().sizeHint.height() + rows * row_height + 2 * table.frameWidth
    table.minimumHeight = height
    table.maximumHeight = height

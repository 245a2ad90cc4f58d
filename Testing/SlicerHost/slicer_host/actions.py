"""What a user does in views and tables, as real Qt events."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QTableWidget

from .view_widgets import qMRMLSliceView
from .views import RenderSurface


def pixels(view: RenderSurface) -> np.ndarray:
    """A view's picture without annotation, shape (rows, columns, 3), 8 bit; row 0 is on top."""
    return view._pixels_now()


def place(view: qMRMLSliceView, ras: tuple[float, float, float]) -> QPoint:
    """Where a point in mm (RAS) lies in a slice view."""
    x, y, _ = view.convertRASToXYZ(ras)
    ratio = view.devicePixelRatioF()
    return QPoint(round(x / ratio), round(view.height() - 1 - y / ratio))


def wheel(view: RenderSurface, steps: int) -> None:
    """Turn the mouse wheel; positive is away from the user."""
    at = QPointF(view.rect().center())
    for _ in range(abs(steps)):
        turn = QPoint(0, 120 if steps > 0 else -120)
        event = QWheelEvent(
            at,
            view.mapToGlobal(at),
            QPoint(),
            turn,
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(view, event)
        QApplication.processEvents()


def drag(view: qMRMLSliceView, points: list[tuple[float, float, float]]) -> None:
    """Press the left button at the first point (RAS, mm), move through the others, release at the last."""
    places = [place(view, point) for point in points]
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mouseMove(view, places[0])
    QTest.mousePress(view, left, none, places[0])
    for point in places[1:]:
        QTest.mouseMove(view, point)
    QTest.mouseRelease(view, left, none, places[-1])
    QApplication.processEvents()


def click_cell(table: QTableWidget, row: int, column: int = 0) -> None:
    """Click a table's cell."""
    table.scrollToItem(table.item(row, column))
    at = table.visualItemRect(table.item(row, column)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    QApplication.processEvents()

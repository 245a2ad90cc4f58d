"""Small pictures for buttons, drawn so that no font or file is needed."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF

SIZE = 16


def _draw(paint: Callable[[QPainter], None], color: str) -> QIcon:
    pixmap = QPixmap(SIZE * 2, SIZE * 2)
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(color), 1.6))
    paint(painter)
    painter.end()
    return QIcon(pixmap)


def fit(color: str = "#202020") -> QIcon:
    """A frame with its corners."""

    def paint(painter: QPainter) -> None:
        for x, y in ((2, 2), (14, 2), (2, 14), (14, 14)):
            dx, dy = (4 if x < 8 else -4), (4 if y < 8 else -4)
            painter.drawLine(x, y, x + dx, y)
            painter.drawLine(x, y, x, y + dy)

    return _draw(paint, color)


def center(color: str = "#202020") -> QIcon:
    """A cross in a circle."""

    def paint(painter: QPainter) -> None:
        painter.drawEllipse(QRectF(3, 3, 10, 10))
        painter.drawLine(8, 1, 8, 15)
        painter.drawLine(1, 8, 15, 8)

    return _draw(paint, color)


def arrow(forward: bool, color: str = "#c88a00") -> QIcon:
    """A bent arrow: redo when forward, else undo."""

    def paint(painter: QPainter) -> None:
        if forward:
            painter.translate(SIZE, 0)
            painter.scale(-1, 1)
        painter.drawArc(QRectF(3, 5, 10, 9), 0, 180 * 16)
        painter.setBrush(QColor(color))
        painter.drawPolygon(QPolygonF([QPointF(0.5, 8.5), QPointF(6, 8.5), QPointF(3, 13)]))

    return _draw(paint, color)


def swatch(color: QColor) -> QIcon:
    """A filled square."""
    pixmap = QPixmap(SIZE, SIZE)
    pixmap.fill(color)
    return QIcon(pixmap)

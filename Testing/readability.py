"""What of a window's texts is hard to read: faint against its background, or cut off.

As a program it prints the problems of a panel that shows findings, as JSON; Qt scales whole programs only:

    QT_SCALE_FACTOR=2 python readability.py RESULTS PICTURE
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

LEAST_CONTRAST = 4.5
"""Of normal text, WCAG 2.2 (1.4.3)."""
FRAME = 4
"""Pixels of a button's edge that are no text."""
CELL_MARGIN = 6
SECTIONS = ("study", "analysis", "findings", "views", "editing", "settings")


def contrast(first, second) -> float:
    """Contrast ratio (1-21) of two sRGB colours (0-255), WCAG 2.2."""
    values = np.array([first, second]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    dark, light = sorted(linear @ (0.2126, 0.7152, 0.0722))
    return float((light + 0.05) / (dark + 0.05))


def faint_texts(root) -> list[str]:
    """Visible enabled texts with too little contrast, as they are drawn."""
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QTableWidget

    found = []
    for kind, frame in ((QLabel, 0), (QAbstractButton, FRAME), (QComboBox, FRAME)):
        for widget in _shown(root, kind):
            text = widget.currentText() if kind is QComboBox else widget.text()
            if text and widget.isEnabled():
                found.append((widget.objectName(), text, _drawn_contrast(widget, frame)))
    for table in _shown(root, QTableWidget):
        found += _cells(table)
    return [f"{name}: {value:.1f} {text!r}" for name, text, value in found if value < LEAST_CONTRAST]


def cut_texts(root) -> list[str]:
    """Visible texts that have less room than they need."""
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QStyle, QStyleOptionComboBox

    found = []
    for label in _shown(root, QLabel):
        needed = label.heightForWidth(label.width()) if label.wordWrap() else label.sizeHint().height()
        wide = label.minimumSizeHint().width() if label.wordWrap() else label.sizeHint().width()
        if label.text() and (needed > label.height() or wide > label.width()):
            found.append(f"{label.objectName()}: {label.text()!r}")
    narrow = (each for each in _shown(root, QAbstractButton) if each.minimumSizeHint().width() > each.width())
    found += [f"{button.objectName()}: {button.text()!r}" for button in narrow if button.text()]
    for combo in _shown(root, QComboBox):
        option = QStyleOptionComboBox()
        combo.initStyleOption(option)
        style = combo.style()
        field = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, combo
        )
        if combo.fontMetrics().horizontalAdvance(combo.currentText()) > field.width():
            found.append(f"{combo.objectName()}: {combo.currentText()!r}")
    return found


def open_sections(host, panel) -> None:
    """Unfold the whole panel."""
    for name in SECTIONS:
        getattr(panel.ui, f"{name}Section").collapsed = False
    host.process_events(0.3)


def _shown(root, kind) -> list:
    # What Qt and the segment editor make inside themselves bears no name, or one of Qt's own.
    return [
        widget
        for widget in root.findChildren(kind)
        if widget.isVisible() and widget.objectName() and not widget.objectName().startswith("qt_")
    ]


def _drawn_contrast(widget, frame: int) -> float:
    """Greatest contrast of a widget's pixels to the most frequent one, its background."""
    image = widget.grab(widget.rect().adjusted(frame, frame, -frame, -frame)).toImage()
    image = image.convertToFormat(image.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    colours = Counter(map(tuple, rows[:, : 3 * image.width()].reshape(-1, 3).tolist()))
    ((background, _),) = colours.most_common(1)
    return max(contrast(colour, background) for colour in colours)


def _cells(table) -> list[tuple[str, str, float]]:
    palette, found = table.palette(), []
    grounds = [palette.base().color(), palette.alternateBase().color()]
    for row in range(table.rowCount()):
        for column in range(table.columnCount()):
            item = table.item(row, column)
            if item is None or not item.text():
                continue
            own = item.foreground()
            ink = own.color() if own.style().value else palette.text().color()
            worst = min(contrast(ink.getRgb()[:3], ground.getRgb()[:3]) for ground in grounds)
            found.append((table.objectName(), item.text(), worst))
    return found


def main(results: str, picture: str) -> None:
    """Print the problems of the panel with these results, and take a picture of the window."""
    here = Path(__file__).resolve().parent
    sys.path[:0] = [str(here.parent), str(here), str(here / "SlicerHost")]
    from module_host import load_panel, wait
    from slicer_host import Host

    with Host(size=(1280, 800)) as host:
        panel = load_panel(host, Path(results))
        wait(host, panel)
        host.grab(picture)
        open_sections(host, panel)
        ratio = host.window.devicePixelRatioF()
        print(json.dumps({"ratio": ratio, "faint": faint_texts(panel.parent), "cut": cut_texts(panel.parent)}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Parts of the segment editor: effects, table of segments, options."""

from __future__ import annotations

from PySide6.QtCore import Property, QObject, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QCheckBox, QFormLayout, QFrame, QHeaderView, QTableWidget, QTableWidgetItem
from trame_slicer.segmentation import (
    SegmentationEffectDraw,
    SegmentationEffectErase,
    SegmentationEffectPaint,
    SegmentationEffectScissors,
)
from trame_slicer.segmentation.paint_effect_parameters import BrushDiameterMode

from . import icons
from .ctk_numbers import ctkSliderWidget

EFFECTS = {
    "Paint": SegmentationEffectPaint,
    "Draw": SegmentationEffectDraw,
    "Erase": SegmentationEffectErase,
    "Scissors": SegmentationEffectScissors,
}
BRUSHES = ("Paint", "Erase")
BRUSH_DEFAULTS = {"BrushAbsoluteDiameter": "10", "BrushSphere": "1"}


class qSlicerSegmentEditorAbstractEffect(QObject):  # noqa: N801
    """One tool; its parameters are those of Slicer's effect of the same name."""

    def __init__(self, name: str, editor):
        super().__init__()
        self._name, self._editor = name, editor
        self._parameters = {}

    def parameter(self, name: str) -> str:
        """The effect's own value, else the one that effects share as an attribute of the editor's node."""
        node = self._editor.editor_logic.GetSegmentEditorNode()
        common = node.GetAttribute(name) if node is not None else None
        return self._parameters.get(name) or common or (BRUSH_DEFAULTS.get(name, "") if self._name in BRUSHES else "")

    def integerParameter(self, name: str) -> int:
        return int(float(self.parameter(name) or 0))

    def doubleParameter(self, name: str) -> float:
        return float(self.parameter(name) or 0)

    def parameterDefined(self, name: str) -> bool:
        return bool(self.parameter(name))

    def setParameter(self, name: str, value) -> None:
        self._parameters[name] = str(int(value) if isinstance(value, bool) else value)
        self._apply()

    def active(self) -> bool:
        return self._editor.active_effect_name == EFFECTS[self._name].get_effect_name()

    def _apply(self) -> None:
        if self._name not in BRUSHES:
            return
        effect = self._editor.get_effect(EFFECTS[self._name])
        effect.set_brush_diameter(self.doubleParameter("BrushAbsoluteDiameter"), BrushDiameterMode.Absolute)
        effect.set_use_sphere_brush(bool(self.integerParameter("BrushSphere")))

    name = Property(str, lambda self: self._name)
    title = Property(str, lambda self: self._name)


class SegmentsTable(QTableWidget):
    """Visibility, colour and name of each segment."""

    chosen = Signal(str)

    def __init__(self):
        super().__init__(0, 2)
        self.setHorizontalHeaderLabels(["", "Name"])
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.verticalHeader().hide()
        self.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setMinimumHeight(110)
        self._node = None
        self._ids: list[str] = []
        self.currentCellChanged.connect(self._on_cell)
        self.itemChanged.connect(self._on_item)

    def follow(self, node) -> None:
        self._node = node
        self.refresh()

    def refresh(self) -> None:
        current = self.current()
        segmentation = self._node.GetSegmentation() if self._node is not None else None
        self._ids = list(segmentation.GetSegmentIDs()) if segmentation is not None else []
        display = self._node.GetDisplayNode() if self._node is not None else None
        blocked = self.blockSignals(True)
        self.setRowCount(len(self._ids))
        for row, identifier in enumerate(self._ids):
            segment = segmentation.GetSegment(identifier)
            seen = QTableWidgetItem()
            seen.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsSelectable)
            visible = display is not None and display.GetSegmentVisibility(identifier)
            seen.setCheckState(Qt.CheckState.Checked if visible else Qt.CheckState.Unchecked)
            name = QTableWidgetItem(icons.swatch(QColor.fromRgbF(*segment.GetColor())), segment.GetName())
            self.setItem(row, 0, seen)
            self.setItem(row, 1, name)
        self.blockSignals(blocked)
        self.select(current if current in self._ids else self._ids[0] if self._ids else "")

    def current(self) -> str:
        row = self.currentRow()
        return self._ids[row] if 0 <= row < len(self._ids) else ""

    def select(self, identifier: str) -> None:
        blocked = self.blockSignals(True)
        self.setCurrentCell(self._ids.index(identifier) if identifier in self._ids else -1, 1)
        self.blockSignals(blocked)

    def _on_cell(self, row: int, *_rest) -> None:
        if 0 <= row < len(self._ids):
            self.chosen.emit(self._ids[row])

    def _on_item(self, item: QTableWidgetItem) -> None:
        if item.column() == 0 and self._node is not None:
            visible = item.checkState() == Qt.CheckState.Checked
            self._node.GetDisplayNode().SetSegmentVisibility(self._ids[item.row()], visible)


class EffectOptions(QFrame):
    """Options of the brush effects."""

    def __init__(self, changed):
        super().__init__()
        self.setFrameShape(QFrame.Shape.StyledPanel)
        form = QFormLayout(self)
        self.diameter = ctkSliderWidget()
        self.diameter.minimum, self.diameter.maximum, self.diameter.suffix = 1.0, 100.0, "mm"
        self.diameter.setDecimals(1)
        self.sphere = QCheckBox("Sphere brush")
        form.addRow("Diameter:", self.diameter)
        form.addRow("", self.sphere)
        self.diameter.valueChanged.connect(lambda value: changed("BrushAbsoluteDiameter", value))
        self.sphere.toggled.connect(lambda checked: changed("BrushSphere", checked))

    def show_effect(self, effect: qSlicerSegmentEditorAbstractEffect | None) -> None:
        brush = effect is not None and effect._name in BRUSHES
        self.setVisible(brush)
        if brush:
            blocked = [widget.blockSignals(True) for widget in (self.diameter, self.sphere)]
            self.diameter.setValue(effect.doubleParameter("BrushAbsoluteDiameter"))
            self.sphere.setChecked(bool(effect.integerParameter("BrushSphere")))
            for widget, was in zip((self.diameter, self.sphere), blocked, strict=True):
                widget.blockSignals(was)

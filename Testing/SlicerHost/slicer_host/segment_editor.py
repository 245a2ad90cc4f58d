"""qMRMLSegmentEditorWidget, thin: segments, brush and outline effects on trame-slicer's segmentation editor."""

from __future__ import annotations

import slicer
import vtk
from PySide6.QtCore import Property, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QButtonGroup,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from . import icons
from .form_loader import register
from .mrml_widgets import Observations, qMRMLNodeComboBox, qMRMLWidget
from .segment_editor_parts import EFFECTS, EffectOptions, SegmentsTable, qSlicerSegmentEditorAbstractEffect


@register
class qMRMLSegmentEditorWidget(qMRMLWidget):  # noqa: N801
    currentSegmentIDChanged = Signal(str)
    segmentationNodeChanged = Signal(object)
    sourceVolumeNodeChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._editor = slicer.app._core.segmentation_editor
        self._node = None
        self._observations = Observations()
        self.destroyed.connect(self._observations.remove_all)
        self._effects = {name: qSlicerSegmentEditorAbstractEffect(name, self._editor) for name in EFFECTS}
        self._active: qSlicerSegmentEditorAbstractEffect | None = None
        self._effect_order: tuple[str, ...] = ()
        self._unordered_visible = True
        self._undo_states, self._read_only, self._auto_show = 10, False, True
        self._keys: list[QShortcut] = []
        self._segmentation_row = self._selector("vtkMRMLSegmentationNode", self.setSegmentationNode)
        self._source_row = self._selector("vtkMRMLScalarVolumeNode", self.setSourceVolumeNode)
        self._buttons = {name: QPushButton(name) for name in ("Add", "Remove", "Show 3D")}
        self._buttons["Show 3D"].setCheckable(True)
        self._table = SegmentsTable()
        self._tools = self._make_tools()
        self._options = EffectOptions(self._set_option)
        self._undo, self._redo = QToolButton(), QToolButton()
        self._lay_out()
        self._buttons["Add"].clicked.connect(self._add_segment)
        self._buttons["Remove"].clicked.connect(self._remove_segment)
        self._buttons["Show 3D"].toggled.connect(self._show_3d)
        self._table.chosen.connect(self.setCurrentSegmentID)
        self._undo.clicked.connect(self.undo)
        self._redo.clicked.connect(self.redo)
        self.updateWidgetFromMRML()

    def _selector(self, kind: str, choose) -> qMRMLNodeComboBox:
        combo = qMRMLNodeComboBox()
        combo.nodeTypes, combo.noneEnabled = [kind], True
        combo.nodeActivated.connect(choose)
        return combo

    def _make_tools(self) -> QButtonGroup:
        group = QButtonGroup(self)
        group.setExclusive(True)
        for number, name in enumerate(["None", *EFFECTS]):
            button = QToolButton()
            button.setText(name)
            button.setCheckable(True)
            button.setMinimumHeight(26)
            group.addButton(button, number)
        group.button(0).setChecked(True)
        group.idClicked.connect(lambda number: self.setActiveEffectByName(["", *EFFECTS][number]))
        return group

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self._selectors = QFormLayout()
        self._selectors.addRow("Segmentation:", self._segmentation_row)
        self._selectors.addRow("Source volume:", self._source_row)
        column.addLayout(self._selectors)
        buttons, tools = QHBoxLayout(), QHBoxLayout()
        for button in self._buttons.values():
            buttons.addWidget(button)
        column.addLayout(buttons)
        column.addWidget(self._table, 1)
        for button in self._tools.buttons():
            tools.addWidget(button)
        tools.addStretch(1)
        for button, forward in ((self._undo, False), (self._redo, True)):
            button.setIcon(icons.arrow(forward))
            button.setToolTip("Redo" if forward else "Undo")
            tools.addWidget(button)
        column.addLayout(tools)
        column.addWidget(self._options)

    def setMRMLScene(self, scene) -> None:
        super().setMRMLScene(scene)
        self._segmentation_row.setMRMLScene(scene)
        self._source_row.setMRMLScene(scene)
        self.updateWidgetFromMRML()

    def setMRMLSegmentEditorNode(self, node) -> None:
        if node is self._node:
            return
        self._node = node
        if node is not None:
            self._editor._editor_node = node
            self._editor.editor_logic.SetSegmentEditorNode(node)
        self.updateWidgetFromMRML()

    def mrmlSegmentEditorNode(self):
        return self._node

    def segmentationNode(self):
        return self._node.GetSegmentationNode() if self._node is not None else None

    def segmentationNodeID(self) -> str:
        node = self.segmentationNode()
        return node.GetID() if node is not None else ""

    def sourceVolumeNode(self):
        return self._node.GetSourceVolumeNode() if self._node is not None else None

    def sourceVolumeNodeID(self) -> str:
        node = self.sourceVolumeNode()
        return node.GetID() if node is not None else ""

    def setSegmentationNode(self, node) -> None:
        if self._node is None or node is self.segmentationNode():
            return
        self.setActiveEffectByName("")
        self._node.SetAndObserveSegmentationNode(node)
        if node is not None and node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        if node is not None and self.sourceVolumeNode() is None:
            role = node.GetReferenceImageGeometryReferenceRole()
            self._node.SetAndObserveSourceVolumeNode(node.GetNodeReference(role))
        self._begin()
        self.segmentationNodeChanged.emit(node)

    def setSegmentationNodeID(self, nodeID: str) -> None:
        self.setSegmentationNode(self.mrmlScene().GetNodeByID(nodeID))

    def setSourceVolumeNode(self, node) -> None:
        if self._node is None or node is self.sourceVolumeNode():
            return
        self._node.SetAndObserveSourceVolumeNode(node)
        self._begin()
        self.sourceVolumeNodeChanged.emit(node)

    def setSourceVolumeNodeID(self, nodeID: str) -> None:
        self.setSourceVolumeNode(self.mrmlScene().GetNodeByID(nodeID))

    def _begin(self) -> None:
        """Edit the segmentation on the source volume's grid, once both are there."""
        node, volume = self.segmentationNode(), self.sourceVolumeNode()
        if node is not None and volume is not None:
            wanted = self.currentSegmentID()
            self._editor.set_active_segmentation(node, volume)
            self._editor.set_active_segment_id(wanted)
        self.updateWidgetFromMRML()

    def updateWidgetFromMRML(self) -> None:
        node = self.segmentationNode()
        self._observations.remove_all()
        if node is not None:
            kinds = slicer.vtkSegmentation
            for event in (kinds.SegmentAdded, kinds.SegmentRemoved, kinds.SegmentModified):
                self._observations.add(node.GetSegmentation(), event, lambda *_: self._refresh())
            self._observations.add(node, vtk.vtkCommand.ModifiedEvent, lambda *_: self._refresh())
        self._segmentation_row.setCurrentNode(node)
        self._source_row.setCurrentNode(self.sourceVolumeNode())
        self._refresh()

    def _refresh(self) -> None:
        node = self.segmentationNode()
        self._table.follow(node)
        if node is not None and self.currentSegmentID() not in self._table._ids:
            self.setCurrentSegmentID(self._table.current())
        self._table.select(self.currentSegmentID())
        ready = node is not None and self.sourceVolumeNode() is not None and not self._read_only
        for button in (*self._tools.buttons(), self._undo, self._redo, *self._buttons.values()):
            button.setEnabled(ready)
        surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        shown = node is not None and node.GetSegmentation().ContainsRepresentation(surface)
        blocked = self._buttons["Show 3D"].blockSignals(True)
        self._buttons["Show 3D"].setChecked(bool(shown))
        self._buttons["Show 3D"].blockSignals(blocked)
        self._options.show_effect(self._active)

    def currentSegmentID(self) -> str:
        return (self._node.GetSelectedSegmentID() or "") if self._node is not None else ""

    def setCurrentSegmentID(self, segmentID: str) -> None:
        if self._node is None or segmentID == self.currentSegmentID():
            return
        self._node.SetSelectedSegmentID(segmentID)
        self._editor.set_active_segment_id(segmentID)
        self._table.select(segmentID)
        self.currentSegmentIDChanged.emit(segmentID)

    def selectNextSegment(self) -> None:
        self.selectSegmentAtOffset(1)

    def selectPreviousSegment(self) -> None:
        self.selectSegmentAtOffset(-1)

    def selectSegmentAtOffset(self, offset: int) -> None:
        identifiers = self._table._ids
        if identifiers:
            now = identifiers.index(self.currentSegmentID()) if self.currentSegmentID() in identifiers else 0
            self.setCurrentSegmentID(identifiers[max(0, min(len(identifiers) - 1, now + offset))])

    def availableEffectNames(self) -> tuple[str, ...]:
        return tuple(EFFECTS)

    def effectCount(self) -> int:
        return len(EFFECTS)

    def effectByName(self, name: str) -> qSlicerSegmentEditorAbstractEffect | None:
        return self._effects.get(name)

    def activeEffect(self) -> qSlicerSegmentEditorAbstractEffect | None:
        return self._active

    def setActiveEffect(self, effect: qSlicerSegmentEditorAbstractEffect | None) -> None:
        self.setActiveEffectByName("" if effect is None else effect._name)

    def setActiveEffectByName(self, effectName: str) -> None:
        ready = self.segmentationNode() is not None and self.sourceVolumeNode() is not None
        self._active = self._effects.get(effectName) if ready else None
        if self._active is None:
            if ready:
                self._editor.deactivate_effect()
        else:
            self._editor.set_active_segment_id(self.currentSegmentID())
            self._editor.set_active_effect_type(EFFECTS[effectName])
            self._active._apply()
        if self._node is not None:
            self._node.SetActiveEffectName(self._active._name if self._active else "")
        number = 1 + list(EFFECTS).index(effectName) if self._active else 0
        self._tools.button(number).setChecked(True)
        self._options.show_effect(self._active)

    def _set_option(self, name: str, value) -> None:
        if self._active is not None:
            self._active.setParameter(name, value)

    def _add_segment(self) -> None:
        self.setCurrentSegmentID(self._editor.add_empty_segment())

    def _remove_segment(self) -> None:
        self._editor.remove_segment(self.currentSegmentID())

    def _show_3d(self, shown: bool) -> None:
        node = self.segmentationNode()
        if shown:
            node.CreateClosedSurfaceRepresentation()
        else:
            node.RemoveClosedSurfaceRepresentation()

    def undo(self) -> None:
        self._editor.undo_stack.undo()

    def redo(self) -> None:
        self._editor.undo_stack.redo()

    def setupViewObservations(self) -> None:
        """trame-slicer's effects observe all views already."""

    def removeViewObservations(self) -> None:
        self.setActiveEffectByName("")

    def installKeyboardShortcuts(self, parent: QWidget | None = None) -> None:
        self.uninstallKeyboardShortcuts()
        target = parent or slicer.util.mainWindow() or self
        actions = {
            key: lambda name=name: self.setActiveEffectByName(name)
            for key, name in {"1": "Paint", "2": "Draw", "3": "Erase", "Esc": ""}.items()
        }
        # All that Slicer's takes, so that a key which somebody else has as well is dead here, too.
        actions |= dict.fromkeys(("Z", "Ctrl+Z"), self.undo) | dict.fromkeys(("Y", "Ctrl+Y"), self.redo)
        actions |= dict.fromkeys((*"4567890QWI/*,.<>", "Space"), lambda: None)
        for key, action in actions.items():
            shortcut = QShortcut(QKeySequence(key), target)
            shortcut.activated.connect(action)
            self._keys.append(shortcut)

    def uninstallKeyboardShortcuts(self) -> None:
        for shortcut in self._keys:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._keys.clear()

    def _set_row_visible(self, row: int, visible: bool) -> None:
        self._selectors.setRowVisible(row, visible)

    def setSegmentationNodeSelectorVisible(self, visible: bool) -> None:
        self._set_row_visible(0, visible)

    def setSourceVolumeNodeSelectorVisible(self, visible: bool) -> None:
        self._set_row_visible(1, visible)

    def setAddRemoveSegmentButtonsVisible(self, visible: bool) -> None:
        self._buttons["Add"].setVisible(visible)
        self._buttons["Remove"].setVisible(visible)

    def setShow3DButtonVisible(self, visible: bool) -> None:
        self._buttons["Show 3D"].setVisible(visible)

    def setMaximumNumberOfUndoStates(self, count: int) -> None:
        self._undo_states = count

    def setReadOnly(self, readOnly: bool) -> None:
        self._read_only = readOnly
        self._refresh()

    def setSwitchToSegmentationsButtonVisible(self, visible: bool) -> None:
        """This host has no Segmentations module to switch to."""

    def setUndoEnabled(self, enabled: bool) -> None:
        self._undo.setVisible(enabled)
        self._redo.setVisible(enabled)

    def setEffectNameOrder(self, effectNames) -> None:
        self._effect_order = tuple(effectNames)
        self._show_effects()

    def effectNameOrder(self) -> tuple[str, ...]:
        return self._effect_order

    def _set_unordered_visible(self, visible: bool) -> None:
        self._unordered_visible = visible
        self._show_effects()

    def _show_effects(self) -> None:
        for number, name in enumerate(EFFECTS, start=1):
            self._tools.button(number).setVisible(self._unordered_visible or name in self._effect_order)

    def setAutoShowSourceVolumeNode(self, autoShow: bool) -> None:
        self._auto_show = autoShow

    unorderedEffectsVisible = Property(bool, lambda self: self._unordered_visible, _set_unordered_visible)
    segmentationNodeSelectorVisible = Property(
        bool, lambda self: not self._segmentation_row.isHidden(), setSegmentationNodeSelectorVisible
    )
    sourceVolumeNodeSelectorVisible = Property(
        bool, lambda self: not self._source_row.isHidden(), setSourceVolumeNodeSelectorVisible
    )
    addRemoveSegmentButtonsVisible = Property(
        bool, lambda self: not self._buttons["Add"].isHidden(), setAddRemoveSegmentButtonsVisible
    )
    show3DButtonVisible = Property(bool, lambda self: not self._buttons["Show 3D"].isHidden(), setShow3DButtonVisible)
    maximumNumberOfUndoStates = Property(int, lambda self: self._undo_states, setMaximumNumberOfUndoStates)
    readOnly = Property(bool, lambda self: self._read_only, setReadOnly)
    switchToSegmentationsButtonVisible = Property(bool, lambda self: False, setSwitchToSegmentationsButtonVisible)
    undoEnabled = Property(bool, lambda self: not self._undo.isHidden(), setUndoEnabled)
    autoShowSourceVolumeNode = Property(bool, lambda self: self._auto_show, setAutoShowSourceVolumeNode)

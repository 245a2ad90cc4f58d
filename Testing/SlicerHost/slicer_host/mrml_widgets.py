"""Slicer's MRML widgets that forms use, on PySide6 and a real vtkMRMLScene."""

from __future__ import annotations

import vtk
from PySide6.QtCore import Property, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QInputDialog, QWidget
from slicer import vtkMRMLScene

from .ctk_numbers import ctkDoubleSpinBox, ctkSliderWidget
from .form_loader import register


class _SceneWidget(QWidget):
    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._scene = None

    def setMRMLScene(self, scene) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


@register
class qMRMLWidget(_SceneWidget):  # noqa: N801
    def mrmlScene(self):
        return self._scene


@register
class qSlicerWidget(_SceneWidget):  # noqa: N801
    pass


class Observations:
    """VTK observers of one owner, removed together."""

    def __init__(self):
        self._tags: list[tuple[vtk.vtkObject, int]] = []

    def add(self, source: vtk.vtkObject, event, callback) -> None:
        self._tags.append((source, source.AddObserver(event, callback)))

    def remove_all(self) -> None:
        for source, tag in self._tags:
            source.RemoveObserver(tag)
        self._tags.clear()


@register
class qMRMLNodeComboBox(QWidget):  # noqa: N801
    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    currentNodeRenamed = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAboutToBeEdited = Signal(object)
    nodeAboutToBeRemoved = Signal(object)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._scene = None
        self._types: list[str] = []
        self._attributes: dict[str, dict[str, str | None]] = {}
        self._labels: dict[str, str] = {}
        self._none_enabled, self._none_display = False, "None"
        self._flags = {"add": True, "remove": True, "edit": False, "rename": False}
        self._hidden_shown, self._child_types_shown = False, True
        self._hidden_types: list[str] = []
        self._base_name, self._select_upon_creation = "", True
        self._current = ""
        self._observations = Observations()
        self.destroyed.connect(self._observations.remove_all)
        self._combo = QComboBox(self)
        self._combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._combo.setMinimumContentsLength(8)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._combo)
        self._combo.activated.connect(self._on_activated)
        self.setFocusProxy(self._combo)
        self._refresh()

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene) -> None:
        if scene is self._scene:
            return
        self._observations.remove_all()
        self._scene = scene
        if scene is not None:
            self._observations.add(scene, vtkMRMLScene.NodeAddedEvent, self._on_added)
            self._observations.add(scene, vtkMRMLScene.NodeRemovedEvent, self._on_removed)
            for event in (vtkMRMLScene.EndBatchProcessEvent, vtkMRMLScene.EndCloseEvent):
                self._observations.add(scene, event, lambda *_: self._refresh())
            for node in map(scene.GetNthNode, range(scene.GetNumberOfNodes())):
                self._follow(node)
        self._refresh()

    def _follow(self, node) -> None:
        if any(node.IsA(kind) for kind in self._types):
            self._observations.add(node, vtk.vtkCommand.ModifiedEvent, lambda *_: self._on_renamed())

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_added(self, _scene, _event, node) -> None:
        self._follow(node)
        self._on_scene(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_removed(self, _scene, _event, node) -> None:
        if node is self.currentNode():
            self.nodeAboutToBeRemoved.emit(node)
        self._on_scene(node)

    def _on_scene(self, node) -> None:
        if any(node.IsA(kind) for kind in self._types) and not self._scene.IsBatchProcessing():
            self._refresh()

    def _on_renamed(self) -> None:
        names = [self._combo.itemText(i) for i in range(self._combo.count())]
        if names != [text for text, _ in self._items()]:
            self._refresh()
            node = self.currentNode()
            if node is not None:
                self.currentNodeRenamed.emit(node.GetName())

    def _accepts(self, node) -> bool:
        kind = next((t for t in self._types if node.IsA(t)), None)
        if kind is None or (node.GetHideFromEditors() and not self._hidden_shown):
            return False
        if not self._child_types_shown and node.GetClassName() not in self._types:
            return False
        if any(node.IsA(hidden) for hidden in self._hidden_types):
            return False
        wanted = self._attributes.get(kind, {})
        return all(
            node.GetAttribute(name) is not None if value is None else node.GetAttribute(name) == value
            for name, value in wanted.items()
        )

    def _nodes(self) -> list:
        if self._scene is None:
            return []
        count = self._scene.GetNumberOfNodes()
        return [n for n in map(self._scene.GetNthNode, range(count)) if self._accepts(n)]

    def _items(self) -> list[tuple[str, str]]:
        none = [(self._none_display, "")] if self._none_enabled else []
        return none + [(node.GetName() or "", node.GetID()) for node in self._nodes()]

    def _refresh(self) -> None:
        items = self._items()
        blocked = self._combo.blockSignals(True)
        self._combo.clear()
        for text, identifier in items:
            self._combo.addItem(text, identifier)
        identifiers = [identifier for _, identifier in items]
        current = self._current
        if current not in identifiers or not current:
            current = "" if self._none_enabled or not items else identifiers[0]
        self._combo.setCurrentIndex(identifiers.index(current) if current in identifiers else -1)
        if not items:
            self._combo.setPlaceholderText("Select a " + self._type_label())
        self._combo.blockSignals(blocked)
        self._set_current(current)

    def _type_label(self) -> str:
        if not self._types:
            return "node"
        kind = self._types[0]
        tag = kind.removeprefix("vtkMRML").removesuffix("Node")
        return self._labels.get(kind, tag)

    def _set_current(self, identifier: str) -> None:
        if identifier == self._current:
            return
        self._current = identifier
        self.currentNodeChanged.emit(self.currentNode())
        self.currentNodeIDChanged.emit(identifier)

    def _on_activated(self, index: int) -> None:
        self._set_current(self._combo.itemData(index) or "")
        self.nodeActivated.emit(self.currentNode())

    def currentNode(self):
        return self._scene.GetNodeByID(self._current) if self._scene is not None and self._current else None

    def currentNodeId(self) -> str:
        return self._current

    def setCurrentNode(self, node) -> None:
        self.setCurrentNodeID("" if node is None else node if isinstance(node, str) else node.GetID())

    def setCurrentNodeID(self, identifier: str | None) -> None:
        index = self._combo.findData(identifier or "")
        if index < 0 and identifier:
            return
        blocked = self._combo.blockSignals(True)
        self._combo.setCurrentIndex(index)
        self._combo.blockSignals(blocked)
        self._set_current(identifier or "")

    def setCurrentNodeIndex(self, index: int) -> None:
        nodes = self._nodes()
        self.setCurrentNode(nodes[index] if 0 <= index < len(nodes) else None)

    def nodeFromIndex(self, index: int):
        nodes = self._nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    def nodeCount(self) -> int:
        return len(self._nodes())

    def addNode(self, node_type: str = ""):
        name = self._base_name or self._type_label()
        node = self._scene.AddNewNodeByClass(node_type or self._types[0], self._scene.GenerateUniqueName(name))
        if self._select_upon_creation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        if self.currentNode() is not None:
            self._scene.RemoveNode(self.currentNode())

    def renameCurrentNode(self) -> None:
        node = self.currentNode()
        if node is None:
            return
        name, accepted = QInputDialog.getText(self, "Rename", "New name:", text=node.GetName())
        if accepted and name:
            node.SetName(name)

    def editCurrentNode(self) -> None:
        self.nodeAboutToBeEdited.emit(self.currentNode())

    def addAttribute(self, node_type: str, name: str, value=None) -> None:
        self._attributes.setdefault(node_type, {})[name] = None if value is None else str(value)
        self._refresh()

    def removeAttribute(self, node_type: str, name: str) -> None:
        self._attributes.get(node_type, {}).pop(name, None)
        self._refresh()

    def setNodeTypeLabel(self, label: str, node_type: str) -> None:
        self._labels[node_type] = label

    def nodeTypeLabel(self, node_type: str) -> str:
        return self._labels.get(node_type, "")

    def _setting(kind: type, attribute: str):  # noqa: N805
        def write(self, value) -> None:
            setattr(self, attribute, list(value) if kind == "QStringList" else value)
            scene, self._scene = self._scene, None
            self.setMRMLScene(scene)
            self._refresh()

        return Property(kind, lambda self: getattr(self, attribute), write)

    def _flag(name: str):  # noqa: N805
        return Property(bool, lambda self: self._flags[name], lambda self, value: self._flags.update({name: value}))

    nodeTypes = _setting("QStringList", "_types")
    hideChildNodeTypes = _setting("QStringList", "_hidden_types")
    noneEnabled = _setting(bool, "_none_enabled")
    noneDisplay = _setting(str, "_none_display")
    showHidden = _setting(bool, "_hidden_shown")
    showChildNodeTypes = _setting(bool, "_child_types_shown")
    baseName = _setting(str, "_base_name")
    selectNodeUponCreation = _setting(bool, "_select_upon_creation")
    addEnabled, removeEnabled = _flag("add"), _flag("remove")
    editEnabled, renameEnabled = _flag("edit"), _flag("rename")
    currentNodeID = Property(str, currentNodeId, setCurrentNodeID, notify=currentNodeIDChanged)
    del _setting, _flag


class _SceneAware:
    _scene = None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene) -> None:
        self._scene = scene


@register
class qMRMLSliderWidget(_SceneAware, ctkSliderWidget):  # noqa: N801
    pass


@register
class qMRMLSpinBox(_SceneAware, ctkDoubleSpinBox):  # noqa: N801
    pass


def call_soon(function) -> None:
    """Run a function when control is back in the event loop."""
    QTimer.singleShot(0, function)

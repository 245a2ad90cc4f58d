"""slicer.app.layoutManager(): views arranged as Slicer's layout descriptions say."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import slicer
import vtk
from PySide6.QtCore import Property, QObject, Qt, Signal
from PySide6.QtWidgets import QSplitter, QTabWidget, QVBoxLayout, QWidget
from trame_slicer.views import ViewLayoutDefinition, ViewProps, ViewType

from .core import Core
from .mrml_widgets import Observations
from .view_widgets import qMRMLAbstractViewWidget, qMRMLSliceWidget, qMRMLThreeDWidget

FOUR_UP = 3


class qMRMLLayoutManager(QObject):  # noqa: N801
    layoutChanged = Signal(int)

    def __init__(self, core: Core, viewport: QWidget):
        super().__init__()
        self._core, self._viewport = core, viewport
        self._widgets: dict[str, qMRMLAbstractViewWidget] = {}
        self._in_layout: list[str] = []
        self._root: QWidget | None = None
        self._shown: str | None = None
        QVBoxLayout(viewport).setContentsMargins(0, 0, 0, 0)
        self._observations = Observations()
        node = core.layout_logic.GetLayoutNode()
        self._observations.add(node, vtk.vtkCommand.ModifiedEvent, lambda *_: self._arrange())
        node.SetViewArrangement(FOUR_UP)
        self._arrange()

    def _node(self):
        return self._core.layout_logic.GetLayoutNode()

    def _arrange(self) -> None:
        description = self._node().GetCurrentLayoutDescription()
        if not description or description == self._shown:
            return
        self._shown = description
        old, self._in_layout = self._root, []
        root = self._build(ET.fromstring(description))
        self._viewport.layout().addWidget(root)
        self._root = root
        root.show()
        if old is not None:
            old.hide()
            self._keep_hidden_views()
            old.deleteLater()
        self._core.view_manager.set_current_view_ids(self._in_layout)
        self.layoutChanged.emit(self._node().GetViewArrangement())

    def _keep_hidden_views(self) -> None:
        """Views outlive the arrangement that they were in."""
        for tag, widget in self._widgets.items():
            if tag not in self._in_layout:
                widget.hide()
                widget.setParent(self._viewport)

    def _build(self, element: ET.Element) -> QWidget:
        """The widget of one <layout> element and all in it."""
        kind = element.get("type", "horizontal")
        if kind == "tab":
            parent = QTabWidget()
            for item in element.findall("item"):
                parent.addTab(self._item(item), item.get("name", ""))
            return parent
        parent = QSplitter(Qt.Orientation.Vertical if kind == "vertical" else Qt.Orientation.Horizontal)
        parent.setHandleWidth(1)
        parent.setChildrenCollapsible(False)
        sizes = []
        for item in element.findall("item"):
            widget = self._item(item)
            parent.addWidget(widget)
            sizes.append(int(item.get("splitSize") or 500))
        parent.setSizes(sizes)
        return parent

    def _item(self, item: ET.Element) -> QWidget:
        nested = item.find("layout")
        if nested is not None:
            return self._build(nested)
        view = item.find("view")
        if view is None or view.get("class") not in {kind.value for kind in ViewType}:
            return QWidget()
        return self._view(view)

    def _view(self, element: ET.Element) -> qMRMLAbstractViewWidget:
        tag = element.get("singletontag")
        properties = {p.get("name"): p.text for p in element.findall("property")}
        if tag not in self._widgets:
            self._widgets[tag] = self._make(ViewType(element.get("class")), tag, properties)
        widget = self._widgets[tag]
        self._in_layout.append(tag)
        widget.show()
        return widget

    def _make(self, kind: ViewType, tag: str, properties: dict[str, str]) -> qMRMLAbstractViewWidget:
        orientation = properties.get("orientation") if kind is ViewType.SLICE_VIEW else None
        definition = ViewLayoutDefinition(tag, kind, ViewProps(orientation=orientation))
        view = self._core.create_view(definition)
        cls = qMRMLSliceWidget if kind is ViewType.SLICE_VIEW else qMRMLThreeDWidget
        widget = cls(view, tag, properties.get("viewlabel", ""), properties.get("viewcolor", ""))
        # A view without parent would show itself as a window and take the focus.
        widget.setParent(self._viewport)
        widget.setMRMLScene(slicer.mrmlScene)
        return widget

    def _slice_widgets(self) -> list[qMRMLSliceWidget]:
        return [w for t, w in self._widgets.items() if t in self._in_layout and isinstance(w, qMRMLSliceWidget)]

    def _three_d_widgets(self) -> list[qMRMLThreeDWidget]:
        return [w for t, w in self._widgets.items() if t in self._in_layout and isinstance(w, qMRMLThreeDWidget)]

    def mrmlScene(self):
        return slicer.mrmlScene

    def layoutLogic(self):
        return self._core.layout_logic

    def setLayout(self, layout: int) -> None:
        self._node().SetViewArrangement(int(layout))

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(tag for tag in self._in_layout if isinstance(self._widgets[tag], qMRMLSliceWidget))

    def sliceWidget(self, name: str) -> qMRMLSliceWidget | None:
        widget = self._widgets.get(name)
        return widget if isinstance(widget, qMRMLSliceWidget) else None

    def threeDWidget(self, which: int | str) -> qMRMLThreeDWidget | None:
        if isinstance(which, str):
            widget = self._widgets.get(which)
            return widget if isinstance(widget, qMRMLThreeDWidget) else None
        widgets = self._three_d_widgets()
        return widgets[which] if 0 <= which < len(widgets) else None

    def viewWidget(self, node) -> qMRMLAbstractViewWidget | None:
        return next((w for w in self._widgets.values() if w.mrmlAbstractViewNode() == node), None)

    def mrmlSliceLogics(self):
        return self._core.app_logic.GetSliceLogics()

    def mrmlViewLogics(self):
        return self._core.app_logic.GetViewLogics()

    def activeMRMLThreeDViewNode(self):
        widgets = self._three_d_widgets()
        return widgets[0].mrmlViewNode() if widgets else None

    def resetSliceViews(self) -> None:
        for widget in self._slice_widgets():
            widget.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        for widget in self._three_d_widgets():
            widget._view.fit_view_to_content()
            widget.threeDView()._schedule()

    def setRenderPaused(self, pause: bool) -> None:
        for widget in self._widgets.values():
            widget.viewWidget()._set_paused(pause)

    def pauseRender(self) -> None:
        self.setRenderPaused(True)

    def resumeRender(self) -> None:
        self.setRenderPaused(False)

    layout = Property(int, lambda self: self._node().GetViewArrangement(), setLayout)
    threeDViewCount = Property(int, lambda self: len(self._three_d_widgets()))
    tableViewCount = Property(int, lambda self: 0)
    plotViewCount = Property(int, lambda self: 0)


class qSlicerLayoutManager(qMRMLLayoutManager):  # noqa: N801
    pass

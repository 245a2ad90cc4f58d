"""qMRMLSliceWidget, qMRMLThreeDWidget and their parts."""

from __future__ import annotations

import slicer
from PySide6.QtCore import Property, QPointF, Qt
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSlider, QToolButton, QVBoxLayout, QWidget
from trame_slicer.views import AbstractView, SliceView, ThreeDView
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from . import icons
from .mrml_widgets import Observations, qMRMLWidget
from .views import RenderSurface

VIEW_COLORS = {"Red": "#f34a33", "Green": "#6eb04b", "Yellow": "#edd54c", "1": "#7475bc"}
_DIRECTIONS = ("RL", "AP", "SI")


class ctkVTKAbstractView(RenderSurface):  # noqa: N801
    def forceRender(self) -> None:
        self._draw_now()

    def scheduleRender(self) -> None:
        self._schedule()

    def pauseRender(self) -> None:
        self._set_paused(True)

    def resumeRender(self) -> None:
        self._set_paused(False)

    def setRenderPaused(self, pause: bool) -> None:
        self._set_paused(pause)

    def renderWindow(self):
        return self._view.render_window()

    def interactor(self):
        return self._view.interactor()

    def interactorStyle(self):
        return self._view.interactor_style()


class qMRMLSliceView(ctkVTKAbstractView):  # noqa: N801
    def __init__(self, view: SliceView, parent: QWidget | None = None):
        super().__init__(view, parent)
        self.setProperty("kind", "slice")

    def mrmlSliceNode(self):
        return self._view.get_view_node()

    def displayableManagerByClassName(self, name: str):
        return self._view.get_displayable_manager_by_class(name)

    def convertDeviceToXYZ(self, xy) -> list[float]:
        return [float(xy[0]), float(self.height() - xy[1] - 1), 0.0]

    def convertXYZToRAS(self, xyz) -> list[float]:
        return list(self.mrmlSliceNode().GetXYToRAS().MultiplyPoint([*xyz, 1.0])[:3])

    def convertRASToXYZ(self, ras) -> list[float]:
        to_xy = vtkMatrix4x4()
        to_xy.DeepCopy(self.mrmlSliceNode().GetXYToRAS())
        to_xy.Invert()
        return list(to_xy.MultiplyPoint([*ras, 1.0])[:3])

    def _annotate(self, painter: QPainter) -> None:
        composite = self._view._logic.GetSliceCompositeNode()
        if composite is None:
            return
        layers = (
            ("L", composite.GetLabelVolumeID(), 1.0),
            ("F", composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()),
            ("B", composite.GetBackgroundVolumeID(), 1.0),
        )
        lines = []
        for letter, identifier, opacity in layers:
            node = slicer.mrmlScene.GetNodeByID(identifier) if identifier else None
            if node is not None and opacity > 0:
                share = f" ({round(100 * opacity)}%)" if letter == "F" else ""
                lines.append(f"{letter}: {node.GetName()}{share}")
        painter.setFont(QFont("DejaVu Serif", 9))
        for index, line in enumerate(reversed(lines)):
            place = QPointF(4, self.height() - 8 - index * 15)
            painter.setPen(QColor(0, 0, 0))
            painter.drawText(place + QPointF(1, 1), line)
            painter.setPen(QColor(255, 255, 255))
            painter.drawText(place, line)


class qMRMLThreeDView(ctkVTKAbstractView):  # noqa: N801
    def mrmlViewNode(self):
        return self._view.get_view_node()

    def cameraNode(self):
        return self._view.get_camera_node()

    def displayableManagerByClassName(self, name: str):
        return self._view.get_displayable_manager_by_class(name)

    def resetFocalPoint(self) -> None:
        self._view.reset_focal_point()

    def resetCamera(self, *_options) -> None:
        self._view.reset_camera()

    def rotateToViewAxis(self, axis: int) -> None:
        camera = self._view.get_camera_node()
        if camera is not None:
            camera.RotateTo(type(slicer.vtkMRMLCameraNode.Right)(axis))

    def zoomIn(self) -> None:
        self._view.zoom_in()

    def zoomOut(self) -> None:
        self._view.zoom_out()


class _Bar(QFrame):
    """Coloured bar above a view."""

    def __init__(self, label: str, color: str, parent: QWidget | None = None):
        super().__init__(parent)
        shade = QColor(color)
        self.setObjectName("bar")
        self.setFixedHeight(28)
        self.setStyleSheet(
            "#bar {background: qlineargradient(x1:0, y1:0, x2:0, y2:1,"
            f" stop:0 {shade.lighter(112).name()}, stop:1 {shade.name()});}}"
            " QLabel {color: black; background: transparent;} QToolButton {color: black; border: none;}"
        )
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(8, 2, 8, 2)
        self._row.addWidget(QLabel(label, self))


class qMRMLSliceControllerWidget(_Bar):  # noqa: N801
    def __init__(self, view: SliceView, label: str, color: str, parent: QWidget | None = None):
        super().__init__(label, color, parent)
        self._view = view
        self._observations = Observations()
        self._fit = QToolButton(self)
        self._fit.setIcon(icons.fit())
        self._fit.setToolTip("Fit the slice view to the background volume")
        self._fit.clicked.connect(self.fitSliceToBackground)
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setStyleSheet(
            "QSlider::groove:horizontal {height: 4px; background: white; border: 1px solid #777;}"
            "QSlider::sub-page:horizontal {background: #308cc6; border: 1px solid #777;}"
            "QSlider::handle:horizontal {background: white; border: 1px solid #555; width: 8px; margin: -5px 0;}"
        )
        self._offset = QLabel(self)
        self._offset.setMinimumWidth(110)
        self._offset.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._row.addWidget(self._fit)
        self._row.addWidget(self._slider, 1)
        self._row.addWidget(self._offset)
        self._slider.valueChanged.connect(self._on_slider)
        self._observations.add(view._logic, "ModifiedEvent", lambda *_: self._follow())
        self._observations.add(view.get_view_node(), "ModifiedEvent", lambda *_: self._follow())
        self._follow()

    def _follow(self) -> None:
        """Show where the slice is."""
        if self._view.get_view_node() is None:
            return
        low, high = self._view.get_slice_range()
        step = abs(self._view.get_slice_step()) or 1.0
        offset = self._view.get_slice_value()
        self._low, self._step = low, step
        blocked = self._slider.blockSignals(True)
        self._slider.setRange(0, max(1, round((high - low) / step)))
        self._slider.setValue(round((offset - low) / step))
        self._slider.blockSignals(blocked)
        self._offset.setText(f"{self._direction()}: {offset + 0.0:.4f}mm")

    def _direction(self) -> str:
        """Where the offset grows: the letter of the axis next to the slice's normal."""
        to_ras = self._view.get_view_node().GetSliceToRAS()
        normal = [to_ras.GetElement(row, 2) for row in range(3)]
        axis = max(range(3), key=lambda row: abs(normal[row]))
        return _DIRECTIONS[axis][0 if normal[axis] > 0 else 1]

    def _on_slider(self, position: int) -> None:
        self._view.set_slice_value(self._low + position * self._step)

    def setSliceOffsetValue(self, offset: float) -> None:
        self._view.set_slice_value(offset)

    def fitSliceToBackground(self) -> None:
        self._view.fit_view_to_content()

    def sliceLogic(self):
        return self._view._logic

    def mrmlSliceNode(self):
        return self._view.get_view_node()


class qMRMLThreeDViewControllerWidget(_Bar):  # noqa: N801
    def __init__(self, view: ThreeDView, label: str, color: str, parent: QWidget | None = None):
        super().__init__(label, color, parent)
        self._view = view
        center = QToolButton(self)
        center.setIcon(icons.center())
        center.setToolTip("Center the 3D view on the scene")
        center.clicked.connect(self.resetFocalPoint)
        self._row.addWidget(center)
        self._row.addStretch(1)

    def resetFocalPoint(self) -> None:
        self._view.reset_focal_point()


class qMRMLAbstractViewWidget(qMRMLWidget):  # noqa: N801
    def __init__(self, view: AbstractView, tag: str, controller: QWidget, surface: RenderSurface):
        super().__init__()
        self._view, self._tag = view, tag
        self._controller, self._surface = controller, surface
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(controller)
        column.addWidget(surface, 1)

    def mrmlAbstractViewNode(self):
        return self._view.get_view_node()

    def controllerWidget(self):
        return self._controller

    def viewWidget(self):
        return self._surface

    def logic(self):
        return self._view._logic

    viewLabel = Property(str, lambda self: self._tag[:1])


class qMRMLSliceWidget(qMRMLAbstractViewWidget):  # noqa: N801
    def __init__(self, view: SliceView, tag: str, label: str = "", color: str = ""):
        color = color or VIEW_COLORS.get(tag, "#8c8c8c")
        view.get_view_node().SetLayoutColor(*QColor(color).getRgbF()[:3])
        controller = qMRMLSliceControllerWidget(view, label or tag[:1], color)
        super().__init__(view, tag, controller, qMRMLSliceView(view))

    def sliceView(self) -> qMRMLSliceView:
        return self._surface

    def sliceController(self) -> qMRMLSliceControllerWidget:
        return self._controller

    def sliceLogic(self):
        return self._view._logic

    def mrmlSliceNode(self):
        return self._view.get_view_node()

    def mrmlSliceCompositeNode(self):
        return self._view._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        self._view.fit_view_to_content()

    def setSliceOrientation(self, orientation: str) -> None:
        self._view.set_orientation(orientation)

    sliceOrientation = Property(str, lambda self: self._view.get_orientation(), setSliceOrientation)
    sliceViewName = Property(str, lambda self: self._tag)
    sliceViewLabel = Property(str, lambda self: self._tag[:1])


class qMRMLThreeDWidget(qMRMLAbstractViewWidget):  # noqa: N801
    def __init__(self, view: ThreeDView, tag: str, label: str = "", color: str = ""):
        color = color or VIEW_COLORS["1"]
        view.get_view_node().SetBackgroundColor(0.7568, 0.7647, 0.9098)
        view.get_view_node().SetBackgroundColor2(0.4549, 0.4705, 0.7450)
        controller = qMRMLThreeDViewControllerWidget(view, label or tag, color)
        super().__init__(view, tag, controller, qMRMLThreeDView(view))

    def threeDView(self) -> qMRMLThreeDView:
        return self._surface

    def threeDController(self) -> qMRMLThreeDViewControllerWidget:
        return self._controller

    def mrmlViewNode(self):
        return self._view.get_view_node()

    def viewLogic(self):
        return self._view._logic

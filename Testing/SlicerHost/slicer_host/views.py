"""Slice and 3D views: drawn offscreen by Slicer's displayable managers, shown as pictures."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QSizePolicy, QWidget
from slicer import vtkMRMLLayerDisplayableManager
from trame_slicer.views import AbstractView, IViewFactory, SliceView, ThreeDView, ViewLayoutDefinition, ViewType
from trame_slicer.views import abstract_view as trame_abstract_view
from trame_slicer.views.render_scheduler import ScheduledRenderStrategy
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkObject
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkRenderingUI import vtkGenericRenderWindowInteractor

_BUTTONS = {
    Qt.MouseButton.LeftButton: "LeftButton",
    Qt.MouseButton.RightButton: "RightButton",
    Qt.MouseButton.MiddleButton: "MiddleButton",
}


class QtRendering(ScheduledRenderStrategy):
    """Draws a view when control is back in Qt's event loop, however often it was asked for."""

    def __init__(self):
        super().__init__()
        self.surface: RenderSurface | None = None

    def schedule_render(self) -> None:
        if self.surface is not None:
            self.surface._schedule()


class ViewFactory(IViewFactory):
    """Makes trame-slicer's views; the window is never shown, events come from Qt."""

    def can_create_view(self, view: ViewLayoutDefinition) -> bool:
        return view.view_type in (ViewType.SLICE_VIEW, ViewType.THREE_D_VIEW)

    def _create_view(self, view: ViewLayoutDefinition, scene, app_logic) -> AbstractView:
        kind = SliceView if view.view_type == ViewType.SLICE_VIEW else ThreeDView
        # Qt owns the event loop, and VTK warns about an event that trame-slicer observes for older VTK.
        interactor, trame_abstract_view.vtkRenderWindowInteractor = (
            trame_abstract_view.vtkRenderWindowInteractor,
            vtkGenericRenderWindowInteractor,
        )
        vtkObject.GlobalWarningDisplayOff()
        try:
            made = kind(scene, app_logic, view.singleton_tag, scheduled_render_strategy=QtRendering())
        finally:
            vtkObject.GlobalWarningDisplayOn()
            trame_abstract_view.vtkRenderWindowInteractor = interactor
        made.set_view_properties(view.properties)
        if isinstance(made, SliceView):
            _put_image_below(made)
        if isinstance(made, ThreeDView):
            # Multisampling and depth peeling exclude each other; without peeling nothing translucent is drawn.
            made.render_window().SetMultiSamples(0)
        return made

    def _get_slicer_view(self, view: AbstractView) -> AbstractView:
        return view


def _put_image_below(view: SliceView) -> None:
    """Draw the slice's image before all else, as Slicer does, or translucent fills would be drawn onto black."""
    renderer = view.first_renderer()
    props = [renderer.GetViewProps().GetItemAsObject(i) for i in range(renderer.GetViewProps().GetNumberOfItems())]
    renderer.RemoveAllViewProps()
    for prop in (view._render_manager.image_actor, *props):
        renderer.AddViewProp(prop)


class RenderSurface(QWidget):
    """Shows a view's picture and hands mouse, wheel and keys to its interactor."""

    _is_turn_taken = False

    def __init__(self, view: AbstractView, parent: QWidget | None = None):
        super().__init__(parent)
        self._view = view
        self._picture: QImage | None = None
        self._pixels: np.ndarray | None = None
        self._buffer = vtkImageData()
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self._draw_in_turn)
        self._paused = 0
        view._scheduled_render.surface = self
        self.setMinimumSize(80, 60)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.WheelFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def sizeHint(self) -> QSize:
        return QSize(300, 250)

    def _schedule(self) -> None:
        if not self._timer.isActive() and not self._paused:
            self._timer.start()

    def _set_paused(self, paused: bool) -> None:
        self._paused = max(0, self._paused + (1 if paused else -1))
        if not self._paused:
            self._schedule()

    def _draw_now(self) -> None:
        """Draw without waiting for the event loop."""
        self._timer.stop()
        self._draw()

    def _pixels_now(self) -> np.ndarray:
        """The picture as it is on screen without annotation, shape (rows, columns, 3), 8 bit."""
        self._draw_now()
        return self._pixels.copy()

    def _draw_in_turn(self) -> None:
        """Draw, or wait while another view was drawn in this turn of the event loop: software rendering is slow."""
        if RenderSurface._is_turn_taken:
            self._schedule()
            return
        RenderSurface._is_turn_taken = True
        QTimer.singleShot(0, RenderSurface._end_turn)
        self._draw()

    @staticmethod
    def _end_turn() -> None:
        RenderSurface._is_turn_taken = False

    def _draw(self) -> None:
        if not self.isVisible():
            return
        self._view.render()
        vtkMRMLLayerDisplayableManager.RenderWindowBufferToImage(self._view.render_window(), self._buffer)
        columns, rows, _ = self._buffer.GetDimensions()
        pixels = vtk_to_numpy(self._buffer.GetPointData().GetScalars()).reshape(rows, columns, -1)
        self._pixels = np.ascontiguousarray(pixels[::-1, :, :3])
        self._picture = QImage(self._pixels.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888)
        self.update()

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        ratio = self.devicePixelRatioF()
        # As QVTKOpenGLNativeWidget does: texts keep their size on dense screens.
        self._view.render_window().SetDPI(round(72 * ratio))
        self._view.update_size(max(1, self.width() * ratio), max(1, self.height() * ratio))
        self._view.interactor().InvokeEvent("WindowResizeEvent")
        self._schedule()

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._schedule()

    def paintEvent(self, _event) -> None:
        painter = QPainter(self)
        if self._picture is None:
            painter.fillRect(self.rect(), QColor(0, 0, 0))
        else:
            painter.drawImage(QRectF(self.rect()), self._picture)
        self._annotate(painter)

    def _annotate(self, painter: QPainter) -> None:
        pass

    def _tell(self, event, name: str, position: QPointF, repeat: int = 0) -> None:
        ratio = self.devicePixelRatioF()
        modifiers = event.modifiers()
        self._view.interactor().SetEventInformation(
            round(position.x() * ratio),
            round((self.height() - 1 - position.y()) * ratio),
            int(bool(modifiers & Qt.KeyboardModifier.ControlModifier)),
            int(bool(modifiers & Qt.KeyboardModifier.ShiftModifier)),
            "\0",
            repeat,
            None,
        )
        self._view.interactor().SetAltKey(int(bool(modifiers & Qt.KeyboardModifier.AltModifier)))
        self._view.interactor().InvokeEvent(name)
        self._schedule()

    def mousePressEvent(self, event) -> None:
        if event.button() in _BUTTONS:
            self._tell(event, _BUTTONS[event.button()] + "PressEvent", event.position())

    def mouseReleaseEvent(self, event) -> None:
        if event.button() in _BUTTONS:
            self._tell(event, _BUTTONS[event.button()] + "ReleaseEvent", event.position())

    def mouseDoubleClickEvent(self, event) -> None:
        if event.button() in _BUTTONS:
            self._tell(event, _BUTTONS[event.button()] + "DoubleClickEvent", event.position(), 1)

    def mouseMoveEvent(self, event) -> None:
        self._tell(event, "MouseMoveEvent", event.position())

    def wheelEvent(self, event) -> None:
        forward = event.angleDelta().y() > 0
        self._tell(event, "MouseWheelForwardEvent" if forward else "MouseWheelBackwardEvent", event.position())
        event.accept()

    def enterEvent(self, event) -> None:
        self._view.interactor().InvokeEvent("EnterEvent")

    def leaveEvent(self, event) -> None:
        self._view.interactor().InvokeEvent("LeaveEvent")

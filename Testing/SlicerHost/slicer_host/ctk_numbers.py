"""CTK's widgets for numbers."""

from __future__ import annotations

from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

from .form_loader import register


def _spin_property(name: str, kind: type) -> Property:
    capital = name[0].upper() + name[1:]
    return Property(
        kind,
        lambda self: getattr(self._spin, name)(),
        lambda self, value: (getattr(self._spin, "set" + capital)(value), self._spin_changed())[0],
    )


@register
class ctkDoubleSpinBox(QWidget):  # noqa: N801
    valueChanged = Signal(float)
    decimalsChanged = Signal(int)
    editingFinished = Signal()

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._spin = QDoubleSpinBox(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._spin)
        self._spin.valueChanged.connect(self.valueChanged)
        self._spin.editingFinished.connect(self.editingFinished)
        self.setFocusProxy(self._spin)

    def _spin_changed(self) -> None:
        pass

    def setValue(self, value: float) -> None:
        self._spin.setValue(value)

    def setDecimals(self, decimals: int) -> None:
        self._spin.setDecimals(decimals)
        self.decimalsChanged.emit(decimals)

    def stepUp(self) -> None:
        self._spin.stepUp()

    def stepDown(self) -> None:
        self._spin.stepDown()

    value = Property(float, lambda self: self._spin.value(), setValue, notify=valueChanged)
    decimals = Property(int, lambda self: self._spin.decimals(), setDecimals)
    minimum = _spin_property("minimum", float)
    maximum = _spin_property("maximum", float)
    singleStep = _spin_property("singleStep", float)
    prefix = _spin_property("prefix", str)
    suffix = _spin_property("suffix", str)
    readOnly = Property(bool, lambda self: self._spin.isReadOnly(), lambda self, value: self._spin.setReadOnly(value))


@register
class ctkSliderWidget(QWidget):  # noqa: N801
    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    decimalsChanged = Signal(int)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._spin = QDoubleSpinBox(self)
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._spin.setRange(0.0, 99.0)
        self._spin.setMinimumWidth(90)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider, 1)
        row.addWidget(self._spin)
        self._tracking, self._page_step, self._tick_interval = True, 10.0, 0.0
        self._spin.valueChanged.connect(self._on_spin)
        self._slider.valueChanged.connect(self._on_slider)
        self._spin_changed()

    def _spin_changed(self) -> None:
        """Lay the integer slider over the spin box's range."""
        step = self._spin.singleStep() or 1.0
        blocked = self._slider.blockSignals(True)
        self._slider.setRange(0, max(1, round((self._spin.maximum() - self._spin.minimum()) / step)))
        self._slider.setValue(round((self._spin.value() - self._spin.minimum()) / step))
        self._slider.blockSignals(blocked)

    def _on_spin(self, value: float) -> None:
        self._spin_changed()
        self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def _on_slider(self, position: int) -> None:
        self._spin.setValue(self._spin.minimum() + position * (self._spin.singleStep() or 1.0))

    def setValue(self, value: float) -> None:
        self._spin.setValue(value)

    def setDecimals(self, decimals: int) -> None:
        self._spin.setDecimals(decimals)
        self.decimalsChanged.emit(decimals)

    def setSpinBoxVisible(self, visible: bool) -> None:
        self._spin.setVisible(visible)

    def reset(self) -> None:
        self._spin.setValue(self._spin.minimum())

    value = Property(float, lambda self: self._spin.value(), setValue, notify=valueChanged)
    decimals = Property(int, lambda self: self._spin.decimals(), setDecimals)
    minimum = _spin_property("minimum", float)
    maximum = _spin_property("maximum", float)
    singleStep = _spin_property("singleStep", float)
    prefix = _spin_property("prefix", str)
    suffix = _spin_property("suffix", str)
    pageStep = Property(float, lambda self: self._page_step, lambda self, value: setattr(self, "_page_step", value))
    tracking = Property(bool, lambda self: self._tracking, lambda self, value: setattr(self, "_tracking", value))
    tickInterval = Property(
        float, lambda self: self._tick_interval, lambda self, value: setattr(self, "_tick_interval", value)
    )
    spinBoxVisible = Property(bool, lambda self: not self._spin.isHidden(), setSpinBoxVisible)

"""CTK's widgets that modules use, on PySide6.

Each class offers a subset of the class of the same name in CTK, nothing else in public.
"""

from __future__ import annotations

from PySide6.QtCore import Property, QEvent, QSettings, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QSlider,
    QStyle,
    QStyleOptionButton,
    QToolButton,
    QWidget,
)

from .form_loader import register


class _Collapsing:
    """Hides children that were visible, and shows just these again."""

    def _apply_collapsed(self) -> None:
        for child in self.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly):
            if self._collapsed and not child.isHidden():
                child.setProperty("slicerHostShown", True)
                child.hide()
            elif not self._collapsed and child.property("slicerHostShown"):
                child.setProperty("slicerHostShown", None)
                child.show()


@register
class ctkCollapsibleButton(_Collapsing, QAbstractButton):  # noqa: N801
    contentsCollapsed = Signal(bool)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent if isinstance(parent, QWidget) else None)
        self._collapsed = False
        if isinstance(parent, str):
            self.setText(parent)
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(1, self._header_height() + 1, 1, 1)
        self.toggled.connect(self._on_toggled)

    def _header_height(self) -> int:
        return self.fontMetrics().height() + 12

    def _on_toggled(self, checked: bool) -> None:
        self._collapsed = not checked
        self._apply_collapsed()
        self.setMinimumHeight(self._header_height() + 2)
        self.setMaximumHeight(self._header_height() + 2 if self._collapsed else 16777215)
        self.updateGeometry()
        self.contentsCollapsed.emit(self._collapsed)

    def childEvent(self, event: QEvent) -> None:
        super().childEvent(event)
        if event.type() == QEvent.Type.ChildPolished and self._collapsed:
            self._apply_collapsed()

    def hitButton(self, point) -> bool:
        return point.y() < self._header_height()

    def paintEvent(self, _event) -> None:
        painter, option = QPainter(self), QStyleOptionButton()
        option.initFrom(self)
        option.rect.setHeight(self._header_height())
        option.state |= QStyle.StateFlag.State_Raised
        style = self.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelButtonCommand, option, painter, self)
        arrow = QStyleOptionButton()
        arrow.initFrom(self)
        arrow.rect = option.rect.adjusted(8, 0, 0, 0)
        arrow.rect.setWidth(12)
        down = QStyle.PrimitiveElement.PE_IndicatorArrowDown
        right = QStyle.PrimitiveElement.PE_IndicatorArrowRight
        style.drawPrimitive(right if self._collapsed else down, arrow, painter, self)
        text = option.rect.adjusted(28, 0, -4, 0)
        alignment = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextShowMnemonic
        role = self.palette().ColorRole.ButtonText
        style.drawItemText(painter, text, int(alignment), self.palette(), self.isEnabled(), self.text(), role)

    def sizeHint(self) -> QSize:
        header = QSize(self.fontMetrics().horizontalAdvance(self.text()) + 40, self._header_height() + 2)
        if self._collapsed or self.layout() is None:
            return header
        return self.layout().totalSizeHint().expandedTo(header)

    def minimumSizeHint(self) -> QSize:
        header = QSize(60, self._header_height() + 2)
        if self._collapsed or self.layout() is None:
            return header
        return self.layout().totalMinimumSize().expandedTo(header)

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, _get_collapsed, _set_collapsed, notify=contentsCollapsed)


@register
class ctkCollapsibleGroupBox(_Collapsing, QGroupBox):  # noqa: N801
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._collapsed = False
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._on_toggled)

    def _on_toggled(self, checked: bool) -> None:
        self._collapsed = not checked
        self._apply_collapsed()
        self.setMaximumHeight(self.fontMetrics().height() + 12 if self._collapsed else 16777215)

    def childEvent(self, event: QEvent) -> None:
        super().childEvent(event)
        if event.type() == QEvent.Type.ChildPolished and self._collapsed:
            self._apply_collapsed()

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, _get_collapsed, _set_collapsed)


@register
class ctkPathLineEdit(QWidget):  # noqa: N801
    Dirs, Files, Drives, NoSymLinks, AllEntries = 0x1, 0x2, 0x4, 0x8, 0x7
    Readable, Writable, Executable = 0x10, 0x20, 0x40
    Hidden, System, AllDirs, NoDot, NoDotDot, NoDotAndDotDot = 0x100, 0x200, 0x400, 0x2000, 0x4000, 0x6000
    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)
    _history_length = 10

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._filters = self.AllEntries | self.NoDotAndDotDot | self.Readable
        self._name_filters: list[str] = []
        self._label = self._setting_key = ""
        self._options = 0
        self._valid = False
        self._combo = QComboBox(self)
        self._combo.setEditable(True)
        self._combo.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._combo.setMinimumContentsLength(8)
        self._browse = QToolButton(self)
        self._browse.setText("…")
        self._browse.clicked.connect(self.browse)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._combo, 1)
        row.addWidget(self._browse)
        self._combo.currentTextChanged.connect(self._on_text)
        self.setFocusProxy(self._combo)

    def _on_text(self, text: str) -> None:
        from pathlib import Path

        exists = bool(text) and (Path(text).is_dir() or (self._filters & self.Files and Path(text).exists()))
        if exists != self._valid:
            self._valid = bool(exists)
            self.validInputChanged.emit(self._valid)
        self.currentPathChanged.emit(text)

    def comboBox(self) -> QComboBox:
        return self._combo

    def browse(self) -> None:
        title = self._label or "Select"
        if self._filters & self.Files and not self._filters & self.Writable:
            path, _ = QFileDialog.getOpenFileName(self, title, self._combo.currentText(), ";;".join(self._name_filters))
        elif self._filters & self.Files:
            path, _ = QFileDialog.getSaveFileName(self, title, self._combo.currentText(), ";;".join(self._name_filters))
        else:
            path = QFileDialog.getExistingDirectory(self, title, self._combo.currentText())
        if path:
            self.setCurrentPath(path)

    def setCurrentPath(self, path: str) -> None:
        self._combo.setCurrentText(str(path))

    def addCurrentPathToHistory(self) -> None:
        path = self._combo.currentText()
        if path and self._combo.findText(path) < 0:
            self._combo.insertItem(0, path)
            while self._combo.count() > self._history_length:
                self._combo.removeItem(self._combo.count() - 1)
            self._combo.setCurrentIndex(0)
        if self._setting_key:
            items = [self._combo.itemText(i) for i in range(self._combo.count())]
            QSettings().setValue(self._setting_key, items)

    def retrieveHistory(self) -> None:
        if not self._setting_key:
            return
        blocked = self._combo.blockSignals(True)
        text = self._combo.currentText()
        items = QSettings().value(self._setting_key) or []
        self._combo.clear()
        self._combo.addItems([items] if isinstance(items, str) else list(items))
        self._combo.setCurrentText(text)
        self._combo.blockSignals(blocked)

    def _set_filters(self, value: int) -> None:
        self._filters = int(getattr(value, "value", value))

    def _set_setting_key(self, key: str) -> None:
        self._setting_key = key
        self.retrieveHistory()

    currentPath = Property(str, lambda self: self._combo.currentText(), setCurrentPath, notify=currentPathChanged)
    filters = Property(int, lambda self: self._filters, _set_filters)
    options = Property(int, lambda self: self._options, lambda self, value: setattr(self, "_options", int(value)))
    nameFilters = Property(
        "QStringList", lambda self: self._name_filters, lambda self, value: setattr(self, "_name_filters", list(value))
    )
    label = Property(str, lambda self: self._label, lambda self, value: setattr(self, "_label", value))
    settingKey = Property(str, lambda self: self._setting_key, _set_setting_key)
    showBrowseButton = Property(
        bool, lambda self: not self._browse.isHidden(), lambda self, value: self._browse.setVisible(value)
    )
    showHistoryButton = Property(bool, lambda self: True, lambda self, value: None)


@register
class ctkDirectoryButton(QWidget):  # noqa: N801
    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._directory, self._caption, self._text = ".", "", ""
        self._button = QPushButton(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._button)
        self._button.clicked.connect(self.browse)
        self._show()

    def _show(self) -> None:
        self._button.setText(self._text or self._directory)

    def browse(self) -> None:
        path = QFileDialog.getExistingDirectory(self, self._caption or "Select a directory", self._directory)
        if path:
            self._set_directory(path)
            self.directorySelected.emit(path)

    def _set_directory(self, path: str) -> None:
        if path != self._directory:
            self._directory = str(path)
            self._show()
            self.directoryChanged.emit(self._directory)

    def _set_text(self, text: str) -> None:
        self._text = text
        self._show()

    directory = Property(str, lambda self: self._directory, _set_directory, notify=directoryChanged)
    caption = Property(str, lambda self: self._caption, lambda self, value: setattr(self, "_caption", value))
    text = Property(str, lambda self: self._text, _set_text)


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


@register
class ctkComboBox(QComboBox):  # noqa: N801
    NeverScroll, AlwaysScroll, ScrollWithFocus, ScrollWithNoVScrollBar = range(4)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._default_text, self._scroll = "", self.AlwaysScroll

    def _set_default_text(self, text: str) -> None:
        self._default_text = text
        self.setPlaceholderText(text)

    def wheelEvent(self, event) -> None:
        if self._scroll == self.NeverScroll:
            event.ignore()
        else:
            super().wheelEvent(event)

    defaultText = Property(str, lambda self: self._default_text, _set_default_text)
    scrollWheelEffect = Property(
        int, lambda self: self._scroll, lambda self, value: setattr(self, "_scroll", int(value))
    )


@register
class ctkCheckBox(QCheckBox):  # noqa: N801
    pass


@register
class ctkPushButton(QPushButton):  # noqa: N801
    pass


@register
class ctkMenuButton(QPushButton):  # noqa: N801
    pass


class ctkMessageBox(QMessageBox):  # noqa: N801
    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._key, self._again = "", QCheckBox("Don't show this message again")

    def _set_key(self, key: str) -> None:
        self._key = key
        self.setCheckBox(self._again)

    dontShowAgain = Property(
        bool, lambda self: self._again.isChecked(), lambda self, value: self._again.setChecked(value)
    )
    dontShowAgainSettingsKey = Property(str, lambda self: self._key, _set_key)

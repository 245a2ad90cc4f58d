"""CTK's widgets for files and folders."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Property, QSettings, Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QToolButton, QWidget

from .form_loader import register


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

"""The window: module panel on the left, views on the right, as in Slicer."""

from __future__ import annotations

import slicer
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QLabel, QMainWindow, QScrollArea, QSplitter, QTextBrowser, QVBoxLayout, QWidget

from .ctk import ctkCollapsibleButton
from .modules import qSlicerAbstractCoreModule, qSlicerModuleSelectorToolBar

PANEL_WIDTH = 480


class _PanelScrollArea(QScrollArea):
    """Never scrolls sideways: the panel is at least as wide as what it shows."""

    def minimumSizeHint(self) -> QSize:
        width = self.widget().minimumSizeHint().width() if self.widget() else 0
        return QSize(width + self.verticalScrollBar().sizeHint().width() + 2 * self.frameWidth(), 100)


class HostWindow(QMainWindow):
    """Looks like Slicer's main window; ``slicer.util.mainWindow()`` finds it."""

    def __init__(self):
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("3D Slicer (SlicerHost)")
        self._shown: qSlicerAbstractCoreModule | None = None
        self._selector = qSlicerModuleSelectorToolBar()
        self._selector.moduleSelected.connect(self._choose)
        self._title = QLabel("3D Slicer")
        font = QFont(self._title.font())
        font.setPointSize(17)
        font.setBold(True)
        self._title.setFont(font)
        self._title.setStyleSheet("color: #9db4d6; padding: 4px 8px;")
        self._help = ctkCollapsibleButton()
        self._help.setText("Help && Acknowledgement")
        self._help_text = QTextBrowser()
        self._help_text.setOpenExternalLinks(True)
        self._help_text.setMaximumHeight(200)
        QVBoxLayout(self._help).addWidget(self._help_text)
        self._help.collapsed = True
        content = QWidget()
        self._content = QVBoxLayout(content)
        self._content.setContentsMargins(0, 0, 0, 0)
        self._content.addWidget(self._help)
        self._content.addStretch(1)
        scroll = _PanelScrollArea()
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        panel = QWidget()
        column = QVBoxLayout(panel)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self._title)
        column.addWidget(scroll, 1)
        self.viewport = QWidget()
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.addWidget(panel)
        self._splitter.addWidget(self.viewport)
        self._splitter.setStretchFactor(0, 0)
        self._splitter.setStretchFactor(1, 1)
        self.setCentralWidget(self._splitter)
        self.statusBar().setSizeGripEnabled(False)
        self.setMinimumSize(800, 500)

    def moduleSelector(self) -> qSlicerModuleSelectorToolBar:
        return self._selector

    def _choose(self, name: str) -> None:
        module = slicer.app.moduleManager().module(name)
        if module is None:
            raise RuntimeError(f"no module {name}")
        self.show_module(module)

    def show_module(self, module: qSlicerAbstractCoreModule) -> None:
        """Put a module's widget into the panel; the one shown before is left, not lost."""
        self._leave()
        self._shown = module
        self._help_text.setHtml(module.helpText)
        self.setWindowTitle(f"{module.title} - 3D Slicer (SlicerHost)")
        self._title.setText(module.title)
        self._selector._selected = module.name
        panel = module.widgetRepresentation()
        if panel is not None:
            self._content.insertWidget(1, panel, 1)
            panel.show()
            panel.enter()

    def _leave(self) -> None:
        panel = self._shown.widgetRepresentation() if self._shown is not None else None
        if panel is not None:
            panel.exit()
            panel.hide()
            self._content.removeWidget(panel)

    def remove_module(self, module: qSlicerAbstractCoreModule) -> None:
        """Take a module's widget out of the panel."""
        if module is self._shown:
            self._leave()
            self._shown = None
            self._title.setText("3D Slicer")

    def set_size(self, size: tuple[int, int]) -> None:
        self.resize(*size)
        width = min(PANEL_WIDTH, size[0] * 2 // 5)
        self._splitter.setSizes([width, size[0] - width])

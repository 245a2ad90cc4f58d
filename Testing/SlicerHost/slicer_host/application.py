"""slicer.app: Qt's application with Slicer's properties and services."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import slicer
from PySide6.QtCore import Property, QProcessEnvironment, QSettings, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

from .core import Core
from .dicom_database import ctkDICOMDatabase
from .environment import font_files
from .io_manager import qSlicerIOManager
from .modules import qSlicerModuleManager

_LOGICS = {
    "Markups": "Markups",
    "Segmentations": "Segmentations",
    "Volumes": "Volumes",
    "VolumeRendering": "VolumeRendering",
    "Terminologies": "Terminologies",
    "SubjectHierarchy": "SubjectHierarchy",
    "Data": "Data",
    "Colors": "Colors",
    "Models": "Models",
    "Transforms": "Transforms",
    "Tables": "Tables",
    "Units": "Units",
}


class qSlicerApplication(QApplication):  # noqa: N801
    mrmlSceneChanged = Signal(object)
    startupCompleted = Signal()

    def __init__(self):
        super().__init__(sys.argv[:1])
        self.setApplicationName("Slicer")
        self.setStyle("Fusion")
        self._folder = tempfile.TemporaryDirectory(prefix="SlicerHost-")
        QSettings.setDefaultFormat(QSettings.Format.IniFormat)
        for scope in (QSettings.Scope.UserScope, QSettings.Scope.SystemScope):
            QSettings.setPath(QSettings.Format.IniFormat, scope, self._folder.name)
        self.setOrganizationName("NA-MIC")
        self._set_font()
        self._core = Core()
        self._layout_manager = None
        self._io = qSlicerIOManager()
        self._manager = qSlicerModuleManager()
        self._settings = QSettings()
        self._dicom_database = ctkDICOMDatabase()

    def _set_font(self) -> None:
        if not QFontDatabase.families():
            for file in font_files():
                QFontDatabase.addApplicationFont(str(file))
        if "DejaVu Sans" in QFontDatabase.families():
            self.setFont(QFont("DejaVu Sans", 9))

    def _set_dark(self, dark: bool) -> None:
        self.setPalette(dark_palette() if dark else light_palette())

    def mrmlScene(self):
        return self._core.scene

    def applicationLogic(self):
        return self._core.app_logic

    def layoutManager(self):
        return self._layout_manager

    def setLayoutManager(self, manager) -> None:
        self._layout_manager = manager

    def dicomDatabase(self) -> ctkDICOMDatabase:
        return self._dicom_database

    def moduleManager(self) -> qSlicerModuleManager:
        return self._manager

    def moduleLogic(self, name: str):
        return self._core.app_logic.GetModuleLogic(_LOGICS.get(name, name))

    def ioManager(self) -> qSlicerIOManager:
        return self._io

    def coreIOManager(self) -> qSlicerIOManager:
        return self._io

    def settings(self) -> QSettings:
        return self._settings

    def userSettings(self) -> QSettings:
        return self._settings

    def revisionUserSettings(self) -> QSettings:
        return self._settings

    def testingEnabled(self) -> bool:
        return False

    def startupEnvironment(self) -> QProcessEnvironment:
        return QProcessEnvironment.systemEnvironment()

    def moduleDocumentationUrl(self, moduleName: str) -> str:
        return self.documentationBaseUrl + moduleName

    def setRenderPaused(self, pause: bool) -> None:
        if self._layout_manager is not None:
            self._layout_manager.setRenderPaused(pause)

    def pauseRender(self) -> None:
        self.setRenderPaused(True)

    def resumeRender(self) -> None:
        self.setRenderPaused(False)

    temporaryPath = Property(str, lambda self: self._folder.name)
    cachePath = Property(str, lambda self: self._folder.name)
    slicerHome = Property(str, lambda self: str(Path(slicer.__file__).parent))
    extensionsInstallPath = Property(str, lambda self: self._folder.name)
    documentationBaseUrl = Property(str, lambda self: "https://slicer.readthedocs.io/en/latest/")
    majorVersion = Property(int, lambda self: 5)
    minorVersion = Property(int, lambda self: 11)
    revision = Property(str, lambda self: "0")
    repositoryRevision = Property(str, lambda self: "0")
    mainApplicationName = Property(str, lambda self: "Slicer")
    applicationLocaleName = Property(str, lambda self: "en_US")
    startupWorkingPath = Property(str, lambda self: os.getcwd())  # noqa: PTH109
    os = Property(str, lambda self: {"linux": "linux", "darwin": "macosx"}.get(sys.platform, "win"))
    isInstalled = Property(bool, lambda self: True)


def _palette(**colors: str) -> QPalette:
    palette = QPalette()
    for name, color in colors.items():
        palette.setColor(getattr(QPalette.ColorRole, name), QColor(color))
    faint = QColor(colors["Text"])
    faint.setAlpha(110)
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, faint)
    return palette


def light_palette() -> QPalette:
    """The colours of Slicer's light style."""
    return _palette(
        Window="#efefef", WindowText="#000000", Base="#ffffff", AlternateBase="#f5f5f5", Text="#000000",
        Button="#efefef", ButtonText="#000000", Highlight="#308cc6", HighlightedText="#ffffff",
        ToolTipBase="#ffffdc", ToolTipText="#000000", PlaceholderText="#7f7f7f", Link="#0057ae",
        Light="#ffffff", Midlight="#f7f7f7", Mid="#b8b8b8", Dark="#9f9f9f", Shadow="#767676",
    )  # fmt: skip


def dark_palette() -> QPalette:
    """The colours of Slicer's dark style."""
    return _palette(
        Window="#2e2e2e", WindowText="#ffffff", Base="#3c3c3c", AlternateBase="#444444", Text="#ffffff",
        Button="#484848", ButtonText="#ffffff", Highlight="#2a82da", HighlightedText="#ffffff",
        ToolTipBase="#454545", ToolTipText="#ffffff", PlaceholderText="#9a9a9a", Link="#6cb4ff",
        Light="#505050", Midlight="#444444", Mid="#262626", Dark="#1a1a1a", Shadow="#101010",
    )  # fmt: skip

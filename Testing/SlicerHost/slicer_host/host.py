"""The entry point: a running Slicer-like application with one module in it."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from . import environment


class Host:
    """An application window like Slicer's, with real Qt and real MRML.

    Qt, the scene and the views live as long as the process; ``close()`` unloads the module and closes
    the scene, so that the next ``Host`` starts empty.

    Parameters
    ----------
    size
        Width and height of the window in pixels.
    dark
        Slicer's dark style.
    headless
        No window on screen, and questions are answered by ``host.messages.answer``.
    """

    _process: dict[str, object] = {}  # noqa: RUF012

    def __init__(self, size: tuple[int, int] = (1280, 800), dark: bool = False, headless: bool = True):
        self._start_process(headless)
        import slicer

        from . import pythonqt

        pythonqt.protect_others()
        slicer.app, slicer.mrmlScene = self._process["app"], self._process["app"].mrmlScene()
        self.slicer = slicer
        self.app = slicer.app
        self.window = self._process["window"]
        self.errors: list[str] = self._process["errors"]
        self.messages = self._process["messages"]
        self.vtk_errors: list[str] = self._process["vtk_errors"]
        self.errors.clear()
        self.vtk_errors.clear()
        self.messages.reset(headless)
        self.module = None
        self.app._set_dark(dark)
        self.window.statusBar().clearMessage()
        self.window.set_size(size)
        self.window.show()
        self.process_events()

    @classmethod
    def _start_process(cls, headless: bool) -> None:
        if cls._process:
            return
        environment.prepare(headless)
        from PySide6.QtCore import qInstallMessageHandler
        from PySide6.QtWidgets import QApplication

        from . import namespace
        from .application import qSlicerApplication
        from .layout import qSlicerLayoutManager
        from .messages import Messages
        from .modules import qSlicerLoadableModule
        from .window import HostWindow

        if QApplication.instance() is not None:
            raise RuntimeError("SlicerHost must make Qt's application itself; one is already there")
        errors: list[str] = []
        sys.excepthook = _recorder(errors, sys.excepthook)
        qInstallMessageHandler(_show_qt_message)
        messages = Messages(headless)
        app = qSlicerApplication()
        namespace.install(app, messages)
        for name in ("Markups", "Segmentations", "Volumes", "VolumeRendering", "Terminologies", "Models"):
            app.moduleManager()._add(qSlicerLoadableModule(name, logic=app.moduleLogic(name)))
        for name in ("SubjectHierarchy", "Data", "Colors", "Transforms", "Tables", "Units"):
            app.moduleManager()._add(qSlicerLoadableModule(name, logic=app.moduleLogic(name)))
        app.moduleManager()._add(qSlicerLoadableModule("SegmentEditor"))
        window = HostWindow()
        app.setLayoutManager(qSlicerLayoutManager(app._core, window.viewport))
        app.layoutManager().resetThreeDViews()
        vtk_errors = _record_vtk_errors()
        cls._process.update(app=app, errors=errors, vtk_errors=vtk_errors, messages=messages, window=window)

    def load_module(self, path: str | Path) -> LoadedModule:
        """Load a scripted module as Slicer does and show its panel."""
        if self.module is not None:
            raise RuntimeError("a module is loaded already; close the host first")
        self.module = LoadedModule(self, Path(path).resolve())
        self.process_events()
        return self.module

    def process_events(self, seconds: float = 0.0) -> None:
        """Let Qt work: until nothing is left to do, at least for some seconds."""
        end = time.monotonic() + seconds
        for _ in range(20):
            self.app.processEvents()
        while time.monotonic() < end:
            self.app.processEvents()
            time.sleep(0.005)

    def wait_until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Let Qt work until something is true.

        Raises
        ------
        TimeoutError
            If it does not become true in time.
        """
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"not reached within {seconds} s; errors so far: {self.errors}")
            self.process_events(0.02)

    def grab(self, path: str | Path) -> Path:
        """Write the window's picture as PNG."""
        self.process_events()
        for widget in self.app.layoutManager()._widgets.values():
            widget.viewWidget()._draw_now()
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self.window.grab().save(str(path)):
            raise OSError(f"cannot write {path}")
        return path

    def check(self) -> None:
        """Raise what went wrong in slots and observers since the last look."""
        if self.errors:
            text = "\n".join(self.errors)
            self.errors.clear()
            raise AssertionError(text)

    def close(self) -> None:
        """Unload the module and close the scene."""
        if self.module is not None:
            self.module.unload()
            self.module = None
        self.app._core.close_scene()
        self.app.layoutManager().setLayout(3)
        self.process_events()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_error) -> None:
        self.close()


class LoadedModule:
    """A scripted module and its widget."""

    def __init__(self, host: Host, path: Path):
        from PySide6.QtWidgets import QVBoxLayout

        from . import pythonqt
        from .modules import qSlicerScriptedLoadableModule, qSlicerScriptedLoadableModuleWidget

        slicer, name = host.slicer, path.stem
        self._host, self.name = host, name
        self.python = pythonqt.import_file(path)
        self.entry = qSlicerScriptedLoadableModule(name, str(path))
        self.instance = getattr(self.python, name)(self.entry)
        manager = slicer.app.moduleManager()
        manager._add(self.entry)
        slicer.app.startupCompleted.emit()
        self.panel = qSlicerScriptedLoadableModuleWidget()
        QVBoxLayout(self.panel)
        self.panel.setMRMLScene(slicer.mrmlScene)
        self.widget = getattr(self.python, name + "Widget")(self.panel)
        self.panel._python, self.panel._path = self.widget, path
        self.entry._representation = self.panel
        slicer.modules.__dict__[name + "Widget"] = self.widget
        self.widget.setup()
        host.window.show_module(self.entry)

    def unload(self) -> None:
        self._host.window.remove_module(self.entry)
        self._host.slicer.app.moduleManager()._remove(self.name)
        self.panel._python.cleanup()
        self.panel.deleteLater()
        self._host.slicer.modules.__dict__.pop(self.name + "Widget", None)
        sys.modules.pop(self.name, None)


def _show_qt_message(_kind, _context, text: str) -> None:
    if "propagateSizeHints" not in text:
        print(text, file=sys.stderr)


def _record_vtk_errors() -> list[str]:
    """Errors that VTK and MRML report; they are printed as well."""
    import vtk

    errors: list[str] = []

    @vtk.calldata_type(vtk.VTK_STRING)
    def keep(_window, _event, text: str) -> None:
        errors.append(text.strip())

    vtk.vtkOutputWindow.GetInstance().AddObserver(vtk.vtkCommand.ErrorEvent, keep)
    return errors


def _recorder(errors: list[str], earlier):
    """Keeps exceptions of slots and observers, which Qt and VTK only print."""

    def hook(kind, error, trace) -> None:
        errors.append("".join(traceback.format_exception(kind, error, trace)))
        earlier(kind, error, trace)

    return hook

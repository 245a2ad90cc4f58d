"""slicer.modules and slicer.app.moduleManager()."""

from __future__ import annotations

from PySide6.QtCore import Property, QObject, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QToolBar

from .form_loader import register
from .mrml_widgets import qSlicerWidget


class qSlicerAbstractCoreModule(QObject):  # noqa: N801
    """A module as Slicer's module manager knows it."""

    def __init__(self, name: str, path: str = "", logic=None):
        super().__init__()
        self._name, self._logic, self._representation = name, logic, None
        self.setObjectName(name)
        self._texts = {"title": name, "helpText": "", "acknowledgementText": "", "path": path}
        self._lists = {"categories": [], "dependencies": [], "contributors": [], "associatedNodeTypes": []}
        self._hidden, self._index, self._icon = False, -1, QIcon()

    def logic(self):
        return self._logic

    def widgetRepresentation(self):
        return self._representation

    def _text(key: str):  # noqa: N805
        return Property(str, lambda self: self._texts[key], lambda self, value: self._texts.update({key: value}))

    def _list(key: str):  # noqa: N805
        return Property(
            "QStringList", lambda self: self._lists[key], lambda self, value: self._lists.update({key: list(value)})
        )

    title, helpText, acknowledgementText, path = map(_text, ("title", "helpText", "acknowledgementText", "path"))
    categories, dependencies, contributors, associatedNodeTypes = map(
        _list, ("categories", "dependencies", "contributors", "associatedNodeTypes")
    )
    name = Property(str, lambda self: self._name)
    hidden = Property(bool, lambda self: self._hidden, lambda self, value: setattr(self, "_hidden", value))
    index = Property(int, lambda self: self._index, lambda self, value: setattr(self, "_index", value))
    isBuiltIn = Property(bool, lambda self: False)
    del _text, _list


class qSlicerAbstractModule(qSlicerAbstractCoreModule):  # noqa: N801
    icon = Property(QIcon, lambda self: self._icon, lambda self, value: setattr(self, "_icon", value))


class qSlicerLoadableModule(qSlicerAbstractModule):  # noqa: N801
    pass


class qSlicerScriptedLoadableModule(qSlicerLoadableModule):  # noqa: N801
    pass


@register
class qSlicerAbstractModuleWidget(qSlicerWidget):  # noqa: N801
    def __init__(self, parent=None):
        super().__init__(parent)
        self._entered = False

    def enter(self) -> None:
        self._entered = True

    def exit(self) -> None:
        self._entered = False

    isEntered = Property(bool, lambda self: self._entered)


@register
class qSlicerScriptedLoadableModuleWidget(qSlicerAbstractModuleWidget):  # noqa: N801
    def __init__(self, parent=None):
        super().__init__(parent)
        self._python, self._path = None, None

    def reload(self) -> None:
        """Make the module's Python widget anew from its file; ``slicer.util.reloadScriptedModule`` ends with it."""
        import slicer

        from . import pythonqt

        name = type(self._python).__name__
        self._python = getattr(pythonqt.import_file(self._path), name)(self)
        slicer.modules.__dict__[name] = self._python
        self._python.setup()

    def self(self):
        return self._python

    def enter(self) -> None:
        if not self._entered:
            super().enter()
            if hasattr(self._python, "enter"):
                self._python.enter()

    def exit(self) -> None:
        if self._entered:
            super().exit()
            if hasattr(self._python, "exit"):
                self._python.exit()


class qSlicerModuleManager(QObject):  # noqa: N801
    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self):
        super().__init__()
        self._modules: dict[str, qSlicerAbstractCoreModule] = {}

    def module(self, name: str) -> qSlicerAbstractCoreModule | None:
        return self._modules.get(name)

    def modulesNames(self) -> tuple[str, ...]:
        return tuple(self._modules)

    def _add(self, module: qSlicerAbstractCoreModule) -> None:
        self._modules[module._name] = module
        self.moduleLoaded.emit(module._name)

    def _remove(self, name: str) -> None:
        if name in self._modules:
            self.moduleAboutToBeUnloaded.emit(name)
            del self._modules[name]


class qSlicerModuleSelectorToolBar(QToolBar):  # noqa: N801
    moduleSelected = Signal(str)

    def __init__(self):
        super().__init__()
        self._selected = ""

    def selectModule(self, moduleName: str) -> None:
        self.moduleSelected.emit(moduleName)

    selectedModule = Property(str, lambda self: self._selected)


class Modules:
    """``slicer.modules``: each module under its name in lower case."""

    def __init__(self, manager: qSlicerModuleManager):
        self._manager = manager

    def __getattr__(self, name: str):
        for key in self._manager.modulesNames():
            if key.lower() == name:
                return self._manager.module(key)
        raise AttributeError(f"module 'modules' has no attribute {name!r}")

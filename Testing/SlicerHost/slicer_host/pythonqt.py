"""PythonQt's way of writing Qt code, in PySide6.

PythonQt shows Qt properties as attributes (``button.enabled = False``) and keeps setters and the
getters that are no properties callable (``button.setEnabled(False)``, ``button.isEnabled()``). PySide6's
``true_property`` feature gives the first and takes away the second; this module gives them back. The
feature is chosen per Python module, so that only the Slicer module's code sees it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

from PySide6 import QtCore, QtGui, QtWidgets
from shibokensupport import feature

TRUE_PROPERTY = 0x02
_modules_with_feature: set[str] = set()
_setup_module = ModuleType("slicer_host_true_property")
_setup_module.QObject = QtCore.QObject
exec(
    """
def put(cls, name, value):
    setattr(cls, name, value)

def assignable(item, name):
    if isinstance(item, QObject):
        known = hasattr(item, name)
        if not known and type(item).__module__.startswith(("PySide6", "slicer_host")):
            raise AttributeError(f"{type(item).__name__} has no attribute {name!r}")
    return item
""",
    _setup_module.__dict__,
)


def _classes() -> Iterator[type]:
    for module in (QtCore, QtGui, QtWidgets):
        for name in dir(module):
            item = getattr(module, name)
            if isinstance(item, type) and issubclass(item, QtCore.QObject):
                yield item


def _accessors(cls: type) -> dict[str, object]:
    """Setters and is-getters of the properties that a class itself defines."""
    meta = cls.staticMetaObject
    found = {}
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        name = meta.property(index).name()
        capital = name[0].upper() + name[1:]
        for accessor in ("set" + capital, "is" + capital, "has" + capital):
            if accessor != name and accessor in vars(cls):
                found[accessor] = vars(cls)[accessor]
    return found


def _cannot_be_inspected(module: object) -> bool:
    """Whether looking for a module's source raises what nobody expects, as with torch.classes."""
    try:
        inspect.unwrap(module)
    except Exception:
        return True
    return False


def _select_feature(module_name: str) -> None:
    """Select the feature; PySide6 inspects every imported module for it and fails on those that do not bear it."""
    hidden = {name: module for name, module in list(sys.modules.items()) if _cannot_be_inspected(module)}
    for name in hidden:
        del sys.modules[name]
    try:
        feature.set_selection(TRUE_PROPERTY, module_name)
    finally:
        sys.modules.update(hidden)


def _set_up() -> None:
    if _modules_with_feature:
        return
    put = _setup_module.put
    accessors = {cls: _accessors(cls) for cls in _classes()}
    dialog_exec, menu_exec = QtWidgets.QDialog.exec, QtWidgets.QMenu.exec
    _select_feature(_setup_module.__name__)
    for cls, members in accessors.items():
        for name, member in members.items():
            put(cls, name, member)
    name = property(lambda self: self.objectName(), lambda self, value: self.setObjectName(value))
    for add in (put, setattr):
        add(QtCore.QObject, "name", name)
        add(QtCore.QObject, "className", lambda self: self.metaObject().className())
        add(QtCore.QObject, "delete", lambda self: self.deleteLater())
        add(QtWidgets.QDialog, "exec_", dialog_exec)
        add(QtWidgets.QMenu, "exec_", menu_exec)


def select(module_name: str) -> None:
    """Let the code of a Python module see Qt as PythonQt shows it."""
    _set_up()
    _modules_with_feature.add(module_name)
    _select_feature(module_name)


class _Assignments(ast.NodeTransformer):
    """``a.b = c`` looks at ``a.b`` first and refuses new attributes on C++ objects, as PythonQt does."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Store):
            look = ast.Name("_slicer_host_assignable", ast.Load())
            node.value = ast.Call(look, [node.value, ast.Constant(node.attr)], [])
        return node


class ModuleLoader(SourceFileLoader):
    """Imports a file of a Slicer module unchanged, with PythonQt's rules for its code."""

    def get_code(self, fullname: str):
        source = self.get_source(fullname)
        tree = _Assignments().visit(ast.parse(source, self.path))
        return compile(ast.fix_missing_locations(tree), self.path, "exec")

    def exec_module(self, module: ModuleType) -> None:
        select(module.__name__)
        module._slicer_host_assignable = _setup_module.assignable
        super().exec_module(module)


class _FolderFinder(MetaPathFinder):
    """Finds what lies in a Slicer module's folder, so that its helpers follow the same rules."""

    def __init__(self, folder: Path):
        self.folder = folder

    def find_spec(self, fullname: str, path=None, target=None):
        spec = PathFinder.find_spec(fullname, path if path is not None else [str(self.folder)])
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        if not Path(spec.origin).is_relative_to(self.folder):
            return None
        spec.loader = ModuleLoader(fullname, spec.origin)
        return spec


_finders: dict[Path, _FolderFinder] = {}


def import_file(path: Path) -> ModuleType:
    """Import a Slicer module's file under its own name."""
    if path.parent not in _finders:
        _finders[path.parent] = _FolderFinder(path.parent)
        sys.meta_path.insert(0, _finders[path.parent])
        # Slicer has each module's folder on its path.
        sys.path.append(str(path.parent))
    sys.modules.pop(path.stem, None)
    module = importlib.import_module(path.stem)
    protect_others()
    return module


def protect_others() -> None:
    """Let all other code see Qt as PySide6 shows it.

    PySide6 lists modules that do not name it in their source as -1: they inherit their caller's choice.
    """
    choices = feature.pyside_feature_dict
    for name in list(sys.modules):
        if choices.get(name, -1) < 0:
            choices[name] = 0


def make_qt_module() -> ModuleType:
    """The module ``qt``: QtCore, QtGui and QtWidgets under one name."""
    from PySide6 import QtNetwork, QtSvg, QtUiTools

    module = ModuleType("qt")
    sources = (QtCore, QtGui, QtWidgets, QtNetwork, QtSvg, QtUiTools)

    def lookup(name: str):
        if not name.startswith("Q") and name not in ("Signal", "Slot", "Property"):
            raise AttributeError(f"module 'qt' has no attribute {name!r}")
        for source in sources:
            if hasattr(source, name):
                value = getattr(source, name)
                setattr(module, name, value)
                return value
        raise AttributeError(f"module 'qt' has no attribute {name!r}")

    module.__getattr__ = lookup
    module.__doc__ = inspect.getdoc(make_qt_module)
    sys.modules["qt"] = module
    return module

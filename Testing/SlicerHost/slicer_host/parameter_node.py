"""slicer.parameterNodeWrapper: typed attributes on a vtkMRMLScriptedModuleNode, tied to widgets.

slicer-core does not ship Slicer's wrapper. This one offers what modules use of it, under the same names.
"""

from __future__ import annotations

import json
import pathlib
import sys
import typing
from dataclasses import dataclass
from enum import Enum
from types import ModuleType, NoneType, UnionType

import slicer
import vtk

from .parameter_widgets import create_connector

PROPERTY_NAME = "SlicerParameterName"


@dataclass
class Default:
    value: object


@dataclass
class Decimals:
    value: int


@dataclass
class SingleStep:
    value: float


class Validator:
    def validate(self, value) -> None:
        raise NotImplementedError


@dataclass
class WithinRange(Validator):
    minimum: float
    maximum: float

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclass
class Minimum(Validator):
    minimum: float

    def validate(self, value) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


@dataclass
class Maximum(Validator):
    maximum: float

    def validate(self, value) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


@dataclass
class Choice(Validator):
    choices: list

    def validate(self, value) -> None:
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, is {value!r}")


@dataclass
class Exclude(Validator):
    excludedValues: list

    def validate(self, value) -> None:
        if value in self.excludedValues:
            raise ValueError(f"Value must not be {value!r}")


class NotNone(Validator):
    def validate(self, value) -> None:
        if value is None:
            raise ValueError("Value must not be None")


def _is_node(kind) -> bool:
    if typing.get_origin(kind) in (typing.Union, UnionType):
        return all(k is NoneType or _is_node(k) for k in typing.get_args(kind))
    return isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)


def _plain(value):
    """A value as JSON can hold it."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, pathlib.PurePath):
        return value.as_posix()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return [[_plain(k), _plain(v)] for k, v in value.items()]
    return value


def _typed(kind, value):
    """A value from JSON, as its declared type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, UnionType):
        inner = [k for k in arguments if k is not NoneType]
        return None if value is None else _typed(inner[0], value)
    if origin is typing.Annotated:
        return _typed(arguments[0], value)
    if origin is list:
        return [_typed(arguments[0], item) for item in value]
    if origin is tuple:
        kinds = arguments if arguments[-1] is not Ellipsis else [arguments[0]] * len(value)
        return tuple(_typed(k, item) for k, item in zip(kinds, value, strict=True))
    if origin is dict:
        return {_typed(arguments[0], k): _typed(arguments[1], v) for k, v in value}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind[value]
    return value if value is None else kind(value)


def _zero(kind):
    """The default of a type for which none is declared."""
    origin = typing.get_origin(kind)
    if _is_node(kind) or origin in (typing.Union, UnionType):
        return None
    if origin is tuple:
        return tuple(_zero(k) for k in typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    return (origin or kind)()


class Parameter:
    """One typed parameter: how it is checked, kept in the node, and what it is by default."""

    def __init__(self, name: str, annotation, default):
        self.name, self.annotation = name, annotation
        self.kind = annotation
        self.notes: list = []
        if typing.get_origin(annotation) is typing.Annotated:
            self.kind, *self.notes = typing.get_args(annotation)
        declared = next((note.value for note in self.notes if isinstance(note, Default)), None)
        self.default = default if default is not None else declared if declared is not None else _zero(self.kind)

    @property
    def is_node(self) -> bool:
        return _is_node(self.kind)

    def check(self, value) -> None:
        kinds = {bool: bool, str: str, int: int, float: (int, float)}
        wanted = kinds.get(self.kind)
        if wanted is not None and not (isinstance(value, wanted) or hasattr(value, "dtype")):
            raise TypeError(f"{self.name} must be {self.kind.__name__}, is {type(value).__name__}")
        for note in self.notes:
            if isinstance(note, Validator):
                note.validate(value)

    def is_in(self, node) -> bool:
        if self.is_node:
            return node.GetNodeReferenceID(self.name) is not None or node.GetParameter(self.name) == "None"
        return node.GetParameter(self.name) != "" or self.name in node.GetParameterNames()

    def read(self, node):
        if self.is_node:
            return node.GetNodeReference(self.name)
        return _typed(self.kind, json.loads(node.GetParameter(self.name)))

    def write(self, node, value) -> None:
        self.check(value)
        if self.is_node:
            if value is not None and not node.GetScene():
                raise RuntimeError(f"{self.name}: the parameter node is in no scene")
            node.SetNodeReferenceID(self.name, None if value is None else value.GetID())
            return
        value = value.item() if hasattr(value, "item") else value
        node.SetParameter(self.name, json.dumps(_plain(value)))


class _Wrapper:
    """What ``@parameterNodeWrapper`` adds to a class."""

    def __init__(self, parameterNode, prefix: str | None = None):
        self.parameterNode = parameterNode
        self._guis: dict[int, tuple[dict, int]] = {}
        self._next_gui = 0
        self._writing_gui = False
        for parameter in self.allParameters.values():
            if not parameter.is_node and not parameter.is_in(parameterNode):
                parameter.write(parameterNode, parameter.default)

    def _parameter(self, name: str) -> Parameter:
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}; known: {sorted(self.allParameters)}")
        return self.allParameters[name]

    def default(self, paramName: str) -> Default:
        return Default(self._parameter(paramName).default)

    def isCached(self, paramName: str) -> bool:
        self._parameter(paramName)
        return False

    @classmethod
    def dataType(cls, paramName: str):
        if paramName not in cls.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {paramName}")
        return cls.allParameters[paramName].annotation

    def getValue(self, paramName: str):
        return self._parameter(paramName).read(self.parameterNode)

    def setValue(self, paramName: str, value) -> None:
        self._parameter(paramName).write(self.parameterNode, value)

    def connectGui(self, gui) -> int:
        widgets = gui.findChildren(_widget_class()) if isinstance(gui, _widget_class()) else list(vars(gui).values())
        named = {w.property(PROPERTY_NAME): w for w in widgets if w.property(PROPERTY_NAME)}
        return self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping: dict) -> int:
        connectors = {name: create_connector(widget, self._parameter(name)) for name, widget in mapping.items()}
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.connect(lambda name=name, connector=connector: self._from_gui(name, connector))
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._to_gui(connectors))
        tag, self._next_gui = self._next_gui, self._next_gui + 1
        self._guis[tag] = (connectors, observer)
        return tag

    def disconnectGui(self, guiTag: int) -> None:
        connectors, observer = self._guis.pop(guiTag, ({}, None))
        if observer is not None:
            self.RemoveObserver(observer)
        for connector in connectors.values():
            connector.disconnect()

    def _from_gui(self, name: str, connector) -> None:
        if not self._writing_gui:
            self.setValue(name, connector.read())

    def _to_gui(self, connectors: dict) -> None:
        if self._writing_gui:
            return
        self._writing_gui = True
        try:
            for name, connector in connectors.items():
                connector.write(self.getValue(name))
        finally:
            self._writing_gui = False

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified):
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event, callback, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()


def _widget_class() -> type:
    from PySide6.QtWidgets import QWidget

    return QWidget


def _attribute(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


def parameterNodeWrapper(classtype=None):
    """Class decorator, as in Slicer."""
    if classtype is None:
        return parameterNodeWrapper
    hints = typing.get_type_hints(classtype, include_extras=True)
    parameters = {name: Parameter(name, kind, getattr(classtype, name, None)) for name, kind in hints.items()}
    taken = [name for name in parameters if hasattr(_Wrapper, name)]
    if taken:
        raise ValueError(f"Cannot use reserved name '{taken[0]}' in a parameterNodeWrapper")
    for name in parameters:
        setattr(classtype, name, _attribute(name))
    for name, member in vars(_Wrapper).items():
        if name not in ("__dict__", "__weakref__", "__module__", "__doc__", "__qualname__"):
            setattr(classtype, name, member)
    classtype.allParameters = parameters
    classtype._is_parameter_node_wrapper = True
    return classtype


def isParameterNodeWrapper(classOrObj) -> bool:
    return getattr(classOrObj, "_is_parameter_node_wrapper", False)


def make_module() -> ModuleType:
    """``slicer.parameterNodeWrapper``."""
    module = ModuleType("slicer.parameterNodeWrapper")
    names = [
        "parameterNodeWrapper",
        "isParameterNodeWrapper",
        "Default",
        "Decimals",
        "SingleStep",
        "Validator",
        "WithinRange",
        "Minimum",
        "Maximum",
        "Choice",
        "Exclude",
        "NotNone",
    ]
    for name in names:
        setattr(module, name, globals()[name])
    module.SlicerParameterNamePropertyName = PROPERTY_NAME
    module.__all__ = [*names, "SlicerParameterNamePropertyName"]
    sys.modules[module.__name__] = module
    return module

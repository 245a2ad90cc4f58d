"""Which widget shows which type of parameter, as Slicer's guiConnectors decide it."""

from __future__ import annotations

import pathlib
import typing
from collections.abc import Callable
from enum import Enum

from PySide6 import QtWidgets

from . import ctk_numbers, ctk_paths, mrml_widgets


class Connector:
    """Ties one widget to one parameter."""

    def __init__(self, widget, signal: str, read: Callable, write: Callable):
        self._widget, self._signal = widget, getattr(widget, signal)
        self.read, self.write = read, write
        self._slot = None

    def connect(self, callback: Callable) -> None:
        self._slot = lambda *_: callback()
        self._signal.connect(self._slot)

    def disconnect(self) -> None:
        if self._slot is not None:
            self._signal.disconnect(self._slot)
            self._slot = None


def _note(parameter, name: str):
    return next((note for note in parameter.notes if type(note).__name__ == name), None)


def _set_range(widget, parameter, lowest: float, highest: float) -> None:
    decimals, step = _note(parameter, "Decimals"), _note(parameter, "SingleStep")
    within = _note(parameter, "WithinRange")
    minimum = within or _note(parameter, "Minimum")
    maximum = within or _note(parameter, "Maximum")
    slider = isinstance(widget, QtWidgets.QSlider | ctk_numbers.ctkSliderWidget)
    if slider and (minimum is None or maximum is None):
        raise RuntimeError(f"{parameter.name}: a slider needs a bounded number, Annotated[..., WithinRange(a, b)]")

    def put(name: str, value) -> None:
        if hasattr(widget, "set" + name):
            getattr(widget, "set" + name)(value)
        else:
            setattr(widget, name[0].lower() + name[1:], value)

    if decimals is not None:
        put("Decimals", decimals.value)
    if step is not None:
        put("SingleStep", step.value)
    put("Minimum", minimum.minimum if minimum is not None else lowest)
    put("Maximum", maximum.maximum if maximum is not None else highest)


def _bool(widget, parameter) -> Connector | None:
    if parameter.kind is not bool or type(widget) not in (QtWidgets.QCheckBox, QtWidgets.QPushButton):
        return None
    widget.setCheckable(True)
    return Connector(widget, "toggled", widget.isChecked, widget.setChecked)


def _int(widget, parameter) -> Connector | None:
    if parameter.kind is not int or type(widget) not in (QtWidgets.QSlider, QtWidgets.QSpinBox):
        return None
    _set_range(widget, parameter, -(2**31), 2**31 - 1)
    return Connector(widget, "valueChanged", widget.value, widget.setValue)


def _float(widget, parameter) -> Connector | None:
    sliders = (ctk_numbers.ctkSliderWidget, mrml_widgets.qMRMLSliderWidget)
    if parameter.kind is not float or type(widget) not in (QtWidgets.QDoubleSpinBox, *sliders):
        return None
    _set_range(widget, parameter, float("-inf"), float("inf"))
    read = widget.value if isinstance(widget, QtWidgets.QDoubleSpinBox) else lambda: widget.value
    return Connector(widget, "valueChanged", read, widget.setValue)


def _choice(widget, parameter) -> Connector | None:
    if type(widget) is not QtWidgets.QComboBox:
        return None
    if isinstance(parameter.kind, type) and issubclass(parameter.kind, Enum):
        values = list(parameter.kind)
        labels = [value.label() if hasattr(value, "label") else value.name for value in values]
    elif parameter.kind in (str, int, float, bool):
        choice = _note(parameter, "Choice")
        if choice is None:
            raise RuntimeError(f"{parameter.name}: a QComboBox needs the Choice annotation")
        values, labels = list(choice.choices), [str(value) for value in choice.choices]
    else:
        return None
    widget.clear()
    widget.addItems(labels)
    return Connector(
        widget,
        "currentIndexChanged",
        lambda: values[widget.currentIndex()],
        lambda value: widget.setCurrentIndex(values.index(value)),
    )


def _text(widget, parameter) -> Connector | None:
    if parameter.kind is not str:
        return None
    if type(widget) is QtWidgets.QLineEdit:
        return Connector(widget, "textChanged", widget.text, lambda v: widget.text() == v or widget.setText(v))
    if type(widget) in (QtWidgets.QTextEdit, QtWidgets.QPlainTextEdit):
        return Connector(
            widget,
            "textChanged",
            widget.toPlainText,
            lambda v: widget.toPlainText() == v or widget.setPlainText(v),
        )
    return None


def _path(widget, parameter) -> Connector | None:
    if not (isinstance(parameter.kind, type) and issubclass(parameter.kind, pathlib.PurePath)):
        return None
    if type(widget) is ctk_paths.ctkPathLineEdit:
        return Connector(
            widget,
            "currentPathChanged",
            lambda: parameter.kind(widget.currentPath),
            lambda value: widget.setCurrentPath(str(value)),
        )
    if type(widget) is ctk_paths.ctkDirectoryButton:
        return Connector(
            widget,
            "directoryChanged",
            lambda: parameter.kind(widget.directory),
            lambda value: setattr(widget, "directory", str(value)),
        )
    return None


def _node(widget, parameter) -> Connector | None:
    if not parameter.is_node or type(widget) is not mrml_widgets.qMRMLNodeComboBox:
        return None
    kinds = [k for k in typing.get_args(parameter.kind) if k is not type(None)] or [parameter.kind]
    widget.nodeTypes = [kind.__name__ for kind in kinds]
    return Connector(widget, "currentNodeChanged", widget.currentNode, widget.setCurrentNode)


def create_connector(widget, parameter) -> Connector:
    """The connection of a widget to a parameter.

    Raises
    ------
    RuntimeError
        If Slicer's wrapper has no connection for this type and widget class.
    """
    for kind in (_bool, _int, _float, _choice, _text, _path, _node):
        connector = kind(widget, parameter)
        if connector is not None:
            return connector
    raise RuntimeError(
        f"Unable to create GUI connector from datatype '{parameter.kind}' to widget type '{type(widget).__name__}'"
    )

"""Loading of .ui forms with the host's own classes for Slicer's and CTK's widgets."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import reduce
from operator import or_
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QDir, QIODevice, QObject
from PySide6.QtUiTools import QUiLoader
from PySide6.QtWidgets import QWidget

_widget_classes: dict[str, type] = {}


def register(cls: type) -> type:
    """Class decorator: make a widget usable in forms under its own name."""
    _widget_classes[cls.__name__] = cls
    return cls


def registered() -> dict[str, type]:
    """Widgets that forms may use besides Qt's own, by class name."""
    return dict(_widget_classes)


def _enum_value(cls: type, text: str) -> int:
    values = []
    for item in filter(None, text.split("|")):
        name = item.strip().split("::")[-1]
        value = getattr(cls, name, getattr(QDir.Filter, name, None))
        if value is None:
            raise RuntimeError(f"no value {name} in {cls.__name__}")
        values.append(int(getattr(value, "value", value)))
    return reduce(or_, values, 0)


def _plain_enums(root: ET.Element) -> None:
    """Write enum properties of host classes as numbers: Qt cannot look them up in Python classes."""
    for widget in root.iter("widget"):
        cls = _widget_classes.get(widget.get("class"))
        if cls is None:
            continue
        own = {p for k in cls.__mro__ if k.__module__.startswith("slicer_host") for p in vars(k)}
        for prop in widget.findall("property"):
            for kind in ("set", "enum"):
                value = prop.find(kind)
                if value is not None and prop.get("name") in own:
                    number = _enum_value(cls, value.text or "")
                    prop.remove(value)
                    ET.SubElement(prop, "number").text = str(number)


def _check_classes(root: ET.Element, path: Path, known: set[str]) -> None:
    for widget in root.iter("widget"):
        name = widget.get("class")
        if name not in known:
            raise RuntimeError(f"{path.name}: widget {widget.get('name')}: SlicerHost has no class {name}")


def _take_connections(root: ET.Element) -> list[tuple[str, str, str, str]]:
    tags = ("sender", "signal", "receiver", "slot")
    links = [tuple(link.findtext(tag) for tag in tags) for link in root.findall("connections/connection")]
    for connections in root.findall("connections"):
        root.remove(connections)
    return links


def _connect(form: QWidget, links: list[tuple[str, str, str, str]], path: Path) -> None:
    def find(name: str) -> QObject:
        found = form if form.objectName() == name else form.findChild(QObject, name)
        if found is None:
            raise RuntimeError(f"{path.name}: connection to {name}, which is not in the form")
        return found

    for sender, signal, receiver, slot in links:
        source = getattr(find(sender), signal.split("(")[0])
        source.connect(getattr(find(receiver), slot.split("(")[0]))


def load_form(path: str | Path) -> QWidget:
    """Make the widgets of a .ui form.

    Raises
    ------
    RuntimeError
        If the file is missing or uses a class, value or object that is not there.
    """
    path = Path(path)
    if not path.is_file():
        raise RuntimeError(f"Could not load UI file: file not found {path}")
    root = ET.parse(path).getroot()
    loader = QUiLoader()
    loader.setWorkingDirectory(QDir(str(path.parent)))
    for cls in _widget_classes.values():
        loader.registerCustomWidget(cls)
    _check_classes(root, path, set(loader.availableWidgets()) | set(_widget_classes))
    _plain_enums(root)
    links = _take_connections(root)
    buffer = QBuffer()
    buffer.setData(QByteArray(ET.tostring(root, encoding="utf-8")))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    form = loader.load(buffer)
    if form is None:
        raise RuntimeError(f"Could not load UI file: {path}: {loader.errorString()}")
    _connect(form, links, path)
    return form

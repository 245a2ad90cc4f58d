"""The modules ``qt``, ``ctk`` and the parts of ``slicer`` that slicer-core does not bring."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import slicer
from PySide6.QtWidgets import QWidget

from . import (
    ctk,
    ctk_numbers,
    ctk_paths,
    dicom_database,
    layout,
    mrml_widgets,
    packages,
    parameter_node,
    pythonqt,
    scripted_module,
    segment_editor,
    translation,
    view_widgets,
)
from . import modules as module_classes
from .application import qSlicerApplication
from .dialogs import make_dialogs
from .form_loader import load_form
from .messages import Messages

_WIDGET_SOURCES = (mrml_widgets, view_widgets, layout, module_classes, segment_editor)


def child_widget_variables(widget: QWidget) -> SimpleNamespace:
    """Named children, composite widgets' inner ones included, as attributes."""
    ui = SimpleNamespace()
    for child in [widget, *widget.findChildren(QWidget)]:
        name = child.objectName()
        if name and name.isidentifier():
            setattr(ui, name, child)
    return ui


def slicer_classes() -> dict[str, type]:
    """Classes offered as ``slicer.qXxx``."""
    items = [item for source in _WIDGET_SOURCES for item in vars(source).items()]
    named = {name: item for name, item in items if isinstance(item, type) and name.startswith(("qMRML", "qSlicer"))}
    return named | {"qSlicerApplication": qSlicerApplication}


def ctk_classes() -> dict[str, type]:
    """Classes offered as ``ctk.ctkXxx``."""
    items = [item for source in (ctk, ctk_numbers, ctk_paths, dicom_database) for item in vars(source).items()]
    return {name: item for name, item in items if isinstance(item, type) and name.startswith("ctk")}


def install(app: qSlicerApplication, messages: Messages) -> None:
    """Make ``import qt, ctk, slicer`` give modules what they find in Slicer."""
    vars(pythonqt.make_qt_module()).update(make_dialogs(messages))
    ctk_module = ModuleType("ctk")
    vars(ctk_module).update(ctk_classes())
    sys.modules["ctk"] = ctk_module
    slicer.app = app
    slicer.modules = module_classes.Modules(app.moduleManager())
    sys.modules["slicer.modules"] = slicer.modules
    vars(slicer).update(slicer_classes())
    slicer.ScriptedLoadableModule = scripted_module.make_module()
    slicer.parameterNodeWrapper = parameter_node.make_module()
    slicer.packaging = packages.make_module()
    translation.install()
    pythonqt.select("slicer.util")
    slicer.util.loadUI = load_form
    slicer.util.childWidgetVariables = child_widget_variables
    messages.install()

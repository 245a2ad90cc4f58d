"""slicer.i18n: texts in the language of the application."""

from __future__ import annotations

import logging
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import slicer
from PySide6.QtCore import QCoreApplication

_PLACEHOLDER = re.compile(r"(?<!{){([^{}]+)}(?!})")


def translate(context: str, text: str) -> str:
    """A text as the installed translators say it."""
    return QCoreApplication.translate(context, text)


@cache
def context_of(file: str) -> str:
    """The context of a Python file: its name, after that of its package where it lies in one."""
    path = Path(file)
    is_in_package = (path.parent / "__init__.py").is_file()
    return f"{path.parent.name}.{path.stem}" if is_in_package else path.stem


def tr(text: str) -> str:
    """A text of the calling file; translations that lack a placeholder, or invent one, are left aside."""
    translated = translate(context_of(sys._getframe(1).f_code.co_filename), text)
    if set(_PLACEHOLDER.findall(text)) != set(_PLACEHOLDER.findall(translated)):
        logging.warning("The translation of %r has other placeholders: %r", text, translated)
        return text
    return translated


def install() -> None:
    """Make ``from slicer.i18n import tr, translate`` work."""
    module = ModuleType("slicer.i18n")
    module.tr, module.translate = tr, translate
    slicer.i18n = sys.modules[module.__name__] = module

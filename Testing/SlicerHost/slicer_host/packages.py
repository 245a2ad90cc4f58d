"""slicer.packaging: what a module asks to be installed is recorded, nothing is installed."""

from __future__ import annotations

import importlib.metadata
import sys
from types import ModuleType

import slicer
from packaging.requirements import Requirement

asked: list[str] = []


def pip_check(requirements: Requirement | list[Requirement]) -> bool:
    """Whether all requirements are met by what is installed."""
    for item in requirements if isinstance(requirements, list) else [requirements]:
        try:
            version = importlib.metadata.version(item.name)
        except importlib.metadata.PackageNotFoundError:
            return False
        if not item.specifier.contains(version, prereleases=True):
            return False
    return True


def pip_install(requirements: str | list[str], *_args, **_kwargs) -> None:
    items = requirements.split() if isinstance(requirements, str) else requirements
    asked.extend(items)


def pip_ensure(
    requirements: list[Requirement],
    constraints=None,
    skip_packages=None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> None:
    pip_install([str(item) for item in requirements if not pip_check(item)])


def make_module() -> ModuleType:
    """``slicer.packaging``; ``slicer.util.pip_install`` is the same."""
    module = ModuleType("slicer.packaging")
    for function in (pip_check, pip_ensure, pip_install):
        setattr(module, function.__name__, function)
    slicer.util.pip_install = pip_install
    sys.modules[module.__name__] = module
    return module

"""Python packages that the analysis needs and Slicer does not bring."""

from __future__ import annotations

import importlib.metadata
import subprocess
from pathlib import Path

from packaging.requirements import Requirement
from slicer.i18n import tr as _

REQUESTER = "Liver Tumor AI"
NOT_INSTALLED = _(
    "Python's package installer stopped with an error. Check that this computer reaches pypi.org (network, proxy, "
    "firewall), then press the button again; without a network, install the packages of the module's "
    "Resources/requirements.txt from files with PythonSlicer -m pip."
)


def read_requirements(path: str) -> list[str]:
    """Requirements of a requirements file, comments left out."""
    lines = (line.partition("#")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def missing_packages(requirements: list[str]) -> list[str]:
    """Those requirements that this Python does not meet."""
    return [requirement for requirement in requirements if not _is_met(Requirement(requirement))]


def _is_met(requirement: Requirement) -> bool:
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)


def install(requirements: list[str]) -> None:
    """Install what is missing after asking the user, with progress; RuntimeError in words if that did not work."""
    import slicer.packaging

    try:
        slicer.packaging.pip_ensure([Requirement(requirement) for requirement in requirements], requester=REQUESTER)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(NOT_INSTALLED) from error

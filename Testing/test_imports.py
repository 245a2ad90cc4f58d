"""The layers of the library: a package imports only from those above it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[1] / "LiverTumorAILib"
LAYERS = (
    "study",
    "registration",
    "inference",
    "lesions",
    "measurement",
    "explanation",
    "cascades",
    "pipeline",
    "report",
    "worker",
    "mrml",
    "phantom",
    "evaluation",
    "networks",
    "training",
    "curation",
    "demo",
    "cli",
)
ABOVE_ALL = {"errors", "progress", "folders", "__init__"}
ONLY_IN = {"slicer": {"mrml"}, "vtk": {"mrml"}, "torch": {"networks", "training"}, "qt": set(), "PySide6": set()}
FILES = sorted(LIBRARY.rglob("*.py"))


def room(file: Path) -> str:
    return file.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(LIBRARY)))
def test_a_package_imports_only_from_those_above_it(file):
    own = room(file)
    allowed = ABOVE_ALL if own in ABOVE_ALL else ABOVE_ALL | set(LAYERS[: LAYERS.index(own) + 1])
    if own == "__main__":
        allowed = {"cli"}
    for name in imported(file):
        if name.startswith("LiverTumorAILib."):
            target = name.split(".")[1]
            is_member = not (LIBRARY / target).is_dir() and not (LIBRARY / f"{target}.py").is_file()
            assert is_member or target in allowed, f"{own} must not import {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(LIBRARY)))
def test_slicer_torch_and_qt_stay_in_their_rooms(file):
    for name in imported(file):
        rooms = ONLY_IN.get(name.split(".")[0])
        assert rooms is None or room(file) in rooms, f"{room(file)} must not import {name}"


def test_the_pipeline_and_the_worker_load_neither_torch_nor_slicer():
    code = (
        "import sys, LiverTumorAILib.worker.run, LiverTumorAILib.report, LiverTumorAILib.evaluation;"
        "bad = {'torch', 'slicer', 'vtk', 'qt', 'PySide6'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=LIBRARY.parent)

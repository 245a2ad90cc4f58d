"""The layers of the library: a package imports only from those above it."""

import ast
import subprocess
import sys
from pathlib import Path

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
    "review",
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
ABOVE_ALL = {"errors", "progress", "folders", "memory", "__init__"}
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


def allowed_rooms(own: str) -> set[str]:
    if own in ABOVE_ALL:
        return ABOVE_ALL
    if own == "__main__":
        return {"cli"}
    return ABOVE_ALL | set(LAYERS[: LAYERS.index(own) + 1])


def imported_room(name: str) -> str:
    """The room of an imported name; names of the library's own `__init__` count as that file's."""
    first = name.split(".")[1]
    return first if (LIBRARY / first).is_dir() or (LIBRARY / f"{first}.py").is_file() else "__init__"


def test_a_package_imports_only_from_those_above_it():
    wrong = [
        f"{file.relative_to(LIBRARY)} imports {name}"
        for file in FILES
        for name in sorted(imported(file))
        if name.startswith("LiverTumorAILib.") and imported_room(name) not in allowed_rooms(room(file))
    ]
    assert not wrong


def test_slicer_torch_and_qt_stay_in_their_rooms():
    wrong = [
        f"{file.relative_to(LIBRARY)} imports {name}"
        for file in FILES
        for name in sorted(imported(file))
        if room(file) not in ONLY_IN.get(name.split(".")[0], {room(file)})
    ]
    assert not wrong


def test_the_pipeline_and_the_worker_load_neither_torch_nor_slicer():
    code = (
        "import sys, LiverTumorAILib.worker.run, LiverTumorAILib.report, LiverTumorAILib.evaluation;"
        "bad = {'torch', 'slicer', 'vtk', 'qt', 'PySide6'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=LIBRARY.parent)

"""The module loads from the source tree and as CMake installs it, and keeps to Slicer's interface."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
from conftest import ROOT

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

from test_cmake_lists import installed  # noqa: F401  # noqa: E402

SOURCE = ROOT / "LiverTumorAI"
LOAD = """
import sys  # noqa: E402
sys.path.insert(0, {host!r})
from slicer_host import Host  # noqa: E402
with Host() as host:
    panel = host.load_module({module!r}).widget
    import LiverTumorAILib
    print("library", LiverTumorAILib.__file__)
    print("methods", list(panel.logic.cascades()))
    print("install", panel.ui.installButton.isVisible(), panel.ui.loadButton.isEnabled())
    panel.ui.installButton.click()
    print("asked", host.slicer.packaging.pip_ensure.__globals__["asked"])
    host.check()
with Host() as host:
    print("again", host.load_module({module!r}).widget.ui.loadButton.text())
    host.check()
"""


def load(folder):
    """What a process says that loads the module in a folder."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    code = LOAD.format(host=str(ROOT / "Testing" / "SlicerHost"), module=str(folder / "LiverTumorAI.py"))
    # Elsewhere, so that no folder is importable for being the current one.
    run = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=environment, check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return dict(line.split(" ", 1) for line in run.stdout.splitlines() if " " in line)


def test_from_the_source_tree_the_library_one_folder_up_is_used():
    said = load(SOURCE)
    assert said["library"] == str(ROOT / "LiverTumorAILib" / "__init__.py")
    assert "base" in said["methods"]
    assert said["install"] == "False True"
    assert said["again"] == "Load study"


@pytest.fixture(scope="module")
def said_as_installed(installed):  # noqa: F811
    """What the installed module says where a package is missing."""
    requirements = installed / "Resources" / "requirements.txt"
    requirements.write_text(requirements.read_text(encoding="utf-8") + "no-such-package>=2\n", encoding="utf-8")
    return load(installed)


def test_as_installed_the_library_beside_the_module_is_used(installed, said_as_installed):  # noqa: F811
    assert said_as_installed["library"] == str(installed / "LiverTumorAILib" / "__init__.py")
    assert "base" in said_as_installed["methods"]


def test_missing_packages_are_installed_by_a_button_only(said_as_installed):
    assert said_as_installed["install"] == "True False"
    assert said_as_installed["asked"] == "['no-such-package>=2']"


def test_the_module_asks_for_what_the_library_depends_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = (SOURCE / "Resources" / "requirements.txt").read_text(encoding="utf-8").split("\n")
    assert sorted(filter(None, listed)) == sorted(project["dependencies"])


def test_importing_the_module_imports_no_package_that_slicer_lacks():
    lacking = "numba onnxruntime matplotlib cc3d nrrd jinja2 jsonschema psutil tqdm torch"
    for path in [SOURCE / "LiverTumorAI.py", *(SOURCE / "LiverTumorAIModule").glob("*.py")]:
        top_level = re.findall(r"^(?:from|import) ([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert not {name.split(".")[0] for name in top_level} & {*lacking.split(), "LiverTumorAILib"}, path.name


def test_only_names_that_slicer_and_ctk_have_are_used():
    check = ROOT.parent / "shared" / "slicer-api" / "check.py"
    if not check.is_file():
        pytest.skip(f"Slicer's interface is not described at {check}")
    scripts = [SOURCE / "LiverTumorAI.py", *(SOURCE / "LiverTumorAIModule").glob("*.py")]
    run = subprocess.run(
        [sys.executable, check, *scripts, SOURCE / "Resources" / "UI" / "LiverTumorAI.ui"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout

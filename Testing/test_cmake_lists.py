"""The extension's CMake files name every file, and install what then runs."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from update_cmake_lists import differences, wanted_lists, with_list

METADATA = ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "CATEGORY", "DEPENDS")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of scripted modules after configuring and installing with CMake."""
    if shutil.which("cmake") is None:
        pytest.skip("cmake is missing")
    folder = tmp_path_factory.mktemp("cmake")
    configure = ["cmake", "-S", ROOT, "-B", folder / "build", f"-DSlicer_DIR={ROOT / 'Testing' / 'cmake_slicer'}"]
    subprocess.run(configure, check=True, capture_output=True)
    install = ["cmake", "--install", folder / "build", "--prefix", folder / "installed"]
    subprocess.run(install, check=True, capture_output=True)
    return folder / "installed" / "lib" / "Slicer-5.12" / "qt-scripted-modules"


def test_the_lists_name_exactly_the_files_that_are_there():
    assert differences() == [], "run: python Testing/update_cmake_lists.py"


def test_a_file_that_no_list_names_is_noticed():
    (name, entries), *_ = wanted_lists()[ROOT / "CMakeLists.txt"].items()
    text = with_list(f"# BEGIN {name}\n# END {name}", name, entries[1:])
    assert entries[0] not in text
    assert entries[1] in text


def test_the_extension_says_what_the_index_asks_for():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    for field in METADATA:
        assert re.search(rf'set\(EXTENSION_{field} "[^"]+"\)', text), field


def test_module_and_library_are_installed_beside_each_other(installed):
    assert (installed / "LiverTumorAI.py").is_file()
    assert (installed / "LiverTumorAIModule" / "phases_table.py").is_file()
    assert (installed / "LiverTumorAILib" / "worker" / "__main__.py").is_file()
    assert (installed / "Resources" / "UI" / "LiverTumorAI.ui").is_file()


def test_the_installed_library_runs_by_itself(installed):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    code = "import LiverTumorAILib, LiverTumorAILib.cli; print(LiverTumorAILib.__file__)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=installed, env=environment, check=True, capture_output=True, text=True
    )
    assert run.stdout.startswith(str(installed))

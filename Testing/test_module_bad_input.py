"""Bad studies, models and disks through the window: a dialog that says what to do, and a panel that works on."""

import os
import shutil
import subprocess

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

import SimpleITK as sitk
import test_cli
from analytic_network import write_network
from module_host import load_panel, table_texts, wait
from test_cli import BAD_STUDIES, write_phase

from LiverTumorAILib.study import Phase

pytest_plugins = ["module_fixtures"]

images, study = test_cli.images, test_cli.study
BUTTONS = ("loadButton", "sceneButton", "dicomButton")


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory):
    """The worker finds a network whose answers are known."""
    folder = tmp_path_factory.mktemp("models")
    write_network(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVERTUMORAI_MODELS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def panel(running):
    return load_panel(running)


@pytest.fixture(scope="module")
def single_phase(running, panel, images, tmp_path_factory):
    """A good study that is analyzed soon, loaded after the bad ones."""
    load(running, panel, write_phase(images[Phase.PORTAL_VENOUS], tmp_path_factory.mktemp("single") / "study"))
    assert running.messages.texts("error") == []
    return panel


def load(host, panel, folder):
    panel.openStudy(str(folder))
    wait(host, panel)


def analyze(host, panel):
    panel.ui.runButton.click()
    wait(host, panel)


def the_error(host, panel):
    """What one dialog says; nothing is left half-done or switched off."""
    (message,) = host.messages.texts("error")
    assert "\n" not in message
    assert "Traceback" not in message
    assert panel.ui.statusLabel.text() == message
    assert not panel.ui.progressBar.isVisible()
    assert all(getattr(panel.ui, button).isEnabled() for button in BUTTONS)
    assert not panel.ui.cancelButton.isEnabled()
    host.messages.shown.clear()
    return message


def beyond_the_memory(folder, _images, _study):
    folder.mkdir()
    sitk.WriteImage(sitk.Image(8, 8, 8, sitk.sitkInt16), folder / "portal_venous.mha")
    header = (folder / "portal_venous.mha").read_bytes().replace(b"DimSize = 8 8 8", b"DimSize = 9000 9000 9000")
    (folder / "portal_venous.mha").write_bytes(header.replace(b"ElementSpacing = 1 1 1", b"ElementSpacing = .1 .1 .1"))


def of_no_permission(folder, images, _study):
    if os.name != "posix" or not os.geteuid():
        pytest.skip("everything may be read by this user")
    write_phase(images[Phase.PORTAL_VENOUS], folder)
    (folder / "portal_venous.nii.gz").chmod(0)


def missing(_folder, _images, _study):
    """A path that somebody mistyped."""


def without_images(folder, _images, _study):
    folder.mkdir()
    (folder / "letter.txt").write_text("nothing to see", encoding="utf-8")


BAD = BAD_STUDIES | {
    beyond_the_memory: "memory",
    of_no_permission: "permission",
    missing: "There is no",
    without_images: "is a medical image",
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_a_bad_study_is_told_in_one_line_and_the_panel_stays_usable(make, host, panel, images, study, tmp_path):
    make(tmp_path / "in", images, study)
    load(host, panel, tmp_path / "in")
    if not host.messages.texts("error"):
        assert panel.ui.runButton.isEnabled(), "what is wrong is found by the analysis"
        analyze(host, panel)
    assert BAD[make].lower() in the_error(host, panel).lower()


def test_the_same_phase_twice_is_loaded_and_said(host, panel, images, tmp_path):
    folder = write_phase(images[Phase.PORTAL_VENOUS], tmp_path / "twice", "first_portal_venous.nii.gz")
    load(host, panel, write_phase(images[Phase.PORTAL_VENOUS], folder, "second_portal_venous.nii.gz"))
    assert host.messages.texts("error") == []
    assert len(table_texts(panel.ui.phasesTable)) == 2
    assert panel.ui.runButton.isEnabled()


def test_one_phase_alone_is_loaded_and_its_cost_is_said(single_phase):
    assert single_phase.ui.runButton.isEnabled()
    assert "one phase only" in single_phase.ui.phaseHintLabel.text()


@pytest.mark.parametrize("kind", ["missing", "changed"])
def test_a_missing_and_a_changed_network_are_named(host, single_phase, models, tmp_path, kind):
    if kind == "changed":
        shutil.copytree(models, tmp_path / "models")
        with (tmp_path / "models" / "base_unet" / "model.onnx").open("ab") as file:
            file.write(b"\0")
    (tmp_path / "models").mkdir(exist_ok=True)
    single_phase.ui.modelsPathLineEdit.currentPath = str(tmp_path / "models")
    try:
        analyze(host, single_phase)
    finally:
        single_phase.ui.modelsPathLineEdit.currentPath = ""
    assert "base_unet" in the_error(host, single_phase)
    assert single_phase.ui.runButton.isEnabled(), "to try again"


def test_a_method_that_only_a_later_version_knows_is_told_and_another_one_can_be_chosen(host, single_phase):
    combo = single_phase.ui.cascadeComboBox
    single_phase._parameterNode.cascade = "of-tomorrow"
    analyze(host, single_phase)
    assert "of-tomorrow" in the_error(host, single_phase)
    assert combo.currentText() == ""
    combo.setCurrentIndex(0)
    assert single_phase._parameterNode.cascade == "base"


def test_a_full_disk_is_told_and_leaves_nothing(host, single_phase, tmp_path):
    from LiverTumorAIModule.sessions import Sessions

    small, kept = tmp_path / "small", single_phase.logic.sessions
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        single_phase.logic.sessions = single_phase.earlier.sessions = Sessions(small)
        analyze(host, single_phase)
        assert "disk is full" in the_error(host, single_phase)
        assert not list(small.rglob("results*"))
    finally:
        single_phase.logic.sessions = single_phase.earlier.sessions = kept
        subprocess.run(["umount", str(small)], check=True)


def test_after_all_that_the_next_good_study_is_loaded_and_analyzed(host, single_phase):
    analyze(host, single_phase)
    assert host.messages.texts("error") == []
    assert single_phase.findings.shown is not None
    assert single_phase.ui.exportButton.isEnabled()

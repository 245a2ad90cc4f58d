"""The panel from its opening to the closing of the scene."""

import gc
import subprocess
import sys
import weakref
from dataclasses import replace
from functools import partial

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

from analytic_network import write_network
from module_host import backgrounds, load_panel, table_texts, wait, write_results_folder
from slicer_host import Host

from LiverTumorAILib.lesions import NORMAL, Certainty, PatientSummary
from LiverTumorAILib.mrml.nodes import owned_nodes

pytest_plugins = ["module_fixtures"]


@pytest.fixture
def running():
    with Host(size=(1280, 800)) as started:
        yield started


@pytest.fixture
def panel(running, results):
    return load_panel(running, results)


def test_before_anything_is_loaded_nothing_can_be_run_or_saved(host):
    panel = load_panel(host)
    for button in ("runButton", "cancelButton", "reportButton", "exportButton", "show3DButton"):
        assert not getattr(panel.ui, button).isEnabled(), button
    assert panel.ui.loadButton.isEnabled()
    assert not panel.ui.installButton.isVisible()
    assert "Not for clinical use" in panel.ui.disclaimerLabel.text()
    assert panel.ui.disclaimerLabel.isVisible()


def test_a_folder_that_holds_no_results_gives_one_clear_line(host, tmp_path):
    panel = load_panel(host)
    panel.showResults(tmp_path)
    wait(host, panel)
    (message,) = host.messages.texts("error")
    assert "\n" not in message
    assert panel.ui.statusLabel.text() == message
    assert panel.ui.loadButton.isEnabled()


def test_results_with_a_broken_image_give_one_clear_line(host, study, tmp_path):
    panel, folder = load_panel(host), write_results_folder(*study, tmp_path / "results")
    (folder / "registered" / "arterial.nrrd").write_bytes(b"NRRD0004\n")
    panel.showResults(folder)
    wait(host, panel)
    (message,) = host.messages.texts("error")
    assert message == "An image of these results cannot be read (arterial.nrrd). Analyze the study again."
    assert panel.ui.loadButton.isEnabled()


def test_closing_the_scene_empties_the_panel(host, panel, scene):
    panel.ui.editingSection.collapsed = False
    host.app._core.close_scene()
    host.process_events(0.2)
    assert table_texts(panel.ui.lesionTable) == []
    assert panel.ui.summaryLabel.text() == "No findings yet."
    assert not panel.ui.exportButton.isEnabled()
    assert not owned_nodes(scene)


def test_results_can_be_shown_again_after_the_scene_was_closed(host, panel, results, scene):
    host.app._core.close_scene()
    panel.showResults(results)
    wait(host, panel)
    assert len(table_texts(panel.ui.lesionTable)) == 3
    assert backgrounds(scene) == {"portal venous"}


def test_a_patient_without_lesions_is_told_so(host, study, tmp_path):
    findings, images = study
    nothing = replace(
        findings,
        lesions=(),
        lesion_labels=findings.lesion_labels * 0,
        patient=PatientSummary(NORMAL, {}, Certainty.CERTAIN),
    )
    panel = load_panel(host, write_results_folder(nothing, images, tmp_path / "results"))
    assert "No focal lesion found" in panel.ui.summaryLabel.text()
    assert panel.ui.lesionTable.rowCount() == 0


@pytest.fixture
def own_modules():
    """A reload imports module and library anew; other tests keep theirs."""
    before = {name: module for name, module in sys.modules.items() if name.startswith("LiverTumorAI")}
    yield
    for name in [name for name in sys.modules if name.startswith("LiverTumorAI")]:
        del sys.modules[name]
    sys.modules.update(before)


def test_reloading_the_module_brings_the_review_back(own_modules, host, panel, scene):
    panel.ui.acceptButton.click()
    nodes = set(owned_nodes(scene))
    rows = table_texts(panel.ui.lesionTable)
    panel.onReload()
    again = host.slicer.modules.LiverTumorAIWidget
    assert again is not panel
    wait(host, again)
    assert table_texts(again.ui.lesionTable) == rows
    assert again.ui.reviewedLabel.text() == "1 of 3 reviewed"
    assert set(owned_nodes(scene)) == nodes
    again.findings.selectLesion(again.findings.shown.reading.lesions[1].uid)
    again.ui.rejectButton.click()
    assert again.ui.reviewedLabel.text() == "2 of 3 reviewed"
    assert host.messages.texts("error") == []


def test_without_a_network_a_clear_word_is_said_instead_of_installing(host, monkeypatch, tmp_path):
    panel = load_panel(host)

    def really_install(requirements, **_options):
        command = [sys.executable, "-m", "pip", "install", "--no-index", "--quiet", *requirements]
        subprocess.run(command, check=True, capture_output=True)

    monkeypatch.setattr(panel.logic, "requirements", lambda: ["no-such-package>=2"])
    monkeypatch.setitem(host.slicer.packaging.pip_ensure.__globals__, "pip_install", really_install)
    panel._findPackages()
    panel.updateButtons()
    panel.ui.installButton.click()
    (message,) = host.messages.texts("error")
    assert "network" in message and "Traceback" not in message
    assert panel.ui.installButton.isVisible(), "to try again"
    host.errors.clear()
    panel.sources.openDropped(tmp_path)
    assert "Install the missing packages" in panel.ui.statusLabel.text()
    needing_packages = (panel.ui.loadButton, panel.ui.checkModelsButton, panel.ui.colourButton)
    assert not any(button.isEnabled() for button in needing_packages)
    monkeypatch.undo()
    panel._findPackages()
    panel.updateButtons()
    assert all(button.isEnabled() for button in needing_packages)


def test_what_was_chosen_last_is_what_a_new_scene_begins_with(host, scene, monkeypatch):
    panel = load_panel(host)
    monkeypatch.setattr(panel.analysis, "analyze", lambda _job: None)
    panel._parameterNode.cascade = "hfs-net"
    panel.ui.deviceComboBox.setCurrentText("processor")
    panel.onRun()
    scene.Clear()
    host.process_events(0.1)
    assert panel._parameterNode.cascade == "hfs-net"
    assert panel.ui.deviceComboBox.currentText() == "processor"
    host.slicer.app.settings().clear()


def test_the_networks_of_the_chosen_folder_are_checked_and_used(host, tmp_path):
    panel = load_panel(host)
    write_network(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "card.json").write_text("{}", encoding="utf-8")
    panel.ui.modelsPathLineEdit.currentPath = str(tmp_path)
    panel.ui.checkModelsButton.click()
    wait(host, panel)
    good, bad = panel.ui.settingsLabel.text().split("\n")
    assert good == "base_unet: ok"
    assert bad.startswith("broken: ")
    assert panel.settings.models == str(tmp_path)
    host.slicer.app.settings().clear()


def test_the_help_tells_every_key(host):
    panel = load_panel(host)
    findings = panel.findings
    owners = panel.views, panel.views._heatmaps, findings.review, findings.corrections, findings.editing
    used = {key for owner in owners for key in owner._keys._shortcuts}
    told = host.slicer.modules.livertumorai.helpText
    between = {"2", "3", "4", "5", "6", "7", "8", "F3", "F4", "F5", "F6", "Del"}
    assert [key for key in used - between if f">{key}" not in told and f" {key}" not in told] == []


def test_nodes_of_the_same_names_that_others_made_stay_as_they_are(host, results, scene, tmp_path):
    panel = load_panel(host)
    names = {
        "vtkMRMLSegmentationNode": ["Liver findings"],
        "vtkMRMLScalarVolumeNode": ["portal venous", "arterial"],
        "vtkMRMLGridTransformNode": ["arterial onto the reference"],
        "vtkMRMLTextNode": ["Liver reading", "Liver evidence"],
        "vtkMRMLMarkupsLineNode": ["1 long axis"],
        "vtkMRMLColorTableNode": ["Liver Tumor AI evidence"],
    }
    foreign = [scene.AddNewNodeByClass(kind, name) for kind, names in names.items() for name in names]
    segmentation = foreign[0].GetSegmentation()
    for segment_id in ("liver", "lesion-1"):
        segmentation.AddEmptySegment(segment_id, segment_id)
    before = [(node.GetName(), node.GetMTime()) for node in foreign]
    for _twice in range(2):
        panel.showResults(results)
        wait(host, panel)
    assert panel.findings.shown.segmentation is not foreign[0]
    panel.ui.heatmapButton.click()
    panel.ui.deleteLesionButton.click()
    panel.ui.undoButton.click()
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    assert host.messages.texts("error") == []
    assert list(segmentation.GetSegmentIDs()) == ["liver", "lesion-1"]
    assert [(node.GetName(), node.GetMTime()) for node in foreign[1:]] == before[1:]
    assert all(scene.IsNodePresent(node) for node in foreign)
    assert [row[0] for row in table_texts(panel.ui.lesionTable)] == ["1", "2", "3"]


def test_what_the_user_deletes_in_the_middle_is_no_error_anywhere(host, panel, scene, tmp_path):
    shown, ui = panel.findings.shown, panel.ui
    for gone in (shown.segmentation, shown.volume(shown.phases[0]), owned_nodes(scene)["reading"]):
        scene.RemoveNode(gone)
    for button in ("accept", "undo", "redo", "reject", "target", "deleteLesion", "undo", "next", "previous"):
        getattr(ui, f"{button}Button").click()
    for button in ("compare", "single", "planes", "blink", "show3D", "show3D", "heatmap", "heatmap"):
        getattr(ui, f"{button}Button").click()
    ui.liverCheckBox.click()
    ui.slabSpinBox.setValue(10)
    ui.windowComboBox.activated.emit(1)
    ui.editingSection.collapsed = False
    host.process_events(0.3)
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    assert host.messages.texts("error") == []
    assert (tmp_path / "saved" / "report.html").is_file()


def test_a_task_that_failed_lets_go_of_what_it_worked_on(host):
    load_panel(host)
    from LiverTumorAIModule.background import BackgroundTask

    class LargeStudy:
        pass

    def spoil(_study):
        raise ValueError("spoiled")

    told, study = [], LargeStudy()
    seen = weakref.ref(study)
    gc.collect()
    gc.disable()
    try:
        task = BackgroundTask(partial(spoil, study), told.append, lambda error: told.append(str(error)))
        del study
        host.wait_until(lambda: not task.is_running, 10)
        assert told == ["spoiled"]
        assert seen() is None, "freed at once, not at some later collection of garbage"
    finally:
        gc.enable()

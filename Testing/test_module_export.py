"""Exports and reports that let networks look at lesions: progress and cancel."""

from dataclasses import replace

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

from module_host import load_panel, wait, write_results_folder

from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.lesions.findings_io import read_findings

pytest_plugins = ["module_fixtures"]
CANCELLED = "Cancelled. Nothing was left behind."


@pytest.fixture(scope="module")
def panel(running, study, tmp_path_factory):
    """A reviewed study whose lesions no network has explained."""
    findings, images = study
    store = ModelStore()
    names = ("base_unet", "multi_sensitivity_reclassification")
    models = {name: store.card(name).sha256 for name in names}
    provenance = replace(findings.provenance, cascade="multi-sensitivity", models=models)
    folder = tmp_path_factory.mktemp("unexplained") / "results"
    loaded = load_panel(running, write_results_folder(replace(findings, provenance=provenance), images, folder))
    loaded.ui.acceptButton.click()
    return loaded


def follow(host, panel):
    """What the panel shows until it has finished: status and progress (percent), each once."""
    shown = []
    while panel.busy:
        now = (panel.ui.statusLabel.text(), panel.ui.progressBar.value())
        if panel.ui.progressBar.isVisible() and now not in shown:
            shown.append(now)
        host.process_events(0.01)
    return shown


def test_it_tells_at_which_lesion_it_is(host, panel, tmp_path):
    panel.exportResults(tmp_path / "saved")
    assert panel.ui.cancelButton.isEnabled()
    shown = follow(host, panel)
    texts = [text for text, _ in shown]
    for number in (1, 2, 3):
        assert any(text.startswith(f"Saving the results: lesion {number} of 3") for text in texts)
    values = [value for _, value in shown]
    assert values == sorted(values)
    assert values[-1] > 50
    assert not panel.ui.progressBar.isVisible()
    assert not panel.ui.cancelButton.isEnabled()
    assert len(read_findings(tmp_path / "saved").heatmaps) == 12


@pytest.mark.parametrize("at", ["lesion 1 of 3", "lesion 3 of 3"])
def test_a_cancel_leaves_nothing(host, panel, tmp_path, at):
    panel.exportResults(tmp_path / "saved")
    host.wait_until(lambda: at in panel.ui.statusLabel.text(), 60)
    panel.ui.cancelButton.click()
    host.wait_until(lambda: not panel.busy, 10)
    assert panel.ui.statusLabel.text() == CANCELLED
    assert not panel.ui.progressBar.isVisible()
    assert list(tmp_path.iterdir()) == []
    host.wait_until(lambda: not list(tmp_path.iterdir()), 30)
    assert list(tmp_path.iterdir()) == []
    assert panel.ui.statusLabel.text() == CANCELLED


def test_after_a_cancel_the_same_folder_can_be_written(host, panel, tmp_path):
    panel.exportResults(tmp_path / "saved")
    host.wait_until(lambda: "lesion 1 of 3" in panel.ui.statusLabel.text(), 60)
    panel.ui.cancelButton.click()
    host.wait_until(lambda: not panel.busy, 10)
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    assert [file.name for file in tmp_path.iterdir()] == ["saved"]
    assert len(read_findings(tmp_path / "saved").heatmaps) == 12


def test_a_report_tells_its_progress_and_can_be_cancelled_too(host, panel):
    panel.ui.reportButton.click()
    host.wait_until(lambda: "Writing the report: lesion 1 of 3" in panel.ui.statusLabel.text(), 60)
    panel.ui.cancelButton.click()
    host.wait_until(lambda: not panel.busy, 10)
    assert panel.ui.statusLabel.text() == CANCELLED
    assert host.messages.texts("url") == []


def test_a_closed_scene_ends_an_export_and_leaves_nothing(host, panel, tmp_path):
    panel.exportResults(tmp_path / "saved")
    host.wait_until(lambda: "lesion 1 of 3" in panel.ui.statusLabel.text(), 60)
    host.app._core.close_scene()
    host.wait_until(lambda: not list(tmp_path.iterdir()), 30)
    assert not panel.busy

"""The sensitivity slider in the module's panel, with probabilities that real networks left."""

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

import numpy as np
import SimpleITK as sitk
from analytic_findings import analytic_study
from module_host import click_row, table_texts, wait, write_results_folder
from test_cascade_base import abdomen, study_of
from test_cascade_multi_sensitivity import CYST, FAINT, HCC, run, store

from LiverTumorAILib.lesions.findings_io import read_findings
from LiverTumorAILib.mrml.nodes import owned_nodes
from LiverTumorAILib.mrml.volume_images import volume_image

pytest_plugins = ["module_fixtures"]


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """An HCC, a cyst and a lesion that only high sensitivity finds."""
    study = study_of(abdomen(HCC, CYST, FAINT))
    models = store(tmp_path_factory.mktemp("models"), METASTASIS=84, liver=104, HEMANGIOMA=700)
    return run(study, models), study.images


@pytest.fixture
def move(host, panel):
    """Drag the slider to a factor and wait for the lesions."""

    def move_to(factor):
        panel.ui.sensitivitySlider.setValue(panel.findings.sensitivity._factors.index(factor))
        host.wait_until(lambda: not panel.findings.sensitivity.is_busy, 60)

    return move_to


@pytest.fixture(autouse=True)
def fresh(host, panel, study, tmp_path):
    """Each test begins with results that nobody has reviewed."""
    panel.showResults(write_results_folder(*study, tmp_path / "results"))
    wait(host, panel)


def types(panel):
    return sorted(row[1].split()[0] for row in table_texts(panel.ui.lesionTable))


def test_the_slider_stands_where_the_study_was_analyzed(panel):
    assert panel.ui.sensitivityRow.isVisibleTo(panel.ui.sensitivityRow.parentWidget())
    assert panel.ui.sensitivityLabel.text() == "× 10 as analyzed"
    assert types(panel) == ["Cyst", "HCC", "Metastasis"]


def test_what_the_networks_saw_is_told_of_each_lesion_and_of_the_patient(panel):
    rows = [row[1].split()[0] for row in table_texts(panel.ui.lesionTable)]
    click_row(panel.ui.lesionTable, rows.index("Metastasis"))
    for text in (panel.ui.lesionHintLabel.text(), panel.ui.lesionTable.item(rows.index("Metastasis"), 1).toolTip()):
        assert "found at sensitivity × 10" in text
        assert "4 patches: 4 metastasis" in text
        assert "Uncertain: found only at high sensitivity (factor 10)" in text
    assert "Opinions: low sensitivity HCC; high sensitivity HCC" in panel.ui.summaryLabel.text()


def test_what_every_factor_needs_is_ready_before_the_slider_moves(host, panel, move):
    host.wait_until(lambda: panel.findings.sensitivity.is_prepared, 60)
    assert not panel.findings.sensitivity.is_busy
    assert panel.ui.sensitivityLabel.text() == "× 10 as analyzed"
    move(1.0)
    assert types(panel) == ["Cyst", "HCC"]


def test_moving_it_changes_table_segments_and_summary(panel, move):
    segmentation = panel.findings.shown.segmentation.GetSegmentation()
    before = segmentation.GetNumberOfSegments()
    faint = next(one for one in panel.findings.shown.reading.lesions if one.type == "METASTASIS")
    move(1.0)
    assert types(panel) == ["Cyst", "HCC"]
    assert panel.ui.sensitivityLabel.text() == "× 1"
    assert segmentation.GetNumberOfSegments() == before - 1
    assert segmentation.GetSegment(f"lesion-{faint.label}") is None
    assert "2 lesions" in panel.ui.summaryLabel.text()
    move(20.0)
    assert types(panel) == ["Cyst", "HCC", "Metastasis"]
    assert segmentation.GetSegment(f"lesion-{faint.label}") is not None


def test_decisions_stay_and_undo_brings_slider_and_lesions_back(panel, move):
    rows = [row[1].split()[0] for row in table_texts(panel.ui.lesionTable)]
    click_row(panel.ui.lesionTable, rows.index("Metastasis"))
    panel.ui.acceptButton.click()
    click_row(panel.ui.lesionTable, rows.index("Cyst"))
    panel.ui.rejectButton.click()
    move(2.0)
    move(1.0)
    states = {row[1].split()[0]: row[5] for row in table_texts(panel.ui.lesionTable)}
    assert states == {"HCC": "to review", "Metastasis": "accepted", "Cyst": "rejected"}
    panel.ui.undoButton.click()
    assert panel.ui.sensitivityLabel.text() == "× 10 as analyzed"
    assert panel.ui.reviewedLabel.text() == "2 of 3 reviewed"
    panel.ui.undoButton.click()
    states = {row[1].split()[0]: row[5] for row in table_texts(panel.ui.lesionTable)}
    assert states == {"HCC": "to review", "Metastasis": "accepted", "Cyst": "to review"}


def test_a_decision_taken_while_lesions_are_on_their_way_counts(host, panel, move):
    slider, sensitivity = panel.ui.sensitivitySlider, panel.findings.sensitivity
    slider.setValue(sensitivity._factors.index(1.0))
    host.wait_until(lambda: sensitivity._task is not None, 10)
    rows = [row[1].split()[0] for row in table_texts(panel.ui.lesionTable)]
    click_row(panel.ui.lesionTable, rows.index("Metastasis"))
    panel.ui.acceptButton.click()
    host.wait_until(lambda: not sensitivity.is_busy, 60)
    assert types(panel) == ["Cyst", "HCC", "Metastasis"]
    assert panel.ui.sensitivityLabel.text() == "× 1"


def test_what_is_exported_is_what_is_seen_and_opens_at_the_same_sensitivity(host, panel, move, tmp_path):
    move(1.0)
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    assert sorted(read_findings(tmp_path / "saved").lesions, key=lambda one: one.label) == sorted(
        panel.findings.shown.reading.lesions, key=lambda one: one.label
    )
    panel.showResults(tmp_path / "saved")
    wait(host, panel)
    assert types(panel) == ["Cyst", "HCC"]
    assert panel.ui.sensitivityLabel.text() == "× 1"
    move(10.0)
    assert types(panel) == ["Cyst", "HCC", "Metastasis"]


def test_a_lesion_that_comes_back_has_its_heatmap(panel, scene, move):
    move(1.0)
    move(20.0)
    faint = next(one for one in panel.findings.shown.reading.lesions if one.type == "METASTASIS")
    panel.findings.selectLesion(faint.uid)
    panel.ui.heatmapButton.setChecked(True)
    shown = volume_image(owned_nodes(scene)["heatmap"])
    assert shown.EvaluateAtPhysicalPoint(faint.centroid_mm) > 0.01
    panel.ui.heatmapButton.setChecked(False)


def test_results_without_probabilities_have_no_slider(host, panel, tmp_path):
    panel.showResults(write_results_folder(*analytic_study(spacing=(5.0, 5.0, 5.0)), tmp_path / "other"))
    wait(host, panel)
    assert not panel.ui.sensitivityRow.isVisibleTo(panel.ui.sensitivityRow.parentWidget())


def test_a_saved_scene_brings_slider_and_heatmaps_back(host, panel, scene, move, tmp_path):
    panel.ui.acceptButton.click()
    found, least = types(panel), panel.findings.sensitivity._factors[0]
    heatmaps = {name: sitk.GetArrayFromImage(each) for name, each in panel.findings.shown.original.heatmaps.items()}
    assert heatmaps
    file = str(tmp_path / "scene.mrb")
    assert host.slicer.util.saveScene(file)
    host.app._core.close_scene()
    assert host.app.ioManager().loadScene(file)
    wait(host, panel)
    assert host.messages.texts("error") == []
    assert panel.findings.review.selected is not None
    again = panel.findings.shown.original.heatmaps
    assert {name: np.array_equal(heatmaps[name], sitk.GetArrayViewFromImage(again[name])) for name in heatmaps} == (
        dict.fromkeys(heatmaps, True)
    )
    assert panel.ui.heatmapButton.isEnabled()
    assert panel.ui.sensitivityRow.isVisible() and types(panel) == found
    move(least)
    assert len(types(panel)) < len(found)
    assert panel.ui.reviewedLabel.text().startswith("1 of ")

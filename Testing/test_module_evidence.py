"""Heatmaps, evidence and axes set by hand in the module's panel."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

from analytic_findings import LESIONS, inside, make_image
from module_host import click_at, click_row, load_panel, table_texts, wait, write_results_folder
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from slicer_host import actions

from LiverTumorAILib.explanation.heatmap import lesion_surroundings
from LiverTumorAILib.explanation.titles import SECOND_NETWORK, heatmap_titles
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.lesions.findings_io import read_findings
from LiverTumorAILib.mrml.heatmaps import HEATMAP_ROLE
from LiverTumorAILib.mrml.nodes import owned_nodes

pytest_plugins = ["module_fixtures"]


@pytest.fixture(scope="module")
def explained(study, tmp_path_factory):
    """A results folder whose first two lesions have heatmaps: the first one's upper and lower half, the second's."""
    findings, images = study
    heatmaps, lesions = {}, []
    for lesion in findings.lesions:
        if lesion.label < 3:
            part = lesion_surroundings(findings.lesion_labels, lesion.label)
            centre, half_axes = LESIONS[lesion.label][:2]
            ball = inside(part, centre, half_axes).astype(np.float32)
            upper = ball * (np.arange(ball.shape[1]) < ball.shape[1] / 2)[:, None]
            names = f"lesion-{lesion.label}.nii.gz", f"lesion-{lesion.label}-opposing.nii.gz"
            heatmaps |= {names[0]: make_image(upper, part), names[1]: make_image(ball - upper, part)}
            lesion = replace(lesion, heatmap=names[0], opposing_heatmap=names[1])  # noqa: PLW2901
        lesions.append(lesion)
    explained = replace(findings, lesions=tuple(lesions), heatmaps=heatmaps)
    return write_results_folder(explained, images, tmp_path_factory.mktemp("explained") / "results")


@pytest.fixture(scope="module")
def loaded(running, explained):
    return load_panel(running, explained)


@pytest.fixture
def panel(host, loaded):
    """The panel on the first lesion, without heatmap, and with axes hidden so that pixels are those of the image."""
    loaded.ui.heatmapButton.setChecked(False)
    loaded.ui.heatmapComboBox.setCurrentIndex(0)
    loaded.ui.axesCheckBox.setChecked(False)
    click_row(loaded.ui.lesionTable, 0)
    host.process_events()
    return loaded


def press(host, key):
    QTest.keyClick(host.window, getattr(Qt.Key, f"Key_{key}"))
    host.process_events(0.1)


def colourfulness(host, dy):
    """Of the axial picture `dy` mm behind the first lesion's centre."""
    view = host.app.layoutManager().sliceWidget("Red").sliceView()
    x, y, z = LESIONS[1][0]
    at = actions.place(view, (-x, -(y + dy), z))
    picture = actions.pixels(view)[at.y() - 2 : at.y() + 3, at.x() - 2 : at.x() + 3].astype(int)
    return (picture.max(axis=2) - picture.min(axis=2)).mean()


def test_the_key_shows_and_hides_what_spoke_for_the_type(host, panel):
    plain = colourfulness(host, -6), colourfulness(host, 6)
    press(host, "H")
    assert colourfulness(host, -6) > plain[0] + 30
    assert colourfulness(host, 6) == pytest.approx(plain[1], abs=5)
    press(host, "H")
    assert colourfulness(host, -6) == pytest.approx(plain[0], abs=2)


def test_the_other_map_shows_what_spoke_for_the_second_type(host, panel):
    combo = panel.ui.heatmapComboBox
    assert [combo.itemText(index).split(" for ")[0] for index in range(combo.count())] == ["Spoke", "Spoke"]
    assert combo.itemText(0) == "Spoke for HCC"
    assert combo.itemText(1).endswith(" instead")
    plain = colourfulness(host, -6), colourfulness(host, 6)
    press(host, "H")
    combo.setCurrentIndex(1)
    host.process_events(0.1)
    assert colourfulness(host, 6) > plain[1] + 30
    assert colourfulness(host, -6) == pytest.approx(plain[0], abs=5)


def test_the_heatmap_stays_when_the_views_are_arranged_anew(host, panel):
    press(host, "H")
    press(host, "C")
    for name in host.app.layoutManager().sliceViewNames():
        composite = host.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()
        assert composite.GetForegroundVolumeID() == owned_nodes(host.slicer.mrmlScene)[HEATMAP_ROLE].GetID()
    press(host, "M")


def test_the_slider_changes_the_opacity(host, panel):
    plain = colourfulness(host, -6)
    press(host, "H")
    strong = colourfulness(host, -6)
    panel.ui.heatmapOpacitySlider.setValue(0.2)
    host.process_events(0.1)
    weak = colourfulness(host, -6)
    assert plain < weak < (plain + strong) / 2
    panel.ui.heatmapOpacitySlider.setValue(0.6)


def test_the_heatmap_follows_the_selected_lesion(host, panel):
    press(host, "H")
    click_row(panel.ui.lesionTable, 1)
    node = owned_nodes(host.slicer.mrmlScene)[HEATMAP_ROLE]
    assert node.GetName().startswith("Spoke for metastasis")
    click_row(panel.ui.lesionTable, 2)
    assert not panel.ui.heatmapButton.isEnabled()
    host.wait_until(lambda: panel.ui.heatmapComboBox.currentText() == "none was made", 20)
    red = host.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert red.GetForegroundVolumeID() is None


def evidence(host, panel):
    """What the panel says once it has measured."""
    host.wait_until(lambda: "Washout" in panel.ui.evidenceLabel.text(), 60)
    return panel.ui.evidenceLabel.text()


def test_evidence_of_the_selected_lesion_is_told_with_its_numbers(host, panel):
    text = evidence(host, panel)
    assert "Tumour load" in text
    assert "<b>Arterial hyperenhancement, nonrim</b>: yes (lesion 125, liver 75" in text
    assert "<b>Washout</b>: yes" in text
    assert "Viable part (mRECIST)" in text
    click_row(panel.ui.lesionTable, 2)
    assert "<b>Arterial hyperenhancement, nonrim</b>: no (lesion 6, liver 75" in evidence(host, panel)


def drag_end(host, panel, lesion, kind, towards):
    """Drag the second end of an axis, as the markups widget does when the mouse lets it go."""
    node = owned_nodes(host.slicer.mrmlScene)[f"axis:{kind}:{lesion.uid}"]
    assert not node.GetLocked()
    node.SetNthControlPointPositionWorld(1, *towards)
    node.InvokeEvent(node.PointEndInteractionEvent)
    host.process_events()


def test_a_dragged_axis_counts_from_then_on_and_says_so(host, panel, study, tmp_path):
    lesion = study[0].lesions[0]
    x, y, z = lesion.measurement.long_axis.start_mm
    assert not panel.ui.measureAgainButton.isVisible()
    drag_end(host, panel, lesion, "long", (-x - 30, -y - 40, z))
    measured = panel.findings.shown.lesion(lesion.uid).measurement
    assert measured.long_axis.length_mm == pytest.approx(50)
    assert measured.long_axis.by_hand
    assert not measured.short_axis.by_hand
    assert any("50 ×" in text for text in table_texts(panel.ui.lesionTable)[0])
    assert "Axes set by hand" in panel.ui.evidenceLabel.text()
    label = owned_nodes(host.slicer.mrmlScene)[f"axis:long:{lesion.uid}"].GetNthControlPointLabel(0)
    assert label.startswith("50 ×")
    assert label.endswith("by hand")
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    saved = {other.uid: other for other in read_findings(tmp_path / "saved").lesions}[lesion.uid]
    assert saved.measurement.long_axis == measured.long_axis


def test_axes_are_measured_again_on_demand(host, panel, study):
    lesion = study[0].lesions[0]
    drag_end(host, panel, lesion, "short", (0, 0, 0))
    panel.ui.measureAgainButton.click()
    measured = panel.findings.shown.lesion(lesion.uid).measurement
    assert measured.long_axis.length_mm == pytest.approx(lesion.measurement.long_axis.length_mm)
    assert measured.short_axis.length_mm == pytest.approx(lesion.measurement.short_axis.length_mm)
    assert not panel.ui.measureAgainButton.isVisible()


def test_a_lesion_that_the_analysis_did_not_explain_gets_its_evidence_when_it_is_selected(host, panel, study, tmp_path):
    findings, images = study
    models = {"base_unet": ModelStore().card("base_unet").sha256}
    unexplained = replace(findings, provenance=replace(findings.provenance, models=models))
    panel.showResults(write_results_folder(unexplained, images, tmp_path / "results"))
    wait(host, panel)
    combo = panel.ui.heatmapComboBox
    click_row(panel.ui.lesionTable, 1)
    host.wait_until(lambda: combo.count() == 2, 60)
    title = findings.lesions[1].type.title
    assert combo.itemText(0) == f"Spoke for {title}"
    assert panel.ui.heatmapButton.isEnabled()
    press(host, "H")
    assert owned_nodes(host.slicer.mrmlScene)[HEATMAP_ROLE].GetName() == f"Spoke for {title}"
    click_row(panel.ui.lesionTable, 0)
    host.wait_until(lambda: combo.currentText() == f"Spoke for {findings.lesions[0].type.title}", 60)
    click_row(panel.ui.lesionTable, 1)
    assert combo.itemText(0) == f"Spoke for {title}"
    press(host, "H")


def test_results_are_saved_with_the_evidence_that_the_window_shows(host, panel, study, tmp_path):
    findings, images = study
    models = {"base_unet": ModelStore().card("base_unet").sha256}
    unexplained = replace(findings, provenance=replace(findings.provenance, models=models))
    panel.showResults(write_results_folder(unexplained, images, tmp_path / "results"))
    wait(host, panel)
    combo = panel.ui.heatmapComboBox
    click_row(panel.ui.lesionTable, 1)
    panel.findings.review.setType("HEMANGIOMA")
    host.wait_until(lambda: combo.itemText(0) == "Spoke for hemangioma", 60)
    shown = [combo.itemText(index) for index in range(combo.count())]
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    saved = read_findings(tmp_path / "saved")
    titles = {lesion.label: list(heatmap_titles(lesion, saved.heatmaps).values()) for lesion in saved.lesions}
    assert titles[2] == shown
    assert titles[1][0] == "Spoke for HCC"
    report = (tmp_path / "saved" / "report.html").read_text(encoding="utf-8")
    assert all(title in report for each in titles.values() for title in each)
    panel.showResults(tmp_path / "saved")
    wait(host, panel)
    click_row(panel.ui.lesionTable, 1)
    assert [combo.itemText(index) for index in range(combo.count())] == shown, "read, not made again"


def test_what_the_second_network_saw_is_saved_and_shown_again(host, panel, study, tmp_path):
    findings, images = study
    store = ModelStore()
    names = ("base_unet", "multi_sensitivity_reclassification")
    models = {name: store.card(name).sha256 for name in names}
    analyzed = replace(findings, provenance=replace(findings.provenance, cascade="multi-sensitivity", models=models))
    panel.showResults(write_results_folder(analyzed, images, tmp_path / "results"))
    wait(host, panel)
    panel.ui.acceptButton.click()
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    saved = read_findings(tmp_path / "saved")
    title = f"{SECOND_NETWORK}Spoke for {saved.lesions[0].type.title}"
    titles = list(heatmap_titles(saved.lesions[0], saved.heatmaps).values())
    assert titles[2] == title
    assert len(saved.heatmaps) == 4 * len(saved.lesions)
    report = (tmp_path / "saved" / "report.html").read_text(encoding="utf-8")
    assert report.count(f"<figcaption>{SECOND_NETWORK}") == 2 * len(saved.lesions)
    panel.showResults(tmp_path / "saved")
    wait(host, panel)
    combo = panel.ui.heatmapComboBox
    click_row(panel.ui.lesionTable, 0)
    assert [combo.itemText(index) for index in range(combo.count())] == titles
    press(host, "H")
    assert not panel.views._heatmaps._late.is_busy, "nothing is left to be made"
    combo.setCurrentIndex(2)
    host.process_events(0.1)
    assert owned_nodes(host.slicer.mrmlScene)[HEATMAP_ROLE].GetName() == title
    press(host, "H")


def test_a_lesion_that_the_reader_adds_to_a_study_of_hfs_net_is_explained_in_window_and_files(
    host, panel, study, tmp_path
):
    findings, images = study
    store = ModelStore()
    models = {name: store.card(name).sha256 for name in store.names() if name.startswith("hfs_")}
    analyzed = replace(findings, provenance=replace(findings.provenance, cascade="hfs-net", models=models))
    panel.showResults(write_results_folder(analyzed, images, tmp_path / "results"))
    wait(host, panel)
    click_row(panel.ui.lesionTable, 1)
    press(host, "Delete")
    press(host, "L")
    x, y, z = LESIONS[2][0]
    click_at(host, (-x, -y, z))
    host.wait_until(lambda: len(panel.findings.shown.reading.lesions) == 3, 60)
    added = panel.findings.review.selected
    assert added.type.title == "other"
    combo = panel.ui.heatmapComboBox
    host.wait_until(lambda: combo.currentText() == "Spoke for HCC", 60)
    shown = [combo.itemText(index) for index in range(combo.count())]
    press(host, "H")
    assert owned_nodes(host.slicer.mrmlScene)[HEATMAP_ROLE].GetName() == "Spoke for HCC"
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    saved = read_findings(tmp_path / "saved")
    lesion = next(lesion for lesion in saved.lesions if lesion.uid == added.uid)
    assert list(heatmap_titles(lesion, saved.heatmaps).values()) == shown
    assert "Spoke for HCC" in (tmp_path / "saved" / "report.html").read_text(encoding="utf-8")
    press(host, "H")

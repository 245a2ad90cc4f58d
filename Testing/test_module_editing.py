"""Correcting segments in the module's panel, with the mouse."""

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
vtk = pytest.importorskip("vtk")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

import SimpleITK as sitk  # noqa: E402
from analytic_findings import LESIONS  # noqa: E402
from module_host import click_at, click_row, place_in_view, table_texts, wait  # noqa: E402
from PySide6.QtCore import Qt  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402

from LiverTumorAILib.lesions.findings_io import read_findings  # noqa: E402
from LiverTumorAILib.lesions.organs import whole_liver  # noqa: E402
from LiverTumorAILib.mrml.nodes import owned_nodes  # noqa: E402
from LiverTumorAILib.mrml.segmentation import segment_mask  # noqa: E402

pytest_plugins = ["module_fixtures"]


def paint(host, panel, diameter_mm=60):
    """Paint a ball in the middle of the second lesion, in the axial view, with the mouse."""
    editor = panel.findings.editing.editor
    editor.setActiveEffectByName("Paint")
    effect = editor.activeEffect()
    effect.setParameter("BrushDiameterIsRelative", "0")
    effect.setParameter("BrushAbsoluteDiameter", diameter_mm)
    effect.setParameter("BrushSphere", 1)
    widget = host.app.layoutManager().sliceWidget("Red")
    view = widget.viewWidget()
    x, y, z = LESIONS[2][0]
    place = place_in_view(view, widget.mrmlSliceNode(), (-x, -y, z))
    QTest.mouseMove(view, place)
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=place)
    host.process_events(0.1)
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=place)
    host.process_events(0.8)


@pytest.fixture(scope="module")
def painted(running, panel):
    """The second lesion enlarged by a ball of 60 mm."""
    click_row(panel.ui.lesionTable, 1)
    panel.ui.editingSection.collapsed = False
    assert panel.findings.editing.editor.currentSegmentID() == "lesion-2"
    paint(running, panel)
    return panel


def test_measures_in_the_table_follow_what_is_painted(study, painted, scene):
    before = study[0].lesions[1].measurement
    after = painted.findings.shown.lesion(study[0].lesions[1].uid).measurement
    assert before.volume_mm3 == pytest.approx(4189, rel=0.1)
    assert after.long_axis.length_mm == pytest.approx(60, abs=5)
    row = table_texts(painted.ui.lesionTable)[1]
    assert row[3] == f"{after.long_axis.length_mm:.0f} × {after.short_axis.length_mm:.0f}"
    assert row[4] == f"{after.volume_mm3 / 1000:.0f}"
    assert row[5] == "changed"
    line = owned_nodes(scene)[f"axis:long:{study[0].lesions[1].uid}"]
    assert line.GetNthControlPointLabel(0) == f"{row[3]} mm"


def test_painting_a_lesion_cuts_no_hole_into_the_liver(study, painted):
    segmentation = painted.findings.shown.segmentation
    liver = sitk.GetArrayFromImage(segment_mask(segmentation, "liver"))
    before = whole_liver(*map(sitk.GetArrayViewFromImage, (study[0].organ_labels, study[0].lesion_labels)))
    assert liver.sum() == before.sum()


def test_an_edit_is_saved_with_the_results(host, study, painted, tmp_path):
    painted.exportResults(tmp_path / "saved")
    wait(host, painted)
    assert host.messages.texts("error") == []
    saved = {lesion.uid: lesion for lesion in read_findings(tmp_path / "saved").lesions}
    uid = study[0].lesions[1].uid
    assert saved[uid].measurement.volume_mm3 == pytest.approx(
        painted.findings.shown.lesion(uid).measurement.volume_mm3, rel=1e-6
    )
    assert "lesions.csv" in {path.name for path in (tmp_path / "saved").iterdir()}
    assert "<html" in (tmp_path / "saved" / "report.html").read_text(encoding="utf-8")
    assert len((tmp_path / "saved" / "report.html").read_text(encoding="utf-8")) > 1000


def test_leaving_the_module_puts_the_tools_down(host, painted):
    editor = painted.findings.editing.editor
    assert editor.activeEffect() is not None
    painted.parent.exit()
    assert editor.activeEffect() is None
    painted.parent.enter()
    assert painted.ui.liverCheckBox.isChecked()


@pytest.fixture
def fresh(host, painted):
    """The panel with nothing corrected, the second lesion selected."""
    painted.ui.editingSection.collapsed = True
    while painted.ui.undoButton.isEnabled():
        painted.ui.undoButton.click()
    click_row(painted.ui.lesionTable, 1)
    return painted


def numbers(panel):
    return [row[0] for row in table_texts(panel.ui.lesionTable)]


def test_a_click_on_a_missed_lesion_draws_it(host, fresh, scene):
    before = fresh.findings.shown.reading.masks["2.25.1002"]
    QTest.keyClick(host.window, Qt.Key.Key_Delete)
    assert numbers(fresh) == ["1", "3"]
    assert fresh.findings.review.selected.label == 3
    host.process_events(0.1)
    QTest.keyClick(host.window, Qt.Key.Key_L)
    assert fresh.ui.addLesionButton.isChecked()
    x, y, z = LESIONS[2][0]
    click_at(host, (-x, -y, z))
    host.wait_until(lambda: len(numbers(fresh)) == 3, 60)
    assert numbers(fresh) == ["1", "3", "4"]
    assert fresh.findings.review.selected.label == 4
    assert table_texts(fresh.ui.lesionTable)[2][5] == "new"
    drawn = fresh.findings.shown.reading.masks[fresh.findings.review.selected.uid]
    ratio = sitk.GetArrayFromImage(drawn).sum() / sitk.GetArrayFromImage(before).sum()
    assert ratio == pytest.approx(1, abs=0.1)
    host.process_events(0.1)
    assert fresh.ui.heatmapComboBox.currentText() == "none: no network found it"
    assert not fresh.ui.addLesionButton.isChecked()
    assert "clicked point" not in owned_nodes(scene)


def test_a_click_beside_all_lesions_is_explained(host, fresh):
    fresh.ui.addLesionButton.click()
    click_at(host, (60, -30, -20))
    host.wait_until(lambda: host.messages.texts("error"), 60)
    (message,) = host.messages.texts("error")
    assert "looks like the liver" in message
    assert numbers(fresh) == ["1", "2", "3"]


def test_waiting_for_a_click_can_be_given_up(host, fresh, scene):
    fresh.ui.addLesionButton.click()
    fresh.ui.addLesionButton.click()
    host.process_events(0.1)
    click_at(host, (30, 45, -18))
    assert numbers(fresh) == ["1", "2", "3"]
    assert "clicked point" not in owned_nodes(scene)


def test_keys_choose_tools_while_the_editor_is_open_and_all_others_go_on(host, fresh):
    fresh.ui.editingSection.collapsed = False
    editor = fresh.findings.editing.editor
    for key, tool in (("1", "Paint"), ("3", "Erase"), ("3", None), ("1", "Paint"), ("Escape", None)):
        QTest.keyClick(host.window, getattr(Qt.Key, f"Key_{key}"))
        assert editor.activeEffect() == (editor.effectByName(tool) if tool else None)
    QTest.keyClick(host.window, Qt.Key.Key_L)
    assert fresh.ui.addLesionButton.isChecked()
    QTest.keyClick(host.window, Qt.Key.Key_Escape)
    host.process_events(0.1)
    assert not fresh.ui.addLesionButton.isChecked()
    for key, widget in (("Z", fresh.ui.zoomButton), ("A", fresh.ui.undoButton)):
        before = widget.isChecked(), widget.isEnabled()
        QTest.keyClick(host.window, getattr(Qt.Key, f"Key_{key}"))
        assert (widget.isChecked(), widget.isEnabled()) != before
    QTest.keyClick(host.window, Qt.Key.Key_I)
    assert fresh.ui.slabSpinBox.value() > 0
    QTest.keyClick(host.window, Qt.Key.Key_I)
    QTest.keyClick(host.window, Qt.Key.Key_Z)
    fresh.ui.editingSection.collapsed = True
    QTest.keyClick(host.window, Qt.Key.Key_1)
    assert editor.activeEffect() is None


def test_lesions_are_merged_and_split_again(host, fresh):
    fresh.ui.mergeLesionButton.menu().aboutToShow.emit()
    actions = {action.text()[0]: action for action in fresh.ui.mergeLesionButton.menu().actions()}
    assert sorted(actions) == ["1", "3"]
    actions["3"].trigger()
    assert numbers(fresh) == ["1", "2"]
    fresh.ui.splitLesionButton.click()
    assert numbers(fresh) == ["1", "2", "3"]
    for count in (2, 3):
        fresh.ui.undoButton.click()
        assert len(numbers(fresh)) == count


def test_a_lesion_without_a_neck_is_not_split(host, fresh):
    fresh.ui.splitLesionButton.click()
    assert "no neck" in host.messages.texts("error")[0]
    host.errors.clear()
    assert numbers(fresh) == ["1", "2", "3"]


def test_undo_takes_back_a_stroke_that_was_not_measured_yet(host, fresh):
    before = fresh.findings.shown.reading
    fresh.ui.editingSection.collapsed = False
    paint(host, fresh)
    assert fresh.findings.shown.reading is not before
    QTest.keyClick(host.window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert fresh.findings.shown.reading is before
    mask = segment_mask(fresh.findings.shown.segmentation, "lesion-2")
    assert sitk.GetArrayFromImage(mask).sum() == sitk.GetArrayFromImage(before.masks["2.25.1002"]).sum()


def test_the_editor_that_is_open_edits_the_next_study_at_once(host, fresh, results):
    fresh.ui.editingSection.collapsed = False
    fresh.showResults(results)
    wait(host, fresh)
    editor = fresh.findings.editing.editor
    assert editor.segmentationNode() is fresh.findings.shown.segmentation
    assert editor.currentSegmentID() == "lesion-1"
    QTest.keyClick(host.window, Qt.Key.Key_1)
    assert editor.activeEffect() == editor.effectByName("Paint")

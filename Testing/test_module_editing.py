"""Correcting segments in the module's panel, with the mouse."""

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
vtk = pytest.importorskip("vtk")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

import SimpleITK as sitk  # noqa: E402
from analytic_findings import LESIONS  # noqa: E402
from module_host import click_row, table_texts, wait  # noqa: E402
from PySide6.QtCore import QPoint, Qt  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402

from LiverTumorAILib.lesions.findings_io import read_findings  # noqa: E402
from LiverTumorAILib.lesions.organs import whole_liver  # noqa: E402
from LiverTumorAILib.mrml.nodes import owned_nodes  # noqa: E402
from LiverTumorAILib.mrml.segmentation import segment_mask  # noqa: E402

pytest_plugins = ["module_fixtures"]


def place_in_view(view, node, point):
    """Where a point (RAS, mm) lies in a slice view, in Qt's coordinates."""
    to_view = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(node.GetXYToRAS(), to_view)
    x, y, *_ = to_view.MultiplyPoint((*point, 1.0))
    return QPoint(round(x), round(view.height() - 1 - y))


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

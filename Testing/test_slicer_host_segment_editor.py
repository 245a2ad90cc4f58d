"""SlicerHost's segment editor changes real segments when the mouse is used in the views."""

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6")

from slicer_host import Host

SHAPE = (40, 60, 60)


@pytest.fixture(scope="module")
def host():
    with Host(size=(1280, 800)) as host:
        yield host


@pytest.fixture
def scene(host):
    """A volume of 1 mm voxels centred on the origin, and a segment that fills a third of it."""
    slicer = host.slicer
    host.app._core.close_scene()
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    to_ras[:3, 3] = [29.5, 29.5, -19.5]
    volume = slicer.util.addVolumeFromArray(np.zeros(SHAPE, np.int16), to_ras, "portal venous")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "findings")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for name in ("liver", "lesion"):
        node.GetSegmentation().AddEmptySegment(name, name)
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:30, 10:50, 10:50] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, "liver", volume)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    host.process_events()
    return volume, node, int(mask.sum())


@pytest.fixture
def editor(host, scene):
    slicer = host.slicer
    volume, node, _ = scene
    editor = slicer.qMRMLSegmentEditorWidget()
    editor.setMRMLSegmentEditorNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    editor.setMRMLScene(slicer.mrmlScene)
    editor.setSegmentationNode(node)
    editor.setSourceVolumeNode(volume)
    yield editor
    editor.setActiveEffect(None)
    editor.setSegmentationNode(None)
    editor.deleteLater()
    host.check()


def voxels(host, scene, segment):
    volume, node, _ = scene
    return int(host.slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, volume).sum())


def brush(host, editor, effect, diameter, points):
    from slicer_host import actions

    editor.setActiveEffectByName(effect)
    editor.activeEffect().setParameter("BrushAbsoluteDiameter", diameter)
    host.process_events()
    actions.drag(host.app.layoutManager().sliceWidget("Red").sliceView(), points)
    host.process_events()


def ball(diameter):
    return np.pi / 6 * diameter**3


def test_first_segment_is_chosen_and_others_can_be(editor):
    told = []
    editor.currentSegmentIDChanged.connect(told.append)
    assert editor.currentSegmentID() == "liver"
    editor.setCurrentSegmentID("lesion")
    assert editor.mrmlSegmentEditorNode().GetSelectedSegmentID() == "lesion"
    assert told == ["lesion"]


def test_painting_adds_a_ball(host, scene, editor):
    editor.setCurrentSegmentID("lesion")
    brush(host, editor, "Paint", 12, [(0, 0, 0)])
    assert voxels(host, scene, "lesion") == pytest.approx(ball(12), rel=0.15)


def test_painting_a_stroke_adds_more_than_a_ball(host, scene, editor):
    editor.setCurrentSegmentID("lesion")
    brush(host, editor, "Paint", 8, [(-8, 0, 0), (0, 0, 0), (8, 0, 0)])
    expected = ball(8) + np.pi / 4 * 8**2 * 16
    assert voxels(host, scene, "lesion") == pytest.approx(expected, rel=0.15)


def test_erasing_takes_from_the_chosen_segment_and_undo_gives_back(host, scene, editor):
    whole = scene[2]
    assert voxels(host, scene, "liver") == whole
    editor.setCurrentSegmentID("liver")
    brush(host, editor, "Erase", 10, [(5, 5, 0)])
    left = voxels(host, scene, "liver")
    assert whole - left == pytest.approx(ball(10), rel=0.2)
    editor.undo()
    assert voxels(host, scene, "liver") == whole
    editor.redo()
    assert voxels(host, scene, "liver") == left


def test_editing_is_told_by_the_segmentation(host, scene, editor):
    node, told = scene[1], []
    tag = node.GetSegmentation().AddObserver(
        host.slicer.vtkSegmentation.SourceRepresentationModified, lambda *_: told.append(1)
    )
    editor.setCurrentSegmentID("lesion")
    brush(host, editor, "Paint", 8, [(0, 0, 0)])
    node.GetSegmentation().RemoveObserver(tag)
    assert told


def test_without_a_tool_the_mouse_leaves_segments_alone(host, scene, editor):
    from slicer_host import actions

    editor.setActiveEffect(None)
    actions.drag(host.app.layoutManager().sliceWidget("Red").sliceView(), [(0, 0, 0), (5, 5, 0)])
    host.process_events()
    assert voxels(host, scene, "liver") == scene[2]
    assert voxels(host, scene, "lesion") == 0


def test_surface_stays_while_editing(host, scene, editor):
    node = scene[1]
    node.CreateClosedSurfaceRepresentation()
    editor.setCurrentSegmentID("liver")
    brush(host, editor, "Erase", 10, [(5, 5, 0)])
    name = host.slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    assert node.GetSegmentation().ContainsRepresentation(name)


def test_table_hides_a_segment(host, scene, editor):
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QTableWidget

    table = editor.findChild(QTableWidget)
    assert [table.item(row, 1).text() for row in range(table.rowCount())] == ["liver", "lesion"]
    table.item(1, 0).setCheckState(Qt.CheckState.Unchecked)
    assert not scene[1].GetDisplayNode().GetSegmentVisibility("lesion")
    assert scene[1].GetDisplayNode().GetSegmentVisibility("liver")


def test_editor_lets_go_when_the_scene_closes(host, scene, editor):
    brush(host, editor, "Paint", 8, [(0, 0, 0)])
    host.app._core.close_scene()
    host.process_events()
    assert editor.segmentationNode() is None
    host.check()

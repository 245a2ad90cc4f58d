"""SlicerHost's views show what Slicer's displayable managers draw, the way round that radiologists expect."""

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6")

from slicer_host import Host

SPACING = 2.0
SHAPE = (60, 80, 80)


@pytest.fixture(scope="module")
def running():
    with Host(size=(1280, 800)) as host:
        yield host


@pytest.fixture
def host(running):
    running.app._core.close_scene()
    running.app.layoutManager().setLayout(3)
    running.process_events()
    yield running
    running.check()


@pytest.fixture
def views(host):
    from slicer_host import actions

    return actions


def box_volume(host, low_ras, high_ras, value=1000):
    """A dark volume centred on the origin with a bright box between two corners (RAS, mm)."""
    ijk_to_ras = np.diag([-SPACING, -SPACING, SPACING, 1.0])
    ijk_to_ras[:3, 3] = [SPACING * (SHAPE[2] - 1) / 2, SPACING * (SHAPE[1] - 1) / 2, -SPACING * (SHAPE[0] - 1) / 2]
    k, j, i = np.indices(SHAPE)
    ras = np.einsum("rc,ckji->rkji", ijk_to_ras[:3, :3], np.stack([i, j, k])) + ijk_to_ras[:3, 3, None, None, None]
    inside = np.logical_and.reduce([(ras[a] >= low_ras[a]) & (ras[a] <= high_ras[a]) for a in range(3)])
    node = host.slicer.util.addVolumeFromArray((inside * value).astype(np.int16), ijk_to_ras, "box")
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(value, value / 2)
    host.slicer.util.setSliceViewerLayers(background=node, fit=True)
    host.process_events()
    return node


def slice_view(host, name):
    return host.app.layoutManager().sliceWidget(name).sliceView()


def bright_centre(picture):
    """Column and row of the centre of what is bright, as shares of width and height."""
    rows, columns = np.nonzero(picture.min(axis=2) > 200)
    return columns.mean() / picture.shape[1], rows.mean() / picture.shape[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Red", ("left", "top")),  # patient right on the left, anterior on top
        ("Green", ("left", "top")),  # patient right on the left, head on top
        ("Yellow", ("left", "top")),  # anterior on the left, head on top
    ],
)
def test_orientation_is_the_radiologists(host, views, name, expected):
    box_volume(host, (10, 10, 10), (50, 50, 50))  # right, anterior, superior
    host.slicer.modules.markups.logic().JumpSlicesToLocation(30, 30, 30, False)
    column, row = bright_centre(views.pixels(slice_view(host, name)))
    assert ("left" if column < 0.45 else "right", "top" if row < 0.45 else "bottom") == expected


def test_wheel_moves_the_slice_and_the_picture(host, views):
    box_volume(host, (-20, -20, 0), (20, 20, 11))
    view = slice_view(host, "Red")
    logic = host.app.layoutManager().sliceWidget("Red").sliceLogic()
    logic.SetSliceOffset(5.0)
    before = views.pixels(view)
    assert (before > 200).any()
    views.wheel(view, 5)
    assert logic.GetSliceOffset() == pytest.approx(5.0 + 5 * SPACING)
    assert not (views.pixels(view)[..., 0] > 200).any()
    views.wheel(view, -5)
    assert np.array_equal(views.pixels(view), before)


def test_slider_moves_the_slice(host):
    from PySide6.QtWidgets import QLabel, QSlider

    box_volume(host, (-20, -20, 0), (20, 20, 11))
    widget = host.app.layoutManager().sliceWidget("Red")
    slider = widget.sliceController().findChild(QSlider)
    widget.sliceLogic().SetSliceOffset(9.0)
    host.process_events()
    slider.setValue(slider.value() + 3)
    assert widget.sliceLogic().GetSliceOffset() == pytest.approx(15.0)
    assert "S: 15.0000mm" in [label.text() for label in widget.sliceController().findChildren(QLabel)]


def test_window_level_changes_the_picture(host, views):
    node = box_volume(host, (-20, -20, -20), (20, 20, 20), value=100)
    assert bright_centre(views.pixels(slice_view(host, "Red")))[0] == pytest.approx(0.5, abs=0.05)
    node.GetDisplayNode().SetWindowLevel(1000, 1000)
    host.process_events()
    assert views.pixels(slice_view(host, "Red")).max() < 50


def add_segment(host, volume, low, high, color):
    slicer = host.slicer
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    identifier = node.GetSegmentation().AddEmptySegment("lesion", "lesion", color)
    mask = np.zeros(SHAPE, np.uint8)
    mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, identifier, volume)
    host.process_events()
    return node


def greenish(picture):
    red, green, blue = (picture[..., channel].astype(int) for channel in range(3))
    return (green > red + 40) & (green > blue + 40)


def test_segment_is_seen_where_it_is_and_can_be_hidden(host, views):
    volume = box_volume(host, (0, 0, 0), (0, 0, 0))
    node = add_segment(host, volume, (20, 10, 10), (40, 30, 30), [0.0, 1.0, 0.0])
    seen = greenish(views.pixels(slice_view(host, "Red")))
    rows, columns = np.nonzero(seen)
    assert seen.sum() > 2000
    # Low indices are right and anterior: the upper left of an axial picture.
    assert columns.mean() < 0.5 * seen.shape[1]
    assert rows.mean() < 0.5 * seen.shape[0]
    node.GetDisplayNode().SetVisibility(False)
    host.process_events()
    assert not greenish(views.pixels(slice_view(host, "Red"))).any()


def test_surface_is_seen_in_3d(host, views):
    volume = box_volume(host, (0, 0, 0), (0, 0, 0))
    node = add_segment(host, volume, (20, 20, 20), (40, 60, 60), [0.0, 1.0, 0.0])
    view = host.app.layoutManager().threeDWidget(0).threeDView()
    host.slicer.util.resetThreeDViews()
    assert not greenish(views.pixels(view)).any()
    node.CreateClosedSurfaceRepresentation()
    host.slicer.util.resetThreeDViews()
    assert greenish(views.pixels(view)).sum() > 1000


def test_line_is_seen_in_its_slice_only(host, views):
    box_volume(host, (0, 0, 0), (0, 0, 0))
    line = host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", "long axis")
    line.CreateDefaultDisplayNodes()
    for channel in ("SetColor", "SetSelectedColor"):
        getattr(line.GetDisplayNode(), channel)(0.0, 1.0, 0.0)
    line.AddControlPoint(30, 0, 0)
    line.AddControlPoint(-30, 0, 0)
    logic = host.app.layoutManager().sliceWidget("Red").sliceLogic()
    logic.SetSliceOffset(0.0)
    host.process_events()
    assert greenish(views.pixels(slice_view(host, "Red"))).sum() > 100
    logic.SetSliceOffset(40.0)
    host.process_events()
    assert not greenish(views.pixels(slice_view(host, "Red"))).any()


def test_line_tells_its_true_length(host):
    line = host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsLineNode")
    line.AddControlPoint(0, 0, 0)
    line.AddControlPoint(3, 4, 12)
    assert line.GetLineLengthWorld() == pytest.approx(13.0)


def test_jump_moves_all_slice_views(host):
    box_volume(host, (0, 0, 0), (10, 10, 10))
    host.slicer.modules.markups.logic().JumpSlicesToLocation(12, -8, 24, True)
    manager = host.app.layoutManager()
    for name in ("Red", "Green", "Yellow"):
        to_ras = manager.sliceWidget(name).mrmlSliceNode().GetSliceToRAS()
        normal = [to_ras.GetElement(row, 2) for row in range(3)]
        origin = [to_ras.GetElement(row, 3) for row in range(3)]
        assert np.dot(normal, np.subtract(origin, (12, -8, 24))) == pytest.approx(0.0, abs=1e-6)


def test_layouts_show_their_views(host):
    manager = host.app.layoutManager()
    node = host.slicer.vtkMRMLLayoutNode
    assert manager.sliceViewNames() == ("Red", "Green", "Yellow")
    manager.setLayout(node.SlicerLayoutOneUpRedSliceView)
    host.process_events()
    assert manager.sliceViewNames() == ("Red",)
    assert manager.threeDViewCount == 0
    assert not manager.sliceWidget("Yellow").isVisible()
    manager.setLayout(node.SlicerLayoutFourUpView)
    host.process_events()
    assert manager.sliceWidget("Yellow").isVisible()
    assert manager.threeDViewCount == 1


def test_modules_own_layout_is_built(host):
    layout = host.app.layoutManager().layoutLogic().GetLayoutNode()
    layout.AddLayoutDescription(
        7001,
        '<layout type="horizontal"><item><view class="vtkMRMLSliceNode" singletontag="Red"/></item>'
        '<item><view class="vtkMRMLSliceNode" singletontag="Phase2">'
        '<property name="orientation" action="default">Axial</property></view></item></layout>',
    )
    host.app.layoutManager().setLayout(7001)
    box_volume(host, (10, 10, -20), (50, 50, 20))
    assert host.app.layoutManager().sliceViewNames() == ("Red", "Phase2")
    node = host.app.layoutManager().sliceWidget("Phase2").mrmlSliceNode()
    assert host.slicer.mrmlScene.GetNodeByID(node.GetID()) is node


def test_volume_files_load_with_their_geometry(host, tmp_path):
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((10, 20, -30))
    sitk.WriteImage(image, tmp_path / "arterial.nrrd")
    node = host.slicer.util.loadVolume(str(tmp_path / "arterial.nrrd"))
    assert node.GetSpacing() == pytest.approx((0.7, 0.8, 2.5))
    assert node.GetOrigin() == pytest.approx((-10, -20, -30))  # RAS
    assert np.array_equal(host.slicer.util.arrayFromVolume(node), sitk.GetArrayFromImage(image))

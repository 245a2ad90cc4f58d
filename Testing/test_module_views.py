"""Layouts, phases, windows and slabs of the slice views, by keys and mouse."""

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

from analytic_findings import HU, LESIONS
from module_host import click_row, load_panel
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from slicer_host import actions

from LiverTumorAILib.mrml.nodes import owned_nodes
from LiverTumorAILib.mrml.views import compare_slice_nodes
from LiverTumorAILib.mrml.windows import CT_WINDOWS, NARROW_HU
from LiverTumorAILib.study import Phase

pytest_plugins = ["module_fixtures"]

PHASES = list(HU)


@pytest.fixture(scope="module")
def loaded(running, results):
    return load_panel(running, results)


@pytest.fixture
def panel(host, loaded):
    """The panel with three planes of the portal venous phase, as after loading."""
    press(host, "M", "3", "F2")
    loaded.ui.slabSpinBox.setValue(0)
    host.process_events()
    return loaded


def press(host, *keys):
    for key in keys:
        QTest.keyClick(host.window, getattr(Qt.Key, f"Key_{key}"))
        host.process_events(0.05)


def view(host, name="Red"):
    return host.app.layoutManager().sliceWidget(name).sliceView()


def background(host, name="Red"):
    node = host.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()
    return host.slicer.mrmlScene.GetNodeByID(node.GetBackgroundVolumeID()).GetName()


def corners(panel):
    return [label.text for label in panel.views._labels]


def red(host):
    return host.slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")


def millimetres(node):
    """Of the field of view along the shorter side."""
    return min(node.GetFieldOfView()[:2])


def ras(label):
    x, y, z = LESIONS[label][0]
    return -x, -y, z


def test_compare_shows_each_phase_in_a_view_that_names_it(host, panel):
    press(host, "C")
    names = [phase.title for phase in PHASES]
    assert host.app.layoutManager().sliceViewNames() == tuple(f"Phase-{phase}" for phase in PHASES)
    assert [background(host, f"Phase-{phase}") for phase in PHASES] == names
    assert corners(panel) == names


def test_compare_keeps_slice_and_zoom(host, panel):
    red(host).SetFieldOfView(150, 150, 1)
    red(host).JumpSliceByCentering(*ras(2))
    press(host, "C")
    for node in compare_slice_nodes(host.slicer.mrmlScene):
        assert node.GetSliceOffset() == pytest.approx(ras(2)[2])
        assert millimetres(node) == pytest.approx(150, rel=0.02)
        assert node.GetSliceToRAS().GetElement(0, 3) == pytest.approx(ras(2)[0])
    press(host, "2")
    assert red(host).GetSliceOffset() == pytest.approx(ras(2)[2])
    assert millimetres(red(host)) == pytest.approx(150, rel=0.02)


def test_views_of_compare_scroll_zoom_and_pan_together(host, panel):
    press(host, "C")
    nodes = compare_slice_nodes(host.slicer.mrmlScene)
    arterial = view(host, "Phase-arterial")

    def place(node):
        return [node.GetSliceOffset(), millimetres(node), *node.GetXYZOrigin()]

    before = place(nodes[0])
    actions.wheel(arterial, 2)
    for button, end in (
        (Qt.MouseButton.RightButton, QPoint(150, 190)),
        (Qt.MouseButton.MiddleButton, QPoint(190, 150)),
    ):
        QTest.mouseMove(arterial, QPoint(150, 150))
        QTest.mousePress(arterial, button, pos=QPoint(150, 150))
        QTest.mouseMove(arterial, end)
        QTest.mouseRelease(arterial, button, pos=end)
        host.process_events()
    after = [place(node) for node in nodes]
    assert all(other == pytest.approx(after[0], rel=0.01) for other in after)
    assert all(abs(now - then) > 1 for now, then in zip(after[0][:3], before[:3], strict=True))


def test_the_crosshair_marks_in_all_views_of_compare_where_the_mouse_points(host, panel):
    press(host, "C")
    host.slicer.util.resetSliceViews()
    crosshair = host.slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    arterial = view(host, "Phase-arterial")
    point = (20.0, 10.0, compare_slice_nodes(host.slicer.mrmlScene)[0].GetSliceOffset())
    QTest.mouseMove(arterial, actions.place(arterial, point))
    host.process_events()
    assert crosshair.GetCrosshairRAS() == pytest.approx(point, abs=1.5)
    assert crosshair.GetCrosshairMode() != crosshair.NoCrosshair
    press(host, "S")
    assert crosshair.GetCrosshairMode() == crosshair.NoCrosshair


def test_digits_change_the_phase_in_place(host, panel):
    press(host, "S")
    red(host).SetSliceOffset(ras(1)[2])
    place = [red(host).GetSliceOffset(), *red(host).GetFieldOfView(), *red(host).GetXYZOrigin()]
    for index, phase in enumerate(PHASES):
        press(host, str(index + 1))
        assert background(host) == phase.title
        assert corners(panel) == [phase.title]
        assert [red(host).GetSliceOffset(), *red(host).GetFieldOfView(), *red(host).GetXYZOrigin()] == place
    press(host, "5")
    assert background(host) == PHASES[-1].title


def test_the_corner_tells_the_truth_whoever_changes_the_volume(host, panel):
    press(host, "S")
    volume = panel.findings.shown.volume(Phase.DELAYED)
    host.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    assert corners(panel) == ["delayed"]


def test_blinking_alternates_between_two_phases_until_a_phase_is_chosen(host, panel):
    press(host, "S", "3")
    panel.ui.blinkPhaseComboBox.setCurrentIndex(1)
    seen = []
    panel.ui.shownPhaseComboBox.currentIndexChanged.connect(seen.append)
    press(host, "B")
    host.wait_until(lambda: len(seen) >= 3, 30)
    panel.ui.shownPhaseComboBox.currentIndexChanged.disconnect(seen.append)
    assert seen[:3] == [1, 2, 1]
    press(host, "4")
    host.process_events(0.7)
    assert background(host) == "delayed"
    assert not panel.ui.blinkButton.isChecked()


def test_each_phase_keeps_its_window(host, panel):
    def windows():
        displays = [panel.findings.shown.volume(phase).GetDisplayNode() for phase in PHASES]
        return [(display.GetWindow(), display.GetLevel()) for display in displays]

    press(host, "S", "2", "F3", "3")
    assert windows()[1][0] == NARROW_HU
    assert windows()[2] == CT_WINDOWS[Phase.PORTAL_VENOUS]
    assert panel.ui.windowComboBox.currentText() == "Liver"
    press(host, "2")
    assert panel.ui.windowComboBox.currentText() == "Liver, narrow"
    press(host, "C", "F2")
    assert windows() == [CT_WINDOWS[phase] for phase in PHASES]


def test_a_slab_shows_the_maximum_through_its_thickness(host, panel):
    press(host, "S", "2")
    red(host).SetSliceOffset(ras(1)[2] + LESIONS[1][1][2] + 6)
    at = actions.place(view(host), (ras(1)[0], ras(1)[1], red(host).GetSliceOffset()))
    dark = actions.pixels(view(host))[at.y(), at.x()].mean()
    panel.ui.slabSpinBox.setValue(40)
    bright = actions.pixels(view(host))[at.y(), at.x()].mean()
    assert corners(panel) == ["arterial\nMIP 40 mm"]
    # The hyperenhancing lesion below reaches into the slab: about 50 HU of a window of 400 brighter.
    assert bright > dark + 255 * 30 / 400
    press(host, "I")
    assert corners(panel) == ["arterial"]


def test_fills_lie_on_the_image_in_views_that_open_after_the_segments(host, panel):
    press(host, "C")
    click_row(panel.ui.lesionTable, 0)
    host.process_events(0.2)
    for phase in PHASES:
        shown = view(host, f"Phase-{phase}")
        x, y, z = ras(1)
        at = actions.place(shown, (x, y + 6, z))
        picture = actions.pixels(shown)[at.y() - 3 : at.y() + 4, at.x() - 3 : at.x() + 4]
        assert picture.mean() > 60, phase


def test_vessels_hidden_in_slices_are_seen_in_3d(panel):
    from LiverTumorAILib.mrml.display import Group, set_group_visible

    segmentation = panel.findings.shown.segmentation
    name = segmentation.GetSegmentation().AddEmptySegment("hepatic-vessels")
    set_group_visible(segmentation, Group.VESSELS, False)
    display = segmentation.GetDisplayNode()
    assert display.GetSegmentVisibility(name)
    assert not display.GetSegmentVisibility2DFill(name)
    assert not display.GetSegmentVisibility2DOutline(name)
    segmentation.GetSegmentation().RemoveSegment(name)


def test_digits_are_the_editors_while_it_is_open(host, panel):
    panel.ui.editingSection.collapsed = False
    press(host, "1")
    assert background(host) == "portal venous"
    panel.ui.editingSection.collapsed = True
    press(host, "1")
    assert background(host) == "non-contrast"


def test_keys_are_given_back_when_the_module_is_left(host, panel):
    panel.parent.exit()
    press(host, "1")
    assert background(host) == "portal venous"
    panel.parent.enter()
    press(host, "1")
    assert background(host) == "non-contrast"


def test_a_volume_deleted_by_the_user_leaves_its_view_empty(host, panel, results):
    host.slicer.mrmlScene.RemoveNode(panel.findings.shown.volume(Phase.ARTERIAL))
    press(host, "C", "F3", "2", "C")
    assert corners(panel) == ["non-contrast", "", "portal venous", "delayed"]
    panel.showResults(results)
    host.wait_until(lambda: not panel.busy, 60)
    assert corners(panel) == [phase.title for phase in PHASES]


def test_closing_the_scene_leaves_no_view_of_a_phase(host, panel):
    press(host, "C")
    host.slicer.mrmlScene.Clear(0)
    host.process_events(0.1)
    assert host.app.layoutManager().sliceViewNames() == ("Red", "Green", "Yellow")
    assert not panel.ui.compareButton.isEnabled()
    press(host, "C", "1", "B", "F3", "I")
    assert not owned_nodes(host.slicer.mrmlScene)

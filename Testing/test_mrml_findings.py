"""Findings in a real MRML scene."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import HU, LESIONS, TILT, analytic_study, inside, make_image

vtk = pytest.importorskip("vtk", reason="needs slicer-core (extra 'window')")
slicer = pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")

from LiverTumorAILib.lesions import LesionType, Organ  # noqa: E402
from LiverTumorAILib.lesions.terminology import LESION_TERMS  # noqa: E402
from LiverTumorAILib.mrml.display import Group, segments_of, set_group_visible  # noqa: E402
from LiverTumorAILib.mrml.edits import EditObserver  # noqa: E402
from LiverTumorAILib.mrml.geometry import image_from_oriented, index_to_ras, oriented_image_data  # noqa: E402
from LiverTumorAILib.mrml.nodes import owned_nodes  # noqa: E402
from LiverTumorAILib.mrml.segmentation import segment_mask, set_segment_mask  # noqa: E402
from LiverTumorAILib.mrml.showing import show_findings  # noqa: E402
from LiverTumorAILib.mrml.volumes import AIR_HU, show_volume  # noqa: E402
from LiverTumorAILib.study import Modality, Phase  # noqa: E402


@pytest.fixture(scope="module")
def study():
    """The gantry was tilted, so that no axis but x is trivial."""
    return analytic_study(direction=TILT)


@pytest.fixture
def scene():
    new = slicer.vtkMRMLScene()
    # Measurements look up their units there; the application has it always.
    new.AddNode(slicer.vtkMRMLSelectionNode())
    return new


@pytest.fixture
def shown(study, scene):
    return show_findings(*study, scene)


def role_names(scene):
    return {role: node.GetName() for role, node in owned_nodes(scene).items()}


def test_a_volume_node_has_the_voxel_of_the_image_at_every_point(study, scene):
    _, images = study
    image = images[Phase.PORTAL_VENOUS]
    node = show_volume(scene, image, Modality.CT, phase=Phase.PORTAL_VENOUS, name="portal venous", role="volume:test")
    voxels = slicer.util.arrayFromVolume(node)
    matrix = vtk.vtkMatrix4x4()
    node.GetRASToIJKMatrix(matrix)
    for centre, *_ in LESIONS.values():
        index = np.rint(matrix.MultiplyPoint((-centre[0], -centre[1], centre[2], 1))[:3]).astype(int)
        expected = image.GetPixel(image.TransformPhysicalPointToIndex(centre))
        assert voxels[tuple(index[::-1])] == pytest.approx(expected, abs=0.51)


def test_what_a_phase_does_not_show_looks_like_air(study, scene):
    _, images = study
    voxels = sitk.GetArrayFromImage(images[Phase.ARTERIAL])
    voxels[:3] = np.nan
    image = make_image(voxels, images[Phase.ARTERIAL])
    node = show_volume(scene, image, Modality.CT, phase=Phase.ARTERIAL, name="arterial", role="volume:test")
    shown_voxels = slicer.util.arrayFromVolume(node)
    assert (shown_voxels[:3] == AIR_HU).all()
    assert shown_voxels[3:].min() >= AIR_HU


def test_the_window_of_mr_follows_the_signal(scene, study):
    _, images = study
    signal = sitk.Cast(sitk.Clamp(images[Phase.ARTERIAL] + 100, lowerBound=0), sitk.sitkFloat32) * 7.0
    node = show_volume(scene, signal, Modality.MR, phase=Phase.ARTERIAL, name="arterial", role="volume:test")
    display = node.GetDisplayNode()
    low, high = display.GetLevel() - display.GetWindow() / 2, display.GetLevel() + display.GetWindow() / 2
    assert low < 7 * (100 + HU[Phase.ARTERIAL]["liver"]) < high < 7 * 400


def test_oriented_image_data_and_simpleitk_are_the_same_place(study):
    findings, _ = study
    voxels = sitk.GetArrayFromImage(findings.lesion_labels).astype(np.uint8)
    back = image_from_oriented(oriented_image_data(voxels, index_to_ras(findings.lesion_labels)))
    assert np.array_equal(sitk.GetArrayFromImage(back), voxels)
    assert back.GetOrigin() == pytest.approx(findings.lesion_labels.GetOrigin())
    assert back.GetSpacing() == pytest.approx(findings.lesion_labels.GetSpacing())
    assert back.GetDirection() == pytest.approx(findings.lesion_labels.GetDirection())


def test_every_lesion_is_a_segment_with_the_voxels_of_its_label(study, shown):
    findings, _ = study
    labels = sitk.GetArrayFromImage(findings.lesion_labels)
    for lesion in findings.lesions:
        mask = segment_mask(shown.segmentation, f"lesion-{lesion.label}")
        whole = sitk.Resample(mask, findings.lesion_labels, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
        assert np.array_equal(sitk.GetArrayFromImage(whole) > 0, labels == lesion.label)


def test_segments_are_named_coloured_and_coded_by_type(shown):
    segment = shown.segmentation.GetSegmentation().GetSegment("lesion-1")
    assert segment.GetName() == "1 HCC 92%"
    assert segment.GetColor() == pytest.approx([value / 255 for value in LESION_TERMS[LesionType.HCC].colour])
    terminology = slicer.vtkSlicerTerminologyEntry()
    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    tag = vtk.reference("")
    assert segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
    assert logic.DeserializeTerminologyEntry(tag.get(), terminology)
    assert terminology.GetTypeObject().GetCodeValue() == LESION_TERMS[LesionType.HCC].type.value
    assert terminology.GetCategoryObject().GetCodeMeaning() == "Morphologically Altered Structure"
    assert terminology.GetRegionObject().GetCodeMeaning() == "Liver"


def test_an_uncertain_lesion_looks_uncertain(shown):
    display = shown.segmentation.GetDisplayNode()
    assert shown.segmentation.GetSegmentation().GetSegment("lesion-2").GetName() == "2 metastasis? 48%"
    assert display.GetSegmentOpacity2DFill("lesion-2") < display.GetSegmentOpacity2DFill("lesion-1") / 2


def test_only_organs_that_were_found_become_segments(shown):
    segmentation = shown.segmentation.GetSegmentation()
    names = [segmentation.GetNthSegment(index).GetName() for index in range(segmentation.GetNumberOfSegments())]
    assert names == ["liver", "spleen", "1 HCC 92%", "2 metastasis? 48%", "3 cyst 97%"]


def test_shared_voxels_hold_no_value_without_segment(study, scene):
    findings, images = study
    node = show_findings(replace(findings, lesions=findings.lesions[:1]), images, scene).segmentation
    segmentation = node.GetSegmentation()
    segments = [segmentation.GetNthSegment(index) for index in range(segmentation.GetNumberOfSegments())]
    layers = {}
    for segment in segments:
        layers.setdefault(segment.GetRepresentation("Binary labelmap"), set()).add(segment.GetLabelValue())
    for layer, values in layers.items():
        voxels = sitk.GetArrayFromImage(image_from_oriented(layer))
        assert set(np.unique(voxels)) == values | {0}


def test_the_segmentation_lies_on_the_reference_phase(study, shown):
    reference = shown.volume(study[0].reference_phase)
    assert shown.segmentation.GetNodeReference("referenceImageGeometryRef").GetID() == reference.GetID()


def test_axes_are_lines_of_the_measured_length_at_the_lesion(study, scene, shown):
    nodes = owned_nodes(scene)
    for lesion in study[0].lesions:
        for kind, axis in (("long", lesion.measurement.long_axis), ("short", lesion.measurement.short_axis)):
            line = nodes[f"axis:{kind}:{lesion.uid}"]
            assert line.GetMeasurement("length").GetValue() == pytest.approx(axis.length_mm, abs=1e-3)
            start = np.zeros(3)
            line.GetNthControlPointPositionWorld(0, start)
            assert start == pytest.approx((-axis.start_mm[0], -axis.start_mm[1], axis.start_mm[2]))


def test_the_long_axis_bears_both_lengths(study, scene, shown):
    lesion = study[0].lesions[0]
    sizes = (lesion.measurement.long_axis.length_mm, lesion.measurement.short_axis.length_mm)
    assert owned_nodes(scene)[f"axis:long:{lesion.uid}"].GetNthControlPointLabel(0) == "{:.0f} × {:.0f} mm".format(
        *sizes
    )
    assert owned_nodes(scene)[f"axis:short:{lesion.uid}"].GetNthControlPointLabel(0) == ""


def test_the_liver_is_whole_where_lesions_and_vessels_lie(study, scene):
    findings, images = study
    organs = sitk.GetArrayFromImage(findings.organ_labels)
    whole = organs == Organ.LIVER
    organs[sitk.GetArrayFromImage(findings.lesion_labels) == 2] = 0
    middle = tuple(np.argwhere(whole).mean(axis=0).astype(int))
    organs[middle] = Organ.PORTAL_SPLENIC_VEIN
    holes = replace(findings, organ_labels=make_image(organs, findings.organ_labels))
    mask = segment_mask(show_findings(holes, images, scene).segmentation, "liver")
    on_grid = sitk.Resample(mask, findings.organ_labels, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    assert np.array_equal(sitk.GetArrayFromImage(on_grid) > 0, whole)


def test_only_the_selected_lesion_shows_its_axes(study, scene, shown):
    def visible():
        return {role for role, node in owned_nodes(scene).items() if "axis" in role and node.GetDisplayVisibility()}

    assert visible() == set()
    lesion = study[0].lesions[1]
    shown.select(lesion)
    assert visible() == {f"axis:long:{lesion.uid}", f"axis:short:{lesion.uid}"}


def test_selecting_moves_slice_views_to_the_slice_of_the_long_axis(study, scene, shown):
    view = slicer.vtkMRMLSliceNode()
    view.SetLayoutName("Red")
    view.SetOrientationToAxial()
    scene.AddNode(view)
    lesion = study[0].lesions[0]
    shown.select(lesion)
    axis = lesion.measurement.long_axis
    assert view.GetSliceToRAS().GetElement(2, 3) == pytest.approx((axis.start_mm[2] + axis.end_mm[2]) / 2, abs=1e-3)


def test_a_view_keeps_its_place_unless_the_lesion_would_be_out_of_sight(study, scene, shown):
    view = slicer.vtkMRMLSliceNode()
    view.SetLayoutName("Red")
    view.SetOrientationToAxial()
    view.SetFieldOfView(400, 400, 1)
    scene.AddNode(view)

    def place():
        return view.GetSliceToRAS().GetElement(0, 3), view.GetSliceToRAS().GetElement(1, 3)

    shown.select(study[0].lesions[0])
    assert place() == (0, 0)
    view.SetFieldOfView(60, 60, 1)
    shown.select(study[0].lesions[1])
    centre = LESIONS[study[0].lesions[1].label][0]
    assert place() == pytest.approx((-centre[0], -centre[1]), abs=3)


def test_showing_findings_again_changes_nothing(study, scene, shown):
    ids = {role: node.GetID() for role, node in owned_nodes(scene).items()}
    count = scene.GetNumberOfNodes()
    show_findings(*study, scene)
    assert {role: node.GetID() for role, node in owned_nodes(scene).items()} == ids
    assert scene.GetNumberOfNodes() == count


def test_showing_fewer_lesions_and_phases_leaves_no_trace_of_the_others(study, scene, shown):
    findings, images = study
    fewer = replace(findings, lesions=findings.lesions[:1])
    show_findings(fewer, {Phase.PORTAL_VENOUS: images[Phase.PORTAL_VENOUS]}, scene)
    uid = findings.lesions[0].uid
    expected = {"volume:portal_venous", "segmentation", "reading", f"axis:long:{uid}", f"axis:short:{uid}"}
    assert set(role_names(scene)) == expected


def test_removing_leaves_the_scene_as_it_was(study, scene):
    show_findings(*study, scene).remove()
    before = scene.GetNumberOfNodes()
    show_findings(*study, scene).remove()
    assert role_names(scene) == {}
    assert scene.GetNumberOfNodes() == before


def test_measures_follow_an_edited_segment(study, shown):
    findings, _ = study
    centre, half_axes = LESIONS[2][0], (16.0, 12.0, 15.0)
    mask = make_image(inside(findings.lesion_labels, centre, half_axes).astype(np.uint8), findings.lesion_labels)
    set_segment_mask(shown.segmentation, "lesion-2", mask)
    lesion = shown.follow_edit("lesion-2")
    assert lesion.measurement.volume_mm3 == pytest.approx(4 / 3 * np.pi * np.prod(half_axes), rel=0.08)
    assert lesion.measurement.long_axis.length_mm == pytest.approx(32, abs=3)
    assert lesion.measurement.short_axis.length_mm == pytest.approx(24, abs=3)
    assert lesion.centroid_mm == pytest.approx(centre, abs=0.8)
    assert shown.findings.lesions[[other.uid for other in shown.findings.lesions].index(lesion.uid)] == lesion
    # Most of what was added is liver.
    arterial = lesion.measurement.enhancement[Phase.ARTERIAL].lesion
    assert HU[Phase.ARTERIAL][2] < arterial < HU[Phase.ARTERIAL]["liver"] + 2


def test_editing_one_lesion_leaves_the_others_as_they_were(study, shown):
    findings, _ = study
    others = {label: segment_mask(shown.segmentation, f"lesion-{label}") for label in (1, 3)}
    voxels = inside(findings.lesion_labels, LESIONS[2][0], (16.0, 12.0, 15.0)).astype(np.uint8)
    set_segment_mask(shown.segmentation, "lesion-2", make_image(voxels, findings.lesion_labels))
    for label, before in others.items():
        after = segment_mask(shown.segmentation, f"lesion-{label}")
        assert np.array_equal(sitk.GetArrayFromImage(after), sitk.GetArrayFromImage(before))


def test_axes_follow_an_edited_segment(study, scene, shown):
    findings, _ = study
    voxels = inside(findings.lesion_labels, LESIONS[3][0], (15.0, 9.0, 8.0)).astype(np.uint8)
    set_segment_mask(shown.segmentation, "lesion-3", make_image(voxels, findings.lesion_labels))
    lesion = shown.follow_edit("lesion-3")
    line = owned_nodes(scene)[f"axis:long:{lesion.uid}"]
    assert line.GetMeasurement("length").GetValue() == pytest.approx(lesion.measurement.long_axis.length_mm, abs=1e-3)
    assert lesion.measurement.long_axis.length_mm == pytest.approx(30, abs=3)


def test_an_edited_segment_is_in_the_current_findings(study, shown):
    findings, _ = study
    voxels = inside(findings.lesion_labels, LESIONS[2][0], (16.0, 12.0, 15.0))
    set_segment_mask(shown.segmentation, "lesion-2", make_image(voxels.astype(np.uint8), findings.lesion_labels))
    shown.follow_edit("lesion-2")
    current = shown.current_findings()
    labels = sitk.GetArrayFromImage(current.lesion_labels)
    assert np.array_equal(labels == 2, voxels & (labels != 1) & (labels != 3))
    volumes = [lesion.measurement.volume_mm3 for lesion in current.lesions]
    assert volumes == sorted(volumes, reverse=True)


def test_an_emptied_segment_is_no_lesion_any_more(study, scene, shown):
    findings, _ = study
    empty = make_image(np.zeros(findings.lesion_labels.GetSize()[::-1], np.uint8), findings.lesion_labels)
    set_segment_mask(shown.segmentation, "lesion-3", empty)
    assert shown.follow_edit("lesion-3") is None
    assert [lesion.label for lesion in shown.current_findings().lesions] == [1, 2]
    assert not any(role.startswith("axis") and role.endswith("1003") for role in owned_nodes(scene))


def test_editing_an_organ_measures_no_lesion(shown):
    assert shown.follow_edit("liver") is None
    assert not shown.edited


def test_a_deleted_segmentation_is_no_error(scene, shown):
    scene.RemoveNode(shown.segmentation)
    assert shown.segmentation is None
    shown.do("reject", shown.reading.rejected("2.25.1001"))
    assert shown.follow_edit("lesion-1") is None


def test_edits_are_noticed_with_the_segment_that_changed(study, shown):
    edited = []
    observer = EditObserver(shown.segmentation, edited.append)
    voxels = inside(study[0].lesion_labels, LESIONS[2][0], (16.0, 12.0, 15.0)).astype(np.uint8)
    set_segment_mask(shown.segmentation, "lesion-2", make_image(voxels, study[0].lesion_labels))
    assert set(edited) == {"lesion-2"}
    edited.clear()
    set_group_visible(shown.segmentation, Group.LIVER, False)
    assert edited == []
    observer.stop()
    set_segment_mask(shown.segmentation, "lesion-2", make_image(voxels, study[0].lesion_labels))
    assert edited == []


@pytest.mark.parametrize(
    ("group", "members"),
    [
        (Group.LIVER, ["liver"]),
        (Group.VESSELS, []),
        (Group.ORGANS, ["spleen"]),
        (Group.LESIONS, ["lesion-1", "lesion-2", "lesion-3"]),
    ],
)
def test_groups_of_segments_are_shown_and_hidden_together(shown, group, members):
    display = shown.segmentation.GetDisplayNode()
    assert segments_of(shown.segmentation, group) == members
    for visible in (False, True):
        set_group_visible(shown.segmentation, group, visible)
        assert all(display.GetSegmentVisibility(member) == visible for member in members)


def test_organs_other_than_liver_and_vessels_are_hidden_at_first(shown):
    display = shown.segmentation.GetDisplayNode()
    assert display.GetSegmentVisibility(Organ.LIVER.name.lower())
    assert not display.GetSegmentVisibility("spleen")

"""The reader's work in a real MRML scene: corrections, undo, and what a saved scene brings back."""

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import LESIONS, TILT, analytic_study, inside, make_image

slicer = pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")

from LiverTumorAILib.errors import LiverTumorAIError  # noqa: E402
from LiverTumorAILib.lesions import LesionType, Organ  # noqa: E402
from LiverTumorAILib.lesions.terminology import LESION_TERMS  # noqa: E402
from LiverTumorAILib.mrml.nodes import owned_nodes  # noqa: E402
from LiverTumorAILib.mrml.segmentation import segment_mask, set_segment_mask  # noqa: E402
from LiverTumorAILib.mrml.showing import restore_findings, show_findings  # noqa: E402
from LiverTumorAILib.review.corrections import same_voxels  # noqa: E402
from LiverTumorAILib.review.files import read_reading, write_reading  # noqa: E402
from LiverTumorAILib.review.reading import box_image  # noqa: E402

FIRST, SECOND, THIRD = (f"2.25.{1000 + label}" for label in (1, 2, 3))


@pytest.fixture(scope="module")
def study():
    return analytic_study(direction=TILT)


@pytest.fixture
def scene():
    new = slicer.vtkMRMLScene()
    new.AddNode(slicer.vtkMRMLSelectionNode())
    return new


@pytest.fixture
def shown(study, scene):
    return show_findings(*study, scene)


def segment_ids(shown):
    return [name for name in shown.segmentation.GetSegmentation().GetSegmentIDs() if name.startswith("lesion")]


def shows_its_reading(shown, scene):
    """Whether segments and axes are exactly those of the reading."""
    lesions = shown.reading.lesions
    assert sorted(segment_ids(shown)) == sorted(f"lesion-{lesion.label}" for lesion in lesions)
    for lesion in lesions:
        assert same_voxels(segment_mask(shown.segmentation, f"lesion-{lesion.label}"), shown.reading.masks[lesion.uid])
        line = owned_nodes(scene)[f"axis:long:{lesion.uid}"]
        assert line.GetMeasurement("length").GetValue() == pytest.approx(
            lesion.measurement.long_axis.length_mm, abs=0.01
        )
    axes = {role.split(":")[-1] for role in owned_nodes(scene) if role.startswith("axis:long")}
    return axes == {lesion.uid for lesion in lesions}


def draw(shown, study, label, half_axes):
    """Draw an ellipsoid around a lesion's centre into its segment, as the segment editor does."""
    grid = study[0].lesion_labels
    voxels = inside(grid, LESIONS[label][0], half_axes).astype(np.uint8)
    set_segment_mask(shown.segmentation, f"lesion-{label}", make_image(voxels, grid))
    return shown.follow_edit(f"lesion-{label}")


def small_ball(study):
    """A ball inside the liver (mask), away from all lesions."""
    grid = study[0].lesion_labels
    voxels = inside(grid, (-60, 30, -20), (8, 8, 8))
    box = tuple(slice(i.min(), i.max() + 1) for i in np.nonzero(voxels))
    return box_image(voxels[box], box, grid)


def open_scene(file, cache):
    """A scene as the application opens it."""
    cache.mkdir()
    opened, manager = slicer.vtkMRMLScene(), slicer.vtkDataIOManager()
    manager.SetCacheManager(slicer.vtkCacheManager())
    manager.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    opened.SetDataIOManager(manager)
    assert opened.ReadFromMRB(file)
    opened.AddNode(slicer.vtkMRMLSelectionNode())
    return opened


def test_the_readers_type_renames_and_recolours_the_segment(shown):
    shown.do("type", shown.reading.with_type(SECOND, LesionType.HEMANGIOMA))
    segment = shown.segmentation.GetSegmentation().GetSegment("lesion-2")
    assert segment.GetName() == "2 hemangioma"
    assert segment.GetColor() == pytest.approx([v / 255 for v in LESION_TERMS[LesionType.HEMANGIOMA].colour])
    shown.undo()
    assert segment.GetName() == "2 metastasis? 48%"


def test_a_rejected_lesion_is_hidden_and_comes_back(shown):
    display = shown.segmentation.GetDisplayNode()
    shown.do("reject", shown.reading.rejected(FIRST))
    assert not display.GetSegmentVisibility("lesion-1")
    shown.do("accept", shown.reading.accepted(FIRST))
    assert display.GetSegmentVisibility("lesion-1")


def test_an_accepted_lesion_looks_certain(shown):
    display = shown.segmentation.GetDisplayNode()
    before = display.GetSegmentOpacity2DFill("lesion-2")
    shown.do("accept", shown.reading.accepted(SECOND))
    assert display.GetSegmentOpacity2DFill("lesion-2") == display.GetSegmentOpacity2DFill("lesion-1") > 2 * before


def test_what_is_painted_over_another_lesion_is_given_back(study, shown):
    before = {label: segment_mask(shown.segmentation, f"lesion-{label}") for label in (1, 3)}
    lesion = draw(shown, study, 2, (60, 60, 60))
    painted = segment_mask(shown.segmentation, "lesion-2")
    for label, mask in before.items():
        assert same_voxels(segment_mask(shown.segmentation, f"lesion-{label}"), mask)
        overlap = sitk.Resample(painted, mask, sitk.Transform(), sitk.sitkNearestNeighbor, 0) * mask
        assert not sitk.GetArrayFromImage(overlap).any()
    assert lesion.measurement.volume_mm3 == pytest.approx(
        float(sitk.GetArrayFromImage(painted).sum() * np.prod(painted.GetSpacing()))
    )


def test_every_correction_is_shown_undone_and_done_again(study, scene, shown):
    steps = [shown.reading]

    def do(what, reading):
        shown.do(what, reading)
        steps.append(shown.reading)
        assert shows_its_reading(shown, scene)

    draw(shown, study, 2, (16, 12, 15))
    steps.append(shown.reading)
    do("add", shown.corrector.add(shown.reading, small_ball(study), None))
    do("merge", shown.corrector.merge(shown.reading, FIRST, THIRD))
    do("split", shown.corrector.split(shown.reading, FIRST))
    do("delete", shown.reading.without(SECOND))
    for step in reversed(steps[:-1]):
        shown.undo()
        assert shown.reading is step
        assert shows_its_reading(shown, scene)
    for step in steps[1:]:
        shown.redo()
        assert shown.reading is step
        assert shows_its_reading(shown, scene)


def test_following_an_edit_twice_is_one_step(study, shown):
    draw(shown, study, 2, (16, 12, 15))
    shown.follow_edit("lesion-2")
    shown.undo()
    assert not shown.history.can_undo


def test_a_saved_scene_brings_the_reading_back(study, shown, scene, tmp_path):
    draw(shown, study, 2, (16, 12, 15))
    shown.do("add", shown.corrector.add(shown.reading, small_ball(study), None))
    shown.do("reject", shown.reading.rejected(FIRST))
    shown.do("type", shown.reading.with_type(THIRD, LesionType.HEMANGIOMA))
    file = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(file)
    opened = open_scene(file, tmp_path / "cache")
    again = restore_findings(opened)
    assert again.reading.states == shown.reading.states
    assert again.reading.typed_by_hand == shown.reading.typed_by_hand
    assert again.reading.lesions == shown.reading.lesions
    for uid, mask in shown.reading.masks.items():
        assert same_voxels(again.reading.masks[uid], mask)
    assert shows_its_reading(again, opened)
    before, after = shown.current_findings(), again.current_findings()
    assert after.patient == before.patient
    for name in ("organ_labels", "lesion_labels"):
        assert np.array_equal(*(sitk.GetArrayFromImage(getattr(each, name)) for each in (before, after)))
    for phase in study[1]:
        difference = sitk.GetArrayFromImage(again.image(phase)) - sitk.GetArrayFromImage(study[1][phase])
        assert np.abs(difference).max() <= 0.5
    assert again.follow_edit("lesion-2") == again.lesion(SECOND)


def test_an_edited_liver_counts_everywhere_and_is_kept(study, shown, scene, tmp_path):
    findings, before = study[0], segment_mask(shown.segmentation, "liver")
    grown = sitk.BinaryDilate(sitk.ConstantPad(before, (2, 2, 2), (2, 2, 2), 0), (2, 2, 2))
    voxels = int(sitk.GetArrayViewFromImage(grown).sum())
    set_segment_mask(shown.segmentation, "liver", grown)
    assert shown.follow_edit("liver") is None
    volume = voxels * np.prod(findings.lesion_labels.GetSpacing())
    assert shown.findings.liver_volume_mm3 == pytest.approx(volume)
    current = shown.current_findings()
    assert current.liver_volume_mm3 == pytest.approx(volume)
    drawn = sitk.GetArrayFromImage(sitk.Resample(grown, findings.organ_labels, sitk.Transform(), 1)) > 0
    assert np.array_equal(sitk.GetArrayViewFromImage(current.organ_labels) == Organ.LIVER, drawn)
    shown.undo()
    assert shown.findings.liver_volume_mm3 == findings.liver_volume_mm3
    assert same_voxels(segment_mask(shown.segmentation, "liver"), before)
    shown.redo()
    write_reading(shown.reading, tmp_path)
    assert same_voxels(read_reading(tmp_path).organs[Organ.LIVER], shown.reading.organs[Organ.LIVER])
    again = show_findings(*study, slicer.vtkMRMLScene(), read_reading(tmp_path))
    assert again.findings.liver_volume_mm3 == pytest.approx(volume)
    file = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(file)
    opened = restore_findings(open_scene(file, tmp_path / "cache"))
    assert opened.findings.liver_volume_mm3 == pytest.approx(volume)
    assert same_voxels(segment_mask(opened.segmentation, "liver"), shown.reading.organs[Organ.LIVER])


def test_an_erased_organ_is_gone_from_the_findings(study, shown):
    spleen = segment_mask(shown.segmentation, "spleen")
    set_segment_mask(shown.segmentation, "spleen", spleen * 0)
    shown.follow_edit("spleen")
    labels = sitk.GetArrayFromImage(shown.current_findings().organ_labels)
    assert Organ.SPLEEN not in labels
    assert Organ.SPLEEN in sitk.GetArrayViewFromImage(study[0].organ_labels)
    assert np.array_equal(labels == Organ.LIVER, _whole_liver(study[0]))
    shown.undo()
    assert same_voxels(segment_mask(shown.segmentation, "spleen"), spleen)


def _whole_liver(findings):
    organs, lesions = (sitk.GetArrayViewFromImage(each) for each in (findings.organ_labels, findings.lesion_labels))
    return (organs == Organ.LIVER) | (lesions > 0)


def test_a_scene_without_a_reading_brings_none(scene):
    assert restore_findings(scene) is None


def test_a_reading_whose_volumes_were_deleted_is_told(shown, scene):
    scene.RemoveNode(shown.volume(shown.findings.reference_phase))
    with pytest.raises(LiverTumorAIError, match="not complete"):
        restore_findings(scene)


def test_deleting_nodes_in_the_middle_is_no_error(study, shown, scene):
    scene.RemoveNode(shown.volume(shown.phases[0]))
    scene.RemoveNode(owned_nodes(scene)[f"axis:long:{FIRST}"])
    shown.do("reject", shown.reading.rejected(FIRST))
    shown.undo()
    scene.RemoveNode(shown.segmentation)
    shown.do("delete", shown.reading.without(SECOND))
    shown.undo()
    assert shown.current_findings().lesions == study[0].lesions

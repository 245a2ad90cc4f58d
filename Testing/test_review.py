"""A reader's decisions and corrections, on ellipsoids whose places and sizes are known."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import LESIONS, TILT, analytic_study, inside
from hypothesis import given, settings
from hypothesis import strategies as st

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.explanation.titles import heatmap_titles
from LiverTumorAILib.lesions import Certainty, LesionType
from LiverTumorAILib.measurement.recist import not_a_target, sum_of_diameters_mm
from LiverTumorAILib.review.corrections import Corrector, same_voxels
from LiverTumorAILib.review.files import REVIEW_FILE, read_reading, write_reading
from LiverTumorAILib.review.history import History
from LiverTumorAILib.review.reading import ReviewState, begin_reading, box_image, labels_of, reviewed_findings

FIRST, SECOND, THIRD = (f"2.25.{1000 + label}" for label in (1, 2, 3))


@pytest.fixture(scope="module")
def study():
    """The gantry was tilted, so that no axis but x is trivial."""
    return analytic_study(direction=TILT)


@pytest.fixture(scope="module")
def findings(study):
    return study[0]


@pytest.fixture(scope="module")
def reading(findings):
    return begin_reading(findings)


@pytest.fixture(scope="module")
def corrector(study):
    return Corrector(study[0].lesion_labels, study[1])


def ball(findings, centre, radius):
    """A ball (LPS, mm) as mask of its box of the reference grid."""
    return mask_of(inside(findings.lesion_labels, centre, (radius,) * 3), findings.lesion_labels)


def mask_of(voxels, grid):
    filled = [np.flatnonzero(voxels.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    box = tuple(slice(int(index[0]), int(index[-1]) + 1) for index in filled)
    return box_image(voxels[box], box, grid)


def voxels_of(reading, findings):
    return sitk.GetArrayFromImage(labels_of(reading, findings.lesion_labels))


def test_before_the_reader_did_anything_the_findings_are_the_cascades(findings, reading):
    same = reviewed_findings(findings, reading)
    assert same.lesions == findings.lesions
    assert same.patient == findings.patient
    assert np.array_equal(voxels_of(reading, findings), sitk.GetArrayViewFromImage(findings.lesion_labels))
    assert reading.reviewed_count == 0


def test_a_rejected_lesion_is_gone_from_findings_but_not_from_the_reading(findings, reading):
    rejected = reading.rejected(FIRST)
    final = reviewed_findings(findings, rejected)
    assert [lesion.uid for lesion in final.lesions] == [SECOND, THIRD]
    assert not (sitk.GetArrayViewFromImage(final.lesion_labels) == 1).any()
    assert final.patient.classification == "METASTASIS"
    assert rejected.lesion(FIRST) == findings.lesions[0]
    assert rejected.with_state(FIRST, ReviewState.TO_REVIEW).present == reading.present


def test_rejecting_all_leaves_a_patient_without_lesions(findings, reading):
    for uid in (FIRST, SECOND, THIRD):
        reading = reading.rejected(uid)
    assert reviewed_findings(findings, reading).patient.classification == "NORMAL"


def test_the_readers_type_leaves_no_doubt_and_decides_about_the_patient(findings, reading):
    typed = reading.with_type(SECOND, LesionType.HEMANGIOMA).rejected(FIRST)
    lesion = typed.lesion(SECOND)
    assert (lesion.type, lesion.certainty) == (LesionType.HEMANGIOMA, Certainty.CERTAIN)
    assert typed.state(SECOND) is ReviewState.CHANGED
    patient = reviewed_findings(findings, typed).patient
    assert (patient.classification, patient.certainty) == ("HEMANGIOMA", Certainty.CERTAIN)
    assert patient.probabilities["HEMANGIOMA"] == 1


def test_heatmaps_of_a_lesion_that_the_reader_typed_tell_what_they_are_of(findings, reading):
    maps = dict.fromkeys(("a.nii.gz", "b.nii.gz"), findings.lesion_labels)
    seen = replace(reading.lesion(FIRST), heatmap="a.nii.gz", opposing_heatmap="b.nii.gz")
    titles = list(heatmap_titles(seen).values())
    typed = reading.with_lesion(seen).with_type(FIRST, LesionType.CYST).with_type(FIRST, LesionType.ICC)
    final = reviewed_findings(replace(findings, heatmaps=maps), typed)
    assert list(heatmap_titles(final.lesions[0]).values()) == titles == ["Spoke for HCC", titles[1]]
    assert final.heatmaps.keys() == maps.keys()


def test_findings_name_no_heatmap_that_is_not_there(findings, reading):
    named = reading.with_lesion(replace(reading.lesion(FIRST), heatmap="gone.nii.gz"))
    assert not any(lesion.heatmap for lesion in reviewed_findings(findings, named).lesions)


def test_accepting_an_uncertain_lesion_settles_the_patient(findings, reading):
    alone = reading.rejected(FIRST)
    assert reviewed_findings(findings, alone).patient.certainty is Certainty.UNCERTAIN
    accepted = reviewed_findings(findings, alone.accepted(SECOND))
    assert accepted.patient.certainty is Certainty.CERTAIN
    assert accepted.lesions[0].certainty is Certainty.UNCERTAIN, "what the cascade said stays on record"


def test_what_was_changed_or_is_new_stays_so_when_accepted(findings, reading, corrector):
    changed = reading.with_type(SECOND, LesionType.CYST).accepted(SECOND)
    assert changed.state(SECOND) is ReviewState.CHANGED
    added = corrector.add(reading, ball(findings, (-60, 30, -20), 8), None)
    uid = added.lesions[-1].uid
    assert added.accepted(uid).with_type(uid, LesionType.CYST).state(uid) is ReviewState.NEW


@settings(max_examples=10)
@given(st.tuples(st.floats(-90, -20), st.floats(-50, 20), st.floats(-30, 40)), st.floats(6, 40))
def test_drawing_one_lesion_changes_no_other(centre, radius):
    findings, images = STUDY
    reading = begin_reading(findings)
    mask = ball(findings, centre, radius)
    drawn = Corrector(findings.lesion_labels, images).draw(reading, SECOND, mask)
    before, after = voxels_of(reading, findings), voxels_of(drawn, findings)
    for label in (1, 3):
        assert np.array_equal(before == label, after == label)
    expected = inside(findings.lesion_labels, centre, (radius,) * 3) & ~np.isin(before, (1, 3))
    assert np.array_equal(after == 2, expected)
    for uid in (FIRST, THIRD):
        assert drawn.lesion(uid) is reading.lesion(uid)


STUDY = analytic_study()


def test_measures_follow_what_is_drawn(findings, reading, corrector):
    drawn = corrector.draw(reading, SECOND, ball(findings, LESIONS[2][0], 20))
    measurement = drawn.lesion(SECOND).measurement
    assert measurement.volume_mm3 == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.1)
    assert measurement.long_axis.length_mm == pytest.approx(40, abs=3)
    assert drawn.state(SECOND) is ReviewState.CHANGED
    assert corrector.draw(reading, SECOND, reading.masks[SECOND]) is reading


def test_an_emptied_lesion_is_gone(reading, corrector):
    assert corrector.draw(reading, SECOND, None).lesion(SECOND) is None


def test_an_added_lesion_has_a_number_of_its_own_and_all_measures(findings, reading, corrector):
    added = corrector.add(reading, ball(findings, (-60, 30, -20), 8), None)
    lesion = added.lesions[-1]
    assert lesion.label == 4
    assert added.state(lesion.uid) is ReviewState.NEW
    assert lesion.certainty is Certainty.UNCERTAIN
    assert lesion.certainty_reasons
    assert lesion.centroid_mm == pytest.approx((-60, 30, -20), abs=1)
    liver = findings.lesions[0].measurement.enhancement
    for phase, mean in lesion.measurement.enhancement.items():
        assert mean.lesion == pytest.approx(liver[phase].liver, abs=2), "it was put where liver is"
        assert mean.liver == liver[phase].liver


def test_no_lesion_is_added_inside_another(findings, reading, corrector):
    with pytest.raises(LiverTumorAIError, match="A lesion is there already"):
        corrector.add(reading, ball(findings, LESIONS[1][0], 6), None)


def test_two_touching_balls_are_split_at_their_neck(findings, reading, corrector):
    grid = findings.lesion_labels
    centres = ((-75, 20, -15), (-45, 20, -15))
    balls = [inside(grid, centre, (16, 16, 16)) for centre in centres]
    drawn = corrector.draw(reading, SECOND, mask_of(balls[0] | balls[1], grid))
    split = corrector.split(drawn, SECOND)
    assert len(split.lesions) == 4
    parts = [split.lesion(SECOND), split.lesions[-1]]
    assert {min(range(2), key=lambda i, p=p: abs(centres[i][0] - p.centroid_mm[0])) for p in parts} == {0, 1}
    for part in parts:
        assert part.measurement.volume_mm3 == pytest.approx(4 / 3 * np.pi * 16**3, rel=0.1)
    together = np.isin(voxels_of(split, findings), [part.label for part in parts])
    assert np.array_equal(together, balls[0] | balls[1])


def test_a_ball_has_no_neck(reading, corrector):
    with pytest.raises(LiverTumorAIError, match="no neck"):
        corrector.split(reading, SECOND)


def test_merging_keeps_the_larger_ones_number_and_type(findings, reading, corrector):
    merged = corrector.merge(reading, THIRD, FIRST)
    assert [lesion.uid for lesion in merged.lesions] == [FIRST, SECOND]
    assert merged.lesion(FIRST).type is LesionType.HCC
    before, after = voxels_of(reading, findings), voxels_of(merged, findings)
    assert np.array_equal(after == 1, np.isin(before, (1, 3)))
    parted = corrector.split(merged, FIRST)
    assert np.array_equal(voxels_of(parted, findings) == 1, before == 1)


def test_undo_and_redo_go_through_all_steps(findings, reading, corrector):
    history = History(reading)
    steps = [reading]
    for what, change in (
        ("reject", lambda r: r.rejected(FIRST)),
        ("draw", lambda r: corrector.draw(r, SECOND, ball(findings, LESIONS[2][0], 20))),
        ("type", lambda r: r.with_type(THIRD, LesionType.FNH)),
        ("delete", lambda r: r.without(THIRD)),
    ):
        history.do(what, change(history.present))
        steps.append(history.present)
    assert history.can_undo == "delete"
    for step in reversed(steps[:-1]):
        history.undo()
        assert history.present is step
    assert history.can_undo == ""
    history.redo()
    assert (history.present, history.can_redo) == (steps[1], "draw")
    history.do("accept", history.present.accepted(SECOND))
    assert history.can_redo == ""


def test_a_reading_is_written_and_read_without_loss(findings, reading, corrector, tmp_path):
    assert read_reading(tmp_path) is None
    work = corrector.draw(reading.rejected(THIRD), SECOND, ball(findings, LESIONS[2][0], 20))
    work = corrector.add(work.with_type(FIRST, LesionType.ICC), ball(findings, (-60, 30, -20), 8), None)
    work = replace(work, targets=(FIRST,))
    write_reading(reading, tmp_path)
    write_reading(work, tmp_path)
    again = read_reading(tmp_path)
    assert (again.states, again.typed_by_hand, again.targets) == (work.states, work.typed_by_hand, work.targets)
    assert again.lesions == work.lesions
    assert all(same_voxels(again.masks[lesion.uid], work.masks[lesion.uid]) for lesion in work.lesions)
    assert len(list((tmp_path / "review").iterdir())) == len(work.lesions)


def test_a_broken_review_is_told(reading, tmp_path):
    write_reading(reading, tmp_path)
    (tmp_path / REVIEW_FILE).write_text("{}", encoding="utf-8")
    with pytest.raises(LiverTumorAIError, match="saved review"):
        read_reading(tmp_path)


def test_a_death_while_writing_leaves_the_earlier_reading(reading, tmp_path, monkeypatch):
    write_reading(reading, tmp_path)

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("LiverTumorAILib.review.files.os.fsync", die)
    with pytest.raises(KeyboardInterrupt):
        write_reading(reading.rejected(FIRST), tmp_path)
    assert read_reading(tmp_path).states == {}


def test_targets_follow_recist(findings):
    first, second, third = findings.lesions
    assert not_a_target(first, (), 5.0) == ""
    assert "not measurable" in not_a_target(third, (), 10.0), "a long axis of 19 mm at slices of 10 mm"
    assert "at most 2" in not_a_target(third, (first, second), 5.0)
    assert sum_of_diameters_mm((first, second)) == pytest.approx(44 + 20, abs=4)

"""Readings at other sensitivities, on an analytic abdomen with networks whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import inside
from test_cascade_base import abdomen, study_of
from test_cascade_multi_sensitivity import CYST, FAINT, HCC, run, store

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import LesionType, SecondHeatmaps, read_findings, write_findings
from LiverTumorAILib.review.corrections import Corrector
from LiverTumorAILib.review.files import read_reading, write_reading
from LiverTumorAILib.review.heatmaps import heatmaps_of
from LiverTumorAILib.review.history import History
from LiverTumorAILib.review.reading import ReviewState, begin_reading, labels_of, reviewed_findings
from LiverTumorAILib.review.sensitivity import LiveSensitivity

FAINT_TOO = ((-75, 10, -25), (8, 8, 8), 86.0)
BOTH = (LesionType.HCC, LesionType.ICC)
"""Found at factor 10, not at 1, like FAINT."""


@pytest.fixture(scope="module")
def study():
    return study_of(abdomen(HCC, CYST, FAINT, FAINT_TOO))


@pytest.fixture(scope="module")
def findings(study, tmp_path_factory):
    """Found at factor 10."""
    return run(study, store(tmp_path_factory.mktemp("models"), METASTASIS=84, liver=104, HEMANGIOMA=700))


@pytest.fixture
def live(study, findings):
    return LiveSensitivity(findings, study.images)


@pytest.fixture
def reading(findings):
    return begin_reading(findings)


def near(reading, place):
    """The lesion of a reading at the centre of an ellipsoid."""
    found = [one for one in reading.lesions if np.linalg.norm(np.subtract(one.centroid_mm, place[0])) < 5]
    return found[0] if found else None


def test_less_sensitivity_drops_what_only_high_sensitivity_found(live, reading, findings):
    assert all(near(reading, place) for place in (HCC, CYST, FAINT, FAINT_TOO))
    low, found = live.at(1.0, reading, findings)
    assert low.factor == 1.0
    assert {lesion.type for lesion in low.lesions} == {LesionType.HCC, LesionType.CYST}
    assert near(low, FAINT) is None and near(low, FAINT_TOO) is None
    assert found.lesions == low.lesions
    assert set(low.masks) == {lesion.uid for lesion in low.lesions}
    assert set(found.patient.opinions.values()) == {"HCC"}


def test_a_lesion_keeps_number_and_uid_also_when_it_comes_back(live, reading, findings):
    low, found = live.at(1.0, reading, findings)
    back, again = live.at(10.0, low, found)
    for place in (HCC, CYST, FAINT, FAINT_TOO):
        before, after = near(reading, place), near(back, place)
        assert (after.uid, after.label, after.type) == (before.uid, before.label, before.type)
        assert after.measurement.volume_mm3 == before.measurement.volume_mm3
        name = after.heatmap
        assert np.array_equal(*(sitk.GetArrayFromImage(one.heatmaps[name]) for one in (again, findings)))


@pytest.fixture
def explained(findings):
    """The findings as a network leaves them that can tell what spoke for a type, and what for the second one."""
    lesions = tuple(replace(each, opposing_heatmap=f"lesion-{each.label}-opposing.nii.gz") for each in findings.lesions)
    maps = {name: each * 0.5 for name, each in findings.heatmaps.items()}
    maps |= {each.opposing_heatmap: maps[each.heatmap] * 0.5 for each in lesions}
    lesions = tuple(
        replace(each, second_heatmaps=SecondHeatmaps(f"{each.label}.nii.gz", f"{each.label}b.nii.gz", BOTH))
        for each in lesions
    )
    maps |= {name: maps[each.heatmap] for each in lesions for name in each.heatmap_files[2:]}
    return replace(findings, lesions=lesions, heatmaps=maps)


def test_what_spoke_for_a_type_is_shown_at_all_sensitivities_at_which_it_is_the_type(study, reading, explained):
    second = next(each for each in explained.lesions if each.uid == near(reading, CYST).uid)
    other = replace(second, type_probabilities={LesionType.CYST: 0.6, LesionType.ICC: 0.4})
    findings = replace(explained, lesions=tuple(other if each is second else each for each in explained.lesions))
    live = LiveSensitivity(findings, study.images)
    now = begin_reading(findings).with_type(near(reading, HCC).uid, LesionType.ICC)
    for factor in (1.0, 10.0):
        now, findings = live.at(factor, now, findings)
    for place, first, count in (
        (HCC, "Spoke for HCC", 4),
        (FAINT, "Spoke for metastasis", 4),
        (CYST, "Probability of cyst", 1),
    ):
        lesion = near(now, place)
        shown = heatmaps_of(lesion, now.masks[lesion.uid], findings)
        assert (next(iter(shown)), len(shown)) == (first, count)
        if count == 4:
            analyzed = explained.heatmaps[f"lesion-{lesion.label}.nii.gz"]
            assert np.array_equal(*map(sitk.GetArrayFromImage, (shown[first](), analyzed)))


def test_a_lesion_that_the_reader_added_shows_where_the_network_saw_its_type(study, reading, findings):
    hcc, corrector = near(reading, HCC), Corrector(findings.lesion_labels, study.images)
    mask = reading.masks[hcc.uid]
    added = corrector.add(reading.without(hcc.uid), mask, {LesionType.HCC: 0.7, LesionType.CYST: 0.3})
    lesion = added.lesions[-1]
    ((title, make),) = heatmaps_of(lesion, mask, findings).items()
    assert title == "Probability of HCC"
    assert np.array_equal(*map(sitk.GetArrayFromImage, (make(), findings.heatmaps[hcc.heatmap])))
    assert heatmaps_of(replace(lesion, type=LesionType.FNH), mask, findings) == {}, "the network does not know it"
    assert heatmaps_of(lesion, mask, replace(findings, sensitivity=None)) == {}


def test_parts_of_a_lesion_have_the_map_of_the_whole(study, reading, findings, tmp_path):
    hcc, cyst = near(reading, HCC), near(reading, CYST)
    corrector = Corrector(findings.lesion_labels, study.images)
    parted = corrector.split(corrector.merge(reading, hcc.uid, cyst.uid), hcc.uid)
    whole = heatmaps_of(hcc, reading.masks[hcc.uid], findings)
    for part in (parted.lesion(hcc.uid), parted.lesions[-1]):
        assert list(heatmaps_of(part, parted.masks[part.uid], findings)) == list(whole)
    write_findings(reviewed_findings(findings, parted), tmp_path / "saved")
    saved = read_findings(tmp_path / "saved")
    assert len(saved.lesions) == len(parted.lesions)
    assert all(lesion.heatmap in saved.heatmaps for lesion in saved.lesions)


@pytest.mark.parametrize(
    "decide",
    [
        lambda reading, uid: reading.accepted(uid),
        lambda reading, uid: reading.rejected(uid),
        lambda reading, uid: reading.with_type(uid, LesionType.ICC),
        lambda reading, uid: reading.with_target(uid),
    ],
    ids=["accepted", "rejected", "typed", "target"],
)
def test_what_the_reader_decided_stays_found_or_not(live, reading, findings, decide):
    faint, hcc = near(reading, FAINT), near(reading, HCC)
    reading = decide(decide(reading, faint.uid), hcc.uid)
    now, found = reading, findings
    for factor in (1.0, 20.0):
        now, found = live.at(factor, now, found)
        for lesion in (faint, hcc):
            assert now.lesion(lesion.uid) == reading.lesion(lesion.uid)
            assert now.state(lesion.uid) is reading.state(lesion.uid)
            assert now.masks[lesion.uid] is reading.masks[lesion.uid]
        assert (now.targets, now.typed_by_hand) == (reading.targets, reading.typed_by_hand)
        assert (near(now, FAINT_TOO) is None) == (factor == 1.0)
        assert len({lesion.label for lesion in now.lesions}) == len(now.lesions)


def test_voxels_of_an_enlarged_lesion_are_not_found_twice(live, reading, findings, study):
    """The reader has drawn a cyst so large that it holds a part of the faint lesion's place."""
    cyst, faint = near(reading, CYST), near(reading, FAINT)
    grid = findings.lesion_labels
    drawn = inside(grid, FAINT[0], (9, 9, 9))
    drawn[:, :, : int(grid.TransformPhysicalPointToIndex(FAINT[0])[0]) + 1] = False
    drawn |= sitk.GetArrayViewFromImage(grid) == cyst.label
    mask = sitk.GetImageFromArray(drawn.astype(np.uint8))
    mask.CopyInformation(grid)
    drawn_reading = Corrector(grid, study.images).draw(reading.without(faint.uid), cyst.uid, mask)
    now, _ = live.at(10.0, drawn_reading, findings)
    total = sum(int(sitk.GetArrayViewFromImage(mask).sum()) for mask in now.masks.values())
    assert total == np.count_nonzero(sitk.GetArrayFromImage(labels_of(now, grid)))
    (rest,) = (lesion for lesion in now.lesions if lesion.centroid_mm[2] > 15 and lesion.type is LesionType.METASTASIS)
    voxels = int(sitk.GetArrayViewFromImage(now.masks[rest.uid]).sum())
    assert rest.measurement.volume_mm3 == pytest.approx(voxels * np.prod(grid.GetSpacing()))
    assert rest.measurement.volume_mm3 < 0.85 * faint.measurement.volume_mm3


def test_the_doubt_names_lesions_by_the_readings_numbers(live, findings, reading):
    """With the largest lesion set aside, numbers by volume would differ from those that the reader knows."""
    hcc, cyst = near(reading, HCC), near(reading, CYST)
    reading = reading.accepted(hcc.uid)
    faint = near(reading, FAINT)
    renumbered = replace(
        reading,
        lesions=tuple(
            replace(lesion, label={faint.uid: 9}.get(lesion.uid, lesion.label)) for lesion in reading.lesions
        ),
    )
    now, found = live.at(20.0, renumbered, findings)
    assert near(now, FAINT).label == 9
    assert cyst.label == near(now, CYST).label
    assert all(label in {lesion.label for lesion in now.lesions} for label in found.patient.deciding_lesions)


def test_a_saved_reading_keeps_its_sensitivity(live, reading, findings, tmp_path):
    low, _ = live.at(2.0, reading.accepted(near(reading, CYST).uid), findings)
    write_reading(low, tmp_path)
    back = read_reading(tmp_path)
    assert back.factor == 2.0
    assert back.states == {near(reading, CYST).uid: ReviewState.ACCEPTED}


def test_moves_in_a_row_are_one_step_back(live, reading, findings):
    history = History(reading)
    now, found = reading, findings
    for factor in (5.0, 2.0, 1.0):
        now, found = live.at(factor, now, found)
        history.go_on("change of sensitivity", now)
    history.do("acceptance", now.accepted(now.lesions[0].uid))
    history.go_on("change of sensitivity", live.at(5.0, history.present, found)[0])
    history.undo()
    history.undo()
    assert history.present is now
    history.undo()
    assert history.present is reading and not history.can_undo


def test_findings_without_probabilities_are_refused(study, findings):
    with pytest.raises(LiverTumorAIError, match="hold no probabilities"):
        LiveSensitivity(replace(findings, sensitivity=None), study.images)


def test_what_was_found_ahead_is_what_a_move_would_find(live, findings, reading):
    ahead = live.find(20.0)
    assert live.find(20.0) is ahead
    assert [lesion.uid for lesion in ahead[0].lesions] == list(ahead[1])
    moved, found = live.at(20.0, reading, findings)
    assert len(moved.lesions) == len(ahead[0].lesions)
    assert found.lesion_labels is findings.lesion_labels and found.organ_labels is findings.organ_labels
    back, _ = live.at(findings.sensitivity.factor, moved, found)
    again, _ = live.at(20.0, back, findings)
    assert [lesion.uid for lesion in again.lesions] == [lesion.uid for lesion in moved.lesions]
    assert [lesion.measurement for lesion in again.lesions] == [lesion.measurement for lesion in moved.lesions]

"""Figures of the evaluation against counts done by hand."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.evaluation.evaluate import case_folders, dice
from LiverTumorAILib.evaluation.figures import (
    area_under_curve,
    figures_by_type,
    lesion_figures,
    size_name,
    size_names,
)
from LiverTumorAILib.evaluation.truth import liver_mask, read_truth
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.lesions.match import Outcome, match_lesions
from LiverTumorAILib.phantom.labels import Tissue

HCC, CYST, ICC = LesionType.HCC, LesionType.CYST, LesionType.ICC


def boxes(*corners: tuple[int, int]) -> np.ndarray:
    """Instances 1, 2, ... as intervals on a line."""
    labels = np.zeros((1, 1, 100), np.uint16)
    for label, (start, end) in enumerate(corners, 1):
        labels[..., start:end] = label
    return labels


def test_every_lesion_finds_its_outcome():
    truth, true_types = boxes((0, 10), (20, 30), (40, 50)), {1: HCC, 2: HCC, 3: CYST}
    found, found_types = boxes((5, 15), (22, 24), (70, 80)), {1: HCC, 2: CYST, 3: ICC}
    matches = match_lesions(truth, true_types, found, found_types)
    assert [match.outcome for match in matches] == [
        Outcome.TRUE_POSITIVE,
        Outcome.FALSE_LABEL,
        Outcome.FALSE_NEGATIVE,
        Outcome.FALSE_POSITIVE,
    ]
    assert matches[3].found_label == 3


def test_a_true_lesion_goes_with_the_detection_that_covers_most_of_it():
    matches = match_lesions(boxes((0, 10)), {1: HCC}, boxes((0, 3), (4, 10)), {1: CYST, 2: HCC})
    assert [(match.outcome, match.found_label) for match in matches] == [(Outcome.TRUE_POSITIVE, 2)]


def test_figures_agree_with_table_two_of_the_paper_done_by_hand():
    truth, found = boxes((0, 9), (10, 19), (20, 29), (30, 39)), boxes((0, 5), (10, 15), (20, 25), (60, 65), (70, 75))
    types = {1: HCC, 2: HCC, 3: CYST, 4: CYST}
    matches = match_lesions(truth, types, found, {1: HCC, 2: CYST, 3: CYST, 4: HCC, 5: HCC})
    figures = lesion_figures(matches)
    assert (figures["tp"], figures["fl"], figures["fn"], figures["fp"]) == (2, 1, 1, 2)
    assert figures["precision"] == pytest.approx(2 / 5)
    assert figures["recall"] == pytest.approx(2 / 4)
    assert figures["rough_recall"] == pytest.approx(3 / 4)
    by_type = figures_by_type(matches)
    assert by_type["HCC"]["precision"] == pytest.approx(1 / 3)
    assert by_type["CYST"]["precision"] == pytest.approx(1 / 2)
    assert by_type["CYST"]["recall"] == pytest.approx(1 / 2)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=30))
def test_area_under_curve_is_the_share_of_rightly_ordered_pairs(pairs):
    positives = [score for score, positive in pairs if positive]
    negatives = [score for score, positive in pairs if not positive]
    area = area_under_curve([score for score, _ in pairs], [positive for _, positive in pairs])
    if not positives or not negatives:
        assert area is None
        return
    wins = [(one > other) + 0.5 * (one == other) for one in positives for other in negatives]
    assert area == pytest.approx(np.mean(wins))


@pytest.mark.parametrize(("length", "name"), [(4, "<10 mm"), (10, "10-20 mm"), (49.9, "30-50 mm"), (120, ">50 mm")])
def test_size_classes(length, name):
    assert size_name(length) == name
    assert name in size_names()


def test_dice_of_half_overlapping_masks():
    assert dice(boxes((0, 10)) > 0, boxes((5, 15)) > 0) == pytest.approx(0.5)


def test_the_liver_includes_the_vessels_inside_but_not_those_outside():
    organs = np.zeros((30, 30, 60), np.uint8)
    organs[5:25, 5:25, 5:25] = Tissue.LIVER
    organs[14:16, 14:16, 5:50] = Tissue.PORTAL_SPLENIC_VEIN
    image = sitk.GetImageFromArray(organs)
    lesions = np.zeros_like(organs, np.uint16)
    lesions[5:8, 5:8, 5:8] = 1
    mask = sitk.GetArrayFromImage(liver_mask(image, sitk.GetImageFromArray(lesions)))
    assert mask[15, 15, 15] == 1
    assert mask[15, 15, 40] == 0
    assert mask.sum() == pytest.approx(20**3, abs=4)  # the vessel's cross-section at the surface


def test_a_folder_without_truth_is_explained(tmp_path):
    with pytest.raises(LiverTumorAIError, match="No case with truth"):
        case_folders(tmp_path)
    (tmp_path / "truth").mkdir()
    with pytest.raises(LiverTumorAIError, match="missing or broken"):
        read_truth(tmp_path)

"""The HFS-Net paper's tables, against counting by hand."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import LESIONS, analytic_study, grid, inside
from hypothesis import given
from hypothesis import strategies as st

from LiverTumorAILib.evaluation.by_slice import axis_name, by_axis, by_axis_lines, slice_scores
from LiverTumorAILib.evaluation.detection import Counts, compare_cuts, compare_objects
from LiverTumorAILib.evaluation.hcc import (
    HccCase,
    Overlap,
    compare_hcc,
    false_alarms,
    hcc_lines,
    in_paper_sizes,
    summarise_hcc,
    table3,
)
from LiverTumorAILib.evaluation.truth import Truth
from LiverTumorAILib.lesions import LesionType


def counted(true, found):
    """Counts by comparing every pair of objects."""
    detected, right = set(), set()
    trues, founds = set(np.unique(true)) - {0}, set(np.unique(found)) - {0}
    for t in trues:
        for f in founds:
            one, other = true == t, found == f
            if 2 * (one & other).sum() > 0.2 * (one.sum() + other.sum()):
                detected.add(t)
                right.add(f)
    return Counts(len(detected), len(trues), len(right), len(founds))


label_maps = st.lists(st.integers(0, 4), min_size=24, max_size=24).map(lambda values: np.reshape(values, (2, 3, 4)))


@given(true=label_maps, found=label_maps)
def test_objects_go_together_by_dice(true, found):
    assert compare_objects(true, found) == counted(true, found)


def test_the_overlap_must_exceed_a_fifth():
    true, found = np.zeros((2, 1, 20), int)
    true[0, :8], found[0, 7:9] = 1, 1
    # Dice 2 * 1 / (8 + 2) is 0.2: not above it.
    assert compare_objects(true, found) == Counts(0, 1, 0, 1)
    true[0, 0] = 0
    assert compare_objects(true, found) == Counts(1, 1, 1, 1)


def test_cuts_are_counted_slice_by_slice():
    true, found = np.zeros((2, 4, 10, 10), bool)
    true[0:3, 1:4, 1:4] = True
    true[1, 6:9, 6:9] = True
    found[1:4, 1:4, 1:4] = True
    assert compare_cuts(true, found) == [Counts(0, 1, 0, 0), Counts(1, 2, 1, 1), Counts(1, 1, 1, 1), Counts(0, 0, 0, 1)]
    assert [counts.any for counts in compare_cuts(true, found)][1] == Counts(1, 1, 1, 1)


def test_rates_are_empty_where_there_is_nothing_to_divide_by():
    assert Counts().sensitivity is Counts().precision is Counts().f1 is None
    assert Counts(0, 2, 0, 1).f1 == 0
    assert Counts(1, 2, 1, 1).f1 == pytest.approx(2 / 3)


@pytest.fixture(scope="module")
def case():
    findings, _ = analytic_study()
    like = grid()
    kinds = {1: LesionType.HCC, 2: LesionType.METASTASIS}
    labels = np.zeros(like.GetSize()[::-1], np.uint16)
    for label in kinds:
        labels[inside(like, *LESIONS[label][:2])] = label
    lesions = sitk.GetImageFromArray(labels)
    lesions.CopyInformation(like)
    organs = sitk.GetArrayViewFromImage(findings.organ_labels)
    liver = sitk.GetImageFromArray(((organs == 1) | (labels > 0)).astype(np.uint8))
    liver.CopyInformation(like)
    return compare_hcc("a", findings, Truth(liver, lesions, kinds, {1: 44.0, 2: 20.0}))


def test_only_hcc_counts_on_both_sides(case):
    assert case.volumes == Counts(1, 1, 1, 1)
    assert case.other_lesions == 1
    assert case.tumour.dice == pytest.approx(1)
    assert case.true_mtd_mm == 44.0
    assert case.found_mtd_mm == pytest.approx(44, abs=1.5)
    assert all(cut == Counts(1, 1, 1, 1) for cut in case.cuts)


def patient(name, mtd, found, volumes, cuts=(), overlap=(0, 10), other=0):
    return HccCase(name, Overlap(45, 100), Overlap(*overlap), mtd, found, volumes, tuple(cuts), other)


PATIENTS = (
    patient("small", 15, 0, Counts(0, 1, 0, 0), [Counts(0, 1, 0, 0)], (0, 10)),
    patient("two", 40, 46, Counts(1, 2, 1, 3), [Counts(1, 2, 1, 2), Counts(0, 0, 0, 1)], (40, 100)),
    patient("large", 80, 78, Counts(1, 1, 1, 1), [Counts(1, 1, 1, 1)] * 3, (90, 200)),
    patient("normal", 0, 12, Counts(0, 0, 0, 2), [Counts(0, 0, 0, 1)], (0, 5)),
    patient("cyst", 0, 0, Counts(), other=1),
)


def test_table_3_by_hand():
    table = table3(PATIENTS)
    assert list(table) == ["All", "1-2 cm", "3-5 cm", "> 5 cm", "1 tumor", "> 1 tumors"]
    everyone = table["All"]
    assert everyone["n"] == 3
    assert everyone["dice_per_case"] == pytest.approx((0 + 0.8 + 0.9) / 3)
    assert everyone["dice_global"] == pytest.approx(260 / 310)
    assert everyone["mtd_mae_mm"] == pytest.approx((15 + 6 + 2) / 3)
    assert everyone["per_tumor_volume"] == {
        "sensitivity": pytest.approx(2 / 4),
        "precision": pytest.approx(2 / 4),
        "f1": pytest.approx(0.5),
    }
    assert everyone["per_tumor_cut"]["sensitivity"] == pytest.approx(4 / 6)
    assert everyone["per_tumor_cut"]["precision"] == pytest.approx(4 / 6)
    assert everyone["per_slice"]["sensitivity"] == pytest.approx(4 / 5)
    assert everyone["per_slice"]["precision"] == pytest.approx(4 / 5)
    assert everyone["per_patient"]["sensitivity"] == pytest.approx(2 / 3)
    assert everyone["per_patient"]["precision"] == pytest.approx(2 / 2)
    assert table["> 5 cm"]["per_patient"]["sensitivity"] == 1
    assert table["1-2 cm"]["per_patient"]["f1"] is None


def test_groups_weigh_as_in_the_paper_whatever_sizes_the_patients_have():
    assert in_paper_sizes(PATIENTS) is None
    medium = patient("medium", 25, 22, Counts(1, 1, 1, 2), overlap=(30, 100))
    tiny = patient("tiny", 8, 0, Counts(0, 1, 0, 0))
    once, often = (in_paper_sizes((*PATIENTS, medium, tiny, *[PATIENTS[2]] * copies)) for copies in (0, 5))
    assert once == pytest.approx(often)
    assert once["dice_per_case"] == pytest.approx((28 * 0.6 + 52 * 0.8 + 66 * 0.9) / 179)
    assert once["mtd_mae_mm"] == pytest.approx((33 * 15 + 28 * 3 + 52 * 6 + 66 * 2) / 179)
    assert once["sensitivity_per_patient"] == pytest.approx(146 / 179)
    assert once["precision_per_patient"] == pytest.approx(1)


def test_false_alarms_are_counted_apart_for_normal_livers_and_other_lesions():
    alarms = false_alarms(PATIENTS)
    assert alarms["normal liver"] == {"n": 1, "alarms_per_patient": 2.0, "patients_with_alarm": 1.0}
    assert alarms["other lesions"] == {"n": 1, "alarms_per_patient": 0.0, "patients_with_alarm": 0.0}


def test_the_tables_print_and_survive_json():
    result = json.loads(json.dumps(summarise_hcc(PATIENTS), allow_nan=False))
    lines = hcc_lines(result)
    assert lines[2].split()[:6] == ["All", "3", "56.7%", "83.9%", "7.7", "50.0%"]
    assert lines[-2].startswith("Without HCC, normal liver (n = 1): 2.00 false alarms")
    assert "Liver Dice: per case 90.0%, global 90.0%" in lines


def test_slices_are_grouped_by_the_longest_true_axis():
    assert [axis_name(length) for length in (1, 10, 10.1, 30, 50, 51)] == [
        "0-10 px",
        "0-10 px",
        "10-20 px",
        "20-30 px",
        "40-50 px",
        ">50 px",
    ]
    true, found = np.zeros((2, 3, 40, 40), bool)
    true[0, :8, :8] = True
    true[1, :30, 5] = True
    found[0, :8, :4] = True
    found[2, 20, 20] = True
    table = by_axis(slice_scores(found, true, (11, 30, 0)))
    assert table["10-20 px"] == {"slices": 1, "dice": pytest.approx(2 / 3), "detection": 1.0}
    assert table["20-30 px"] == {"slices": 1, "dice": 0.0, "detection": 0.0}
    assert table["0-10 px"] == {"slices": 0, "dice": None, "detection": None}
    assert table["all"]["false_cuts"] == 1
    assert table["all"]["dice"] == pytest.approx(1 / 3)
    lines = by_axis_lines({"U-Net": table, "DenseU-Net": table})
    assert len(lines) == 3
    assert lines[1].split()[:4] == ["U-Net", "-/", "-", "66.7/"]

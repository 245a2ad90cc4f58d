"""The multi-sensitivity paper's tables against its own numbers, counts by hand and the binomial distribution."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import inside
from test_cascade_base import abdomen
from test_cascade_multi_sensitivity import CYST, FAINT, HCC, HEMANGIOMA, store

from LiverTumorAILib.evaluation import evaluate, evaluation_lines
from LiverTumorAILib.evaluation.multi_sensitivity import (
    BASE,
    DIAGNOSIS,
    JOINT,
    NO_SHUFFLE,
    PLAIN,
    UNCERTAIN,
    Outcomes,
    confusion,
    keep_truth,
    lesion_table,
    paper_tables,
    patient_table,
    run_variants,
    sensitivity_curve,
    tune_size_filter,
)
from LiverTumorAILib.evaluation.multi_sensitivity_table import table_lines
from LiverTumorAILib.inference import NetworkGrid
from LiverTumorAILib.lesions import NORMAL, LesionType
from LiverTumorAILib.lesions.joint import HIGH, LOW
from LiverTumorAILib.lesions.match import Match, Outcome
from LiverTumorAILib.lesions.reclassification import Opinions
from LiverTumorAILib.lesions.sensitivity import LesionProbabilities
from LiverTumorAILib.lesions.sensitivity_file import SensitivityData
from LiverTumorAILib.phantom.labels import Tissue

L = LesionType
GRID = NetworkGrid((20, 40, 40), (2.5, 2.0, 2.0), (0.0, 0.0, 0.0))
CLASSES = ("background", *(kind.value for kind in (L.HCC, L.ICC, L.METASTASIS, L.HEMANGIOMA, L.OTHER, L.CYST)), "liver")


def match(true, found):
    if found is None:
        return Match(Outcome.FALSE_NEGATIVE, 1, None, true, None)
    if true is None:
        return Match(Outcome.FALSE_POSITIVE, None, 1, None, found)
    return Match(Outcome.TRUE_POSITIVE if true is found else Outcome.FALSE_LABEL, 1, 1, true, found)


def outcomes(matches, classes):
    return Outcomes(matches, (0,) * len(matches), classes)


class TestTables:
    def test_the_hcc_row_of_table_five_comes_out_as_printed(self):
        """223 TP, 13 FL, 11 FN and 6 FP; the precision of 85.1 % means that 33 others were called HCC."""
        matches = [match(L.HCC, L.HCC)] * 223 + [match(L.HCC, L.METASTASIS)] * 13 + [match(L.HCC, None)] * 11
        matches += [match(None, L.HCC)] * 6 + [match(L.OTHER, L.HCC)] * 33
        row = lesion_table(outcomes(tuple((one,) for one in matches), ("HCC",) * len(matches)))["HCC"]
        assert [row[name] for name in ("fn", "fp", "fl", "tp")] == [11, 6, 13, 223]
        assert [round(100 * row[name], 1) for name in ("precision", "recall", "rough_recall")] == [85.1, 90.3, 95.5]

    def test_the_malignant_row_does_not_tell_malignant_types_apart(self):
        matches = (match(L.HCC, L.METASTASIS), match(L.ICC, L.CYST), match(L.CYST, L.HCC), match(L.HCC, None))
        table = lesion_table(outcomes((matches,), ("HCC",)))
        assert [table["Malig"][name] for name in ("tp", "fl", "fn", "fp", "called")] == [1, 1, 1, 0, 2]
        assert [table["All"][name] for name in ("tp", "fl", "fn", "fp", "called")] == [0, 3, 1, 0, 3]

    def test_intervals_are_those_of_the_binomial_distribution_where_patients_have_one_lesion(self):
        matches = tuple((match(L.HCC, L.HCC if index % 5 else None),) for index in range(400))
        row = lesion_table(outcomes(matches, ("HCC",) * 400))["HCC"]
        spread = 1.96 * np.sqrt(0.8 * 0.2 / 400)
        assert row["recall"] == pytest.approx(0.8)
        assert row["recall_95"] == pytest.approx([0.8 - spread, 0.8 + spread], abs=0.012)
        assert row["precision_95"] == [1, 1]
        assert lesion_table(outcomes(matches, ("HCC",) * 400))["CYST"]["recall_95"] is None

    def test_uncertain_patients_count_for_neither_side_of_table_four(self):
        found = ("HCC", "CYST", UNCERTAIN, NORMAL, "HCC", UNCERTAIN)
        true = ("METASTASIS", "HCC", "HCC", "CYST", "CYST", NORMAL)
        row = patient_table(outcomes(((),) * 6, found), true)
        assert (row["sensitivity"], row["specificity"], row["uncertain"]) == (0.5, 0.5, 2)
        assert row["uncertain_share"] == pytest.approx(1 / 3)
        table = confusion(outcomes(((),) * 6, found), true)
        assert table["HCC"] == {**dict.fromkeys(table["HCC"], 0), "CYST": 1, UNCERTAIN: 1}
        assert sum(map(sum, (row.values() for row in table.values()))) == 6


def case(name, lesions, confirmed=(), bare=()):
    """Boxes of 1.28 cm3: (x, true type or None, probability of `shown`, shown); which x the opinions confirm."""
    probabilities = np.zeros((7, *GRID.shape), np.float32)
    probabilities[0] = 0.9
    truth = np.zeros(GRID.shape, np.uint16)
    labels = np.full((2, 2, *GRID.shape), 255, np.uint8)
    types = {}
    for x, true, probability, shown in lesions:
        box = (slice(8, 12), slice(10, 18), slice(x, x + 4))
        index = CLASSES.index(shown.value)
        probabilities[(index, *box)] = probability
        probabilities[(0, *box)] = 1 - probability
        for side, kept in enumerate((confirmed, bare)):
            labels[(side, slice(None), *box)] = index if x in kept else CLASSES.index("liver")
        if true:
            types[len(types) + 1] = true
            truth[box] = len(types)
    values = probabilities.astype(np.float16)
    kept = LesionProbabilities(CLASSES[1:-1], values[1:], values[0], GRID)
    data = SensitivityData(kept, Opinions(CLASSES, labels[0], GRID), 10.0)
    return keep_truth(name, data, GRID.image(truth), types, Opinions(CLASSES, labels[1], GRID))


def trap_beside_hcc(side):
    """A true HCC of 1.28 cm3 and, where there is no lesion, a box of `side` voxels that looks like one."""
    hcc = case("trap", [(4, L.HCC, 0.9, L.HCC)])
    lesions, rest = hcc.data.probabilities.lesions.copy(), hcc.data.probabilities.rest.copy()
    box = (slice(2, 4), slice(30, 30 + side), slice(30, 30 + side))
    lesions[(0, *box)], rest[box] = 0.9, 0.1
    kept = LesionProbabilities(CLASSES[1:-1], lesions, rest, GRID)
    data = SensitivityData(kept, hcc.data.opinions, 10.0)
    return keep_truth("trap", data, GRID.image(hcc.true_labels), hcc.true_types)


@pytest.fixture(scope="module")
def cases():
    """Two patients: a clear HCC and a trap; and a faint metastasis beside a cyst."""
    return [
        case("one", [(4, L.HCC, 0.9, L.HCC), (20, None, 0.8, L.CYST)], confirmed=(4,), bare=()),
        case("two", [(4, L.METASTASIS, 0.2, L.METASTASIS), (20, L.CYST, 0.9, L.CYST)], confirmed=(4, 20), bare=(20,)),
    ]


class TestVariants:
    def test_each_step_has_the_effect_that_it_is_for(self, cases):
        counts = {name: lesion_table(found)["All"] for name, found in run_variants(cases).items()}
        assert {name: (row["fn"], row["fp"]) for name, row in counts.items()} == {
            PLAIN: (1, 1),
            BASE: (1, 1),
            NO_SHUFFLE: (2, 0),
            LOW: (1, 0),
            HIGH: (0, 0),
            JOINT: (0, 0),
        }

    def test_the_joint_model_is_uncertain_where_both_differ(self, cases):
        outcomes = run_variants(cases)
        assert outcomes[LOW].classes == ("HCC", "CYST")
        assert outcomes[HIGH].classes == ("HCC", "METASTASIS")
        assert outcomes[JOINT].classes == ("HCC", UNCERTAIN)
        assert outcomes[JOINT].matches[1] == ()

    def test_recall_rises_with_the_factor_and_reclassification_ends_where_opinions_do(self, cases):
        curve = sensitivity_curve(cases, (0.05, 1.0, 10.0, 100.0))
        assert [row["without ReCls"]["recall"] for row in curve] == pytest.approx([0, 2 / 3, 1, 1])
        assert [row["without ReCls"]["fp"] for row in curve] == [0, 1, 1, 1]
        assert [row["with ReCls"] and row["with ReCls"]["fp"] for row in curve] == [0, 0, 0, None]

    def test_the_size_filter_is_the_one_that_suits_the_tuning_cases(self):
        fooled = [trap_beside_hcc(4)]
        # The trap has 0.32 cm3, the lesion 1.28.
        assert 0.32 < tune_size_filter(fooled) <= 1.28

    def test_small_true_lesions_are_neither_missed_nor_false(self):
        tiny = case("tiny", [(4, None, 0.9, L.CYST)])
        truth = np.zeros(GRID.shape, np.uint16)
        truth[9:11, 12:16, 5:7] = 1
        kept = keep_truth("tiny", tiny.data, GRID.image(truth), {1: L.CYST})
        assert kept.true_volumes_cm3[1] == pytest.approx(0.16)
        assert lesion_table(run_variants([kept])[BASE])["All"]["fp"] == 0
        tables = paper_tables([kept])
        assert tables["table_1"]["CYST"]["<0.5"] == 1
        json.dumps(tables, allow_nan=False)

    def test_patients_whose_malignant_lesions_are_all_small_can_be_left_out(self, cases):
        tiny = case("tiny", [(4, None, 0.9, L.CYST)])
        truth = np.zeros(GRID.shape, np.uint16)
        truth[9:11, 12:16, 5:7] = 1
        missed = keep_truth("tiny", tiny.data, GRID.image(truth), {1: L.HCC})
        assert [each.is_counted for each in (*cases, missed, tiny)] == [True, True, False, True]
        tables = paper_tables([*cases, missed])
        assert tables["patients"][BASE]["sensitivity"] == pytest.approx(1 / 3)
        assert (tables["counted_cases"], tables["counted_patients"][BASE]["sensitivity"]) == (2, 0.5)

    def test_by_the_papers_rule_small_lesions_make_nobody_malignant(self):
        sick, small = (
            case(name, [(4, true, 0.9, L.HCC)], confirmed=(4,)) for name, true in (("sick", L.HCC), ("small", None))
        )
        # Of the second one 0.48 of 1.28 cm3 are found and confirmed.
        small.data.probabilities.lesions[:, 8:12, 13:18] = 0
        small.data.probabilities.rest[8:12, 13:18] = 1
        tables = paper_tables([sick, small])
        assert tables["patients"][LOW]["specificity"] == 0
        assert tables["counted_patients"][LOW]["specificity"] == 1
        assert (tables["patients"][JOINT]["uncertain"], tables["counted_patients"][JOINT]["uncertain"]) == (1, 0)
        assert tables["counted_patients"][JOINT]["sensitivity"] == 1

    def test_small_false_lesions_have_a_count_of_their_own(self):
        tables = paper_tables([trap_beside_hcc(3)])
        assert (tables["lesions"][BASE]["All"]["tp"], tables["lesions"][BASE]["All"]["fp"]) == (1, 0)
        assert tables["small_false_positives"][BASE] == 1

    def test_fnh_and_calcification_count_as_other(self):
        other = case("other", [(4, L.FNH, 0.9, L.OTHER)], confirmed=(4,))
        assert other.true_class == "OTHER"
        assert lesion_table(run_variants([other])[LOW])["OTHER"]["tp"] == 1

    def test_the_printed_tables_name_every_variant(self, cases):
        text = "\n".join(table_lines(paper_tables(cases), "Diagnosis setting"))
        for name in (PLAIN, BASE, NO_SHUFFLE, LOW, HIGH, JOINT, "Table V", "Fig. 11"):
            assert name in text


def test_evaluate_prints_the_papers_tables_for_a_folder_of_cases(tmp_path):
    models = store(tmp_path / "models", METASTASIS=84, liver=104, HEMANGIOMA=700)
    for name, structures, types in (
        ("a", (HCC, CYST), ("HCC", "CYST")),
        ("b", (FAINT, HEMANGIOMA), ("METASTASIS", None)),
    ):
        image = abdomen(*structures)
        truth = tmp_path / "cases" / name / "truth"
        truth.mkdir(parents=True)
        sitk.WriteImage(image, truth.parent / "portal_venous.nii.gz")
        organs = np.where(inside(image, (-40, 0, 0), (70, 55, 60)), Tissue.LIVER, 0).astype(np.uint8)
        lesions = np.zeros(organs.shape, np.uint16)
        records = []
        for label, ((centre, half_axes, _), kind) in enumerate(zip(structures, types, strict=True), start=1):
            if kind:
                lesions[inside(image, centre, half_axes)] = label
                records.append({"label": label, "type": kind, "long_axis_mm": 2 * max(half_axes)})
        for file, voxels in (("organs", organs), ("lesions", lesions)):
            labels = sitk.GetImageFromArray(voxels)
            labels.CopyInformation(image)
            sitk.WriteImage(labels, truth / f"{file}.nii.gz")
        (truth / "lesions.json").write_text(json.dumps({"lesions": records}))
    result = evaluate("multi-sensitivity", tmp_path / "cases", models)
    json.dumps(result, allow_nan=False)
    assert result["lesion"]["rough_recall"] == 1
    tables = result["tables"][DIAGNOSIS]
    assert {name: (row["All"]["fn"], row["All"]["fp"]) for name, row in tables["lesions"].items() if name != JOINT} == {
        PLAIN: (1, 1),
        BASE: (1, 1),
        LOW: (1, 0),
        HIGH: (0, 0),
    }
    assert tables["patients"][JOINT]["uncertain"] == 1
    assert result["patient"]["uncertain_share"] == 0.5
    assert "Table IV: malignancy" in "\n".join(evaluation_lines(result))

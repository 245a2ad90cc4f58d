"""Sensitivity, reclassification and joint decision on probabilities that are known voxel by voxel."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import NetworkGrid, ProbabilityMaps
from LiverTumorAILib.lesions import NORMAL, Certainty, LesionType, PatientSummary
from LiverTumorAILib.lesions.instances import LesionInstance
from LiverTumorAILib.lesions.joint import HIGH, LOW, decide, joint_patient, renumbered
from LiverTumorAILib.lesions.match import Outcome, match_lesions
from LiverTumorAILib.lesions.reclassification import NOT_ASKED, RULE, STRICT_RULE, Opinions, Rule, reclassify
from LiverTumorAILib.lesions.sensitivity import LARGEST_FACTOR, Detection, LesionProbabilities
from LiverTumorAILib.lesions.sensitivity_file import SensitivityData, read_sensitivity, write_sensitivity

HCC, CYST, META = LesionType.HCC, LesionType.CYST, LesionType.METASTASIS
CLASSES = ("background", "HCC", "METASTASIS", "CYST", "liver", "spleen")
GRID = NetworkGrid((24, 40, 44), (2.5, 2.0, 2.0), (-30.0, -40.0, -44.0))


def liver_image():
    """Everything but a rim of 8 voxels on the left."""
    mask = np.ones(GRID.shape, np.uint8)
    mask[:, :, :8] = 0
    return GRID.image(mask)


def smooth_maps(seed=0, blobs=8):
    """Blobs of lesion probability of any type in liver; float16, adding up to 1."""
    rng = np.random.default_rng(seed)
    index = np.stack(np.indices(GRID.shape), axis=-1)
    values = np.full((len(CLASSES), *GRID.shape), 1e-6)
    values[4] = 1
    for _ in range(blobs):
        distance = ((index - rng.uniform((2, 4, 12), (22, 36, 40))) ** 2).sum(axis=-1)
        values[rng.integers(1, 4)] += 10 ** rng.uniform(-2, 1) * np.exp(-distance / rng.uniform(3, 20))
    return ProbabilityMaps(CLASSES, (values / values.sum(axis=0)).astype(np.float16), GRID)


def fine_reference(factor=(2.5, 1.3, 1.3)):
    size = [int(n * s / f) for n, s, f in zip(GRID.shape, GRID.spacing_mm, factor, strict=True)]
    image = sitk.Image(size[::-1], sitk.sitkUInt8)
    image.SetSpacing(factor[::-1])
    image.SetOrigin([o + 0.7 for o in GRID.origin_mm[::-1]])
    return image


class TestProbabilities:
    @pytest.mark.parametrize("factor", [0.3, 1.0, 7.0, 100.0])
    def test_lesions_are_where_scaled_probabilities_win(self, factor):
        maps = smooth_maps()
        reference = GRID.image(np.zeros(GRID.shape, np.uint8))
        scaled = maps.probabilities.astype(np.float32)
        scaled[1:4] *= factor
        expected = np.isin(scaled.argmax(axis=0), (1, 2, 3))
        found = LesionProbabilities.of(maps, liver_image()).detect(factor, reference).labels > 0
        small = expected & ~found
        assert not (found & ~expected).any()
        labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(small.astype(np.uint8))))
        inside = np.isin(labels, np.unique(labels[:, :, 9:])) & small
        assert np.bincount(labels[inside], minlength=1).max(initial=0) * 10 <= 30
        assert found.any() or factor < 1

    def test_more_sensitivity_never_loses_a_voxel_of_a_lesion(self):
        probabilities = LesionProbabilities.of(smooth_maps(3), liver_image())
        found = [probabilities.detect(factor, fine_reference()).labels > 0 for factor in (0.5, 1, 1.3, 4, 20, 100)]
        assert all(more[less].all() for less, more in pairwise(found))
        sizes = [int(mask.sum()) for mask in found]
        assert 0 < sizes[1] < sizes[-1]

    def test_on_a_finer_grid_it_is_the_argmax_of_interpolated_probabilities(self):
        maps, reference = smooth_maps(5), fine_reference()
        mask = np.isin(sitk.GetArrayFromImage(maps.labels_on(reference)), (1, 2, 3))
        found = LesionProbabilities.of(maps, liver_image()).detect(1, reference).labels > 0
        assert 2 * (mask & found).sum() / (mask.sum() + found.sum()) > 0.97

    def test_what_lies_outside_the_liver_is_no_lesion(self):
        maps = smooth_maps(2)
        values = maps.probabilities.copy()
        values[:, 5:10, 5:12, :5] = 0
        values[1, 5:10, 5:12, :5] = 1
        found = LesionProbabilities.of(ProbabilityMaps(CLASSES, values, GRID), liver_image())
        reference = GRID.image(np.zeros(GRID.shape, np.uint8))
        assert not found.detect(100, reference).labels[:, :, :6].any()

    @pytest.mark.parametrize("factor", [0, -1, math.nan, LARGEST_FACTOR * 1.1])
    def test_a_factor_out_of_range_is_refused(self, factor):
        with pytest.raises(LiverTumorAIError, match=r"sensitivity factor is .*up to 100"):
            LesionProbabilities.of(smooth_maps(), liver_image()).detect(factor, fine_reference())

    def test_without_lesions_nothing_is_found_at_any_sensitivity(self):
        probabilities = LesionProbabilities.of(smooth_maps(blobs=0), liver_image())
        assert probabilities.detect(100, fine_reference()).instances == ()


REFERENCE = GRID.image(np.zeros(GRID.shape, np.uint8))
VOXEL_CM3 = 0.01


def detection(*boxes):
    """Lesions that are boxes (z, y, x slices) with a type."""
    labels = np.zeros(GRID.shape, np.uint16)
    instances = []
    for number, (box, kind) in enumerate(boxes, start=1):
        labels[box] = number
        shares = {other: float(other is kind) for other in LesionType}
        instances.append(LesionInstance(number, kind, shares, 0.7, (0.0, 0.0, 0.0), ((0.0,) * 3, (1.0,) * 3)))
    return Detection(labels, tuple(instances))


def box(z, y, x, depth, height, width):
    return slice(z, z + depth), slice(y, y + height), slice(x, x + width)


class TestReclassification:
    # 100 voxels: 1 cm3.
    where = box(2, 2, 10, 4, 5, 5)

    def said(self, *patches):
        """Opinions: of each patch the number of voxels of the lesion, in scan order, that it calls by each class."""
        labels = np.full((len(patches), *GRID.shape), NOT_ASKED, np.uint8)
        for patch, counts in zip(labels, patches, strict=True):
            values = np.concatenate([np.full(n, CLASSES.index(name)) for name, n in counts.items()])
            patch[self.where] = np.pad(values, (0, 100 - len(values)), constant_values=4).reshape(4, 5, 5)
        return Opinions(CLASSES, labels, GRID)

    def judge(self, opinions, kind=HCC, rule=RULE):
        return reclassify(detection((self.where, kind)), opinions, REFERENCE, rule)

    def test_the_truthiness_score_is_the_mean_overlap_in_cm3(self):
        assert len(self.judge(self.said({"HCC": 80}, {"HCC": 20})).instances) == 1
        assert self.judge(self.said({"HCC": 80}, {"HCC": 19})).instances == ()
        (kept,) = self.judge(self.said({"HCC": 90}, {"CYST": 30})).instances
        assert kept.score == pytest.approx(0.6)

    def test_the_volume_vote_gives_the_type(self):
        (lesion,) = self.judge(self.said({"HCC": 70, "CYST": 30}, {"CYST": 60, "METASTASIS": 10})).instances
        assert lesion.type is CYST
        assert lesion.type_probabilities[CYST] == pytest.approx(90 / 170)
        assert sum(lesion.type_probabilities.values()) == pytest.approx(1)
        assert lesion.evidence == (
            "segmentation: HCC 100%",
            "2 patches: 1 HCC, 1 cyst",
            "mean overlap 0.8 of 1.0 cm³",
        )

    def test_another_word_of_the_first_network_leaves_the_type_in_doubt(self):
        assert self.judge(self.said({"HCC": 90})).instances[0].doubts == ()
        (other,) = self.judge(self.said({"CYST": 90})).instances
        assert other.type is CYST and other.doubts == ("segmentation says HCC 100%",)
        unsure = detection((self.where, HCC))
        shares = {kind: 0.6 if kind is HCC else 0.4 * (kind is CYST) for kind in LesionType}
        unsure = Detection(unsure.labels, (replace(unsure.instances[0], type_probabilities=shares),))
        (lesion,) = reclassify(unsure, self.said({"HCC": 90}), REFERENCE).instances
        assert lesion.doubts == ("segmentation says HCC 60%",)

    def test_large_lesions_pass_by(self):
        (lesion,) = self.judge(self.said({"liver": 100}), rule=Rule(largest_cm3=0.99)).instances
        assert lesion.type is HCC and lesion.score == 0.7
        assert "not reclassified" in lesion.evidence[0]

    def test_small_lesions_need_half_of_themselves_unless_the_rule_is_strict(self):
        small = Rule(threshold_cm3=5.0)
        assert self.judge(self.said({"HCC": 50}), rule=small).instances
        assert not self.judge(self.said({"HCC": 49}), rule=small).instances
        assert not self.judge(self.said({"HCC": 49}), rule=STRICT_RULE).instances
        assert self.judge(self.said({"HCC": 50}), rule=STRICT_RULE).instances

    def test_a_lesion_of_which_too_little_is_confirmed_does_not_decide_about_the_patient(self):
        rule = Rule(threshold_cm3=0.6)
        assert self.judge(self.said({"HCC": 60}), rule=rule).instances[0].decides
        assert not self.judge(self.said({"HCC": 59}), rule=rule).instances[0].decides
        assert self.judge(self.said({"liver": 100}), rule=Rule(largest_cm3=0.99)).instances[0].decides

    def test_a_lesion_that_nobody_was_asked_about_stays_with_a_doubt(self):
        nobody = Opinions(CLASSES, np.full((2, *GRID.shape), NOT_ASKED, np.uint8), GRID)
        (lesion,) = self.judge(nobody).instances
        assert lesion.doubts == ("not confirmed by reclassification",) and lesion.decides
        assert not self.judge(nobody, rule=Rule(threshold_cm3=1.01)).instances[0].decides

    def test_numbers_close_up_when_a_lesion_is_discarded(self):
        both = detection((box(10, 20, 10, 4, 5, 5), META), (self.where, HCC), (box(10, 30, 30, 2, 2, 2), CYST))
        opinions = self.said({"HCC": 100})
        opinions.labels[0, 10:14, 20:25, 10:15] = CLASSES.index("liver")
        opinions.labels[0, 10:12, 30:32, 30:32] = CLASSES.index("CYST")
        result = reclassify(both, opinions, REFERENCE)
        assert [(instance.label, instance.type) for instance in result.instances] == [(1, HCC), (2, CYST)]
        assert (result.labels[self.where] == 1).all()
        assert set(np.unique(result.labels)) == {0, 1, 2}


def too_small(found, *numbers):
    """A detection of which some lesions are too small to decide."""
    instances = tuple(replace(each, decides=each.label not in numbers) for each in found.instances)
    return Detection(found.labels, instances)


A, B, C = box(2, 2, 10, 4, 5, 5), box(10, 20, 10, 4, 5, 5), box(16, 30, 30, 3, 3, 3)
WIDER = box(1, 1, 9, 6, 7, 7)
FACTORS = (1.0, 10.0)


class TestJointDecision:
    def test_agreement_is_certain_and_keeps_the_outline_of_low_sensitivity(self):
        joint = decide(detection((A, HCC)), detection((WIDER, HCC)), FACTORS)
        (lesion,) = joint.detection.instances
        assert lesion.found_at == FACTORS and lesion.doubts == ()
        assert (joint.detection.labels > 0).sum() == 100
        assert joint.opinions == {LOW: "HCC", HIGH: "HCC"} and joint.deciding == ()

    def test_a_lesion_that_only_high_sensitivity_finds_decides(self):
        joint = decide(detection((C, CYST)), detection((C, CYST), (B, HCC)), FACTORS)
        assert joint.opinions == {LOW: "CYST", HIGH: "HCC"} and joint.classification == "HCC"
        first, second = joint.detection.instances
        assert (first.type, first.found_at, joint.deciding) == (HCC, (10.0,), (1,))
        assert first.doubts == ("found only at high sensitivity (factor 10)",)
        assert second.found_at == FACTORS
        assert (joint.detection.labels[B] == 1).all() and (joint.detection.labels[C] == 2).all()

    def test_a_lesion_that_is_typed_differently_decides(self):
        joint = decide(detection((A, CYST), (C, CYST)), detection((WIDER, META), (C, CYST)), FACTORS)
        assert joint.opinions == {LOW: "CYST", HIGH: "METASTASIS"} and joint.deciding == (1,)
        assert joint.detection.instances[0].doubts == ("cyst at low, metastasis at high sensitivity",)

    def test_a_lesion_that_high_sensitivity_discards_decides_too(self):
        joint = decide(detection((A, HCC)), detection(), FACTORS)
        assert joint.opinions == {LOW: "HCC", HIGH: NORMAL} and joint.classification == "HCC"
        assert joint.deciding == (1,)
        assert joint.detection.instances[0].found_at == (1.0,)

    def test_a_small_malignant_lesion_does_not_decide_but_leaves_the_patient_uncertain(self):
        low, high = detection((A, CYST)), too_small(detection((A, CYST), (C, META)), 2)
        joint = decide(low, high, FACTORS)
        assert joint.opinions == {LOW: "CYST", HIGH: "CYST"}
        assert (joint.classification, joint.deciding, joint.is_certain) == ("METASTASIS", (2,), False)
        patient = joint_patient(joint, PatientSummary(NORMAL, {}, Certainty.CERTAIN))
        assert patient.certainty_reasons == ("lesion 2: of a malignant type, but too small to decide",)
        again = renumbered(patient, {1: 4, 2: 7})
        assert again.certainty_reasons == ("lesion 7: of a malignant type, but too small to decide",)

    def test_small_lesions_of_no_more_serious_type_change_nothing(self):
        low = too_small(detection((A, META), (C, META)), 2)
        joint = decide(low, low, FACTORS)
        assert (joint.classification, joint.is_certain) == ("METASTASIS", True)

    def test_a_small_benign_lesion_names_the_patient_where_low_sensitivity_sees_it(self):
        small = too_small(detection((C, CYST)), 1)
        joint = decide(small, small, FACTORS)
        assert joint.opinions == {LOW: NORMAL, HIGH: NORMAL}
        assert (joint.classification, joint.is_certain) == ("CYST", True)
        assert decide(detection(), small, FACTORS).classification == NORMAL

    @given(
        *(
            st.lists(
                st.tuples(st.sampled_from([A, B, C]), st.sampled_from([HCC, CYST, META, LesionType.FNH])),
                max_size=3,
                unique_by=lambda pair: str(pair[0]),
            )
            for _ in range(2)
        )
    )
    def test_a_difference_between_patient_classes_always_has_its_lesions(self, low, high):
        joint = decide(detection(*low), detection(*high), FACTORS)
        assert bool(joint.deciding) == (joint.opinions[LOW] != joint.opinions[HIGH])
        places = {str(place) for place, _ in (*low, *high)}
        assert len(joint.detection.instances) == len(places)
        assert [instance.label for instance in joint.detection.instances] == list(range(1, len(places) + 1))
        sizes = np.bincount(joint.detection.labels.ravel(), minlength=len(places) + 1)[1:]
        assert (np.diff(sizes) <= 0).all()
        patient = joint_patient(joint, PatientSummary(NORMAL, {}, Certainty.CERTAIN))
        assert (patient.certainty is Certainty.UNCERTAIN) == bool(joint.deciding) == bool(patient.certainty_reasons)
        assert patient.deciding_lesions == joint.deciding

    def test_the_reason_names_both_opinions_and_the_lesions(self):
        joint = decide(detection(), detection((A, HCC)), FACTORS)
        patient = joint_patient(joint, PatientSummary(NORMAL, {}, Certainty.CERTAIN))
        assert patient.certainty_reasons == ("low sensitivity says normal, high sensitivity HCC: lesion 1 decides",)

    def test_a_liver_that_is_cut_off_makes_normal_uncertain(self):
        summary = PatientSummary(NORMAL, {}, Certainty.CERTAIN)
        joint = decide(detection(), detection(), FACTORS)
        assert joint_patient(joint, summary).certainty is Certainty.CERTAIN
        assert joint_patient(joint, summary, ["cut off"]).certainty_reasons == ("cut off",)

    def test_common_and_different_lesions_are_those_of_match(self):
        low, high = detection((A, HCC), (C, CYST)), detection((WIDER, HCC), (C, META), (B, META))
        types = [{lesion.label: lesion.type for lesion in side.instances} for side in (low, high)]
        matches = match_lesions(low.labels, types[0], high.labels, types[1])
        assert [match.outcome for match in matches] == [
            Outcome.TRUE_POSITIVE,
            Outcome.FALSE_LABEL,
            Outcome.FALSE_POSITIVE,
        ]
        certain = [lesion.doubts == () for lesion in decide(low, high, FACTORS).detection.instances]
        assert sorted(certain) == [False, False, True]


class TestFile:
    def test_it_comes_back_to_the_bit_and_is_small(self, tmp_path):
        probabilities = LesionProbabilities.of(smooth_maps(1), liver_image())
        opinions = TestReclassification().said({"HCC": 60}, {"CYST": 10})
        data = SensitivityData(probabilities, opinions, 10.0)
        write_sensitivity(data, tmp_path / "sensitivity.npz")
        back = read_sensitivity(tmp_path / "sensitivity.npz")
        for one, other in ((back.probabilities, probabilities), (back.opinions, opinions)):
            for name, value in vars(other).items():
                if isinstance(value, np.ndarray):
                    assert getattr(one, name).dtype == value.dtype
                    assert (getattr(one, name) == value).all()
                else:
                    assert getattr(one, name) == value
        assert back.factor == 10.0
        assert (tmp_path / "sensitivity.npz").stat().st_size < probabilities.lesions.nbytes / 2

    @pytest.mark.parametrize("content", [b"", b"damaged", b"PK\x03\x04"])
    def test_a_damaged_file_is_named(self, tmp_path, content):
        (tmp_path / "sensitivity.npz").write_bytes(content)
        with pytest.raises(LiverTumorAIError, match=r"cannot be read \(sensitivity.npz\)"):
            read_sensitivity(tmp_path / "sensitivity.npz")

"""From lesions to the patient."""

from dataclasses import replace

import pytest
from analytic_findings import analytic_study
from hypothesis import given
from hypothesis import strategies as st

from LiverTumorAILib.lesions import NORMAL, Certainty, LesionType
from LiverTumorAILib.lesions.patient import classify_patient, summarise_patient
from LiverTumorAILib.study import Phase

PRIORITY = ["HCC", "ICC", "METASTASIS", "HEMANGIOMA", "OTHER", "CYST", "CALCIFICATION"]
ALL = tuple(Phase)[:4]


@pytest.fixture(scope="module")
def template():
    return analytic_study(spacing=(5.0, 5.0, 10.0))[0].lesions[0]


def lesion(template, kind, probability=0.9, score=0.8, reasons=()):
    others = {other: (1 - probability) / 7 for other in LesionType if other is not kind}
    certainty = Certainty.UNCERTAIN if reasons else Certainty.CERTAIN
    return replace(
        template,
        type=kind,
        type_probabilities={kind: probability, **others},
        score=score,
        certainty=certainty,
        certainty_reasons=reasons,
    )


@given(st.lists(st.sampled_from(list(LesionType)), min_size=1))
def test_the_highest_priority_decides(types):
    names = {"OTHER" if kind is LesionType.FNH else kind.value for kind in types}
    assert classify_patient(types) == min(names, key=PRIORITY.index)


def test_without_lesions_the_patient_is_normal():
    assert classify_patient([]) == NORMAL


def test_probability_is_that_of_at_least_one_such_lesion(template):
    lesions = [lesion(template, LesionType.HCC, 0.9, 0.8), lesion(template, LesionType.CYST, 0.65, 0.5)]
    patient = summarise_patient(lesions, ALL)
    assert patient.probabilities["HCC"] == pytest.approx(1 - (1 - 0.72) * (1 - 0.5 * 0.05))
    assert patient.probabilities["CYST"] == pytest.approx(1 - (1 - 0.8 * 0.1 / 7) * (1 - 0.325))
    assert set(patient.probabilities) == {kind.value for kind in LesionType}


def test_one_certain_lesion_of_the_deciding_type_makes_the_patient_certain(template):
    doubtful = lesion(template, LesionType.HCC, reasons=("score 0.30: may be no lesion",))
    assert summarise_patient([doubtful, lesion(template, LesionType.HCC)], ALL).certainty is Certainty.CERTAIN
    patient = summarise_patient([doubtful, lesion(template, LesionType.CYST)], ALL)
    assert patient.certainty is Certainty.UNCERTAIN
    assert patient.certainty_reasons == ("lesion 1: score 0.30: may be no lesion",)


def test_normal_is_uncertain_without_contrast_or_with_a_liver_cut_off():
    assert summarise_patient([], ALL).certainty is Certainty.CERTAIN
    assert "only non-contrast" in summarise_patient([], [Phase.NON_CONTRAST]).certainty_reasons[0]
    assert summarise_patient([], ALL, ["the liver is cut off"]).certainty_reasons == ("the liver is cut off",)


def test_a_lesion_that_may_be_more_serious_leaves_the_patient_uncertain(template):
    benign = lesion(template, LesionType.HEMANGIOMA, 0.9)
    doubtful = replace(lesion(template, LesionType.CYST, 0.6, 0.9), label=2)
    serious = {**doubtful.type_probabilities, LesionType.ICC: 0.3, LesionType.CYST: 0.3}
    patient = summarise_patient([benign, replace(doubtful, type_probabilities=serious)], ALL)
    assert patient.classification == "HEMANGIOMA"
    assert patient.certainty is Certainty.UNCERTAIN
    assert patient.certainty_reasons == ("lesion 2 may be ICC (30%)",)

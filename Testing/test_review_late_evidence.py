"""Evidence for lesions that the analysis did not explain, by the network that ships."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import analytic_study

from LiverTumorAILib.cascades.multi_sensitivity import UNKNOWN_HU
from LiverTumorAILib.explanation import lesion_evidence
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.review.late_evidence import explaining_network, late_evidence
from LiverTumorAILib.review.reading import begin_reading

NETWORK = "base_unet"


@pytest.fixture(scope="module")
def case():
    """Findings of the network that ships, and phases as a results folder holds them, the delayed one in part."""
    findings, images = analytic_study()
    stored = {phase: sitk.Cast(image, sitk.sitkInt16) for phase, image in images.items()}
    models = {NETWORK: ModelStore().card(NETWORK).sha256}
    return replace(findings, provenance=replace(findings.provenance, models=models)), stored


@pytest.fixture(scope="module")
def network(case):
    return explaining_network(case[0], ModelStore())


def test_it_is_what_the_analysis_would_have_shown(case, network):
    findings, images = case
    lesion = findings.lesions[0]
    mask = begin_reading(findings).masks[lesion.uid]
    maps = late_evidence(lesion, mask, findings.lesion_labels, images, network)
    (first, supporting), (second, opposing) = maps.items()
    assert first == f"Spoke for {lesion.type.title}"
    other = next(kind for kind in LesionType if f" {kind.title} " in f"{second} ")
    assert other is not lesion.type
    phases = {phase: sitk.Cast(image, sitk.sitkFloat32) for phase, image in images.items()}
    expected = lesion_evidence(network, phases, findings.lesion_labels, lesion.label, (lesion.type.value, other.value))
    for found, wanted in ((supporting, expected.supporting), (opposing, expected.opposing)):
        assert found.GetOrigin() == pytest.approx(wanted.GetOrigin())
        np.testing.assert_allclose(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(wanted), atol=0.02)


def test_what_a_phase_does_not_show_is_unknown_to_the_network_too(case, network):
    findings, images = case
    lesion = findings.lesions[0]
    mask = begin_reading(findings).masks[lesion.uid]
    phase = next(phase for phase in images if phase is not findings.reference_phase)
    without = {other: image for other, image in images.items() if other is not phase}
    blank = {**without, phase: images[phase] * 0 + UNKNOWN_HU}
    one, other = (late_evidence(lesion, mask, findings.lesion_labels, shown, network) for shown in (without, blank))
    assert one.keys() == other.keys()
    for title, image in one.items():
        np.testing.assert_allclose(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(other[title]), atol=1e-4)


def test_a_type_that_the_network_does_not_know_has_none(case, network):
    findings, images = case
    lesion = replace(findings.lesions[0], type=LesionType.FNH)
    mask = begin_reading(findings).masks[lesion.uid]
    assert late_evidence(lesion, mask, findings.lesion_labels, images, network) == {}


def test_only_the_network_that_made_the_findings_explains_them(case):
    findings, _ = case
    other = replace(findings, provenance=replace(findings.provenance, models={NETWORK: "0" * 64}))
    assert explaining_network(other, ModelStore()) is None
    assert explaining_network(findings, ModelStore()).card.name == NETWORK
    without = replace(findings, provenance=replace(findings.provenance, models={}))
    assert explaining_network(without, ModelStore()) is None

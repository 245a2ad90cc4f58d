"""Evidence for lesions that the analysis did not explain, by the network that ships."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import analytic_study, grid, inside, make_image
from scipy import ndimage

from LiverTumorAILib.cascades.hfs_net import TUMOUR_NETWORKS, network_for_size, tumour_evidence
from LiverTumorAILib.cascades.multi_sensitivity import RECLASSIFICATION, UNKNOWN_HU
from LiverTumorAILib.explanation import lesion_evidence
from LiverTumorAILib.explanation.titles import SECOND_NETWORK, heatmap_titles
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.lesions import LesionType, Organ
from LiverTumorAILib.review.corrections import Corrector
from LiverTumorAILib.review.explaining_networks import explaining_networks
from LiverTumorAILib.review.late_evidence import late_evidence, with_late_evidence
from LiverTumorAILib.review.reading import begin_reading, reviewed_findings
from LiverTumorAILib.study import Phase

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
    (model,) = explaining_networks(case[0], ModelStore())
    return model


def test_it_is_what_the_analysis_would_have_shown(case, network):
    findings, images = case
    lesion = findings.lesions[0]
    mask = begin_reading(findings).masks[lesion.uid]
    maps = late_evidence(lesion, mask, findings, images, network)
    (first, supporting), (second, opposing) = maps.items()
    assert first == f"Spoke for {lesion.type.title}"
    other = next(kind for kind in LesionType if f" {kind.title} " in f"{second} ")
    assert other is not lesion.type
    phases = {phase: sitk.Cast(image, sitk.sitkFloat32) for phase, image in images.items()}
    expected = lesion_evidence(
        network.model, phases, findings.lesion_labels, lesion.label, (lesion.type.value, other.value)
    )
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
    one, other = (late_evidence(lesion, mask, findings, shown, network) for shown in (without, blank))
    assert one.keys() == other.keys()
    for title, image in one.items():
        np.testing.assert_allclose(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(other[title]), atol=1e-4)


def test_a_type_that_the_network_does_not_know_has_none(case, network):
    findings, images = case
    lesion = replace(findings.lesions[0], type=LesionType.FNH)
    mask = begin_reading(findings).masks[lesion.uid]
    assert late_evidence(lesion, mask, findings, images, network) == {}


def test_only_the_networks_that_made_the_findings_explain_them(case):
    findings, _ = case
    other = replace(findings, provenance=replace(findings.provenance, models={NETWORK: "0" * 64}))
    assert explaining_networks(other, ModelStore()) == ()
    without = replace(findings, provenance=replace(findings.provenance, models={}))
    assert explaining_networks(without, ModelStore()) == ()


def test_findings_get_the_evidence_that_the_window_shows_under_the_same_titles(case, network):
    findings, images = case
    reading = begin_reading(findings).with_type(findings.lesions[0].uid, LesionType.CYST)
    saved = with_late_evidence(reviewed_findings(findings, reading), reading.masks, images, (network,))
    assert len(saved.heatmaps) == 2 * len(saved.lesions)
    for lesion in saved.lesions:
        shown = late_evidence(reading.lesion(lesion.uid), reading.masks[lesion.uid], findings, images, network)
        titles = heatmap_titles(lesion, saved.heatmaps)
        assert list(titles.values()) == list(shown)
        for name, title in titles.items():
            assert np.array_equal(*map(sitk.GetArrayFromImage, (saved.heatmaps[name], shown[title])))


def test_evidence_of_the_analysis_and_lesions_of_unknown_types_stay_as_they_are(case, network):
    findings, images = case
    first, second, third = findings.lesions
    explained = replace(first, heatmap="a.nii.gz", opposing_heatmap="b.nii.gz")
    unknown = replace(second, type=LesionType.FNH)
    maps = {name: sitk.Image(2, 2, 2, sitk.sitkFloat32) for name in ("a.nii.gz", "b.nii.gz")}
    masks = begin_reading(findings).masks
    before = replace(findings, lesions=(explained, unknown, third), heatmaps=maps)
    after = with_late_evidence(before, masks, images, (network,))
    assert after.lesions[:2] == before.lesions[:2]
    assert all(after.heatmaps[name] is maps[name] for name in maps)
    assert len(after.heatmaps) == 4
    assert with_late_evidence(before, masks, images, ()) == before


class TestSecondNetwork:
    """The reclassification network's own evidence."""

    @pytest.fixture
    def second(self, case):
        findings, _ = case
        store = ModelStore()
        provenance = replace(
            findings.provenance,
            cascade="multi-sensitivity",
            models={name: store.card(name).sha256 for name in (NETWORK, RECLASSIFICATION)},
        )
        first, second = explaining_networks(replace(findings, provenance=provenance), store)
        assert (first.model.card.name, first.is_second, second.is_second) == (NETWORK, False, True)
        return second

    def test_its_maps_say_whose_they_are(self, case, second):
        findings, images = case
        lesion = findings.lesions[0]
        maps = late_evidence(lesion, begin_reading(findings).masks[lesion.uid], findings, images, second)
        assert len(maps) == 2
        assert next(iter(maps)) == f"{SECOND_NETWORK}Spoke for {lesion.type.title}"
        assert max(sitk.GetArrayFromImage(image).max() for image in maps.values()) == pytest.approx(1, abs=0.3)

    def test_findings_get_its_maps_beside_those_of_the_first_one_also_where_the_analysis_made_these(
        self, case, network, second
    ):
        findings, images = case
        masks = begin_reading(findings).masks
        first = with_late_evidence(findings, masks, images, (network,))
        assert not any(lesion.second_heatmaps for lesion in first.lesions)
        both = with_late_evidence(first, masks, images, (network, second))
        for before, lesion in zip(first.lesions, both.lesions, strict=True):
            assert replace(lesion, second_heatmaps=None) == before
            shown = late_evidence(lesion, masks[lesion.uid], findings, images, second)
            titles = heatmap_titles(lesion, both.heatmaps)
            assert list(titles.values())[2:] == list(shown)
            for name, title in list(titles.items())[2:]:
                assert np.array_equal(*map(sitk.GetArrayFromImage, (both.heatmaps[name], shown[title])))

    def test_its_maps_stay_those_of_the_types_that_it_saw(self, case, second):
        findings, images = case
        uid = findings.lesions[0].uid
        saved = with_late_evidence(findings, begin_reading(findings).masks, images, (second,))
        typed = reviewed_findings(saved, begin_reading(saved).with_type(uid, LesionType.CYST))
        lesion = next(lesion for lesion in typed.lesions if lesion.uid == uid)
        assert lesion.second_heatmaps == saved.lesions[0].second_heatmaps
        assert set(lesion.heatmap_files) <= set(typed.heatmaps)

    def test_it_sees_the_liver_alone(self, case, second):
        findings, images = case
        lesion = findings.lesions[0]
        mask = begin_reading(findings).masks[lesion.uid]
        liver = sitk.GetArrayViewFromImage(findings.organ_labels) == Organ.LIVER
        liver |= sitk.GetArrayViewFromImage(findings.lesion_labels) > 0
        # Resampling mixes a little of what lies next to the liver into its border.
        outside = ~ndimage.binary_dilation(liver, iterations=4)
        changed = {}
        for phase, image in images.items():
            values = sitk.GetArrayFromImage(image)
            values[outside & (values > UNKNOWN_HU)] = 500
            changed[phase] = sitk.GetImageFromArray(values)
            changed[phase].CopyInformation(image)
        one, other = (late_evidence(lesion, mask, findings, shown, second) for shown in (images, changed))
        assert one.keys() == other.keys()
        for title, image in one.items():
            np.testing.assert_allclose(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(other[title]), atol=1e-3)


class TestHfsNet:
    """Lesions that the reader added to a study that HFS-Net analyzed."""

    @pytest.fixture
    def study(self, case):
        """Findings of HFS-Net's shipped networks without lesions, and a reading to which one was added."""
        findings, images = case
        store = ModelStore()
        models = {name: store.card(name).sha256 for name in store.names() if name.startswith("hfs_")}
        provenance = replace(findings.provenance, cascade="hfs-net", models=models)
        found = begin_reading(findings)
        empty = replace(found, lesions=(), masks={})
        mask = found.masks[next(lesion.uid for lesion in findings.lesions if lesion.label == 2)]
        reading = Corrector(findings.lesion_labels, images).add(empty, mask, None)
        assert reading.lesions[0].type is LesionType.OTHER
        return replace(findings, lesions=(), provenance=provenance), reading, images

    @pytest.fixture
    def networks(self, study):
        (networks,) = explaining_networks(study[0], ModelStore())
        return networks

    @pytest.mark.parametrize(("half_axis_mm", "name"), [(10, "hfs_small"), (22, "hfs_small"), (30, "hfs_large")])
    def test_a_lesion_goes_to_the_network_for_its_size_in_most_slices(self, networks, half_axis_mm, name):
        like = grid(spacing=(2.0, 2.0, 3.0))
        labels = make_image(inside(like, (0, 0, 0), (half_axis_mm, 10, 15)).astype(np.uint8), like)
        assert network_for_size(networks.models, labels, 1).card.name == name

    def test_its_maps_are_those_that_the_cascade_makes_of_hcc_whatever_its_type(self, study, networks):
        findings, reading, images = study
        (lesion,) = reading.lesions
        maps = late_evidence(lesion, reading.masks[lesion.uid], findings, images, networks)
        first, second = maps
        assert first == "Spoke for HCC"
        assert second in {"Spoke against HCC", "Nothing spoke against HCC"}
        phases = {phase: sitk.Cast(image, sitk.sitkFloat32) for phase, image in images.items()}
        labels = sitk.Cast(findings.lesion_labels == 2, sitk.sitkUInt8)
        expected = tumour_evidence(networks.models["hfs_small"], phases, labels, 1)
        for found, wanted in zip(maps.values(), (expected.supporting, expected.opposing), strict=True):
            np.testing.assert_allclose(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(wanted), atol=0.02)

    def test_they_are_saved_with_what_they_are_of(self, study, networks):
        findings, reading, images = study
        saved = with_late_evidence(reviewed_findings(findings, reading), reading.masks, images, (networks,))
        (lesion,) = saved.lesions
        assert (lesion.type, lesion.heatmap_types) == (LesionType.OTHER, (LesionType.HCC,))
        shown = late_evidence(lesion, reading.masks[lesion.uid], findings, images, networks)
        assert list(heatmap_titles(lesion, saved.heatmaps).values()) == list(shown)

    def test_where_another_phase_stood_in_for_a_missing_one_there_are_none(self, study, networks):
        findings, reading, images = study
        (lesion,) = reading.lesions
        without = {phase: image for phase, image in images.items() if phase is not Phase.ARTERIAL}
        assert late_evidence(lesion, reading.masks[lesion.uid], findings, without, networks) == {}

    def test_other_networks_of_the_same_names_do_not_explain(self, study):
        findings, *_ = study
        models = {**findings.provenance.models, TUMOUR_NETWORKS[0]: "0" * 64}
        other = replace(findings, provenance=replace(findings.provenance, models=models))
        assert explaining_networks(other, ModelStore()) == ()

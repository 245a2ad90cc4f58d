"""Lesions implanted into training patches, and real CT without lesions as training cases."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_liver import write_liver_networks
from analytic_network import CLASS_HU, write_network
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from LiverTumorAILib.inference.liver import find_liver
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom.lesions import Plan
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training import RECIPES, implant
from LiverTumorAILib.training.augmentation import Augmentation, drop_phases, unmix_veins
from LiverTumorAILib.training.cases import UNKNOWN
from LiverTumorAILib.training.implant import Implanter, draw_plans
from LiverTumorAILib.training.real_negatives import negative_case
from LiverTumorAILib.training.targets import BASE_CLASSES, LESION_CLASSES, UNLABELLED, UNSPLIT_LIVER, lesion_class

PHASES = tuple(Phase(name) for name in RECIPES["base_unet"].inputs)
IMPLANTER = Implanter(PHASES, BASE_CLASSES, RECIPES["base_unet"].spacing_mm)
LIVER = BASE_CLASSES.index("liver")
LEVELS = (55.0, 70.0, 110.0, 90.0)


def patch(liver: int = LIVER) -> tuple[np.ndarray, np.ndarray]:
    """A liver of the phases' levels with noise, fat around it; the delayed phase shows its lower half only."""
    rng = np.random.default_rng(3)
    labels = np.zeros((24, 48, 48), np.uint8)
    labels[4:20, 8:40, 8:40] = liver
    levels = np.array(LEVELS, np.float32)[:, None, None, None]
    images = np.where(labels == liver, levels, -100) + rng.normal(0, 10, (4, *labels.shape))
    images[3, 12:] = np.nan
    return images.astype(np.float32), labels


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), liver=st.sampled_from((LIVER, UNSPLIT_LIVER)))
def test_lesions_lie_in_the_liver_and_change_nothing_else(seed, liver):
    images, labels = patch(liver)
    before, region = images.copy(), labels == liver
    count = IMPLANTER.implant(np.random.default_rng(seed), images, labels)
    lesions = np.isin(labels, [BASE_CLASSES.index(name) for name in LESION_CLASSES])
    assert lesions.any() == (count > 0)
    assert not (lesions & ~region).any()
    np.testing.assert_array_equal(images[:, ~region], before[:, ~region])
    np.testing.assert_array_equal(np.isnan(images), np.isnan(before))
    assert ((labels == liver) | lesions)[region].all()


def test_without_liver_nothing_is_implanted():
    images, labels = patch()
    labels[:] = 0
    before = images.copy()
    assert IMPLANTER.implant(np.random.default_rng(1), images, labels) == 0
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(("kind", "phase", "sign"), [
    (LesionType.HCC, Phase.ARTERIAL, 1), (LesionType.HCC, Phase.DELAYED, -1),
    (LesionType.METASTASIS, Phase.PORTAL_VENOUS, -1), (LesionType.CYST, Phase.PORTAL_VENOUS, -1),
    (LesionType.HEMANGIOMA, Phase.DELAYED, 1), (LesionType.CALCIFICATION, Phase.NON_CONTRAST, 1),
])  # fmt: skip
def test_types_look_as_in_the_textbook_beside_the_patchs_own_liver(monkeypatch, kind, phase, sign):
    monkeypatch.setattr(implant, "draw_plans", lambda rng: [Plan(kind, 18.0, False)])
    differences = []
    for seed in range(12):
        images, labels = patch()
        IMPLANTER.implant(np.random.default_rng(seed), images, labels)
        inside = (labels == lesion_class(kind)) & np.isfinite(images[PHASES.index(phase)])
        if inside.any():
            differences.append(images[PHASES.index(phase)][inside].mean() - LEVELS[PHASES.index(phase)])
    assert sign * np.median(differences) > 5


def test_a_lesion_is_as_noisy_as_the_liver(monkeypatch):
    monkeypatch.setattr(implant, "draw_plans", lambda rng: [Plan(LesionType.CYST, 25.0, False)])
    images, labels = patch()
    IMPLANTER.implant(np.random.default_rng(2), images, labels)
    core = ndimage.binary_erosion(labels == BASE_CLASSES.index("CYST"), iterations=2)
    assert core.sum() > 100
    assert images[2][core].mean() < 30
    assert 7 < images[2][core].std() < 13


def test_most_implanted_lesions_are_small_and_every_type_comes_up():
    plans = [plan for seed in range(300) for plan in draw_plans(np.random.default_rng(seed))]
    sizes = np.array([plan.diameter_mm for plan in plans])
    assert 0.5 < (sizes < 20).mean() < 0.75
    assert sizes.min() >= 5 and sizes.max() <= 110
    shares = {kind: np.mean([plan.type is kind for plan in plans]) for kind in LesionType}
    assert all(abs(shares[kind] - implant.TYPE_SHARES[kind]) < 0.05 for kind in LesionType)


def test_a_real_ct_becomes_a_case_with_the_places_where_the_network_sees_lesions(tmp_path):
    write_network(tmp_path)
    models = write_liver_networks(tmp_path)
    recipe = replace(RECIPES["base_unet"], classes=tuple(CLASS_HU))
    values = np.full((40, 60, 70), -150, np.float32)
    values[10:30, 15:45, 20:60] = CLASS_HU["liver"]
    values[18:22, 28:34, 38:44] = CLASS_HU["METASTASIS"]
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((2.0, 2.0, 2.5))
    image.SetOrigin((-70, -60, 300))
    liver = find_liver(image, models).mask
    case = negative_case("ct", image, Phase.PORTAL_VENOUS, liver, recipe=recipe, models=models)
    shown = PHASES.index(Phase.PORTAL_VENOUS)
    assert [(channel == UNKNOWN).all() for channel in case.images] == [index != shown for index in range(4)]
    assert set(np.unique(case.labels)) == {UNLABELLED, UNSPLIT_LIVER}
    assert (case.labels == UNSPLIT_LIVER).sum() == pytest.approx(18 * 28 * 38, rel=0.15)
    (place,) = case.lesions
    assert case.images[shown][place.voxel] == CLASS_HU["METASTASIS"]
    assert place.voxels == pytest.approx(4 * 6 * 6, rel=0.5)


class TestUnmixedVeins:
    """Contrast agent that streams unevenly through veins."""

    VEIN_HU = 170.0

    @pytest.fixture
    def veins(self):
        labels = np.zeros((24, 48, 48), bool)
        labels[:, 20:28, 20:28] = True
        return labels

    def streamed(self, veins, seed, **settings):
        images = np.where(veins, self.VEIN_HU, 110.0).astype(np.float32)[None].repeat(2, axis=0)
        images[1, 12:] = np.nan
        before = images.copy()
        unmix_veins(np.random.default_rng(seed), Augmentation(**settings), images, veins, (2.5, 2.0, 2.0))
        return before, images

    def test_only_veins_change_and_their_contrast_stays_about_theirs(self, veins):
        before, after = self.streamed(veins, 1, unmixed_veins_probability=1.0)
        np.testing.assert_array_equal(np.isnan(before), np.isnan(after))
        near = ndimage.binary_dilation(veins, np.ones((3, 3, 3)))
        np.testing.assert_allclose(after[:, ~near], before[:, ~near], atol=1e-3)
        inside = after[0][ndimage.binary_erosion(veins)]
        assert inside.min() > 110 - 0.25 * 60 and inside.max() < self.VEIN_HU + 0.25 * 60
        assert inside.max() - inside.min() > 20

    def test_most_phases_stay_as_they_are(self, veins):
        changed = [
            np.any(before[0] != after[0]) for before, after in (self.streamed(veins, seed) for seed in range(60))
        ]
        assert 0.1 < np.mean(changed) < 0.5

    def test_without_veins_nothing_changes(self, veins):
        before, after = self.streamed(np.zeros_like(veins), 1, unmixed_veins_probability=1.0)
        np.testing.assert_array_equal(before, after)


def test_the_non_contrast_phase_stays_alone_as_often_as_is_said():
    def shown(seed: int, probability: float) -> tuple[bool, ...]:
        images = np.zeros((4, 2, 2, 2), np.float32)
        settings = Augmentation(dropout_probability=0, non_contrast_alone_probability=probability)
        drop_phases(np.random.default_rng(seed), settings, images, PHASES)
        return tuple(np.isfinite(images[:, 0, 0, 0]).tolist())

    alone = (True, False, False, False)
    assert {shown(seed, 1.0) for seed in range(5)} == {alone}
    assert {shown(seed, 0.0) for seed in range(5)} == {(True,) * 4}
    assert 0.25 < np.mean([shown(seed, 0.4) == alone for seed in range(200)]) < 0.55


def test_an_unknown_non_contrast_phase_does_not_stay_alone():
    images = np.zeros((4, 2, 2, 2), np.float32)
    images[0] = np.nan
    settings = Augmentation(dropout_probability=0, non_contrast_alone_probability=1)
    drop_phases(np.random.default_rng(1), settings, images, PHASES)
    assert np.isfinite(images[1:]).all()

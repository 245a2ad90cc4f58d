"""Patches change as patients and scanners do, and nothing else; training cases keep what they hold."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from training_cases import HCC, LIVER, RECIPE, small_case, write_cases

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.progress import Cancelled, Progress
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training import train
from LiverTumorAILib.training.augmentation import (
    Augmentation,
    Patch,
    apply_warp,
    augment_intensities,
    delay_arterial,
    draw_warp,
    drop_phases,
)
from LiverTumorAILib.training.cases import UNKNOWN, CaseFolder, LesionPlace, TrainingCase, prepare_case, write_case
from LiverTumorAILib.training.make_data import Bodies, draw_options
from LiverTumorAILib.training.sampler import PatchSampler
from LiverTumorAILib.training.targets import (
    BASE_CLASSES,
    LESION_CLASSES,
    UNLABELLED,
    UNSPLIT_LIVER,
    class_map,
    lesion_class,
)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def cases(tmp_path) -> CaseFolder:
    return write_cases(tmp_path / "data" / "training")


class TestAugmentation:
    patch = Patch((12, 20, 20), (4, 8, 8), (2.5, 2.0, 2.0), 4, 2)

    def test_labels_move_with_the_reference_phase(self):
        rng = np.random.default_rng(1)
        settings_ = Augmentation(warp_probability=1, misregistration_probability=0)
        z, y, x = np.indices(self.patch.source_shape)
        ball = ((z - 10) * 2.5) ** 2 + ((y - 18) * 2.0) ** 2 + ((x - 16) * 2.0) ** 2 < 12**2
        images = np.repeat(np.where(ball, 100, 0)[None].astype(np.float32), 4, axis=0)
        warp = draw_warp(rng, settings_, self.patch)
        moved, labels = apply_warp(warp, images, ball.astype(np.uint8), self.patch.shape)
        assert moved.shape == (4, *self.patch.shape)
        bright = moved[2] > 50
        assert 2 * (bright & (labels == 1)).sum() / (bright.sum() + labels.sum()) > 0.95
        centre = tuple(slice(m, m + n) for m, n in zip(self.patch.margin, self.patch.shape, strict=True))
        assert (bright != ball[centre]).any()

    def test_misregistration_moves_the_other_phases_only(self):
        settings_ = Augmentation(warp_probability=0, misregistration_probability=1, misregistration_mm=5)
        images = np.random.default_rng(2).normal(size=(4, *self.patch.source_shape)).astype(np.float32)
        warp = draw_warp(np.random.default_rng(3), settings_, self.patch)
        moved, _ = apply_warp(warp, images, np.zeros(self.patch.source_shape, np.uint8), self.patch.shape)
        centre = tuple(slice(m, m + n) for m, n in zip(self.patch.margin, self.patch.shape, strict=True))
        np.testing.assert_allclose(moved[2], images[2][centre], atol=1e-4)
        assert all(np.abs(moved[phase] - images[phase][centre]).max() > 0.1 for phase in (0, 1, 3))

    def test_nothing_is_ever_mirrored(self):
        settings_ = Augmentation(warp_probability=1, misregistration_probability=0, elastic_mm=0)
        for seed in range(30):
            warp = draw_warp(np.random.default_rng(seed), settings_, self.patch)
            place = warp.common.numpy()
            jacobian = np.array([np.gradient(place[axis])[other].mean() for axis in range(3) for other in range(3)])
            assert np.linalg.det(jacobian.reshape(3, 3)) > 0.3

    def test_unknown_voxels_stay_unknown_through_every_change(self):
        settings_ = Augmentation(1, noise_probability=1, blur_probability=1, thick_slice_probability=1)
        images = np.full((4, *self.patch.source_shape), 50, np.float32)
        images[1, :8] = np.nan
        images[3] = np.nan
        rng = np.random.default_rng(4)
        warp = draw_warp(rng, settings_, self.patch)
        labels = np.zeros(self.patch.source_shape, np.uint8)
        moved, _ = apply_warp(warp, images, labels, self.patch.shape)
        augment_intensities(rng, settings_, moved)
        assert np.isnan(moved[3]).all()
        assert np.isnan(moved[1, 0]).any()
        assert np.isfinite(moved[1, -4:]).all()
        assert 0 < np.nanmean(moved[0]) < 120

    def test_thick_slices_change_only_along_z(self):
        settings_ = Augmentation(
            shift_hu=0,
            gain=0,
            noise_probability=0,
            blur_probability=0,
            thick_slice_probability=1,
            coverage_probability=0,
        )
        ramp = np.broadcast_to(np.arange(8.0) * 10, (1, 12, 8, 8)).astype(np.float32).copy()
        noise = np.random.default_rng(5).normal(0, 20, (12, 1, 1)).astype(np.float32)
        images = ramp + noise
        augment_intensities(np.random.default_rng(6), settings_, images)
        np.testing.assert_allclose(np.diff(images, axis=3), 10, atol=1e-3)
        assert images[0, :, 0, 0].std() < 0.9 * noise.std()

    def test_every_subset_of_phases_comes_up_and_one_phase_always_stays(self):
        seen = set()
        for seed in range(300):
            images = np.zeros((4, 2, 2, 2), np.float32)
            drop_phases(np.random.default_rng(seed), Augmentation(), images)
            seen.add(tuple(np.isfinite(images[:, 0, 0, 0])))
        assert len(seen) == 15
        assert (False,) * 4 not in seen
        alone = np.full((4, 2, 2, 2), np.nan, np.float32)
        alone[2] = 0
        drop_phases(np.random.default_rng(1), Augmentation(dropout_probability=1), alone)
        assert np.isfinite(alone[2]).all()

    def test_a_later_arterial_phase_lies_between_it_and_the_portal_venous_one(self):
        phases = tuple(Phase(name) for name in RECIPE.inputs)
        shares = []
        for seed in range(40):
            images = np.stack([np.full((2, 3, 4), hu, np.float32) for hu in (50, 60, 110, 90)])
            images[2, 0] = np.nan
            delay_arterial(np.random.default_rng(seed), Augmentation(), images, phases)
            assert (images[1, 0] == 60).all()
            assert np.ptp(images[1, 1]) == 0
            np.testing.assert_array_equal(images[[0, 3], 1, 0, 0], (50, 90))
            shares.append((images[1, 1, 0, 0] - 60) / 50)
        assert 0.3 < np.mean(np.array(shares) == 0) < 0.7
        assert 0.5 < max(shares) <= Augmentation().late_arterial_share

    def test_a_patch_depends_on_the_step_alone(self, cases):
        sampler = PatchSampler(RECIPE, cases)
        first, second = sampler(5), sampler(5)
        assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
        assert not torch.equal(first[0], sampler(6)[0])
        assert first[0].shape == (1, 8, *RECIPE.patch)
        assert torch.isfinite(first[0]).all()
        presence = first[0][0, 4:]
        assert set(torch.unique(presence).tolist()) <= {0.0, 1.0}
        assert (first[0][0, :4][presence == 0] == 0).all()

    def test_what_no_phase_shows_is_not_judged(self, cases):
        for step in range(30):
            volume, target = PatchSampler(RECIPE, cases)(step)
            unseen = (volume[0, 4:] == 0).all(dim=0)
            assert (target[0][unseen] == UNLABELLED).all()
            assert (target[0][~unseen] < len(BASE_CLASSES)).all()

    def test_real_ct_without_lesions_are_drawn_where_a_network_saw_some(self, cases, tmp_path):
        images = np.full((4, 12, 24, 80), UNKNOWN, np.int16)
        images[2] = 40
        labels = np.full(images.shape[1:], UNLABELLED, np.uint8)
        labels[:, :, 60:] = UNSPLIT_LIVER
        write_case(TrainingCase("ct", images, labels, (LesionPlace(UNLABELLED, (6, 12, 70), 9),)), tmp_path / "real")
        recipe = replace(RECIPE, negative_share=0.5)
        sampler = PatchSampler(recipe, cases, negatives=CaseFolder.open(tmp_path / "real"))
        drawn = [target for target in (sampler(step)[1] for step in range(60)) if (target >= UNSPLIT_LIVER).any()]
        assert 18 <= len(drawn) <= 42
        assert np.mean([bool((target == UNSPLIT_LIVER).any()) for target in drawn]) > 0.6
        network = train(recipe, cases, tmp_path / "run", device="cpu", negatives=CaseFolder.open(tmp_path / "real"))
        assert all(torch.isfinite(values).all() for values in network.state_dict().values())

    def test_most_patches_show_a_lesion(self, cases):
        sampler = PatchSampler(RECIPE, cases)
        assert np.mean([bool((sampler(step)[1] == HCC).any()) for step in range(40)]) > 0.6


class TestCases:
    def test_cases_are_used_in_the_order_of_the_plan_as_they_are_made(self, cases):
        assert cases.names == ("case_0", "case_1", "case_2", "case_3")
        assert [RECIPE.pool(step, len(cases)) for step in (0, 1, 2, 4, 100)] == [1, 1, 2, 3, 4]

    def test_a_case_survives_the_disk(self, cases):
        case, made = cases.case(1), small_case("case_1", 1, delayed=False)
        np.testing.assert_array_equal(case.images, made.images)
        np.testing.assert_array_equal(case.labels, made.labels)
        assert case.lesions == made.lesions
        assert set(case.phases(RECIPE.inputs)) == {Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS}

    def test_an_empty_folder_and_a_damaged_case_are_named(self, cases, tmp_path):
        with pytest.raises(LiverTumorAIError, match="No training cases"):
            CaseFolder.open(tmp_path / "nothing")
        (cases.folder / "case_2" / "images.npy").write_bytes(b"damaged")
        with pytest.raises(LiverTumorAIError, match="cannot be read"):
            cases.case(2)

    def test_waiting_for_a_case_can_be_cancelled(self, cases):
        (cases.folder / "case_3").rename(cases.folder / "away")
        with pytest.raises(Cancelled):
            cases.case(3, Progress(is_cancelled=lambda: True))

    def test_truth_lands_on_the_networks_grid(self):
        image = sitk.Image([60, 50, 40], sitk.sitkFloat32) + 40
        image.SetSpacing((1.5, 1.5, 2.5))
        image.SetOrigin((-45, -30, 100))
        z, y, x = np.indices((40, 50, 60))
        lesion = ((z - 20) * 2.5) ** 2 + ((y - 25) * 1.5) ** 2 + ((x - 30) * 1.5) ** 2 < 15**2
        classes = sitk.GetImageFromArray(np.where(lesion, HCC, LIVER).astype(np.uint8))
        instances = sitk.GetImageFromArray(lesion.astype(np.uint16) * 7)
        for truth in (classes, instances):
            truth.CopyInformation(image)
        case = prepare_case("case", {Phase.ARTERIAL: image}, classes, instances, RECIPE)
        (place,) = case.lesions
        assert case.labels[place.voxel] == HCC == place.class_index
        volume = place.voxels * np.prod(RECIPE.spacing_mm)
        assert volume == pytest.approx(lesion.sum() * 1.5 * 1.5 * 2.5, rel=0.05)
        assert (np.asarray(case.images[[0, 2, 3]]) == UNKNOWN).all()
        assert (case.images[1] == 40).mean() > 0.9

    def test_tissues_and_lesion_types_become_classes(self):
        organs = np.array(
            [Tissue.LIVER, Tissue.HEPATIC_VEINS, Tissue.SPLEEN, Tissue.STOMACH_CONTENT, Tissue.AORTA, 1, 1]
        )
        lesions = np.array([0, 0, 0, 0, 0, 3, 5])
        types = {3: LesionType.ICC, 5: LesionType.FNH}
        named = [BASE_CLASSES[index] for index in class_map(organs.astype(np.uint8), lesions, types)]
        assert named == ["liver", "hepatic_vessels", "spleen", "stomach", "background", "ICC", "OTHER"]
        assert {BASE_CLASSES[lesion_class(kind)] for kind in LesionType} == set(LESION_CLASSES)

    def test_seeds_decide_how_studies_are_made(self, tmp_path):
        assert draw_options(7) == draw_options(7)
        breathing = [draw_options(seed).breathing_mm for seed in range(50)]
        assert 0 <= min(breathing) < max(breathing) <= 3
        assert {draw_options(seed).slice_thickness_mm for seed in range(50)} == {None, 5.0}
        bodies = Bodies((tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"))
        assert [draw_options(seed, bodies).anatomy is not None for seed in range(4)] == [False, False, False, True]

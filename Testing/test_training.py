"""Training repeats itself to the bit, learns small lesions, and exports what it learned."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.progress import Cancelled, Progress
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training import RECIPES, train, train_model
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
from LiverTumorAILib.training.checkpoint import MovingAverage, TrainingState
from LiverTumorAILib.training.export import export_model, weights_of_onnx
from LiverTumorAILib.training.loop import build_network, learning_rate, load_trained
from LiverTumorAILib.training.losses import GREATEST_EMPHASIS, LESION_WEIGHT, SMALL_SHARE, SegmentationLoss, deep_loss
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
from LiverTumorAILib.training.validation import validate

LIVER = BASE_CLASSES.index("liver")
HCC = BASE_CLASSES.index("HCC")
RECIPE = replace(
    RECIPES["base_unet"],
    patch=(8, 16, 16),
    window=(12, 24, 24),
    channels=(4, 6, 8),
    encoder_convolutions=(1, 1, 1),
    decoder_convolutions=(1, 1),
    deep_supervision=1,
    steps=6,
    warm_up=2,
    checkpoint_every=3,
    validate_every=6,
    first_cases=1,
    seed=3,
    ema=0.995,
    steps_per_case=2,
    negative_share=0.0,
    implant_share=0.0,
    type_weight=0.0,
)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small_case(name: str, seed: int, delayed: bool = True) -> TrainingCase:
    """A liver of 80 HU with an HCC that is bright in the arterial and dark in the portal venous phase."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((12, 24, 28), np.uint8)
    labels[1:11, 2:22, 3:25] = LIVER
    labels[4:8, 8:14, 9:16] = HCC
    level = np.array([40, 150, 60, 55])[:, None, None, None]
    images = np.where(labels == HCC, level, np.where(labels == LIVER, 80, -80)) + rng.normal(0, 5, (4, *labels.shape))
    images = images.astype(np.int16)
    if not delayed:
        images[3] = UNKNOWN
    return TrainingCase(name, images, labels, (LesionPlace(HCC, (6, 11, 12), 168),))


@pytest.fixture
def cases(tmp_path) -> CaseFolder:
    folder = tmp_path / "data" / "training"
    names = tuple(f"case_{index}" for index in range(4))
    CaseFolder.write_plan(folder, names)
    for index, name in enumerate(names):
        write_case(small_case(name, index, delayed=index != 1), folder)
    return CaseFolder.open(folder)


def weights(network) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in network.state_dict().items()}


def same(first, second) -> bool:
    return all(torch.equal(first[key], second[key]) for key in first)


class TestLoop:
    def test_a_resumed_training_ends_with_the_same_bits(self, cases, tmp_path):
        whole = train(RECIPE, cases, tmp_path / "whole", device="cpu")
        train(RECIPE, cases, tmp_path / "parts", device="cpu", until=4)
        assert load_trained(RECIPE, tmp_path / "parts")[1] == 4
        parts = train(RECIPE, cases, tmp_path / "parts", device="cpu")
        assert same(weights(whole), weights(parts))
        assert not same(weights(whole), weights(build_network(RECIPE)))
        other = train(replace(RECIPE, seed=2), cases, tmp_path / "other", device="cpu")
        assert not same(weights(whole), weights(other))

    def test_a_cancelled_training_continues_from_its_checkpoint(self, cases, tmp_path):
        whole = train(RECIPE, cases, tmp_path / "whole", device="cpu")
        events = []
        progress = Progress(listener=events.append, is_cancelled=lambda: len(events) > 4)
        with pytest.raises(Cancelled):
            train(RECIPE, cases, tmp_path / "run", progress, device="cpu")
        assert load_trained(RECIPE, tmp_path / "run")[1] == 3
        assert not list((tmp_path / "run").glob("*.partial"))
        assert same(weights(whole), weights(train(RECIPE, cases, tmp_path / "run", device="cpu")))

    def test_another_recipe_does_not_continue_a_run_but_a_longer_schedule_does(self, cases, tmp_path):
        train(RECIPE, cases, tmp_path, device="cpu", until=3)
        with pytest.raises(LiverTumorAIError, match="another recipe"):
            train(replace(RECIPE, learning_rate=1.0), cases, tmp_path, device="cpu")
        train(replace(RECIPE, steps=7), cases, tmp_path, device="cpu")
        assert load_trained(RECIPE, tmp_path)[1] == 7

    def test_a_network_that_diverged_is_not_saved_over_a_good_one(self, cases, tmp_path):
        train(RECIPE, cases, tmp_path, device="cpu", until=3)
        path = tmp_path / "checkpoint.pt"
        good = path.read_bytes()
        network = build_network(RECIPE)
        state = TrainingState(network, torch.optim.AdamW(network.parameters()), MovingAverage(network, 0.9))
        state.load(path, torch.device("cpu"))
        next(network.parameters()).data[0] = float("nan")
        with pytest.raises(LiverTumorAIError, match="diverged"):
            state.save(path)
        assert path.read_bytes() == good

    def test_a_damaged_checkpoint_is_named(self, cases, tmp_path):
        train(RECIPE, cases, tmp_path, device="cpu", until=3)
        (tmp_path / "checkpoint.pt").write_bytes(b"damaged")
        with pytest.raises(LiverTumorAIError, match="checkpoint cannot be continued"):
            train(RECIPE, cases, tmp_path, device="cpu")

    def test_loss_falls_and_lesions_are_learned(self, cases, tmp_path):
        recipe = replace(RECIPE, steps=75, learning_rate=0.02, ema=0.9, validate_every=75)
        calm = Augmentation(warp_probability=0, misregistration_probability=0, dropout_probability=0)
        network = train(recipe, cases, tmp_path, validation=cases, augmentation=calm, device="cpu")
        with (tmp_path / "curves.csv").open() as file:
            rows = list(csv.DictReader(file))
        losses = [float(row["value"]) for row in rows if row["name"] == "loss"]
        assert losses[-1] < 0.6 * losses[0]
        assert (tmp_path / "curves.png").stat().st_size > 1000
        figures = validate(network, cases, recipe, torch.device("cpu"))
        assert figures["dice liver"] > 0.7
        assert figures["lesion recall"] == 1
        logged = {row["name"]: float(row["value"]) for row in rows if row["kind"] == "validation"}
        np.testing.assert_allclose([logged[name] for name in figures], list(figures.values()), rtol=1e-6)

    def test_the_rate_rises_stays_and_falls_to_nothing(self):
        recipe = replace(RECIPE, steps=100, warm_up=10, cool_down=0.3, learning_rate=1.0)
        rates = np.array([learning_rate(recipe, step) for step in range(101)])
        assert rates[0] == pytest.approx(0.1)
        assert (rates[10:70] == 1).all()
        assert (np.diff(rates[70:]) < 0).all()
        assert rates[100] == 0

    def test_a_perfect_network_gets_perfect_figures(self, cases):
        class Perfect(torch.nn.Module):
            def forward(self, volume):
                scores = torch.full((1, len(BASE_CLASSES), *volume.shape[2:]), -9.0)
                hu = volume[0, 1] * 200 + 50
                scores[0, HCC] = torch.where(hu > 115, 9.0, -9.0)
                scores[0, LIVER] = torch.where((hu <= 115) & (hu > 0), 9.0, -9.0)
                scores[0, 0] = torch.where(hu <= 0, 9.0, -9.0)
                return scores

        figures = validate(Perfect(), cases, RECIPE, torch.device("cpu"))
        for name in ("dice liver", "dice lesions", "lesion recall", "lesion precision", "type accuracy"):
            assert figures[name] == 1, name
        assert np.isnan(figures["dice spleen"])


class TestExport:
    def test_the_exported_model_computes_what_was_trained(self, cases, tmp_path, monkeypatch):
        (tmp_path / "data" / "validation").symlink_to(cases.folder, target_is_directory=True)
        monkeypatch.setitem(RECIPES, "base_unet", RECIPE)
        train_model("base_unet", tmp_path / "data", tmp_path / "run", tmp_path / "models", device="cpu")
        store = ModelStore(tmp_path / "models")
        assert [result.problem for result in store.verify()] == [""]
        model = store.load("base_unet", "cpu")
        network, step = load_trained(RECIPE, tmp_path / "run")
        assert step == RECIPE.steps
        volume = np.random.default_rng(0).normal(size=(1, 8, 8, 16, 12)).astype(np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(volume)).numpy()
        # Weights are stored in 16 bits.
        np.testing.assert_allclose(model.session(volume), expected, atol=2e-3 * np.abs(expected).max())
        assert model.card.figures["cases"].startswith("4 held-out cases")
        assert 0 <= model.card.figures["dice liver"] <= 1
        assert "not for clinical use" in model.card.intended_use
        json.loads((store.folder / "base_unet" / "card.json").read_text(), parse_constant=pytest.fail)

    def test_exporting_again_replaces_model_and_card_together(self, tmp_path):
        for seed in (1, 2):
            recipe = replace(RECIPE, seed=seed)
            folder = export_model(build_network(recipe), recipe, tmp_path, f"seed {seed}")
            assert ModelStore(tmp_path).load("base_unet", "cpu").card.training == f"seed {seed}"
        assert sorted(entry.name for entry in folder.iterdir()) == ["card.json", "model.onnx"]
        assert [entry.name for entry in tmp_path.iterdir()] == ["base_unet"]

    def test_an_unknown_model_is_refused(self, tmp_path):
        with pytest.raises(LiverTumorAIError, match="no recipe.*base_unet"):
            train_model("other", tmp_path, tmp_path, tmp_path)


class TestLoss:
    loss = SegmentationLoss(4, (1, 2))

    @staticmethod
    def scores(labels: torch.Tensor, sure: float = 12.0) -> torch.Tensor:
        return sure * torch.nn.functional.one_hot(labels, 4).permute(0, 4, 1, 2, 3).float()

    def test_a_perfect_answer_costs_nothing(self):
        labels = torch.randint(0, 4, (1, 6, 6, 6))
        assert float(self.loss(self.scores(labels), labels)) < 1e-3

    def test_a_small_lesion_missed_costs_much_more_than_its_voxels_in_the_background(self):
        labels = torch.zeros(1, 16, 16, 16, dtype=torch.long)
        labels[0, 6:10, 6:10, 6:10] = 1
        missed = torch.zeros_like(labels)
        wrong_background = labels.clone()
        wrong_background[0, 0:4, 0:4, 0:4] = 3
        assert float(self.loss(self.scores(missed), labels)) > 2 * float(
            self.loss(self.scores(wrong_background), labels)
        )

    def test_a_lesion_of_the_wrong_type_costs_less_than_a_missed_one(self):
        labels = torch.zeros(1, 16, 16, 16, dtype=torch.long)
        labels[0, 6:10, 6:10, 6:10] = 1
        wrong_type = labels * 2
        assert float(self.loss(self.scores(wrong_type), labels)) < float(self.loss(self.scores(labels * 0), labels))

    def test_types_can_count_by_themselves_whatever_is_said_of_the_background(self):
        labels = torch.zeros(1, 16, 16, 16, dtype=torch.long)
        labels[0, 6:10, 6:10, 6:10] = 1
        typed = replace(self.loss, type_weight=2.0)
        for said, cost in ((labels, 0.0), (labels * 3, 2 * np.log(2)), (labels * 2, 2 * 12.0)):
            scores = self.scores(said)
            assert float(typed(scores, labels) - self.loss(scores, labels)) == pytest.approx(cost, abs=1e-3)
        healthy = labels * 0
        assert typed(self.scores(labels), healthy) == self.loss(self.scores(labels), healthy)

    @settings(max_examples=15, deadline=None)
    @given(seed=st.integers(0, 1000))
    def test_it_is_cross_entropy_plus_dice_as_written_down(self, seed):
        rng = np.random.default_rng(seed)
        raw, truth = rng.normal(size=(1, 4, 3, 4, 5)), rng.integers(0, 4, (1, 3, 4, 5))
        shares = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
        lesions = (truth == 1) | (truth == 2)
        # All of it lies in the surroundings, 9 x 9 x 9 voxels, of each voxel.
        rarity = np.where(lesions, np.clip(SMALL_SHARE / max(lesions.sum() / 9**3, 1e-3), 1, GREATEST_EMPHASIS), 1)
        weight = np.where(lesions, LESION_WEIGHT, 1.0) * rarity
        own = np.take_along_axis(shares, truth[:, None], axis=1)[:, 0]
        expected = -(weight * np.log(own)).sum() / weight.sum()
        masks = [truth == index for index in range(4)]

        def dice(share, mask):
            return (2 * (share * mask).sum() + 10) / (share.sum() + mask.sum() + 10)

        present = [index for index in (1, 2, 3) if masks[index].any()]
        expected += 1 - np.mean([dice(shares[:, index], masks[index]) for index in present])
        share = rarity * (shares[:, 1] + shares[:, 2])
        overlap, size = (share * lesions).sum(), (rarity * lesions).sum()
        missing = 1 - (2 * overlap + 10) / (share.sum() + size + 10)
        expected += missing if lesions.any() else share.sum() / (100 + share.sum())
        assert float(self.loss(torch.tensor(raw), torch.tensor(truth))) == pytest.approx(expected, rel=1e-4)

    def test_a_small_lesion_counts_more_than_its_voxels(self):
        labels = torch.zeros(1, 24, 24, 48, dtype=torch.long)
        labels[0, 4:20, 4:20, 4:20] = 1
        labels[0, 10:14, 10:14, 34:38] = 1
        without_small, without_part = labels.clone(), labels.clone()
        without_small[0, 10:14, 10:14, 34:38] = 0
        without_part[0, 4:8, 8:12, 8:12] = 0
        assert (without_small == labels).sum() == (without_part == labels).sum()
        small, part = (float(self.loss(self.scores(answer), labels)) for answer in (without_small, without_part))
        assert small > 1.5 * part

    def test_what_a_partial_truth_leaves_open_costs_nothing_but_a_lesion_there_does(self):
        loss = SegmentationLoss(4, (1, 2), {200: (0, 3)})
        truth = torch.full((1, 8, 8, 8), 200)
        either = torch.randint(0, 2, truth.shape) * 3
        assert float(loss(self.scores(either), truth)) < 1e-3
        one_lesion = either.clone()
        one_lesion[0, 2:5, 2:5, 2:5] = 1
        assert float(loss(self.scores(one_lesion), truth)) > 0.2

    def test_classes_are_judged_where_the_truth_tells_them_only(self):
        loss = SegmentationLoss(4, (1, 2), {200: (0, 3)})
        truth = torch.zeros(1, 8, 8, 8, dtype=torch.long)
        truth[0, :4] = 3
        partial = truth.clone()
        partial[0, 4:] = 200
        answer = torch.full_like(truth, 3)
        assert float(loss(self.scores(answer), truth)) > 1
        assert float(loss(self.scores(answer), partial)) < 1e-3

    def test_gradients_exist_without_any_foreground(self):
        scores = torch.randn(1, 4, 4, 4, 4, requires_grad=True)
        self.loss(scores, torch.zeros(1, 4, 4, 4, dtype=torch.long)).backward()
        assert torch.isfinite(scores.grad).all()
        assert scores.grad.abs().sum() > 0

    def test_coarser_levels_count_half(self):
        labels = torch.zeros(1, 8, 8, 8, dtype=torch.long)
        labels[:, 2:6] = 3
        fine, coarse = self.scores(labels), self.scores(labels[:, ::2, ::2, ::2] * 0)
        terms = float(self.loss(fine, labels)), float(self.loss(coarse, labels[:, ::2, ::2, ::2]))
        assert float(deep_loss(self.loss, [fine, coarse], labels)) == pytest.approx((terms[0] + terms[1] / 2) / 1.5)


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


def test_weights_come_back_from_an_onnx_file(tmp_path):
    recipe = replace(RECIPES["liver_coarse"], channels=(4, 6), encoder_convolutions=(1, 1), decoder_convolutions=(1,),
                     deep_supervision=0, patch=(8, 8, 8))  # fmt: skip
    network = build_network(recipe)
    for values in network.parameters():
        # The exporter keeps equal arrays once only; those of a trained network differ.
        values.data += 0.1 * torch.randn(values.shape)
    folder = export_model(network, recipe, tmp_path, "Not trained")
    weights = weights_of_onnx(folder / "model.onnx")
    for name, values in network.state_dict().items():
        stored = values.half().float() if values.dim() > 2 else values
        assert torch.equal(weights[name], stored), name

"""Training repeats itself to the bit, learns small lesions, and exports what it learned."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_cases import HCC, LIVER, RECIPE, write_cases

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.progress import Cancelled, Progress
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training import RECIPES, train, train_model
from LiverTumorAILib.training.augmentation import (
    Augmentation,
)
from LiverTumorAILib.training.cases import CaseFolder
from LiverTumorAILib.training.checkpoint import MovingAverage, TrainingState
from LiverTumorAILib.training.export import export_model, starting_weights, weights_of_onnx
from LiverTumorAILib.training.loop import build_network, learning_rate, load_trained
from LiverTumorAILib.training.losses import GREATEST_EMPHASIS, LESION_WEIGHT, SMALL_SHARE, SegmentationLoss, deep_loss
from LiverTumorAILib.training.targets import (
    BASE_CLASSES,
)
from LiverTumorAILib.training.validation import validate


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def cases(tmp_path) -> CaseFolder:
    return write_cases(tmp_path / "data" / "training")


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
        network = train(replace(recipe, augmentation=calm), cases, tmp_path, validation=cases, device="cpu")
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

    class Arterial(torch.nn.Module):
        """Right wherever the arterial phase shows."""

        def forward(self, volume):
            scores = torch.full((1, len(BASE_CLASSES), *volume.shape[2:]), -9.0)
            hu = volume[0, 1] * 200 + 50
            scores[0, HCC] = torch.where(hu > 115, 9.0, -9.0)
            scores[0, LIVER] = torch.where((hu <= 115) & (hu > 0), 9.0, -9.0)
            scores[0, 0] = torch.where(hu <= 0, 9.0, -9.0)
            return scores

    def test_a_perfect_network_gets_perfect_figures(self, cases):
        figures = validate(self.Arterial(), cases, RECIPE, torch.device("cpu"))
        for name in ("dice liver", "dice lesions", "lesion recall", "lesion precision", "type accuracy"):
            assert figures[name] == 1, name
        assert np.isnan(figures["dice spleen"])

    def test_networks_for_the_screening_setting_are_judged_in_it(self, cases):
        assert RECIPES["base_unet_screening"].shown == (Phase.NON_CONTRAST,)
        screening = replace(RECIPE, augmentation=RECIPES["base_unet_screening"].augmentation)
        assert validate(self.Arterial(), cases, screening, torch.device("cpu"))["lesion recall"] == 0


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


def test_a_training_begins_with_what_another_network_knows_of_its_classes(tmp_path):
    other = build_network(replace(RECIPE, name="other", seed=9))
    with torch.no_grad():
        for values in other.parameters():
            values.add_(0.1 * torch.randn(values.shape))
    start = export_model(other, replace(RECIPE, name="other"), tmp_path, "Not trained") / "model.onnx"
    classes = ("background", "CYST", "HCC", "liver")
    network = build_network(replace(RECIPE, classes=classes))
    network.load_state_dict(starting_weights(start, classes), strict=False)
    rows = [BASE_CLASSES.index(name) for name in classes]
    volume = torch.randn(1, RECIPE.input_channels, 8, 16, 16)
    with torch.no_grad():
        expected = other.eval()(volume)[:, rows]
        torch.testing.assert_close(network.eval()(volume), expected, rtol=0.01, atol=0.01)
    with pytest.raises(LiverTumorAIError, match="no class abscess"):
        starting_weights(start, ("background", "abscess"))

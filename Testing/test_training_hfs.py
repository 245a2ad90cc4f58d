"""HFS-Net's networks are trained, exported and fused: small networks on small patients, all the way to findings."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from onnxruntime import InferenceSession

from LiverTumorAILib.cascades import get_cascade
from LiverTumorAILib.cascades.hfs_net import FUSION, PHASES
from LiverTumorAILib.cascades.hierarchy import PRIORS
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.networks import SliceWise
from LiverTumorAILib.phantom import PhantomOptions
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.progress import Cancelled, Progress
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Modality, Phase, Study, StudyVolume
from LiverTumorAILib.training import train_model
from LiverTumorAILib.training.export import SCORES, VOLUME, onnx_bytes, weights_of_onnx, with_half_weights
from LiverTumorAILib.training.hfs import ABLATION_RECIPES, HFS_RECIPES, train_hfs_model
from LiverTumorAILib.training.hfs.augmentation import NO_AUGMENTATION, SliceAugmentation, SliceWarp, augment_hu
from LiverTumorAILib.training.hfs.cases import (
    UNKNOWN,
    HfsCase,
    Label,
    SliceContent,
    on_slices,
    read_case,
    read_cases,
    write_case,
)
from LiverTumorAILib.training.hfs.loop import build_network, load_trained, train
from LiverTumorAILib.training.hfs.losses import TargetLoss, median_frequency_weights
from LiverTumorAILib.training.hfs.make_data import draw_options
from LiverTumorAILib.training.hfs.priors import read_priors
from LiverTumorAILib.training.hfs.sampler import HfsSampler, kind_of_slice
from LiverTumorAILib.training.hfs.train import predict_target
from LiverTumorAILib.training.liver_samples import LiverSampler
from LiverTumorAILib.training.make_data import Bodies
from LiverTumorAILib.training.materials import Material
from LiverTumorAILib.training.sampler import samples_ahead

SHAPE = (34, 80, 80)
SPACING = (2.5, 1.4, 1.4)
HU = {"body": (-60, -60, -60), "liver": (60, 80, 110), "HCC": (45, 160, 60), "cyst": (5, 5, 5)}
"""In the three phases."""
TINY = {
    "channels": (6, 8), "steps": 70, "learning_rate": 0.02, "warm_up": 5, "ema": 0.9, "checkpoint_every": 20,
    "bodies": 0,
}  # fmt: skip


def tiny(name, **changes):
    sizes = {"patch": (8, 32, 32), "window": (16, 48, 48), "batch": 1} if name == FUSION else {"patch": (5, 48, 48)}
    if name != FUSION:
        sizes["window"] = (8, SHAPE[1], SHAPE[2])
    return replace(HFS_RECIPES[name], **(TINY | sizes | changes))


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def ellipsoid(centre, half_axes_mm):
    indices = np.moveaxis(np.indices(SHAPE), 0, -1)
    return (((indices - centre) * SPACING / half_axes_mm) ** 2).sum(axis=-1) <= 1


def cube_body():
    """A whole body with a real CT, as small as can be."""
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[10:30, 10:30, 10:30] = Tissue.LIVER
    ct = np.where(labels, 100, -1000).astype(np.int16)
    return Material("cube", labels, (labels > 0).astype(np.uint8), ct)


def patient(seed, hcc=True):
    """Images (3, z, y, x) and labels of a liver with an HCC that is bright in the arterial phase, and with a cyst."""
    rng = np.random.default_rng(seed)
    middle = (np.array(SHAPE) - 1) / 2
    liver = ellipsoid(middle, (36, 48, 46))
    cyst = ellipsoid(middle + np.array([rng.uniform(-5, 5), 14, 14]), (9, 9, 9))
    size = {0: 11, 1: 25, 2: 13}[seed % 3] * np.ones(3)
    tumour = ellipsoid(middle + np.array([rng.uniform(-4, 4), -13, -13]), size) & liver & ~cyst
    labels = np.select([cyst, tumour & hcc, liver], [Label.OTHER_LESION, Label.HCC, Label.LIVER], 0).astype(np.uint8)
    levels = np.array([HU["body"], HU["liver"], HU["HCC"], HU["cyst"]], float).T
    images = levels[:, labels] + rng.normal(0, 8, (3, *SHAPE))
    return images.astype(np.int16), labels


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for split, seeds in (("training", (1, 2, 3)), ("fusion", (4, 5, 6)), ("validation", (7,))):
        for seed in seeds:
            write_case(folder / split / f"seed_{seed}", *patient(seed))
    return folder


@pytest.fixture(scope="module")
def models(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in (*PRIORS, FUSION):
        train_hfs_model(tiny(name), data, folder.parent / "runs" / name, folder, device="cpu")
    return ModelStore(folder)


def as_study(images):
    volumes = {}
    for phase, values in zip(PHASES, images, strict=True):
        image = sitk.GetImageFromArray(values.astype(np.float32))
        image.SetSpacing(SPACING[::-1])
        volumes[phase] = image
    study = Study(Modality.CT, tuple(StudyVolume(image, phase) for phase, image in volumes.items()))
    return RegisteredStudy(study, Phase.PORTAL_VENOUS, volumes)


class TestTrained:
    def test_the_trained_cascade_finds_the_hcc_and_leaves_the_cyst(self, models):
        assert all(result.ok for result in models.verify())
        images, labels = patient(11)
        findings = get_cascade("hfs-net", "cpu").run(as_study(images), models, Progress())
        found = sitk.GetArrayViewFromImage(findings.lesion_labels) > 0
        true = labels == Label.HCC
        assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.7
        assert (found & (labels == Label.OTHER_LESION)).sum() < 0.1 * (labels == Label.OTHER_LESION).sum()
        assert findings.liver_volume_mm3 == pytest.approx((labels > 0).sum() * np.prod(SPACING), rel=0.1)

    def test_cards_tell_what_was_trained_and_measured(self, models):
        card = models.card(FUSION)
        assert card.priors == PRIORS
        assert card.channels == 5
        assert "focal + dice" in card.training
        assert card.figures["dice_global"] > 0.5
        assert models.card("hfs_size").inputs == ("non_contrast", "arterial", "portal_venous")
        assert models.card("hfs_large").inputs == ("portal_venous",)
        assert "not for clinical use" in card.intended_use

    def test_the_figures_of_the_card_are_those_of_the_validation_cases(self, models, data):
        (case,) = read_cases(data / "validation")
        found, true = predict_target(models.load("hfs_liver", "cpu"), case), case.target("liver")
        # Slices without liver are not computed.
        assert not found[[not content.liver for content in case.slices]].any()
        expected = 2 * (found & true).sum() / (found.sum() + true.sum())
        assert models.card("hfs_liver").figures["dice_global"] == pytest.approx(expected, abs=1e-4)

    def test_the_fusion_learns_from_what_the_other_networks_give(self, models, data):
        case = read_cases(data / "fusion")[0]
        priors = read_priors(case)
        assert priors.shape == (4, *SHAPE)
        liver = priors[0] > 0.5
        assert 2 * (liver & case.target("liver")).sum() / (liver.sum() + case.target("liver").sum()) > 0.8
        assert not ((priors[2] > 0) & (priors[3] > 0)).any()

    def test_the_fusion_names_the_networks_it_lacks(self, data, tmp_path):
        with pytest.raises(LiverTumorAIError, match="hfs_liver, hfs_size, hfs_large, hfs_small"):
            train_hfs_model(tiny(FUSION), data, tmp_path / "run", tmp_path, device="cpu")


class TestLoop:
    recipe = tiny("hfs_size", steps=6, checkpoint_every=3)

    def test_a_resumed_training_ends_with_the_same_bits(self, data, tmp_path):
        cases = read_cases(data / "training")
        whole = train(self.recipe, cases, tmp_path / "whole", device="cpu").state_dict()
        train(self.recipe, cases, tmp_path / "parts", device="cpu", until=3)
        assert load_trained(self.recipe, tmp_path / "parts")[1] == 3
        parts = train(self.recipe, cases, tmp_path / "parts", device="cpu").state_dict()
        assert all(torch.equal(whole[key], parts[key]) for key in whole)
        assert any(not torch.equal(whole[key], value) for key, value in build_network(self.recipe).state_dict().items())

    def test_a_cancelled_training_keeps_its_checkpoint_and_another_recipe_does_not_continue_it(self, data, tmp_path):
        cases, events = read_cases(data / "training"), []
        progress = Progress(listener=events.append, is_cancelled=lambda: len(events) > 4)
        with pytest.raises(Cancelled):
            train(self.recipe, cases, tmp_path, progress, device="cpu")
        assert load_trained(self.recipe, tmp_path)[1] == 3
        with pytest.raises(LiverTumorAIError, match="another recipe"):
            train(replace(self.recipe, loss=("dice",)), cases, tmp_path, device="cpu")

    def test_the_loss_falls(self, models):
        with (models.folder.parent / "runs" / "hfs_size" / "curves.csv").open() as file:
            losses = [float(row["value"]) for row in csv.DictReader(file) if row["name"] == "loss"]
        assert losses[-1] < 0.6 * losses[0]

    def test_an_unknown_model_is_refused_with_the_known_ones(self, tmp_path):
        with pytest.raises(LiverTumorAIError, match="hfs_liver"):
            train_model("hfs_livre", tmp_path, tmp_path, tmp_path)


class TestRecipes:
    def test_they_are_those_of_the_papers_table_2(self):
        table = {
            "hfs_liver": (1, "dense_unet", ("cross_entropy", "dice")),
            "hfs_size": (3, "dense_unet", ("focal", "dice")),
            "hfs_large": (1, "unet", ("cross_entropy",)),
            "hfs_small": (3, "dense_unet", ("focal", "dice")),
            FUSION: (1, "unet3d", ("focal", "dice")),
        }
        assert {r.name: (len(r.inputs), r.architecture, r.loss) for r in HFS_RECIPES.values()} == table
        assert set(get_cascade("hfs-net").required_models) == set(HFS_RECIPES)

    @pytest.mark.parametrize("recipe", HFS_RECIPES.values(), ids=lambda recipe: recipe.name)
    def test_every_network_fits_its_patch_and_ten_mebibytes(self, recipe):
        network = build_network(recipe)
        sides = (*recipe.patch, *recipe.window) if recipe.priors else (*recipe.patch[1:], *recipe.window[1:])
        assert all(length % network.stride == 0 for length in sides)
        assert sum(weights.numel() for weights in network.parameters()) * 4 < 10 * 2**20

    def test_weights_stored_in_half_the_bytes_give_the_same_scores(self, tmp_path):
        network = SliceWise(build_network(HFS_RECIPES["hfs_large"])).eval()
        whole = onnx_bytes(network, 1, (2, 32, 32))
        half = with_half_weights(whole)
        assert len(half) < 0.6 * len(whole)
        slices = np.random.default_rng(1).normal(size=(1, 1, 2, 32, 32)).astype(np.float32)
        first, second = (InferenceSession(content).run([SCORES], {VOLUME: slices})[0] for content in (whole, half))
        np.testing.assert_allclose(first, second, atol=2e-3 * float(np.abs(first).max()))
        (tmp_path / "half.onnx").write_bytes(half)
        weights = weights_of_onnx(tmp_path / "half.onnx")
        true = network.state_dict()["network.head.weight"]
        torch.testing.assert_close(weights["head.weight"], true, rtol=1e-3, atol=1e-6)

    def test_the_ablation_has_every_candidate_of_the_paper(self):
        assert len(ABLATION_RECIPES) == 19
        assert {recipe.architecture for recipe in ABLATION_RECIPES.values()} == {
            "unet",
            "dense_unet",
            "r2unet",
            "hyper_dense_unet",
            "single_dense_path_unet",
        }
        assert all(name == recipe.name for name, recipe in ABLATION_RECIPES.items())


class TestLosses:
    scores = torch.tensor([[[0.0, 2.0, -1.0]], [[0.0, 0.0, 3.0]]]).permute(1, 0, 2)
    target = torch.tensor([[0, 0, 1]])

    def of_truth(self):
        shares = np.exp(self.scores[0].numpy())
        shares /= shares.sum(axis=0)
        return shares[self.target[0].numpy(), range(3)], shares[1]

    def test_each_term_follows_its_formula(self):
        right, positive = self.of_truth()
        focal = (1 - right) ** 2 * -np.log(right)
        dice = 1 - (2 * positive[2] + 10) / (positive.sum() + 1 + 10)
        expected = {
            ("cross_entropy",): -np.log(right).mean(),
            ("focal",): focal.mean(),
            ("balanced_focal",): (focal * [0.5, 0.5, 4]).mean(),
            ("dice",): dice,
            ("focal", "dice"): focal.mean() + dice,
        }
        for terms, value in expected.items():
            assert float(TargetLoss(terms, (0.5, 4.0))(self.scores, self.target)) == pytest.approx(value, rel=1e-5)

    def test_an_unknown_term_is_refused(self):
        with pytest.raises(ValueError, match="no loss"):
            TargetLoss(("hinge",))(self.scores, self.target)

    def test_the_median_frequency_makes_both_classes_weigh_alike(self):
        background, target = median_frequency_weights(50, 5, 20, 100)
        frequencies = 1 - 50 / 2000, 50 / 500
        assert (
            background * frequencies[0] == pytest.approx(target * frequencies[1]) == pytest.approx(sum(frequencies) / 2)
        )


class TestSampler:
    def test_a_step_repeats_itself_and_is_drawn_ahead_in_order(self, data):
        sampler = HfsSampler(tiny("hfs_small"), read_cases(data / "training"))
        ahead = list(samples_ahead(sampler, range(3, 9)))
        assert len(ahead) == 6
        assert all(torch.equal(ahead[index][0], sampler(3 + index)[0]) for index in range(6))
        images, targets = ahead[0]
        assert images.shape == (5, 3, 48, 48) and targets.shape == (5, 48, 48)
        assert float(images.abs().max()) <= 1
        assert set(torch.unique(targets).tolist()) == {0, 1}

    def test_the_networks_for_a_size_see_tumours_of_that_size(self):
        small, large = (HFS_RECIPES[name].tumour_px for name in ("hfs_small", "hfs_large"))
        both = SliceContent(900, 300, 0, (12.0, 44.0))
        assert kind_of_slice(both, small) == kind_of_slice(both, large) == "tumour"
        at_limit = SliceContent(900, 300, 50, (30.0,))
        assert kind_of_slice(at_limit, small) == "tumour"
        assert kind_of_slice(at_limit, large) is None
        contents = [SliceContent(9, 0, 5, ()), SliceContent(9, 0, 0, ()), SliceContent(0, 0, 0, ())]
        assert [kind_of_slice(content, small) for content in contents] == ["other", "liver", "rest"]

    def test_a_small_tumour_is_drawn_as_often_as_a_large_one(self, tmp_path):
        nothing, tumour = SliceContent(900, 0, 0, ()), SliceContent(900, 50, 0, (9.0,))
        for name, hu in (("dark", 0), ("bright", 200)):
            (tmp_path / name).mkdir()
            np.save(tmp_path / name / "images.npy", np.full((3, *SHAPE), hu, np.int16))
            np.save(tmp_path / name / "labels.npy", np.zeros(SHAPE, np.uint8))
        counts = {"dark": 2, "bright": 30}
        cases = [
            HfsCase(tmp_path / name, (tumour,) * count + (nothing,) * (SHAPE[0] - count))
            for name, count in counts.items()
        ]
        images, _ = HfsSampler(tiny("hfs_small", patch=(300, 16, 16)), cases, NO_AUGMENTATION)(0)
        assert 0.4 < float((images.mean(dim=(1, 2, 3)) < 0).float().mean()) < 0.6

    def test_without_augmentation_a_patch_is_cut_out_as_it_is(self, data):
        cases = read_cases(data / "training")
        sampler = HfsSampler(tiny("hfs_liver", patch=(4, *SHAPE[1:])), cases, NO_AUGMENTATION)
        images, targets = sampler(0)
        expected = [np.clip((np.asarray(case.images[2], np.float32) - 70) / 170, -1, 1) for case in cases]
        for image, target in zip(images, targets, strict=True):
            matches = [
                (volume, case, index)
                for volume, case in zip(expected, cases, strict=True)
                for index in range(SHAPE[0])
                if np.abs(volume[index] - image[0].numpy()).max() < 1e-4
            ]
            ((_, case, index),) = matches
            np.testing.assert_array_equal(target.numpy() > 0, case.target("liver")[index])

    def test_half_a_liver_batch_comes_from_bodies_with_real_ct(self, data):
        body = cube_body()
        recipe = tiny("hfs_liver", patch=(8, 48, 48), bodies=4)
        cases = read_cases(data / "training")
        images, targets = HfsSampler(recipe, cases, materials=(body,))(0)
        alone, _ = HfsSampler(replace(recipe, patch=(4, 48, 48), bodies=0), cases)(0)
        assert images.shape == (8, 1, 48, 48)
        assert targets.shape == (8, 48, 48)
        assert torch.equal(images[:4], alone)
        slab, _ = LiverSampler(replace(recipe, patch=(4, 48, 48)), (body,))(0)
        assert torch.equal(images[4:], slab[0].transpose(0, 1))

    def test_missing_bodies_are_named(self, data, tmp_path):
        with pytest.raises(LiverTumorAIError, match="materials"):
            train_hfs_model(tiny("hfs_liver", bodies=2), data, tmp_path / "run", tmp_path / "models")

    def test_images_and_labels_move_together(self):
        disc = (np.hypot(*(np.indices((60, 60)) - 30)) < 12).astype(np.float32)[None]
        rng = np.random.default_rng(2)
        warp = SliceWarp.draw(rng, SliceAugmentation(), (30, 30), (48, 48))
        image, label = warp.sample(100 * disc)[0] > 50, warp.sample(disc, "nearest")[0] > 0
        assert 2 * float((image & label).sum()) / float(image.sum() + label.sum()) > 0.97
        moved = warp.sample(100 * disc, slip_px=np.array([5.0, 0.0]))[0] > 50
        shift = [np.argwhere(mask.numpy()).mean(axis=0) for mask in (moved, image)]
        assert np.linalg.norm(shift[0] - shift[1]) > 3

    def test_nothing_is_ever_mirrored(self):
        for seed in range(20):
            warp = SliceWarp.draw(np.random.default_rng(seed), SliceAugmentation(elastic_px=0), (30, 30), (20, 20))
            dx, dy = (np.gradient(warp.places.numpy(), axis=axis)[..., ::-1].mean(axis=(0, 1)) for axis in (1, 0))
            assert np.linalg.det([dy, dx]) > 0.3

    def test_unknown_pixels_stay_unknown(self):
        values = np.array([[50.0, np.nan], [20.0, 30.0]], np.float32)
        changed = augment_hu(np.random.default_rng(1), SliceAugmentation(noise_probability=1), values)
        np.testing.assert_array_equal(np.isnan(changed), np.isnan(values))
        assert not np.array_equal(changed, values)


class TestCases:
    def test_truth_lands_on_the_slices(self):
        like = sitk.Image([120, 90, 30], sitk.sitkFloat32)
        like.SetSpacing((2.0, 2.0, 4.0))
        z, y, x = np.indices((30, 90, 120))
        masks = {
            "liver": ((z - 15) * 4) ** 2 + ((y - 45) * 2) ** 2 + ((x - 40) * 2) ** 2 < 45**2,
            "hcc": ((z - 15) * 4) ** 2 + ((y - 40) * 2) ** 2 + ((x - 35) * 2) ** 2 < 16**2,
            "others": ((z - 15) * 4) ** 2 + ((y - 55) * 2) ** 2 + ((x - 50) * 2) ** 2 < 9**2,
        }

        def image(values):
            result = sitk.GetImageFromArray(values)
            result.CopyInformation(like)
            return result

        hu = np.where(masks["liver"], 100, -60).astype(np.float32)
        phases = {phase: image(hu + 5 * index) for index, phase in enumerate(PHASES)}
        images, labels = on_slices(phases, *(image(mask.astype(np.uint8)) for mask in masks.values()))
        assert images.shape == (3, 48, 256, 256) and labels.shape == (48, 256, 256)
        voxel = 2.5 * 1.4 * 1.4
        for value, name in ((Label.HCC, "hcc"), (Label.OTHER_LESION, "others")):
            assert (labels == value).sum() * voxel == pytest.approx(masks[name].sum() * 16, rel=0.08)
        assert (labels > 0).sum() * voxel == pytest.approx(masks["liver"].sum() * 16, rel=0.03)
        assert np.median(images[1][labels == Label.LIVER]) == pytest.approx(105, abs=1)
        assert (images[:, :, 0, 0] == UNKNOWN).all()

    def test_a_case_knows_what_its_slices_show(self, data):
        case = read_cases(data / "training")[0]
        for content, labels in zip(case.slices, case.labels, strict=True):
            assert content.hcc == (labels == Label.HCC).sum()
            assert content.liver == (labels > 0).sum()
            assert bool(content.axes_px) == bool(content.hcc)
        assert set(case.phases()) == set(PHASES)

    def test_damaged_and_missing_cases_are_named(self, tmp_path):
        with pytest.raises(LiverTumorAIError, match="No training cases"):
            read_cases(tmp_path)
        write_case(tmp_path / "seed_1", *patient(1))
        np.save(tmp_path / "seed_1" / "labels.npy", np.zeros((2, 2, 2), np.uint8))
        with pytest.raises(LiverTumorAIError, match="differ in size"):
            read_case(tmp_path / "seed_1")

    def test_seeds_decide_the_patients_and_many_have_no_hcc(self):
        options = [draw_options(seed) for seed in range(60)]
        assert options[7] == draw_options(7) and isinstance(options[7], PhantomOptions)
        drawn = [option.lesions for option in options if option.lesions is not None]
        assert 25 < len(drawn) < 48
        assert all(lesions[0] == "HCC" for lesions in drawn)
        assert max(option.breathing_mm for option in options) <= 3

    def test_of_four_studies_one_has_real_organs_and_one_takes_place_in_a_real_ct(self):
        bodies = Bodies(anatomies=(Path("map.nii.gz"),), scans=(cube_body(),))
        drawn, generated = ([draw_options(seed, given) for seed in range(4)] for given in (bodies, Bodies()))
        assert [option.anatomy is not None for option in drawn] == [True, False, False, False]
        assert [option.scan is not None for option in drawn] == [False, False, True, False]
        assert [replace(option, anatomy=None, scan=None) for option in drawn] == generated

"""The reclassification network's patches show what their scheme says, and its training ends in a working cascade."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage

from LiverTumorAILib.cascades import get_cascade
from LiverTumorAILib.cascades.multi_sensitivity import RECLASSIFICATION, SensitivityControl
from LiverTumorAILib.inference import Model, ModelStore
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Modality, Phase, Study, StudyVolume
from LiverTumorAILib.training import train_model
from LiverTumorAILib.training.augmentation import Augmentation
from LiverTumorAILib.training.cases import UNKNOWN, CaseFolder, LesionPlace, TrainingCase, write_case
from LiverTumorAILib.training.reclassification import recipe as recipes
from LiverTumorAILib.training.reclassification.livers import LiverFolder, cut_liver
from LiverTumorAILib.training.reclassification.recipe import CLASSES, WITH_SHUFFLE, WITHOUT_SHUFFLE
from LiverTumorAILib.training.reclassification.sampler import (
    ReclassificationSampler,
    Scheme,
    draw_patch,
    draw_suspect,
)
from LiverTumorAILib.training.reclassification.suspects import SuspectFinder
from LiverTumorAILib.training.targets import BASE_CLASSES

SMALL = {
    "patch": (8, 16, 16),
    "window": (8, 16, 16),
    "channels": (4, 8),
    "encoder_convolutions": (1, 1),
    "decoder_convolutions": (1,),
    "deep_supervision": 1,
    "steps": 40,
    "warm_up": 5,
    "checkpoint_every": 20,
}
RECIPE = replace(WITH_SHUFFLE, **SMALL)
CALM = Augmentation(0, misregistration_probability=0, shift_hu=0, gain=0, noise_probability=0, blur_probability=0,
                    thick_slice_probability=0, coverage_probability=0, dropout_probability=0,
                    non_contrast_alone_probability=0)  # fmt: skip
HCC_HU, LIVER_HU, CYST_HU, OUTSIDE_HU = 150, 80, 5, -80
HCC, CYST = CLASSES.index("HCC"), CLASSES.index("CYST")


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small_case(name: str, lesions: bool = True) -> TrainingCase:
    """A liver box with an HCC and a cyst, the same in all phases."""
    labels = np.zeros((16, 40, 44), np.uint8)
    labels[1:15, 2:38, 3:41] = BASE_CLASSES.index("liver")
    places = []
    if lesions:
        labels[4:8, 6:12, 6:12] = BASE_CLASSES.index("HCC")
        labels[9:12, 26:30, 30:34] = BASE_CLASSES.index("CYST")
        places = [LesionPlace(BASE_CLASSES.index("HCC"), (6, 9, 9), 144), LesionPlace(6, (10, 28, 32), 48)]
    hu = np.full(len(BASE_CLASSES), OUTSIDE_HU)
    for kind, value in (("liver", LIVER_HU), ("HCC", HCC_HU), ("CYST", CYST_HU)):
        hu[BASE_CLASSES.index(kind)] = value
    return TrainingCase(name, np.repeat(hu[labels][None], 4, axis=0).astype(np.int16), labels, tuple(places))


@pytest.fixture
def data(tmp_path):
    for part, count in (("training", 3), ("validation", 1)):
        folder = tmp_path / "data" / part
        names = tuple(f"case_{index}" for index in range(count))
        CaseFolder.write_plan(folder, names)
        for index, name in enumerate(names):
            write_case(small_case(name, lesions=index != 2), folder)
    return tmp_path / "data"


@pytest.fixture
def livers(data, tmp_path):
    return LiverFolder(CaseFolder.open(data / "training"), BASE_CLASSES, tmp_path / "livers")


def draw(liver, scheme, seed):
    return draw_patch(np.random.default_rng(seed), liver, scheme, (12, 24, 24), RECIPE)


class TestLivers:
    def test_a_liver_is_cut_out_with_its_lesions_numbered(self):
        liver = cut_liver(small_case("case"), BASE_CLASSES)
        assert liver.labels.shape == (16, 40, 42)
        assert sorted(np.bincount(liver.instances.ravel())[1:].tolist()) == [48, 144]
        assert set(np.unique(liver.labels)) == {0, HCC, CYST, CLASSES.index("liver")}
        assert ((liver.images[0] == OUTSIDE_HU) == (liver.labels == 0)).all()

    def test_it_is_cut_out_once_and_comes_back_the_same(self, livers, data):
        first = livers.liver(0)
        (data / "training" / "case_0" / "labels.npy").unlink()
        again = livers.liver(0)
        assert all((getattr(first, name) == getattr(again, name)).all() for name in ("images", "labels", "instances"))


class TestSuspects:
    """A network that calls HCC whatever is brighter than liver stands for the first one."""

    SPOT = (slice(8, 11), slice(18, 22), slice(18, 22))

    @pytest.fixture
    def spotted(self):
        """A case with a bright spot (a vessel, say) in healthy liver, and a brighter kidney beside the liver."""
        case = small_case("spotted")
        case.images[(slice(None), *self.SPOT)] = HCC_HU
        case.images[:, 1:15, 2:8, 41:44] = HCC_HU
        return case

    @pytest.fixture
    def finder(self):
        def bright_is_hcc(volume):
            scores = np.zeros((1, len(BASE_CLASSES), *volume.shape[2:]), np.float32)
            scores[:, BASE_CLASSES.index("liver")] = 5
            scores[:, BASE_CLASSES.index("HCC")] = np.where(volume[:, 0] > 0.45, 9, 0)
            return scores

        card = replace(ModelStore().card("base_unet"), patch=(16, 32, 32))
        return SuspectFinder(Model(card, bright_is_hcc), card.inputs)

    def test_they_are_what_the_first_network_takes_for_a_lesion_and_is_none(self, spotted, finder):
        suspects = finder(spotted)
        expected = np.zeros(suspects.shape, bool)
        expected[self.SPOT] = True
        assert ((suspects > 0) == expected).all() and suspects.max() == 1

    def test_phases_that_are_not_shown_do_not_count(self, spotted, finder):
        spotted.images[0] = np.where(spotted.images[0] == HCC_HU, LIVER_HU, spotted.images[0])
        assert not replace(finder, shown=("non_contrast",))(spotted).any()
        spotted.images[0] = UNKNOWN
        assert not replace(finder, shown=("non_contrast",))(spotted).any()

    def test_patches_are_drawn_around_them_and_teach_liver(self, spotted, finder):
        liver = cut_liver(spotted, BASE_CLASSES, finder(spotted))
        for seed in range(6):
            patch = draw_suspect(np.random.default_rng(seed), liver, (12, 24, 24))
            assert patch.lesion.sum() == 3 * 4 * 4
            assert (patch.labels[patch.lesion] == CLASSES.index("liver")).all()
            assert (patch.images[0][patch.lesion] == HCC_HU).all()

    def test_a_liver_without_them_draws_none(self, livers):
        assert draw_suspect(np.random.default_rng(0), livers.liver(0), (12, 24, 24)) is None

    def test_livers_are_all_cut_before_training_and_then_read_without_the_first_network(self, livers, finder):
        read = replace(livers, suspected_by=finder).all_cut()
        assert read.suspected_by is None
        assert sorted(path.stem for path in livers.kept.iterdir()) == ["case_0", "case_1", "case_2"]


class TestSchemes:
    @pytest.mark.parametrize("seed", range(12))
    def test_every_patch_shows_what_its_labels_say(self, livers, seed):
        liver = livers.liver(0)
        for scheme in Scheme:
            patch = draw(liver, scheme, seed)
            hu = {HCC: HCC_HU, CYST: CYST_HU}
            for kind, value in hu.items():
                inside = patch.labels == kind
                if scheme is Scheme.SHUFFLED_POSITIVE:
                    # Its soft border may reach into a lesion beside it.
                    inside &= patch.lesion
                assert patch.images[0][inside] == pytest.approx(value, abs=1e-3), scheme
            if scheme is not Scheme.SHUFFLED_POSITIVE:
                assert np.nanmax(patch.images[0][patch.labels == 0], initial=OUTSIDE_HU) <= LIVER_HU + 1

    @pytest.mark.parametrize("seed", range(6))
    def test_positive_patches_hold_the_whole_lesion_and_negative_ones_no_trace_of_it(self, livers, seed):
        liver = livers.liver(0)
        for scheme in (Scheme.ORIGINAL_POSITIVE, Scheme.SHUFFLED_POSITIVE):
            patch = draw(liver, scheme, seed)
            kinds = np.unique(patch.labels[patch.lesion])
            assert len(kinds) == 1 and kinds[0] in (HCC, CYST)
            assert patch.lesion.sum() == pytest.approx({HCC: 144, CYST: 48}[int(kinds[0])], rel=0.12)
        patch = draw(liver, Scheme.SHUFFLED_NEGATIVE, seed)
        assert patch.lesion.sum() in (144, 48)
        assert (patch.labels[patch.lesion] == CLASSES.index("liver")).all()
        assert patch.images[0][patch.lesion] == pytest.approx(LIVER_HU)

    def test_shuffled_lesions_come_to_different_places(self, livers):
        liver = livers.liver(0)
        original = {tuple(np.argwhere(liver.labels == HCC).mean(axis=0))}
        around = set()
        for seed in range(8):
            patch = draw(liver, Scheme.SHUFFLED_POSITIVE, seed)
            around.add(int((patch.labels == 0).sum()))
        assert len(original) == 1 and len(around) > 3

    def test_without_lesions_only_negative_patches_can_be_drawn(self, livers):
        healthy = livers.liver(2)
        assert [draw(healthy, scheme, 0) is not None for scheme in Scheme] == [False, True, False, False]


class TestSampler:
    def test_everything_outside_the_liver_is_unknown_to_the_network(self, livers):
        sampler = ReclassificationSampler(replace(RECIPE, augmentation=CALM), livers)
        seen = set()
        for step in range(30):
            volume, target = sampler(step)
            assert volume.shape == (1, 8, *RECIPE.patch) and target.shape == (1, *RECIPE.patch)
            presence = volume[0, 4:]
            assert (presence[:, target[0] > 0] == 1).all()
            assert (volume[0, :4][presence == 0] == 0).all()
            seen |= set(torch.unique(target).tolist())
            assert torch.equal(volume, sampler(step)[0])
        assert {HCC, CYST, CLASSES.index("liver")} <= seen

    def test_every_augmentation_goes_through(self, livers):
        sampler = ReclassificationSampler(
            replace(RECIPE, augmentation=Augmentation(1, misregistration_probability=1)), livers
        )
        for step in range(10):
            volume, target = sampler(step)
            assert torch.isfinite(volume).all() and int(target.max()) < len(CLASSES)

    def test_further_lesions_of_all_types_are_implanted_into_the_liver(self, data, tmp_path):
        healthy = LiverFolder(CaseFolder(data / "training", ("case_2",)), BASE_CLASSES, tmp_path / "healthy")
        recipe, types = replace(RECIPE, patch=(16, 32, 32), implant_share=1.0, augmentation=CALM), set()
        for step in range(20):
            volume, target = ReclassificationSampler(recipe, healthy)(step)
            types |= set(torch.unique(target).tolist())
            assert (target[0][(volume[0, 4:] == 0).all(dim=0)] == 0).all()
        assert len(types & set(range(1, CLASSES.index("liver")))) >= 4
        bare = ReclassificationSampler(replace(recipe, implant_share=0.0), healthy)
        assert all(set(torch.unique(bare(step)[1]).tolist()) <= {0, CLASSES.index("liver")} for step in range(5))

    def test_the_ablation_draws_patches_around_lesions_only(self, livers):
        bare = ReclassificationSampler(replace(WITHOUT_SHUFFLE, augmentation=CALM, **SMALL), livers)
        assert bare.schemes == (Scheme.ORIGINAL_POSITIVE,)
        assert ReclassificationSampler(RECIPE, livers).schemes == tuple(Scheme)


def test_training_by_name_ends_in_a_cascade_that_runs(data, tmp_path, monkeypatch, small_phantom):
    monkeypatch.setitem(recipes.RECLASSIFICATION_RECIPES, RECLASSIFICATION, RECIPE)
    models = tmp_path / "models"
    run = tmp_path / "run"
    train_model(RECLASSIFICATION, data, run, models, steps=20, device="cpu")
    folder = train_model(RECLASSIFICATION, data, run, models, device="cpu")
    assert sorted(entry.name for entry in (run / "livers" / "training").iterdir()) == [
        "case_0.npz",
        "case_1.npz",
        "case_2.npz",
    ]
    store = ModelStore(models)
    card = store.card(folder.name)
    assert card.classes == CLASSES and card.patch == RECIPE.patch
    confirmed = {"confirmed, original", "confirmed, shuffled"}
    assert set(card.figures) == {"cases", *confirmed, "refused", "refused suspects", "type accuracy"}
    assert "shuffled negative" in card.training
    shipped = ModelStore()
    (models / "base_unet").symlink_to(shipped.folder / "base_unet", target_is_directory=True)
    whole = small_phantom.images[Phase.PORTAL_VENOUS]
    liver = sitk.GetArrayFromImage(
        sitk.Resample(small_phantom.organs, whole, sitk.Transform(), sitk.sitkNearestNeighbor)
    )
    (box,) = ndimage.find_objects((liver == Tissue.LIVER).astype(np.uint8))
    reference = whole[box[::-1]]
    images = {
        phase: sitk.Resample(image, reference, sitk.Transform(), sitk.sitkLinear, -1000)
        for phase, image in small_phantom.images.items()
    }
    volumes = tuple(StudyVolume(image, phase) for phase, image in images.items())
    study = RegisteredStudy(Study(Modality.CT, volumes), Phase.PORTAL_VENOUS, images)
    findings = get_cascade("multi-sensitivity", "cpu").run(study, store, Progress())
    assert findings.liver_volume_mm3 > 5e5
    assert set(findings.patient.opinions) == {"Base+ReCls", "High+ReCls"}
    assert all(lesion.evidence and lesion.found_at for lesion in findings.lesions)
    more = SensitivityControl(study, findings).detect(100)
    assert (more.detection.labels > 0).sum() >= (
        SensitivityControl(study, findings).detect(1).detection.labels > 0
    ).sum()

"""The data engine of the liver networks: bodies, transfer to other people's organs, samples, and real scans."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.inference.liver import find_liver
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom import PhantomOptions, generate_phantom
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.real_scan import RealScan
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training import liver_intensities
from LiverTumorAILib.training.by_name import train_model
from LiverTumorAILib.training.cases import UNKNOWN
from LiverTumorAILib.training.liver_intensities import UNLABELLED, draw_intensities
from LiverTumorAILib.training.liver_samples import LiverSampler, coarse_guess
from LiverTumorAILib.training.materials import (
    SPACING_MM,
    Material,
    complete_labels,
    read_materials,
    scan_material,
    synthetic_material,
    transferred_material,
    write_material,
)
from LiverTumorAILib.training.materials import main as make_materials
from LiverTumorAILib.training.recipe import RECIPES
from LiverTumorAILib.training.sampler import samples_ahead
from LiverTumorAILib.training.scanner_faults import add_faults
from LiverTumorAILib.training.transfer import VoxelMap, fit_organs, sample_donor

ORGANS = {
    Tissue.LIVER: ((-35, -5, 20), (65, 50, 60)),
    Tissue.SPLEEN: ((85, 25, 30), (20, 28, 40)),
    Tissue.LEFT_KIDNEY: ((55, 45, -30), (22, 22, 40)),
    Tissue.RIGHT_KIDNEY: ((-60, 55, -50), (22, 20, 40)),
}
"""Centre and half axes, mm, (x, y, z)."""


def body_map(spacing_mm=4.0, stretch=(1.0, 1.0, 1.0), shift=(0.0, 0.0, 0.0)):
    """Ellipsoidal organs in a trunk as a label map and a CT whose HU tell tissue and height."""
    shape = (60, 56, 80) if spacing_mm == 4.0 else tuple(int(n * 4 / spacing_mm) for n in (60, 56, 80))
    origin = tuple(-(n - 1) / 2 * spacing_mm for n in shape)
    z, y, x = np.meshgrid(*(o + np.arange(n) * spacing_mm for o, n in zip(origin, shape, strict=True)), indexing="ij")
    labels = np.zeros(shape, np.uint8)
    ct = np.full(shape, -1000.0, np.float32)
    trunk = (x / (150 * stretch[0])) ** 2 + (y / (100 * stretch[1])) ** 2 < 1
    ct[trunk] = -100
    for tissue, (centre, axes) in ORGANS.items():
        distance = sum(
            ((p - c * s - t) / (a * s)) ** 2
            for p, c, a, s, t in zip((x, y, z), centre, axes, stretch, shift, strict=True)
        )
        labels[distance < 1] = tissue
        ct[distance < 1] = 40 + 10 * int(tissue)
    grid = ((spacing_mm,) * 3, origin)
    return VoxelMap(labels, *grid), VoxelMap(ct, *grid)


@pytest.fixture(scope="module")
def materials(tmp_path_factory):
    folder = tmp_path_factory.mktemp("materials")
    labels, ct = body_map()
    write_material(scan_material("scan", ct, labels), folder)
    write_material(synthetic_material("synthetic", 3), folder)
    return folder


class TestTransfer:
    def test_organs_of_another_size_are_reached(self):
        donor, _ = body_map()
        target, _ = body_map(stretch=(1.15, 1.1, 0.9), shift=(12.0, -8.0, 15.0))
        fit = fit_organs(donor, target)
        assert fit.dice > 0.93
        axes = [o + np.arange(n) * 4.0 for o, n in zip(target.origin_mm, target.values.shape, strict=True)]
        moved = sample_donor(donor, fit.donor_points(axes), "nearest", 0.0)
        for tissue in ORGANS:
            one, other = moved == tissue, target.values == tissue
            assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.8, tissue.name

    def test_the_image_comes_along_with_its_own_labels(self):
        labels, ct = body_map()
        target, _ = body_map(stretch=(1.1, 1.1, 1.1))
        material = transferred_material("moved", ct, labels, target)
        inside = material.labels == Tissue.SPLEEN
        assert np.median(material.ct[inside]) == pytest.approx(40 + 10 * int(Tissue.SPLEEN), abs=2)
        assert material.is_real

    def test_what_the_donor_does_not_show_stays_unknown(self):
        labels, ct = body_map()
        cut = slice(0, 40)
        low = VoxelMap(labels.values[cut], labels.spacing_mm, labels.origin_mm)
        image = VoxelMap(ct.values[cut], ct.spacing_mm, ct.origin_mm)
        target, _ = body_map(shift=(0.0, 0.0, 4.0))
        fit = fit_organs(low, target)
        axes = [o + np.arange(n) * 4.0 for o, n in zip(target.origin_mm, target.values.shape, strict=True)]
        moved = sample_donor(image, fit.donor_points(axes))
        assert np.isnan(moved[48:]).all()
        assert np.isfinite(moved[10:30, 20:36, 30:50]).all()


class TestMaterials:
    def test_what_a_map_leaves_open_is_told_by_density(self):
        ct = np.repeat(np.array([-1000.0, -100.0, 50.0, 400.0]), 6)[None, None].repeat(6, 0).repeat(6, 1)
        labels = np.zeros(ct.shape, np.uint8)
        completed = complete_labels(labels, ct)
        assert completed[3, 3, 3::6].tolist() == [Tissue.AIR, Tissue.FAT, Tissue.MUSCLE, Tissue.BONES]

    def test_they_can_be_written_and_read(self, materials):
        read = {material.name: material for material in read_materials(materials)}
        assert set(read) == {"scan", "synthetic"}
        assert read["scan"].is_real and not read["synthetic"].is_real
        volume_ml = read["scan"].liver.sum() * SPACING_MM**3 / 1000
        assert volume_ml == pytest.approx(4 / 3 * np.pi * np.prod(ORGANS[Tissue.LIVER][1]) / 1000, rel=0.05)
        assert not [entry for entry in materials.iterdir() if entry.name.startswith(".")]


class TestSamples:
    @pytest.mark.parametrize("name", ["liver_coarse", "liver_fine"])
    def test_a_step_s_sample_is_always_the_same_and_fits_the_network(self, materials, name):
        recipe = RECIPES[name]
        sampler = LiverSampler(recipe, read_materials(materials))
        inputs, target = sampler(7)
        again = LiverSampler(recipe, read_materials(materials))(7)
        assert inputs.shape == (1, recipe.input_channels, *recipe.patch)
        assert target.shape == (1, *recipe.patch)
        assert set(target.unique().tolist()) <= {0, 1}
        assert inputs.isfinite().all()
        assert (inputs == again[0]).all() and (target == again[1]).all()

    def test_most_samples_show_liver(self, materials):
        sampler = LiverSampler(RECIPES["liver_fine"], read_materials(materials))
        assert sum(bool(sampler(step)[1].any()) for step in range(12)) >= 8

    def test_samples_made_ahead_are_those_of_their_steps(self, materials):
        sampler = LiverSampler(RECIPES["liver_fine"], read_materials(materials))
        ahead = list(samples_ahead(sampler, range(3, 6)))
        for step, (inputs, target) in zip(range(3, 6), ahead, strict=True):
            assert (inputs == sampler(step)[0]).all()
            assert (target == sampler(step)[1]).all()

    @given(st.integers(0, 10**6))
    @settings(max_examples=15)
    def test_intensities_are_known_where_something_is_known(self, seed):
        rng = np.random.default_rng(seed)
        labels = np.full((16, 20, 20), Tissue.FAT, np.uint8)
        labels[4:12, 5:15, 5:15] = Tissue.LIVER
        labels[:2] = UNLABELLED
        liver = labels == Tissue.LIVER
        image = draw_intensities(rng, labels, liver, np.full(labels.shape, np.nan, np.float32), (3.0, 3.0, 3.0))
        assert np.isnan(image[labels == UNLABELLED]).all()
        assert np.isfinite(image[labels != UNLABELLED]).all()

    @given(st.integers(0, 10**6))
    @settings(max_examples=15)
    def test_scanner_faults_never_invent_what_is_unknown(self, seed):
        rng = np.random.default_rng(seed)
        image = rng.normal(40, 10, (24, 30, 30)).astype(np.float32)
        image[:3] = np.nan
        faulty = add_faults(np.random.default_rng(seed), image, (2.0, 2.0, 2.0))
        assert np.isnan(faulty[:3]).all()
        assert faulty.dtype == np.float32
        assert np.isfinite(faulty).mean() > 0.2

    @pytest.mark.parametrize(
        ("fluid", "tissue", "hu"), [("EFFUSION_SHARE", Tissue.LUNGS, -850), ("ASCITES_SHARE", Tissue.FAT, -100)]
    )
    def test_fluid_beside_the_liver_takes_the_place_of_lung_or_fat(self, monkeypatch, fluid, tissue, hu):
        for name in ("EFFUSION_SHARE", "ASCITES_SHARE"):
            monkeypatch.setattr(liver_intensities, name, float(name == fluid))
        labels = np.full((40, 40, 40), Tissue.MUSCLE, np.uint8)
        labels[25:38, 5:35, 5:35] = tissue
        labels[:22, 5:35, 5:35] = Tissue.LIVER
        labels[22:25, 5:35, 5:35] = tissue if tissue == Tissue.FAT else Tissue.MUSCLE
        plain = np.select([labels == tissue, labels == Tissue.LIVER], [hu, 60], 50).astype(np.float32)
        plain[:, :, :2] = np.nan
        liver, space = labels == Tissue.LIVER, labels == tissue
        for seed in range(6):
            image = plain.copy()
            liver_intensities._add_fluid(np.random.default_rng(seed), image, labels, liver, (2.0, 2.0, 2.0))
            changed = np.abs(image - plain) > 20
            assert (changed & space).sum() > 500
            assert not (changed & ~ndimage.binary_dilation(space)).any()
            fluid_hu = np.median(image[space & changed & ndimage.binary_erosion(changed)])
            assert -10 < fluid_hu < 120
            np.testing.assert_array_equal(np.isnan(image), np.isnan(plain))
            assert np.abs(image - plain)[liver].max() < 25

    def test_coarse_guesses_are_probabilities_that_mostly_agree_but_not_always(self):
        z, y, x = np.mgrid[:32, :48, :48]
        liver = (((z - 16) / 12) ** 2 + ((y - 24) / 18) ** 2 + ((x - 24) / 18) ** 2 < 1).astype(np.float32)
        guesses = [coarse_guess(np.random.default_rng(seed), liver, (1.5, 1.5, 1.5)) for seed in range(60)]
        assert all(guess.shape == liver.shape and guess.min() >= 0 and guess.max() <= 1 for guess in guesses)
        agreement = [np.corrcoef(guess.ravel(), liver.ravel())[0, 1] for guess in guesses if guess.any()]
        assert np.median(agreement) > 0.6
        assert np.min(agreement) < 0.6


class TestRealScans:
    @pytest.fixture(scope="class")
    @classmethod
    def phantom(cls):
        labels, ct = body_map(2.0)
        rng = np.random.default_rng(0)
        maps = [complete_labels(labels.values, ct.values), ct.values + rng.normal(0, 4, ct.values.shape)]
        images = [sitk.GetImageFromArray(values) for values in maps]
        for image in images:
            image.SetSpacing([2.0] * 3)
        options = PhantomOptions(
            spacing_mm=(4.0, 3.0, 3.0), breathing_mm=0.0, vary_coverage=False, lesions=(LesionType.CYST,),
            scan=RealScan(*images),
        )  # fmt: skip
        return generate_phantom(11, "ct4", options)

    def test_organs_keep_their_own_density_without_contrast(self, phantom):
        organs = sitk.GetArrayViewFromImage(phantom.organs)
        native = sitk.GetArrayFromImage(
            sitk.Resample(phantom.images[Phase.NON_CONTRAST], phantom.organs, sitk.Transform(), sitk.sitkLinear)
        )
        assert np.median(native[organs == Tissue.SPLEEN]) == pytest.approx(40 + 10 * int(Tissue.SPLEEN), abs=6)

    def test_contrast_agent_vessels_and_lesions_are_added(self, phantom):
        organs = sitk.GetArrayViewFromImage(phantom.organs)
        phases = {
            phase: sitk.GetArrayFromImage(sitk.Resample(image, phantom.organs, sitk.Transform(), sitk.sitkLinear))
            for phase, image in phantom.images.items()
        }
        liver = organs == Tissue.LIVER
        assert np.median(phases[Phase.PORTAL_VENOUS][liver]) > np.median(phases[Phase.NON_CONTRAST][liver]) + 20
        assert (organs == Tissue.HEPATIC_VEINS).any()
        cyst = sitk.GetArrayViewFromImage(phantom.lesions) > 0
        assert cyst.any()
        assert np.median(phases[Phase.PORTAL_VENOUS][cyst]) < np.median(phases[Phase.PORTAL_VENOUS][liver]) - 20

    def test_lesions_lie_in_the_real_liver(self, phantom):
        lesions = sitk.GetArrayViewFromImage(phantom.lesions) > 0
        organs = sitk.GetArrayViewFromImage(phantom.organs)
        inside = (Tissue.LIVER, Tissue.HEPATIC_VEINS, Tissue.PORTAL_SPLENIC_VEIN, Tissue.HEPATIC_ARTERY)
        assert np.isin(organs[lesions], inside).mean() > 0.95


@pytest.mark.filterwarnings("ignore")
def test_a_tiny_training_ends_in_networks_that_the_two_steps_run(materials, tmp_path, monkeypatch):
    tiny = {"channels": (6, 12), "encoder_convolutions": (1, 1), "decoder_convolutions": (1,), "deep_supervision": 0,
            "patch": (16, 24, 24), "window": (24, 40, 40), "steps": 2, "spacing_mm": (6.0, 6.0, 6.0)}  # fmt: skip
    recipes = {name: replace(RECIPES[name], **tiny) for name in ("liver_coarse", "liver_fine")}
    monkeypatch.setattr("LiverTumorAILib.training.by_name.RECIPES", recipes)
    for name in recipes:
        train_model(name, materials, tmp_path / name, tmp_path / "models", device="cpu")
    _, ct = body_map()
    image = sitk.GetImageFromArray(ct.values)
    image.SetSpacing([4.0] * 3)
    liver = find_liver(image, ModelStore(tmp_path / "models"), "cpu")
    assert liver.mask.GetSize() == image.GetSize()
    assert (tmp_path / "liver_coarse" / "checkpoint.pt").is_file()


def test_a_material_of_nothing_known_is_synthetic():
    labels = np.zeros((10, 10, 10), np.uint8)
    assert not Material.of("empty", labels, np.full(labels.shape, UNKNOWN, np.int16)).is_real


def test_labels_that_start_at_zero_are_brought_to_their_ct(tmp_path):
    labels, ct = body_map()
    for name, volume, origin in (("ct", ct, (100.0, -50.0, 30.0)), ("labels", labels, (0.0, 0.0, 0.0))):
        image = sitk.GetImageFromArray(volume.values)
        image.SetSpacing(volume.spacing_mm[::-1])
        image.SetOrigin(origin)
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    files = ["--ct", str(tmp_path / "ct.nii.gz"), "--labels", str(tmp_path / "labels.nii.gz")]
    assert make_materials([str(tmp_path / "out"), *files, "--transfers", "0", "--synthetic", "0"]) == 0
    (material,) = read_materials(tmp_path / "out")
    assert np.median(material.ct[material.labels == Tissue.SPLEEN]) == 40 + 10 * int(Tissue.SPLEEN)

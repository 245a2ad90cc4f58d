"""A generated anatomy is a plausible upper abdomen; a real label map's organs come back unchanged."""

import cc3d
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.phantom.anatomy import Anatomy, Grid
from LiverTumorAILib.phantom.anatomy_generator import default_grid, draw_cirrhosis, generate_anatomy
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.real_anatomy import anatomy_from_label_map
from LiverTumorAILib.phantom.space import smooth_noise
from LiverTumorAILib.phantom.vessel_tree import VesselTree, grow

SPACING_MM = 3.0
SEEDS = range(100, 108)
LIVER_AND_VEINS = (Tissue.LIVER, Tissue.FISSURE, Tissue.HEPATIC_VEINS, Tissue.BILE_DUCTS)


@pytest.fixture(scope="module")
def anatomies() -> list[Anatomy]:
    result = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        result.append(generate_anatomy(rng, default_grid(SPACING_MM, rng)))
    return result


def liver_with_vessels(anatomy: Anatomy) -> np.ndarray:
    """The liver as a radiologist outlines it: vessels inside filled."""
    liver = np.isin(anatomy.labels, LIVER_AND_VEINS)
    return ndimage.binary_closing(liver, iterations=2)


def volume_ml(anatomy: Anatomy, *tissues: Tissue) -> float:
    return np.count_nonzero(np.isin(anatomy.labels, tissues)) * np.prod(anatomy.grid.spacing_mm) / 1000


def centre_mm(anatomy: Anatomy, tissue: Tissue) -> np.ndarray:
    """(z, y, x) in mm."""
    return np.argwhere(anatomy.labels == tissue).mean(0) * anatomy.grid.spacing_mm


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def test_liver_volumes_are_those_of_adults_and_vary(anatomies):
    volumes = np.array([volume_ml(a, *LIVER_AND_VEINS) for a in anatomies])
    assert np.all((volumes > 700) & (volumes < 3200)), volumes
    assert 1100 < np.median(volumes) < 2000
    assert volumes.std() > 80


def test_every_tissue_is_there(anatomies):
    optional = {Tissue.COUCH, Tissue.ASCITES, Tissue.GALLBLADDER, Tissue.GAS, Tissue.BILE_DUCTS}
    for anatomy in anatomies:
        missing = set(Tissue) - optional - {Tissue(int(v)) for v in np.unique(anatomy.labels)}
        assert not missing
    assert any((a.labels == Tissue.GALLBLADDER).any() for a in anatomies)


def test_organs_have_the_size_of_real_ones(anatomies):
    ranges = {
        Tissue.SPLEEN: (50, 700),
        Tissue.PANCREAS: (15, 150),
        Tissue.AORTA: (30, 200),
        Tissue.LUNGS: (300, 4000),
    }
    for anatomy in anatomies:
        for tissue, (low, high) in ranges.items():
            assert low < volume_ml(anatomy, tissue) < high, tissue
        kidneys = volume_ml(anatomy, Tissue.RIGHT_KIDNEY, Tissue.LEFT_KIDNEY, Tissue.RENAL_MEDULLA)
        assert 130 < kidneys < 600


def test_organs_lie_on_their_side(anatomies):
    for anatomy in anatomies:
        liver, spleen = centre_mm(anatomy, Tissue.LIVER), centre_mm(anatomy, Tissue.SPLEEN)
        canal, aorta = centre_mm(anatomy, Tissue.SPINAL_CANAL), centre_mm(anatomy, Tissue.AORTA)
        cava, heart = centre_mm(anatomy, Tissue.INFERIOR_VENA_CAVA), centre_mm(anatomy, Tissue.HEART)
        assert liver[2] < canal[2] < spleen[2], "x grows to the left"
        assert liver[1] < canal[1] and aorta[1] < canal[1], "y grows to the back"
        assert heart[0] > liver[0] > centre_mm(anatomy, Tissue.COLON)[0], "z grows to the head"
        assert cava[2] < aorta[2]
        assert centre_mm(anatomy, Tissue.RIGHT_KIDNEY)[2] < canal[2] < centre_mm(anatomy, Tissue.LEFT_KIDNEY)[2]


def test_liver_is_one_piece(anatomies):
    for anatomy in anatomies:
        joined = np.isin(anatomy.labels, (*LIVER_AND_VEINS, Tissue.PORTAL_SPLENIC_VEIN, Tissue.HEPATIC_ARTERY))
        parts = cc3d.connected_components(joined, connectivity=6)
        liver = np.bincount(parts[anatomy.labels == Tissue.LIVER])
        assert liver.max() >= 0.99 * liver.sum()


def test_liver_touches_the_diaphragm(anatomies):
    for anatomy in anatomies:
        liver = anatomy.labels == Tissue.LIVER
        reach = round(9 / SPACING_MM)
        above = np.zeros_like(liver)
        above[reach:] = liver[:-reach]
        top = above & ~np.maximum.accumulate(liver[::-1], axis=0)[::-1]
        assert np.count_nonzero(anatomy.labels[top] == Tissue.LUNGS) > 100


def test_hepatic_veins_run_inside_the_liver(anatomies):
    for anatomy in anatomies:
        veins = anatomy.labels == Tissue.HEPATIC_VEINS
        near = ndimage.binary_dilation(anatomy.labels == Tissue.LIVER, iterations=2)
        assert np.count_nonzero(veins & near) > 0.95 * np.count_nonzero(veins)
        assert 0.005 < np.count_nonzero(veins) / np.count_nonzero(anatomy.labels == Tissue.LIVER) < 0.12


def test_hepatic_veins_join_the_vena_cava_and_the_portal_vein_enters_the_liver(anatomies):
    for anatomy in anatomies:
        cava = ndimage.binary_dilation(anatomy.labels == Tissue.INFERIOR_VENA_CAVA, iterations=1)
        assert (anatomy.labels[cava] == Tissue.HEPATIC_VEINS).any()
        portal = anatomy.labels == Tissue.PORTAL_SPLENIC_VEIN
        liver = liver_with_vessels(anatomy)
        inside = portal & ndimage.binary_dilation(liver, iterations=2)
        assert np.count_nonzero(inside) > 100
        assert np.count_nonzero(portal & ~inside) > 100


def test_body_is_covered_by_skin_and_surrounded_by_air(anatomies):
    for anatomy in anatomies:
        air = anatomy.labels == Tissue.AIR
        beside = ndimage.binary_dilation(air, iterations=1) & ~air
        inner = beside[:, 2:-2, 2:-2]
        assert np.count_nonzero(anatomy.labels[:, 2:-2, 2:-2][inner] == Tissue.SKIN) > 0.95 * np.count_nonzero(inner)


def test_cirrhosis_shrinks_the_right_and_grows_the_left_liver_and_the_spleen():
    grid = default_grid(4.0, np.random.default_rng(0))
    share = {0.0: [], 1.0: []}
    spleen = {0.0: [], 1.0: []}
    rough = {0.0: [], 1.0: []}
    for seed in range(5):
        for degree in (0.0, 1.0):
            anatomy = generate_anatomy(np.random.default_rng(seed), grid, cirrhosis=degree)
            assert anatomy.cirrhosis == degree
            liver = liver_with_vessels(anatomy)
            middle = centre_mm(anatomy, Tissue.SPINAL_CANAL)[2] / 4.0
            share[degree].append(np.count_nonzero(liver[..., int(middle) :]) / np.count_nonzero(liver))
            spleen[degree].append(volume_ml(anatomy, Tissue.SPLEEN))
            surface = np.count_nonzero(liver & ~ndimage.binary_erosion(liver))
            rough[degree].append(surface / np.count_nonzero(liver) ** (2 / 3))
    assert np.mean(share[1.0]) > np.mean(share[0.0])
    assert np.mean(spleen[1.0]) > 1.1 * np.mean(spleen[0.0])
    assert np.mean(rough[1.0]) > np.mean(rough[0.0])


def test_a_quarter_of_patients_has_cirrhosis():
    rng = np.random.default_rng(0)
    degrees = np.array([draw_cirrhosis(rng) for _ in range(2000)])
    assert np.mean(degrees > 0) == pytest.approx(0.25, abs=0.04)
    assert np.all((degrees >= 0) & (degrees <= 1))


def test_the_same_seed_gives_the_same_anatomy():
    grid = Grid((60, 60, 84), (4.0, 4.5, 4.5))
    first, again = (generate_anatomy(np.random.default_rng(7), grid) for _ in range(2))
    other = generate_anatomy(np.random.default_rng(8), grid)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.description == again.description
    assert not np.array_equal(first.labels, other.labels)


def test_resolution_hardly_changes_the_patient():
    coarse = generate_anatomy(np.random.default_rng(5), Grid((56, 70, 96), (4.0, 4.0, 4.0)))
    fine = generate_anatomy(np.random.default_rng(5), Grid((112, 140, 192), (2.0, 2.0, 2.0)))
    a = np.isin(coarse.labels, LIVER_AND_VEINS)
    b = np.isin(fine.labels[::2, ::2, ::2], LIVER_AND_VEINS)
    assert dice(a, b) > 0.8


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 50), st.integers(1, 60)),
    spacing=st.tuples(st.floats(1, 12), st.floats(2, 8), st.floats(2, 8)),
    seed=st.integers(0, 1000),
)
def test_any_field_of_view_gives_labels_of_its_shape(shape, spacing, seed):
    anatomy = generate_anatomy(np.random.default_rng(seed), Grid(shape, spacing))
    assert anatomy.labels.shape == shape
    assert anatomy.labels.dtype == np.uint8
    assert {int(v) for v in np.unique(anatomy.labels)} <= {int(t) for t in Tissue}
    assert all(np.isfinite(v) for v in anatomy.description.values())


def test_default_grid_holds_the_liver(anatomies):
    cut = 0
    for anatomy in anatomies:
        liver = np.argwhere(anatomy.labels == Tissue.LIVER)
        assert np.all(liver.min(0)[1:] > 0), "front and right"
        assert np.all(liver.max(0) < np.array(anatomy.grid.shape) - 1), "top, back and left"
        cut += liver.min(0)[0] == 0
    assert cut <= 1, "only a very long right lobe leaves at the bottom"


def test_smooth_noise_has_unit_variance_and_no_jumps():
    noise = smooth_noise(np.random.default_rng(0), (80, 90, 100), (2.0, 2.0, 2.0), 10.0)
    assert noise.std() == pytest.approx(1, abs=0.2)
    assert all(np.abs(np.diff(noise, axis=axis)).max() < 1.6 for axis in range(3))


def test_vessels_grow_to_every_target_and_thin_out():
    rng = np.random.default_rng(1)
    tree = VesselTree()
    tree.add_path(np.array([[0, 0, 0], [0, 0, 10], [0, 0, 20]]))
    targets = rng.uniform((-40, -40, 20), (40, 40, 100), (30, 3))
    grow(tree, targets, rng)
    points = np.asarray(tree.points)
    assert all(np.linalg.norm(points - t, axis=1).min() < 1e-6 for t in targets)
    radii = tree.radii(6.0, 0.8)
    parents = np.asarray(tree.parents)
    assert radii[0] == pytest.approx(6.0)
    assert radii.min() >= 0.8
    assert np.all(radii[parents[1:]] >= radii[1:] - 1e-9)
    assert np.all(parents[1:] < np.arange(1, len(parents)))


def real_map(shared_data, name: str) -> sitk.Image:
    path = shared_data / "anatomies" / f"{name}.nii.gz"
    if not path.is_file():
        pytest.skip(f"organ label map is missing at {path}")
    return sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")


def tall_grid(image: sitk.Image) -> Grid:
    spacing = (3.0, 2.5, 2.5)
    labels = sitk.GetArrayFromImage(image)
    levels = np.flatnonzero((labels == Tissue.LIVER).any((1, 2)))
    tall = (levels[-1] - levels[0]) * image.GetSpacing()[2] + 45
    return Grid((int(tall / spacing[0]), 120, 170), spacing)


@pytest.mark.parametrize(
    "name", ["btcv_0003", "btcv_0025", "curvas_UKCHLL001", "totalseg_s0327", "visiblehuman_m", "amos_0013"]
)
def test_a_real_liver_comes_back_in_a_whole_body(shared_data, name):
    image = real_map(shared_data, name)
    grid = tall_grid(image)
    anatomy = anatomy_from_label_map(image, np.random.default_rng(3), grid)
    offset = [anatomy.description[f"map_offset_{axis}_mm"] for axis in "xyz"]
    reference = sitk.Image([int(n) for n in grid.shape[::-1]], sitk.sitkUInt8)
    reference.SetSpacing([float(s) for s in grid.spacing_mm[::-1]])
    reference.SetOrigin((np.array(image.GetOrigin()) + offset).tolist())
    truth = sitk.GetArrayFromImage(sitk.Resample(image, reference, sitk.Transform(), sitk.sitkNearestNeighbor))
    liver = truth == Tissue.LIVER
    vessels = np.isin(anatomy.labels, (*LIVER_AND_VEINS, Tissue.PORTAL_SPLENIC_VEIN, Tissue.HEPATIC_ARTERY))
    found = (anatomy.labels == Tissue.LIVER) | (vessels & ndimage.binary_closing(liver, iterations=2))
    assert dice(found, liver) > 0.95
    spleen = truth == Tissue.SPLEEN
    if spleen.any():
        assert dice(anatomy.labels == Tissue.SPLEEN, spleen) > 0.9
    body = {Tissue.SKIN, Tissue.FAT, Tissue.MUSCLE, Tissue.BONES, Tissue.AORTA, Tissue.STOMACH, Tissue.HEPATIC_VEINS}
    assert body <= {Tissue(int(v)) for v in np.unique(anatomy.labels)}
    outside = ndimage.binary_dilation(anatomy.labels == Tissue.AIR, iterations=1) & liver
    assert np.count_nonzero(outside) < 0.001 * np.count_nonzero(liver)


def test_a_file_is_read_like_its_image(shared_data, tmp_path):
    image = real_map(shared_data, "btcv_0001")
    sitk.WriteImage(image, str(tmp_path / "map.nii.gz"))
    grid = Grid((40, 50, 60), (5.0, 6.0, 6.5))
    a = anatomy_from_label_map(image, np.random.default_rng(0), grid)
    b = anatomy_from_label_map(tmp_path / "map.nii.gz", np.random.default_rng(0), grid)
    np.testing.assert_array_equal(a.labels, b.labels)


def ball(label: int, radius: int = 14) -> np.ndarray:
    z, y, x = np.indices((40, 60, 60)) - np.array([20, 30, 25])[:, None, None, None]
    return np.where(z**2 + y**2 + x**2 < radius**2, label, 0).astype(np.uint8)


def as_image(array: np.ndarray, spacing: float = 4.0) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([spacing] * image.GetDimension())
    return image


def test_a_map_with_nothing_but_a_liver_becomes_a_body():
    anatomy = anatomy_from_label_map(as_image(ball(1)), np.random.default_rng(0), Grid((60, 60, 80), (4.0, 5.0, 5.0)))
    assert {Tissue.LIVER, Tissue.SPLEEN, Tissue.AORTA, Tissue.SKIN} <= {
        Tissue(int(v)) for v in np.unique(anatomy.labels)
    }


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (ball(2), "no liver"),
        (ball(1, radius=2), "no liver"),
        (ball(1).astype(np.float32) * 0.5, "no organ label map"),
        (ball(1).astype(np.int16) * -500, "no organ label map"),
        (ball(200), "label 200 is unknown"),
        (ball(1)[20], "three dimensions"),
    ],
)
def test_what_is_no_liver_map_is_refused_with_advice(array, message):
    with pytest.raises(LiverTumorAIError, match=message) as caught:
        anatomy_from_label_map(as_image(array), np.random.default_rng(0), Grid((20, 20, 20), (10.0, 10.0, 10.0)))
    assert caught.value.advice


def test_an_unreadable_file_is_named(tmp_path):
    path = tmp_path / "map.nii.gz"
    path.write_bytes(b"nothing")
    with pytest.raises(LiverTumorAIError, match="map.nii.gz"):
        anatomy_from_label_map(path, np.random.default_rng(0), Grid((20, 20, 20), (10.0, 10.0, 10.0)))

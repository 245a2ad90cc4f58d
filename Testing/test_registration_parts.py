"""Parts of the registration against independent truth, and input it cannot use."""

import importlib.util
from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from registration_anatomy import volume
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import compose_fields, invert_field, register, warp_labels, warp_points
from LiverTumorAILib.registration.descriptors import UNKNOWN, describe, similarity
from LiverTumorAILib.registration.fields import compose, grid_positions, invert, jacobian_determinant, unfold, warp
from LiverTumorAILib.registration.kernels import array_module_kernels, choose_kernels
from LiverTumorAILib.registration.linear import LinearMap, translation, trimmed_fit
from LiverTumorAILib.registration.matching import Level, sample_displacements
from LiverTumorAILib.registration.refinement import refine
from LiverTumorAILib.registration.spanning_tree import regularise, spanning_tree
from LiverTumorAILib.registration.working_grid import WorkingGrid


def wavy_field(seed: int) -> sitk.Image:
    """A smooth field of a few mm that grows from zero at the border."""
    random = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(0, np.pi, n) for n in (20, 22, 24)), indexing="ij")
    bump = (np.sin(z) * np.sin(y) * np.sin(x))[..., None] ** 2
    field = sitk.GetImageFromArray(bump * random.uniform(-4, 4, 3), isVector=True)
    field.SetSpacing((2.0, 2.5, 3.0))
    field.SetOrigin((-10.0, 5.0, 30.0))
    field.SetDirection((0, -1, 0, 1, 0, 0, 0, 0, 1))
    return field


def points_in(field: sitk.Image, seed: int) -> np.ndarray:
    index = np.random.default_rng(seed).uniform(1, np.array(field.GetSize()) - 2, (50, 3))
    return np.array([field.TransformContinuousIndexToPhysicalPoint(i) for i in index.tolist()])


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_points_are_warped_as_simpleitk_does(seed: int) -> None:
    field = wavy_field(seed)
    transform = sitk.DisplacementFieldTransform(sitk.Image(field))
    points = points_in(field, seed)
    expected = np.array([transform.TransformPoint(point) for point in points.tolist()])
    np.testing.assert_allclose(warp_points(points, field), expected, atol=1e-9)


@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_a_field_and_its_inverse_lead_back(seed: int) -> None:
    field = wavy_field(seed)
    inverse = invert_field(field, field)
    points = points_in(field, seed)
    np.testing.assert_allclose(warp_points(warp_points(points, field), inverse), points, atol=0.25)
    rest = sitk.GetArrayFromImage(compose_fields(field, inverse))
    assert np.abs(rest).max() < 0.25


def test_warped_labels_are_no_mixtures() -> None:
    field = wavy_field(3)
    labels = sitk.Image(field.GetSize(), sitk.sitkUInt8)
    labels.CopyInformation(field)
    labels[4:12, 4:12, 4:12] = 9
    labels[12:20, 4:12, 4:12] = 2
    warped = warp_labels(labels, field)
    assert warped.GetPixelID() == sitk.sitkUInt8
    assert set(np.unique(sitk.GetArrayViewFromImage(warped))) == {0, 2, 9}


@given(scale=st.sampled_from([0.25, 2.0, 8.0]), offset=st.sampled_from([-64.0, 0.0, 128.0]))
@settings(max_examples=9, deadline=None)
def test_descriptors_do_not_depend_on_brightness_or_contrast(scale: float, offset: float) -> None:
    image = np.random.default_rng(0).integers(0, 100, (12, 12, 12)).astype(np.float32)
    everywhere = np.ones(image.shape, bool)
    assert similarity(describe(image), describe(image * np.float32(scale) + np.float32(offset)), everywhere) > 0.999
    other = np.random.default_rng(1).integers(0, 100, (12, 12, 12)).astype(np.float32)
    assert similarity(describe(image), describe(other), everywhere) < 0.9


def test_unknown_voxels_have_no_descriptor() -> None:
    image = np.random.default_rng(0).normal(size=(10, 10, 10)).astype(np.float32)
    image[:3] = np.nan
    described = describe(image)
    assert (described[:3] == UNKNOWN).all()
    assert (described[3:] != UNKNOWN).all()


def test_the_tree_finds_the_best_of_all_displacements() -> None:
    random = np.random.default_rng(5)
    shape, weight = (3, 1, 1), 0.7
    costs = random.uniform(0, 10, (3, 27)).astype(np.float32)
    prior = random.uniform(-1, 1, (3, 3)).astype(np.float32)
    tree = spanning_tree(random.normal(size=(9, 4, 4)).astype(np.float32), shape, 4)
    edges = [(tree.order[i], tree.order[tree.parent[i]]) for i in range(1, 3)]
    steps = np.array(list(product((-1, 0, 1), repeat=3)))

    def energy(labels: tuple[int, ...]) -> float:
        data = sum(costs[node, label] for node, label in enumerate(labels))
        moves = steps[list(labels)] + prior
        return data + weight * sum(((moves[a] - moves[b]) ** 2).sum() for a, b in edges)

    best = min(product(range(27), repeat=3), key=energy)
    found = regularise(costs.copy(), tree, prior, weight, Progress())
    np.testing.assert_array_equal(np.rint(found - 1e-6 * np.sign(found)), steps[list(best)])


def texture(shape: tuple[int, int, int], coarseness: float = 1.5) -> np.ndarray:
    return gaussian_filter(np.random.default_rng(11).normal(size=shape), coarseness).astype(np.float32)


def constant_field(shape: tuple[int, int, int], vector: tuple[float, float, float]) -> np.ndarray:
    return np.broadcast_to(np.float32(vector), (*shape, 3)).copy()


@pytest.mark.parametrize("thinning", [1, 2, 4, 8])
def test_the_displacement_of_lowest_cost_is_the_true_one(thinning: int) -> None:
    image = texture((24, 24, 24))
    moved = np.roll(image, (1, -2, 2), (0, 1, 2))
    level = Level(shrink=1, spacing=6, radius=2, step=1, thinning=thinning, context=1, smoothness=0.0)
    costs = sample_displacements(describe(image, 1), describe(moved, 1), np.ones(image.shape, bool), level, Progress())
    inner = costs.reshape(*level.control_shape(image.shape), -1)[1:-2, 1:-2, 1:-2].reshape(-1, 125)
    found = np.stack(np.unravel_index(inner.argmin(axis=1), (5, 5, 5)), axis=1) - 2
    assert (found == (1, -2, 2)).all()


def test_array_operations_describe_as_the_compiled_kernels_do() -> None:
    image = texture((20, 22, 24))
    image[:4, :, :5] = np.nan
    arrays = array_module_kernels(np)
    for step in (1, 2):
        expected, found = describe(image, step), arrays.describe(image, step)
        np.testing.assert_array_equal(found == UNKNOWN, expected == UNKNOWN)
        # Sums in another order may move a value across a threshold.
        assert np.bitwise_count(found ^ expected).mean() < 0.01


@pytest.mark.parametrize(("thinning", "step"), [(1, 1), (2, 2), (8, 2)])
def test_array_operations_find_the_costs_of_the_compiled_kernels(thinning: int, step: int) -> None:
    image = texture((20, 22, 24))
    moved = np.roll(image, (1, -2, 2), (0, 1, 2))
    moved[:, :6] = np.nan
    level = Level(shrink=1, spacing=5, radius=2, step=step, thinning=thinning, context=1, smoothness=0.0)
    active = np.ones(image.shape, bool)
    active[:, :, 20:] = False
    views = (describe(image), describe(moved), active, level, Progress())
    np.testing.assert_allclose(
        array_module_kernels(np).sample_displacements(*views), sample_displacements(*views), rtol=1e-5
    )


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(LiverTumorAIError, match="no device 'abacus'"):
        choose_kernels("abacus")
    if importlib.util.find_spec("cupy") is None:
        with pytest.raises(LiverTumorAIError, match="no CUDA device"):
            choose_kernels("cuda")


def test_unknown_voxels_neither_attract_nor_repel() -> None:
    image = texture((24, 24, 24))
    unknown = np.full_like(image, np.nan)
    unknown[:2] = image[:2]
    level = Level(shrink=1, spacing=6, radius=2, step=1, thinning=1, context=1, smoothness=0.0)
    costs = sample_displacements(describe(image), describe(unknown), np.ones(image.shape, bool), level, Progress())
    costs = costs.reshape(*level.control_shape(image.shape), -1)
    assert np.ptp(costs[2:], axis=-1).max() == 0
    assert np.ptp(costs[0], axis=-1).max() > 0


@given(shift=st.tuples(*[st.floats(-0.8, 0.8)] * 3))
@settings(max_examples=5, deadline=None)
def test_refinement_finds_shifts_below_a_voxel(shift: tuple[float, float, float]) -> None:
    image = texture((32, 32, 32), 2.0)
    fixed = warp(image, constant_field((17, 17, 17), tuple(s / 2 for s in shift)), 2.0)
    active = np.ones(image.shape, bool)
    still = np.zeros((17, 17, 17, 3), np.float32)
    field = refine(fixed, image, active=active, field=still, ratio=2, progress=Progress())
    error = np.linalg.norm(2 * field[3:-3, 3:-3, 3:-3] - shift, axis=-1)
    assert error.mean() < 0.15


@given(angle=st.floats(-20, 20), scale=st.floats(0.9, 1.1), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_linear_map_is_found_although_a_third_of_the_matches_is_wrong(angle: float, scale: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    rotation = Rotation.from_rotvec(np.radians(angle) * np.array((0.6, 0.0, 0.8))).as_matrix()
    truth = LinearMap(scale * rotation, random.uniform(-50, 50, 3))
    points = random.uniform(-100, 100, (90, 3))
    matched = truth(points)
    matched[:30] += random.uniform(20, 60, (30, 3))
    found = trimmed_fit(points, matched)
    np.testing.assert_allclose(found(points), truth(points), atol=1e-6)
    assert found.rotation_degrees == pytest.approx(abs(angle), abs=1e-3)
    np.testing.assert_allclose(found.inverse(found(points)), points, atol=1e-6)


def test_a_map_of_voxels_is_the_same_map_in_the_world() -> None:
    direction = np.array(((0.0, -1, 0), (1, 0, 0), (0, 0, 1)))
    grid = WorkingGrid(np.array((10.0, -20, 5)), direction, 3.0, (4, 5, 6))
    voxels = LinearMap(Rotation.from_rotvec((0.1, 0.2, -0.1)).as_matrix(), np.array((1.0, 2, 3)))

    def place(index: np.ndarray) -> np.ndarray:
        return grid.origin_mm + 3.0 * index[..., ::-1] @ direction.T

    index = grid_positions(grid.shape)
    np.testing.assert_allclose(grid.in_world(voxels)(place(index)), place(voxels(index)), atol=1e-4)
    image = grid.displacement_image(np.zeros((*grid.shape, 3), np.float32), grid.in_world(voxels))
    expected = place(voxels(index)) - place(index)
    np.testing.assert_allclose(sitk.GetArrayViewFromImage(image), expected, atol=1e-4)
    np.testing.assert_allclose(translation((1, 2, 3))(np.zeros(3)), (1, 2, 3))


@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_any_field_is_unfolded_and_then_has_an_inverse(seed: int) -> None:
    random = np.random.default_rng(seed)
    rough = gaussian_filter(random.normal(size=(20, 20, 20, 3)), (2, 2, 2, 0)).astype(np.float32)
    field = rough * np.float32(3 / np.abs(rough).max())
    field *= gaussian_filter(np.pad(np.ones((8, 8, 8)), 6), 1.5)[..., None].astype(np.float32)
    smooth = unfold(field)
    assert jacobian_determinant(smooth).min() > 0
    rest = compose(invert(smooth, -smooth), smooth)
    assert np.abs(rest).mean() < 0.05


SMALL = (60.0, 60.0, 50.0)


def constant() -> sitk.Image:
    image = sitk.Image(24, 24, 20, sitk.sitkFloat32)
    image.SetSpacing((2.5, 2.5, 2.5))
    return image


def spaced(z_mm: float) -> sitk.Image:
    image = volume("portal", size_mm=SMALL)
    image.SetSpacing((2.5, 2.5, z_mm))
    return image


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (constant, "constant"),
        (lambda: constant() + float("nan"), "NaN"),
        (lambda: volume("portal", size_mm=SMALL) / 50 - 1000, "nothing but air"),
        (lambda: volume("portal", size_mm=(60.0, 60.0, 2.5)), "single slice"),
        (lambda: spaced(80.0), "too coarse"),
        (lambda: spaced(0.01), "covers only"),
        (lambda: sitk.Image([8, 8, 8], sitk.sitkVectorUInt8, 3), "colour"),
        (lambda: sitk.Image([8, 8, 8, 2], sitk.sitkFloat32), "4 dimensions"),
    ],
)
@pytest.mark.parametrize("which", ["fixed", "moving"])
def test_input_that_cannot_be_registered_is_named(image, words: str, which: str) -> None:
    good = volume("portal", size_mm=SMALL)
    images = (image(), good) if which == "fixed" else (good, image())
    with pytest.raises(LiverTumorAIError, match=words) as caught:
        register(*images)
    assert which in str(caught.value)
    assert "\n" not in str(caught.value)


def test_images_that_show_only_unknown_in_common_are_refused() -> None:
    first = sitk.GetArrayFromImage(volume("portal", size_mm=SMALL))
    image = sitk.GetImageFromArray(np.where(np.arange(len(first))[:, None, None] < 2, first, np.nan))
    image.SetSpacing((2.5, 2.5, 2.5))
    with pytest.raises(LiverTumorAIError, match="in common"):
        register(image, image)

"""Parts of the registration against independent truth, and input it cannot use."""

from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from registration_anatomy import volume

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import compose_fields, invert_field, register, warp_labels, warp_points
from LiverTumorAILib.registration.descriptors import UNKNOWN, describe, similarity
from LiverTumorAILib.registration.spanning_tree import regularise, spanning_tree


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
    rest = sitk.GetArrayViewFromImage(compose_fields(field, inverse))
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

"""Phases on any grid become class probabilities, and these become labels on the reference grid."""

import os
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from test_inference_store import linear_card, linear_onnx

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import IntensityNormalisation, NetworkGrid, ProbabilityMaps, predict_probabilities
from LiverTumorAILib.inference.preprocess import body_box, network_input, normalise, sample_phase
from LiverTumorAILib.inference.session import Session
from LiverTumorAILib.inference.store import Model
from LiverTumorAILib.study import Phase

# Liver where the portal venous phase is bright, lesion where the arterial phase is brighter still.
WEIGHTS = np.array([[0, 0, 0, 0], [0, 40, 0, 0], [40, 20, 0, 0]])


@pytest.fixture(scope="module")
def model() -> Model:
    content = linear_onnx(WEIGHTS)
    return Model(linear_card(content, patch=(16, 32, 32)), Session(content, "cpu"))


def ball(centre, radius, size=(60, 60, 30), spacing=(2.0, 2.0, 3.0), origin=(-40.0, 10.0, 5.0), direction=None):
    """Image of HU: a body of -50, a ball of 150 in it, air around."""
    image = sitk.Image(list(size), sitk.sitkFloat32)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction is not None:
        image.SetDirection(np.asarray(direction).ravel().tolist())
    z, y, x = np.indices(size[::-1])
    index = np.stack([x, y, z], axis=-1)
    points = index @ (np.asarray(image.GetDirection()).reshape(3, 3) * spacing).T + origin
    distance = np.linalg.norm(points - centre, axis=-1)
    middle = np.asarray(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in size]))
    body = np.linalg.norm(points - middle, axis=-1) < 45
    values = np.where(distance < radius, 150.0, np.where(body, -50.0, -1000.0)).astype(np.float32)
    filled = sitk.GetImageFromArray(values)
    filled.CopyInformation(image)
    return filled, distance


def turned(degrees):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])


@pytest.mark.parametrize("degrees", [0.0, 25.0, 90.0])
def test_a_ball_comes_back_where_it_was_on_a_tilted_grid(model, degrees):
    direction = turned(degrees)
    centre = direction @ np.array([58.0, 60.0, 44.0]) + [-40, 10, 5]
    portal, distance = ball(centre, 20, direction=direction)
    maps = predict_probabilities(model, {Phase.PORTAL_VENOUS: portal})
    labels = maps.labels_on(portal)
    found = sitk.GetArrayFromImage(labels) == maps.classes.index("liver")
    truth = distance < 20
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.93
    assert labels.GetPixelID() == sitk.sitkUInt8
    assert labels.GetDirection() == portal.GetDirection()
    assert labels.GetOrigin() == portal.GetOrigin()


def test_missing_phases_are_told_by_the_presence_channels(model):
    portal, _ = ball((18, 70, 49), 20)
    lone = network_input({Phase.PORTAL_VENOUS: sitk.GetArrayFromImage(portal)}, model.card)
    assert (lone[0] == 0).all()
    assert (lone[2] == 0).all()
    assert (lone[3] == 1).all()
    assert lone.dtype == np.float32


def test_what_a_phase_does_not_show_is_neither_bright_nor_dark(model):
    portal, _ = ball((18, 70, 49), 20)
    values = sitk.GetArrayFromImage(portal)
    values[:10] = np.nan
    cut = sitk.GetImageFromArray(values)
    cut.CopyInformation(portal)
    grid = NetworkGrid.covering([portal], (3.0, 2.0, 2.0))
    sampled = sample_phase(cut, grid)
    inputs = network_input({Phase.ARTERIAL: sampled, Phase.PORTAL_VENOUS: sample_phase(portal, grid)}, model.card)
    assert np.isfinite(inputs).all()
    assert (inputs[0, :9] == 0).all()
    assert (inputs[2, :9] == 0).all()
    assert (inputs[2, 11:] == 1).all()
    np.testing.assert_array_equal(np.isnan(sampled), inputs[2] == 0)
    np.testing.assert_allclose(inputs[0, 12:], inputs[1, 12:], atol=1e-3)


def test_phases_the_model_does_not_know_are_left_aside_and_none_at_all_is_an_error(model):
    portal, _ = ball((18, 70, 49), 20)
    with_extra = predict_probabilities(model, {Phase.PORTAL_VENOUS: portal, Phase.DELAYED: portal})
    without = predict_probabilities(model, {Phase.PORTAL_VENOUS: portal})
    np.testing.assert_array_equal(with_extra.probabilities, without.probabilities)
    with pytest.raises(LiverTumorAIError, match="cannot use any phase.*arterial, portal venous"):
        predict_probabilities(model, {Phase.HEPATOBILIARY: portal})


def test_only_the_region_is_computed(model):
    portal, distance = ball((18, 70, 49), 20)
    region = sitk.GetImageFromArray((distance < 10).astype(np.uint8))
    region.CopyInformation(portal)
    maps = predict_probabilities(model, {Phase.PORTAL_VENOUS: portal}, region=region)
    found = sitk.GetArrayFromImage(maps.labels_on(portal)) > 0
    assert found[distance < 8].all()
    assert not found[distance > 14].any()
    assert max(np.multiply(maps.grid.shape, maps.grid.spacing_mm)) < 30
    with pytest.raises(LiverTumorAIError, match="region"):
        predict_probabilities(model, {Phase.PORTAL_VENOUS: portal}, region=region * 0)


def test_air_around_the_body_is_cropped(model):
    portal, _ = ball((79, 129, 48), 20, size=(120, 120, 30))
    maps = predict_probabilities(model, {Phase.PORTAL_VENOUS: portal})
    assert maps.grid.shape[1] * 2.0 < 110
    outside = sitk.GetArrayFromImage(maps.probability_on(portal, "background"))
    assert outside[0, 0, 0] == 1


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    spacing=st.tuples(*[st.floats(0.6, 4.0)] * 3),
    degrees=st.floats(-40, 40),
    shift=st.tuples(*[st.floats(-12, 12)] * 3),
)
def test_labels_are_the_most_probable_class_after_linear_interpolation(seed, spacing, degrees, shift):
    """Independent truth: SimpleITK resamples each class."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(4), (9, 11, 10)).transpose(3, 0, 1, 2).astype(np.float16)
    grid = NetworkGrid((9, 11, 10), (2.5, 2.0, 2.0), (3.0, -7.0, 11.0))
    maps = ProbabilityMaps(("background", "a", "b", "c"), probabilities, grid)
    reference = sitk.Image([13, 12, 14], sitk.sitkUInt8)
    reference.SetSpacing(spacing)
    reference.SetDirection(turned(degrees).ravel().tolist())
    reference.SetOrigin([11 + shift[0], -7 + shift[1], 3 + shift[2]])
    matrix, offset = grid.index_transform(reference)
    places = np.stack(np.indices((14, 12, 13)), axis=-1) @ matrix.T + offset
    # On the very edge of the outermost voxels rounding decides what is inside.
    border = np.minimum(np.abs(places + 0.5), np.abs(places - (np.array(grid.shape) - 0.5))).min(axis=-1)
    safe = border > 1e-6
    expected = []
    for index, values in enumerate(probabilities.astype(np.float32)):
        moved = sitk.Resample(grid.image(values), reference, sitk.Transform(), sitk.sitkLinear, float(index == 0))
        expected.append(sitk.GetArrayFromImage(moved))
        own = sitk.GetArrayFromImage(maps.probability_on(reference, maps.classes[index]))
        np.testing.assert_allclose(own[safe], expected[-1][safe], atol=1e-4)
    top = np.sort(np.stack(expected), axis=0)
    clear = safe & (top[-1] - top[-2] > 1e-3)
    labels = sitk.GetArrayFromImage(maps.labels_on(reference))
    np.testing.assert_array_equal(labels[clear], np.argmax(expected, axis=0)[clear])


def test_slabs_do_not_change_the_labels(monkeypatch):
    rng = np.random.default_rng(5)
    probabilities = rng.dirichlet(np.ones(3), (12, 12, 12)).transpose(3, 0, 1, 2).astype(np.float16)
    maps = ProbabilityMaps(("background", "a", "b"), probabilities, NetworkGrid((12, 12, 12), (2.0,) * 3, (0.0,) * 3))
    reference = sitk.Image([30, 31, 32], sitk.sitkUInt8)
    reference.SetDirection(turned(20).ravel().tolist())
    whole = sitk.GetArrayFromImage(maps.labels_on(reference))
    monkeypatch.setattr("LiverTumorAILib.inference.probability_maps._SLAB_VOXELS", 1000)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(maps.labels_on(reference)), whole)
    assert set(np.unique(whole)) == {0, 1, 2}


def test_sampling_a_fine_image_averages_its_noise():
    rng = np.random.default_rng(6)
    fine = sitk.GetImageFromArray(rng.normal(50, 20, (40, 120, 120)).astype(np.float32))
    fine.SetSpacing((0.7, 0.7, 1.0))
    grid = NetworkGrid.covering([fine], (2.5, 2.0, 2.0))
    sampled = sample_phase(fine, grid)[2:-2, 3:-3, 3:-3]
    box_mean = 20 / np.sqrt(2.5 * 2.0 * 2.0 / (0.7 * 0.7 * 1.0))
    assert abs(np.nanmean(sampled) - 50) < 0.5
    assert sampled.std() < 1.5 * box_mean


def test_a_grid_covers_its_images():
    image = sitk.Image([31, 17, 9], sitk.sitkUInt8)
    image.SetSpacing((0.8, 0.9, 3.1))
    image.SetDirection(turned(30).ravel().tolist())
    grid = NetworkGrid.covering([image], (2.5, 2.0, 2.0))
    matrix, offset = grid.index_transform(image)
    for corner in np.ndindex(2, 2, 2):
        index = np.array(corner) * [8, 16, 30]
        place = matrix @ index + offset
        assert (place > -0.5 - 1e-6).all()
        assert (place < np.array(grid.shape) - 0.5 + 1e-6).all()
        point = image.TransformIndexToPhysicalPoint([int(value) for value in index[::-1]])
        np.testing.assert_allclose(place * grid.spacing_mm + grid.origin_mm, point[::-1], atol=1e-6)


def test_the_window_maps_its_ends_to_minus_one_and_one():
    window = IntensityNormalisation("window", -150, 250)
    values = np.array([[-2000, -150, 50, 250, 3000, np.nan]])
    np.testing.assert_allclose(normalise(values, window), [[-1, -1, 0, 1, 1, 0]])


def test_percentiles_come_from_the_body_whatever_the_signals_scale():
    rng = np.random.default_rng(7)
    signal = np.concatenate([np.abs(rng.normal(0, 2, 9000)), rng.normal(200, 30, 3000)])
    percentiles = IntensityNormalisation("percentile", 1, 99)
    once, scaled = normalise(signal, percentiles), normalise(signal * 7, percentiles)
    np.testing.assert_allclose(once, scaled, atol=1e-5)
    assert abs(once[9000:].mean()) < 0.1
    assert (normalise(np.full(5, np.nan), percentiles) == 0).all()


def test_without_a_body_nothing_is_cropped():
    air = {Phase.ARTERIAL: np.full((6, 7, 8), -1000.0)}
    assert body_box(air, IntensityNormalisation("window", -150, 250)) == (slice(0, 6), slice(0, 7), slice(0, 8))


def test_threads_may_look_at_maps_together_with_any_threading_layer():
    """Numba's own layer, the only one on some computers, ends a process that starts two parallel loops at once."""
    script = """
import threading
import numpy as np
import SimpleITK as sitk
from LiverTumorAILib.inference import NetworkGrid, ProbabilityMaps

values = np.random.default_rng(1).random((2, 20, 40, 40)).astype(np.float16)
maps = ProbabilityMaps(("background", "HCC"), values, NetworkGrid((20, 40, 40), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0)))
image = sitk.Image(80, 80, 40, sitk.sitkUInt8)

def look():
    for _ in range(20):
        maps.labels_on(image)
        maps.probability_on(image, "HCC")

threads = [threading.Thread(target=look) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
    environment = os.environ | {"NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, cwd=ROOT, timeout=300)

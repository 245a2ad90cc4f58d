"""Patches with Gaussian weights give what the network would give on the whole volume."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from LiverTumorAILib.inference import sliding_window
from LiverTumorAILib.progress import Cancelled, Progress

WEIGHTS = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)


def linear(batch: np.ndarray) -> np.ndarray:
    return np.einsum("kc,bczyx->bkzyx", WEIGHTS, batch)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    patch=st.tuples(*[st.integers(4, 16)] * 3),
    overlap=st.floats(0, 0.8),
    seed=st.integers(0, 1000),
)
def test_a_network_without_context_gives_the_same_patch_by_patch(shape, patch, overlap, seed):
    volume = np.random.default_rng(seed).normal(size=(3, *shape)).astype(np.float32)
    result = sliding_window(volume, linear, 5, patch, overlap=overlap)
    expected = softmax(linear(volume[None])[0], axis=0)
    assert result.dtype == np.float16
    np.testing.assert_allclose(result, expected, atol=1e-3)


def test_stitching_leaves_no_seams():
    """A network that shifts its scores from patch to patch: weights blend the steps into slopes."""
    calls = []

    def drifting(batch):
        calls.append(1)
        ramp = np.full((1, 1, *batch.shape[2:]), (-1) ** len(calls) * 2.0, np.float32)
        return np.concatenate([ramp, -ramp], axis=1)

    result = sliding_window(np.zeros((3, 16, 16, 200), np.float32), drifting, 2, (16, 16, 64), overlap=0.5)
    profile = result[0, 8, 8].astype(float)
    assert np.ptp(profile) > 0.9
    assert np.abs(np.diff(profile)).max() < 0.2


def test_probabilities_add_up_to_one():
    volume = np.random.default_rng(3).normal(size=(3, 20, 30, 25)).astype(np.float32)
    result = sliding_window(volume, linear, 5, (8, 16, 16))
    np.testing.assert_allclose(result.astype(float).sum(axis=0), 1, atol=4e-3)


def test_outside_the_region_is_background_and_far_patches_are_skipped():
    volume = np.random.default_rng(4).normal(size=(3, 16, 16, 160)).astype(np.float32)
    region = np.zeros(volume.shape[1:], bool)
    region[4:12, 4:12, 10:20] = True
    calls = []

    def counting(batch):
        calls.append(1)
        return linear(batch)

    inside = sliding_window(volume, counting, 5, (16, 16, 16), region=region)
    few = len(calls)
    whole = sliding_window(volume, counting, 5, (16, 16, 16))
    assert few < (len(calls) - few) / 4
    np.testing.assert_allclose(inside[:, region], whole[:, region], atol=1e-3)
    assert (inside[0, ~region] == 1).all()
    assert (inside[1:, ~region] == 0).all()


def test_an_empty_region_runs_nothing():
    def never(batch):
        raise AssertionError("the network ran")

    region = np.zeros((8, 8, 8), bool)
    result = sliding_window(np.zeros((3, 8, 8, 8), np.float32), never, 4, (8, 8, 8), region=region)
    assert (result[0] == 1).all()


def test_cancel_is_heard_between_patches():
    calls = []

    def counting(batch):
        calls.append(1)
        return linear(batch)

    progress = Progress(is_cancelled=lambda: len(calls) >= 3)
    with pytest.raises(Cancelled):
        sliding_window(np.zeros((3, 16, 16, 160), np.float32), counting, 5, (16, 16, 16), progress=progress)
    assert len(calls) == 3


def test_progress_only_rises_and_ends_at_one():
    events = []
    sliding_window(
        np.zeros((3, 20, 40, 40), np.float32), linear, 5, (16, 16, 16), progress=Progress(listener=events.append)
    )
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_memory_beside_the_result_does_not_grow_with_the_volumes_height():
    def peak_beside_result(height):
        volume = np.zeros((3, height, 40, 40), np.float32)
        tracemalloc.start()
        result = sliding_window(volume, linear, 5, (8, 40, 40))
        peak = tracemalloc.get_traced_memory()[1] - result.nbytes
        tracemalloc.stop()
        return peak

    assert peak_beside_result(320) < 1.3 * peak_beside_result(40)

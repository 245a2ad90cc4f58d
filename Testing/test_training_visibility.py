"""Which lesions a training patch shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LiverTumorAILib.training.visibility import hide_unseen

LIVER, HCC, CYST = 7, 1, 6
LESIONS = range(1, 7)


def patch(contrasts, seed=0, noise=8.0):
    """Two lesions, of 8 mm and larger, in a noisy liver; the contrast (HU) of each in each phase."""
    labels = np.full((16, 40, 40), LIVER, np.uint8)
    labels[6:10, 6:10, 6:10] = HCC
    labels[4:12, 22:34, 22:34] = CYST
    rng = np.random.default_rng(seed)
    images = np.array([100 + rng.normal(0, noise, labels.shape) for _ in contrasts], np.float32)
    for image, (small, large) in zip(images, contrasts, strict=True):
        image[labels == HCC] += small
        image[labels == CYST] += large
    return images, labels


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), sign=st.sampled_from((-1, 1)))
def test_a_lesion_is_hidden_if_no_phase_shows_it(seed, sign):
    images, labels = patch([(0, 0), (0, sign * 30)], seed)
    before = images.copy()
    hide_unseen(images, labels, LESIONS, LIVER)
    assert not (labels == HCC).any()
    assert (labels == CYST).sum() == 8 * 12 * 12
    np.testing.assert_array_equal(images, before)


def test_one_phase_that_shows_it_is_enough_and_a_blank_one_shows_nothing():
    images, labels = patch([(0, 0), (25, 25)])
    hide_unseen(images, labels, LESIONS, LIVER)
    assert (labels == HCC).any() and (labels == CYST).any()
    images[1] = np.nan
    hide_unseen(images, labels, LESIONS, LIVER)
    assert set(np.unique(labels)) == {LIVER}


def test_a_lesion_that_is_uneven_about_the_liver_s_level_is_seen():
    images, labels = patch([(0, 0)])
    rim = np.zeros(labels.shape, bool)
    rim[4:12, 22:34, 22:34] = True
    rim[6:10, 25:31, 25:31] = False
    images[0][rim] += 15
    images[0][(labels == CYST) & ~rim] -= 30
    assert abs(images[0][labels == CYST].mean() - 100) < 10
    hide_unseen(images, labels, LESIONS, LIVER)
    assert (labels == CYST).any()
    assert not (labels == HCC).any()


@pytest.mark.parametrize("outside", [0, 3])
def test_without_liver_around_it_a_lesion_stays(outside):
    images, labels = patch([(0, 0)])
    labels[labels == LIVER] = outside
    hide_unseen(images, labels, (HCC, CYST), LIVER)
    assert (labels == HCC).any() and (labels == CYST).any()

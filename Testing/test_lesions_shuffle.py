"""Lesion shuffle: tissue arrives whole, fades at its border, and goes only where healthy liver is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LiverTumorAILib.lesions.shuffle import BORDER_MM, LEAST_FIT, cut, find_places, take_graft, transplant

SPACING = (2.5, 2.0, 2.0)
SHAPE = (20, 40, 40)


def ball(centre, radius_mm):
    distance = sum(((axis - c) * s) ** 2 for axis, c, s in zip(np.indices(SHAPE), centre, SPACING, strict=True))
    return distance <= radius_mm**2


@pytest.fixture
def liver():
    """Two phases of a liver of 100 and 60 HU with a lesion of 40 and 90 HU."""
    mask = ball((8, 12, 12), 9)
    images = np.stack([np.where(mask, 40.0, 100.0), np.where(mask, 90.0, 60.0)]).astype(np.float32)
    return images, mask


@given(
    st.tuples(st.integers(-6, 8), st.integers(-6, 8), st.integers(-6, 8)),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
)
def test_a_cut_box_holds_the_array_where_it_lies_inside(corner, shape):
    array = np.arange(1, 61).reshape(3, 4, 5)
    result = cut(array, corner, shape, 0)
    padded = np.pad(array, 20)
    box = tuple(slice(20 + first, 20 + first + size) for first, size in zip(corner, shape, strict=True))
    assert (result == padded[box]).all()


def test_a_transplanted_lesion_keeps_its_texture_and_fades_into_its_surroundings(liver):
    images, mask = liver
    host = np.full((2, *SHAPE), 80, np.float32)
    graft = take_graft(images, mask, SPACING)
    shift = (3, 10, 14)
    transplant(host, graft, [c + s for c, s in zip(graft.corner, shift, strict=True)])
    moved = np.roll(mask, shift, axis=(0, 1, 2))
    assert host[0][moved] == pytest.approx(40)
    assert host[1][moved] == pytest.approx(90)
    far = ~np.roll(ball((8, 12, 12), 9 + BORDER_MM + 3), shift, axis=(0, 1, 2))
    assert (host[:, far] == 80).all()
    rim = ~far & ~moved
    assert host[0][rim].min() >= 80 and host[0][rim].max() <= 100
    assert ((host[0][rim] > 81) & (host[0][rim] < 99)).any()


def test_replacing_a_lesion_leaves_liver(liver):
    images, mask = liver
    graft = take_graft(images, mask, SPACING, at=(8, 24, 24))
    transplant(images, graft, graft.corner)
    assert images[0] == pytest.approx(100)
    assert images[1] == pytest.approx(60)


def test_what_either_side_does_not_know_stays_as_it_was(liver):
    images, mask = liver
    images[1, 8:] = np.nan
    host = np.full((2, *SHAPE), 80, np.float32)
    host[0, :, :, 20:] = np.nan
    graft = take_graft(images, mask, SPACING)
    transplant(host, graft, graft.corner)
    assert np.isnan(host[0, :, :, 20:]).all() and np.isfinite(host[0, :, :, :20]).all()
    assert (host[1, 8:] == 80).all()
    assert host[1, :8][mask[:8]] == pytest.approx(90)


def test_a_graft_may_hang_over_the_edge(liver):
    images, mask = liver
    graft = take_graft(images, mask, SPACING)
    host = np.full((2, 4, 6, 5), 80, np.float32)
    transplant(host, graft, (-3, -4, -4))
    outside = host.copy()
    transplant(outside, graft, (40, 0, 0))
    assert (outside == host).all()
    assert host[0].min() == pytest.approx(40)


@given(st.integers(0, 2**20), st.integers(2, 12))
def test_places_lie_in_healthy_liver(seed, radius_mm):
    rng = np.random.default_rng(seed)
    mask = ball((8, 12, 12), radius_mm)
    free = ball((10, 20, 20), 26) & ~ball((8, 12, 12), radius_mm + 5)
    start = np.argwhere(mask).min(axis=0)
    for place in find_places(rng, mask, free, 3):
        moved = np.argwhere(mask) - start + place
        inside = [free[tuple(voxel)] for voxel in moved if (voxel >= 0).all() and (voxel < SHAPE).all()]
        assert sum(inside) >= LEAST_FIT * len(moved)


def test_without_healthy_liver_there_is_no_place():
    mask = ball((8, 12, 12), 9)
    rng = np.random.default_rng(0)
    assert find_places(rng, mask, np.zeros(SHAPE, bool), 2) == []
    assert find_places(rng, mask, ball((15, 30, 30), 4), 2) == []
    assert len(find_places(rng, mask, np.ones(SHAPE, bool), 2)) == 2

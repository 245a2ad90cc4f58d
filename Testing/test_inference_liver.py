"""The liver in two steps, with real ONNX networks whose answers are known."""

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import inside, make_image
from analytic_liver import write_liver_networks

from LiverTumorAILib.inference.liver import find_liver
from LiverTumorAILib.progress import Cancelled, Progress

LIVER = ((-40.0, 0.0, 0.0), (70.0, 55.0, 60.0))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_liver_networks(tmp_path_factory.mktemp("liver models"))


def grid(direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)):
    image = sitk.Image(130, 90, 56, sitk.sitkFloat32)
    image.SetSpacing((2.0, 2.0, 3.0))
    image.SetOrigin((-129.0, -89.0, -82.5))
    image.SetDirection(direction)
    return image


def body(like, *bright, doubtful=()):
    """Fat with bright ellipsoids (centre, half axes), and some that the networks take for liver with doubt."""
    voxels = np.full(like.GetSize()[::-1], -1000.0, np.float32)
    voxels[inside(like, (0, 0, 0), (125, 85, 200))] = -100
    for centre, half_axes in bright:
        voxels[inside(like, centre, half_axes)] = 100
    for centre, half_axes in doubtful:
        voxels[inside(like, centre, half_axes)] = 3
    return make_image(voxels, like)


def overlap(mask, like, *ellipsoids):
    truth = np.zeros(like.GetSize()[::-1], bool)
    for centre, half_axes in ellipsoids:
        truth |= inside(like, centre, half_axes)
    found = sitk.GetArrayFromImage(mask) > 0
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


def test_the_liver_is_found_on_the_image_s_own_grid(models):
    image = body(grid(), LIVER)
    liver = find_liver(image, models, "cpu")
    assert liver.mask.GetSize() == image.GetSize()
    assert liver.mask.GetOrigin() == image.GetOrigin()
    assert overlap(liver.mask, image, LIVER) > 0.98
    assert liver.volume_ml == pytest.approx(4 / 3 * np.pi * np.prod(LIVER[1]) / 1000, rel=0.03)
    assert liver.confidence > 0.9


def test_image_axes_may_be_flipped(models):
    like = grid((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    like.SetOrigin((129.0, 89.0, -82.5))
    image = body(like, LIVER)
    assert overlap(find_liver(image, models, "cpu").mask, image, LIVER) > 0.98


def test_a_split_liver_keeps_its_parts_and_what_is_small_or_far_is_dropped(models):
    right, left = ((-60, 0, 0), (40, 40, 40)), ((14, -10, 20), (22, 22, 22))
    speck, muscle = ((30, 40, -60), (6, 6, 6)), ((95, 10, -40), (22, 22, 22))
    image = body(grid(), right, left, speck, muscle)
    assert overlap(find_liver(image, models, "cpu").mask, image, right, left) > 0.97


def test_a_larger_part_that_is_doubtful_is_not_the_liver(models):
    liver, thigh = ((-60, 0, 50), (40, 40, 25)), ((-50, 0, -45), (60, 50, 30))
    image = body(grid(), liver, doubtful=[thigh])
    assert overlap(find_liver(image, models, "cpu").mask, image, liver) > 0.95


def test_where_all_is_doubtful_the_largest_part_counts(models):
    liver, muscle = ((-60, 0, 40), (50, 45, 35)), ((60, 0, -50), (25, 25, 25))
    image = body(grid(), doubtful=[liver, muscle])
    mask = find_liver(image, models, "cpu").mask
    assert overlap(mask, image, liver) > 0.8
    assert not (sitk.GetArrayFromImage(mask)[inside(image, *muscle)]).any()


def test_where_there_is_none_the_mask_is_empty(models):
    liver = find_liver(body(grid()), models, "cpu")
    assert liver.volume_ml == 0
    assert liver.confidence == 0
    assert not sitk.GetArrayViewFromImage(liver.mask).any()


def test_what_the_phase_does_not_show_is_no_liver(models):
    image = body(grid(), LIVER)
    values = sitk.GetArrayFromImage(image)
    values[:20] = np.nan
    liver = find_liver(make_image(values, image), models, "cpu")
    assert not sitk.GetArrayViewFromImage(liver.mask)[:19].any()
    assert sitk.GetArrayViewFromImage(liver.mask)[22:].any()


def test_it_can_be_cancelled(models):
    with pytest.raises(Cancelled):
        find_liver(body(grid(), LIVER), models, "cpu", Progress(is_cancelled=lambda: True))

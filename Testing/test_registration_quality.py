"""The verdict of a registration, on an anatomy whose field is known."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from registration_anatomy import breathing, liver_points, volume

from LiverTumorAILib.registration import Verdict
from LiverTumorAILib.registration.quality import judge
from LiverTumorAILib.registration.region import Region, liver_region

SIZE_MM = (170.0, 140.0, 150.0)


def field_on(image: sitk.Image, displacement) -> sitk.Image:
    """Displacement of points (LPS, mm) as a field on an image's grid."""
    index = np.moveaxis(np.indices(image.GetSize()[::-1]), 0, -1)[..., ::-1]
    points = index * image.GetSpacing() + image.GetOrigin()
    field = sitk.GetImageFromArray(displacement(points), isVector=True)
    field.CopyInformation(image)
    return field


def to_moving(points: np.ndarray) -> np.ndarray:
    """Where a breathing phase shows what the still one shows, minus the point itself."""
    there = points.copy()
    for _ in range(15):
        there = points - breathing(there)
    return there - points


def nowhere(points: np.ndarray) -> np.ndarray:
    return np.zeros(points.shape)


@pytest.fixture(scope="module")
def fixed() -> sitk.Image:
    return volume("portal", size_mm=SIZE_MM)


@pytest.fixture(scope="module")
def moving() -> sitk.Image:
    return volume("arterial", displacement=breathing, size_mm=SIZE_MM, seed=1)


def verdict_of(fixed, moving, displacement, **arguments):
    return judge(fixed, moving, field_on(fixed, displacement), inverse_consistency_mm=0.05, **arguments)


@pytest.mark.parametrize("phase", ["arterial", "plain"])
def test_the_true_field_is_green_whatever_the_contrast(fixed, phase):
    quality = verdict_of(fixed, volume(phase, displacement=breathing, size_mm=SIZE_MM, seed=1), to_moving)
    assert quality.verdict is Verdict.GREEN, quality.reasons
    assert quality.reasons == ()
    assert quality.similarity_after > quality.similarity_before
    assert 0 < quality.jacobian_min < 1 < quality.jacobian_max


def test_what_was_not_registered_is_not_green(fixed, moving):
    quality = verdict_of(fixed, moving, nowhere)
    assert quality.verdict is not Verdict.GREEN
    assert any("matches better 6 mm off" in reason for reason in quality.reasons)


@given(direction=st.integers(0, 1000))
@settings(max_examples=4, deadline=None)
def test_a_field_that_is_40_mm_off_has_failed(fixed, moving, direction):
    off = np.random.default_rng(direction).normal(size=3)
    off *= 40 / np.linalg.norm(off)
    assert verdict_of(fixed, moving, lambda points: to_moving(points) + off).verdict is Verdict.FAILED


def test_a_mirrored_phase_is_not_green(fixed):
    values = sitk.GetArrayFromImage(volume("arterial", size_mm=SIZE_MM, seed=1))
    mirrored = sitk.GetImageFromArray(np.ascontiguousarray(values[..., ::-1]))
    mirrored.CopyInformation(fixed)
    assert verdict_of(fixed, mirrored, nowhere).verdict is Verdict.FAILED


def test_half_a_liver_is_to_be_checked(fixed, moving):
    upper_half = moving[:, :, moving.GetSize()[2] // 2 + 4 :]
    quality = verdict_of(fixed, upper_half, to_moving)
    assert quality.verdict is Verdict.CHECK
    assert any("does not show" in reason and "% of the liver" in reason for reason in quality.reasons)
    assert 0.3 < quality.outside_share < 0.8


def test_a_phase_that_does_not_show_the_liver_has_failed(fixed, moving):
    quality = verdict_of(fixed, moving, lambda points: to_moving(points) + np.array([0, 0, 400]))
    assert quality.verdict is Verdict.FAILED
    assert quality.outside_share == 1.0
    assert quality.reasons == ("the other phase does not show 100% of the liver",)


def test_a_field_that_changes_volumes_is_not_green(fixed):
    def squeeze(points: np.ndarray) -> np.ndarray:
        return 9 * np.sin(points / 10)

    quality = verdict_of(fixed, volume("arterial", size_mm=SIZE_MM, seed=1), squeeze)
    assert quality.verdict is not Verdict.GREEN
    assert any("change their volume" in reason for reason in quality.reasons)


def test_a_field_that_folds_has_failed(fixed):
    quality = verdict_of(fixed, fixed, lambda points: 25 * np.sin(points / 10))
    assert "the field folds" in quality.reasons
    assert quality.verdict is Verdict.FAILED
    assert quality.jacobian_min <= 0


def test_fields_that_do_not_lead_back_are_to_be_checked(fixed, moving):
    quality = judge(fixed, moving, field_on(fixed, to_moving), inverse_consistency_mm=2.5)
    assert quality.verdict is Verdict.CHECK
    assert quality.reasons == ("forward and backward field differ by 2.5 mm",)


def test_the_verdict_looks_where_it_is_told(fixed, moving):
    def wrong_on_the_left(points: np.ndarray) -> np.ndarray:
        return to_moving(points) + np.where(points[..., :1] > 20, 25.0, 0.0)

    field_is_right = verdict_of(fixed, moving, wrong_on_the_left)
    mask = sitk.Image(fixed.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(fixed)
    mask[50:60, 15:45, 20:45] = 1
    field_is_wrong = verdict_of(fixed, moving, wrong_on_the_left, region=Region(mask, "spleen"))
    assert field_is_right.verdict is Verdict.GREEN
    assert field_is_wrong.verdict is Verdict.FAILED
    assert any("the spleen" in reason for reason in field_is_wrong.reasons)


def test_the_liver_is_found_without_a_network(fixed):
    region = liver_region(fixed)
    assert region.name == "liver"
    points = liver_points()
    inside = [region.mask.GetPixel(region.mask.TransformPhysicalPointToIndex(point)) for point in points.tolist()]
    assert np.mean(inside) > 0.6
    centre = np.argwhere(sitk.GetArrayViewFromImage(region.mask)).mean(axis=0)[::-1]
    found = np.array(region.mask.TransformContinuousIndexToPhysicalPoint(centre.tolist()))
    assert np.linalg.norm(found - points.mean(axis=0)) < 25


def test_without_a_liver_the_right_upper_part_counts(fixed):
    values = sitk.GetArrayFromImage(fixed)
    values[(values > -100) & (values < 240)] = -90
    fat = sitk.GetImageFromArray(values)
    fat.CopyInformation(fixed)
    region = liver_region(fat)
    assert region.name == "right upper part of the body"
    z, _, x = np.argwhere(sitk.GetArrayViewFromImage(region.mask)).mean(axis=0)
    right, _, up = region.mask.TransformContinuousIndexToPhysicalPoint((x, 0.0, z))
    assert right < -10
    assert up > 10

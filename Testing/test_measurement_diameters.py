"""Sizes of lesions against shapes whose sizes are known."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.measurement import axial_axis, measure_lesions, measure_mask


def grid_around(extent_mm, spacing, direction, seed):
    """Grid (x, y, z spacing) centred, but for a part of a voxel, on a point; the grid and that point."""
    rng = np.random.default_rng(seed)
    size = [int(extent_mm / step) + 7 for step in spacing]
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetOrigin(rng.uniform(-300, 300, 3).tolist())
    grid.SetDirection(direction.ravel().tolist())
    index = [(count - 1) / 2 + rng.uniform(-0.5, 0.5) for count in size]
    return grid, np.array(grid.TransformContinuousIndexToPhysicalPoint(index))


def ellipsoid(semi_axes, orientation, spacing, direction=None, seed=0):
    """Mask of an ellipsoid, its matrix A (x^T A x = 1 on the surface) and its centre, all in LPS, mm."""
    direction = np.eye(3) if direction is None else direction
    grid, centre = grid_around(2 * max(semi_axes), spacing, direction, seed)
    matrix = orientation @ np.diag(1 / np.square(semi_axes)) @ orientation.T
    index = np.stack(np.meshgrid(*map(np.arange, grid.GetSize()), indexing="ij"), axis=-1) * spacing
    points = index @ direction.T + grid.GetOrigin() - centre
    inside = np.einsum("...i,ij,...j->...", points, matrix, points) <= 1
    mask = sitk.GetImageFromArray(inside.transpose(2, 1, 0).astype(np.uint8))
    mask.CopyInformation(grid)
    return mask, matrix, centre


def central_section(matrix, normal):
    """Longest and shortest diameter of the section through the centre, the greatest of all parallel ones."""
    plane = np.linalg.svd(normal[None])[2][1:]
    return 2 / np.sqrt(np.linalg.eigvalsh(plane @ matrix @ plane.T))


semi_axis = st.floats(4, 28)
in_plane = st.floats(0.6, 1.2)
seeds = st.integers(0, 2**31)


@settings(max_examples=25, deadline=None)
@given(st.tuples(semi_axis, semi_axis, semi_axis), in_plane, st.floats(0.8, 3), seeds)
def test_oblique_ellipsoids_measure_what_they_are(semi_axes, pixel, thickness, seed):
    orientation = Rotation.random(random_state=seed).as_matrix()
    mask, matrix, _ = ellipsoid(semi_axes, orientation, (pixel, pixel, thickness), seed=seed)
    measured = measure_mask(mask)
    long_axis, short_axis = central_section(matrix, np.array([0.0, 0, 1]))
    diagonal = pixel * 2**0.5
    # In the slice that is cut, the diameter falls short of the central one by what half a slice takes away.
    missed = long_axis * (1 - np.sqrt(max(0, 1 - (thickness / 2) ** 2 * 1 / np.linalg.inv(matrix)[2, 2])))
    # A thin one ends in a point that no voxel centre hits.
    assert -diagonal - missed <= measured.long_axis.length_mm - long_axis <= 0.7 * diagonal
    # A nearly round section has no preferred direction: the perpendicular may then be any of its diameters.
    assert short_axis - diagonal - missed <= measured.short_axis.length_mm <= measured.long_axis.length_mm + 1e-9
    if long_axis > 1.5 * short_axis:
        assert measured.short_axis.length_mm <= short_axis + 1.1 * diagonal
    voxel_diagonal = np.linalg.norm((pixel, pixel, thickness))
    assert abs(measured.max_3d_diameter_mm - 2 * max(semi_axes)) < 0.9 * voxel_diagonal
    volume = 4 / 3 * np.pi * np.prod(semi_axes)
    assert abs(measured.volume_mm3 - volume) < measured.volume_uncertainty_mm3


def test_diameters_are_unbiased_over_many_ellipsoids():
    rng = np.random.default_rng(1)
    errors = []
    for seed in range(45):
        semi_axes = rng.uniform(6, 20) * rng.uniform([1, 0.5, 0.5], [1, 1, 1])
        orientation = Rotation.random(random_state=seed).as_matrix()
        mask, matrix, _ = ellipsoid(semi_axes, orientation, (0.8, 0.8, 1), seed=seed)
        measured, truth = measure_mask(mask), central_section(matrix, np.array([0.0, 0, 1]))
        errors.append(
            [
                measured.long_axis.length_mm - truth[0],
                measured.short_axis.length_mm - truth[1],
                measured.volume_mm3 / (4 / 3 * np.pi * np.prod(semi_axes)) - 1,
            ]
        )
    long_bias, short_bias, volume_bias = np.mean(errors, axis=0)
    assert abs(long_bias) < 0.3
    assert abs(short_bias) < 0.3
    assert abs(volume_bias) < 0.005


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_axes_are_perpendicular_lie_in_one_slice_and_end_on_the_surface(seed):
    direction = Rotation.random(random_state=seed).as_matrix()
    orientation = Rotation.random(random_state=seed + 1).as_matrix()
    mask, matrix, centre = ellipsoid((18, 12, 9), orientation, (0.7, 0.9, 2), direction, seed)
    measured = measure_mask(mask)
    normal = direction[:, 2 - axial_axis(mask)]
    assert abs(normal[2]) == pytest.approx(np.abs(direction[2]).max())
    long_axis, short_axis = (
        np.subtract(axis.end_mm, axis.start_mm) for axis in (measured.long_axis, measured.short_axis)
    )
    assert abs(long_axis @ short_axis) < 1e-6
    ends = [end for axis in (measured.long_axis, measured.short_axis) for end in (axis.start_mm, axis.end_mm)]
    heights = np.array(ends) @ normal
    assert np.ptp(heights) < 1e-6
    assert np.linalg.norm(long_axis) == pytest.approx(measured.long_axis.length_mm)
    assert np.linalg.norm(short_axis) == pytest.approx(measured.short_axis.length_mm)
    for end in ends:
        radius = np.linalg.norm(end - centre)
        surface = radius / np.sqrt((end - centre) @ matrix @ (end - centre))
        assert abs(radius - surface) < np.linalg.norm(mask.GetSpacing()) * 0.8


def test_the_axial_slice_is_found_in_a_coronal_image():
    coronal = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    mask, _, _ = ellipsoid((20, 10, 30), np.eye(3), (0.8, 0.8, 0.8), coronal)
    assert axial_axis(mask) == 1
    measured = measure_mask(mask)
    assert measured.long_axis.length_mm == pytest.approx(40, abs=0.8)
    assert measured.short_axis.length_mm == pytest.approx(20, abs=0.8)
    assert measured.max_3d_diameter_mm == pytest.approx(60, abs=0.8)


def test_a_single_voxel_measures_one_voxel():
    voxels = np.zeros((3, 4, 5), np.uint8)
    voxels[1, 2, 3] = 1
    mask = sitk.GetImageFromArray(voxels)
    mask.SetSpacing((0.7, 0.8, 2.5))
    measured = measure_mask(mask)
    assert measured.volume_mm3 == pytest.approx(0.7 * 0.8 * 2.5)
    assert measured.volume_uncertainty_mm3 == pytest.approx(measured.volume_mm3 / 2)
    assert measured.long_axis.length_mm == pytest.approx(0.8)
    assert measured.short_axis.length_mm == pytest.approx(0.7)
    assert measured.max_3d_diameter_mm == pytest.approx(2.5)
    assert measured.long_axis.start_mm == pytest.approx((2.1, 1.2, 2.5))


def test_the_short_axis_of_a_bent_lesion_runs_through_the_lesion():
    voxels = np.zeros((1, 40, 40), np.uint8)
    voxels[0, 5:35, 5:9] = 1
    voxels[0, 31:35, 5:35] = 1
    measured = measure_mask(sitk.GetImageFromArray(voxels))
    assert measured.long_axis.length_mm == pytest.approx(np.hypot(30, 30), abs=1.5)
    assert measured.short_axis.length_mm < 12


def test_each_label_is_measured_alone():
    voxels = np.zeros((20, 30, 40), np.uint16)
    voxels[2:6, 2:8, 2:12] = 3
    voxels[10:12, 10:14, 12:20] = 7
    labels = sitk.GetImageFromArray(voxels)
    measured = measure_lesions(labels)
    assert list(measured) == [3, 7]
    assert measured[3] == measure_mask(labels, 3)
    assert measured[7].volume_mm3 == 2 * 4 * 8


def test_an_empty_mask_is_refused():
    with pytest.raises(LiverTumorAIError, match="empty"):
        measure_mask(sitk.Image(4, 4, 4, sitk.sitkUInt8))

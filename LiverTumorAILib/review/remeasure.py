"""Measures of a lesion whose voxels were corrected."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.lesions import Axis, Enhancement, Lesion, Point
from LiverTumorAILib.measurement import measure_mask
from LiverTumorAILib.study import Phase

AIR_HU = -1024
"""What written images hold where a phase shows nothing."""


def remeasure(lesion: Lesion, mask: sitk.Image, images: Mapping[Phase, sitk.Image]) -> Lesion:
    """The lesion with measures, centroid and bounding box of an edited mask.

    Parameters
    ----------
    lesion: Lesion
        Its type, the liver's enhancement and axes set by hand stay as they are.
    mask: SimpleITK.Image
        uint8 (LPS, mm), not empty, on any grid.
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases (LPS, mm), NaN, or air, where a phase shows nothing.

    """
    enhancement = {
        phase: Enhancement(mean, lesion.measurement.enhancement[phase].liver)
        for phase, image in images.items()
        if phase in lesion.measurement.enhancement and np.isfinite(mean := mean_inside(image, mask))
    }
    return replace(
        lesion,
        measurement=replace(measure_mask(mask), enhancement=enhancement, **axes_by_hand(lesion)),
        centroid_mm=centroid_mm(mask),
        bounding_box_mm=bounding_box_mm(mask),
    )


def axes_by_hand(lesion: Lesion) -> dict[str, Axis]:
    """The axes that the reader set, by their names in `Measurement`."""
    axes = {name: getattr(lesion.measurement, name) for name in ("long_axis", "short_axis")}
    return {name: axis for name, axis in axes.items() if axis.by_hand}


def with_axis(lesion: Lesion, name: str, start_mm: Point, end_mm: Point) -> Lesion:
    """The lesion with a 'long_axis' or 'short_axis' set by hand (LPS, mm)."""
    axis = Axis(start_mm, end_mm, math.dist(start_mm, end_mm), by_hand=True)
    return replace(lesion, measurement=replace(lesion.measurement, **{name: axis}))


def with_measured_axes(lesion: Lesion, mask: sitk.Image) -> Lesion:
    """The lesion with the axes of its mask (uint8; LPS, mm) in place of those set by hand."""
    measured = measure_mask(mask)
    axes = replace(lesion.measurement, long_axis=measured.long_axis, short_axis=measured.short_axis)
    return replace(lesion, measurement=axes)


def mean_inside(image: sitk.Image, mask: sitk.Image) -> float:
    """Mean of an image inside a mask on another grid (LPS, mm); NaN where the image shows nothing of it."""
    on_mask = sitk.Resample(image, mask, sitk.Transform(), sitk.sitkLinear, float("nan"), sitk.sitkFloat32)
    inside = sitk.GetArrayViewFromImage(on_mask)[sitk.GetArrayViewFromImage(mask) > 0]
    inside = inside[np.isfinite(inside) & (inside > AIR_HU)]
    return float(inside.mean()) if inside.size else float("nan")


def centroid_mm(mask: sitk.Image) -> Point:
    """Centre of gravity of a mask (LPS, mm)."""
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(mask)
    return statistics.GetCentroid(1)


def bounding_box_mm(mask: sitk.Image) -> tuple[Point, Point]:
    """Lowest and highest corner (LPS, mm) of the box around a mask's voxels, their full width included."""
    occupied = np.argwhere(sitk.GetArrayViewFromImage(mask))[:, ::-1]
    low, high = occupied.min(axis=0) - 0.5, occupied.max(axis=0) + 0.5
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    points = np.array([mask.TransformContinuousIndexToPhysicalPoint(corner.tolist()) for corner in corners])
    return tuple(points.min(axis=0).tolist()), tuple(points.max(axis=0).tolist())

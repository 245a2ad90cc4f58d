"""Size and enhancement of lesions."""

from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import Axis, Enhancement, Measurement, Organ
from LiverTumorAILib.measurement.diameters import Segment, contour_field, greatest_diameter, perpendicular_diameter
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Phase


def measure_lesions(
    lesion_labels: sitk.Image,
    images: Mapping[Phase, sitk.Image] | None = None,
    organ_labels: sitk.Image | None = None,
    progress: Progress | None = None,
) -> Mapping[int, Measurement]:
    """Measure every lesion of a label image.

    Diameters follow RECIST 1.1 (Eisenhauer et al., Eur J Cancer 2009;45:228-247): the long axis is the longest
    diameter in any axial slice, the short axis the longest one perpendicular to it in the same slice. Axial slices
    are the image slices nearest to perpendicular to the patient's head-foot direction; diameters run between voxel
    boundaries (see `diameters`).

    Parameters
    ----------
    lesion_labels: SimpleITK.Image
        3D integers (LPS, mm): 0 for no lesion, else the lesion's label.
    images: Mapping[Phase, SimpleITK.Image], optional
        On the same grid; NaN where a phase shows nothing.
    organ_labels: SimpleITK.Image, optional
        On the same grid, values of `Organ`: the liver that enhancement is compared with is `Organ.LIVER` without
        lesions, so without vessels.
    progress: Progress, optional
        Reports each lesion.

    Returns
    -------
    Mapping[int, Measurement]
        By label. `enhancement` lacks phases that do not show the lesion; its `liver` is NaN where no liver is known.

    Raises
    ------
    LiverTumorAIError
        If the grids differ.

    """
    progress = progress or Progress()
    images = images or {}
    for phase, image in images.items():
        _check_same_grid(lesion_labels, image, f"{phase.title} phase")
    if organ_labels is not None:
        _check_same_grid(lesion_labels, organ_labels, "organ labels")
    labels = sitk.GetArrayViewFromImage(lesion_labels)
    arrays = {phase: sitk.GetArrayViewFromImage(image) for phase, image in images.items()}
    liver_means = _liver_means(arrays, labels, organ_labels)
    boxes = ndimage.find_objects(labels)
    measurements: dict[int, Measurement] = {}
    for label, box in enumerate(boxes, start=1):
        if box is None:
            continue
        progress.update(len(measurements) / len(boxes), f"lesion {label}")
        mask = labels[box] == label
        lesion_means = {phase: _mean(array[box][mask]) for phase, array in arrays.items()}
        enhancement = {
            phase: Enhancement(mean, liver_means.get(phase, np.nan))
            for phase, mean in lesion_means.items()
            if np.isfinite(mean)
        }
        corner = np.array([side.start for side in box])
        measurements[label] = _measure(mask, corner, lesion_labels, enhancement)
    progress.update(1.0)
    return measurements


def measure_mask(mask: sitk.Image, label: int = 1) -> Measurement:
    """Measure the voxels of one value of a mask as one lesion; see `measure_lesions`.

    Parameters
    ----------
    mask: SimpleITK.Image
        3D integers (LPS, mm).
    label: int
        The value of the lesion's voxels.

    Returns
    -------
    Measurement
        Without enhancement.

    Raises
    ------
    LiverTumorAIError
        If no voxel has this value.

    """
    voxels = sitk.GetArrayViewFromImage(mask) == label
    if not voxels.any():
        raise LiverTumorAIError("The mask is empty", f"label {label}", "Draw the lesion before measuring it")
    (box,) = ndimage.find_objects(voxels.view(np.uint8))
    return _measure(voxels[box], np.array([side.start for side in box]), mask, {})


def axial_axis(image: sitk.Image) -> int:
    """Array axis (of z, y, x) that runs along the patient's head-foot direction, or nearest to it."""
    head_foot = np.abs(np.array(image.GetDirection()).reshape(3, 3)[2])
    return 2 - int(head_foot.argmax())


def _measure(
    mask: np.ndarray, corner: np.ndarray, grid: sitk.Image, enhancement: Mapping[Phase, Enhancement]
) -> Measurement:
    spacing = grid.GetSpacing()[::-1]
    voxel_mm3 = float(np.prod(spacing))
    surface = mask & ~ndimage.binary_erosion(mask)
    long_axis, short_axis = _axial_axes(mask, corner, grid)
    return Measurement(
        volume_mm3=float(mask.sum()) * voxel_mm3,
        volume_uncertainty_mm3=float(surface.sum()) * voxel_mm3 / 2,
        long_axis=long_axis,
        short_axis=short_axis,
        max_3d_diameter_mm=max(greatest_diameter(contour_field(mask), spacing)[0], long_axis.length_mm),
        enhancement=enhancement,
    )


def _axial_axes(mask: np.ndarray, corner: np.ndarray, grid: sitk.Image) -> tuple[Axis, Axis]:
    """Long and short axis of a mask whose first voxel is `corner` (z, y, x) of the grid."""
    normal = axial_axis(grid)
    spacing = tuple(np.delete(grid.GetSpacing()[::-1], normal))
    slices = np.moveaxis(mask, normal, 0)
    occupied = np.flatnonzero(slices.any(axis=(1, 2)))
    fields = {index: contour_field(slices[index]) for index in occupied}
    diameters = [(*greatest_diameter(field, spacing), index) for index, field in fields.items()]
    length, ends, index = max(diameters, key=lambda found: found[0])
    across, across_ends = perpendicular_diameter(fields[index], spacing, ends)

    def axis(length_mm: float, segment: Segment) -> Axis:
        indices = [np.insert(end, normal, index) + corner for end in segment]
        start, stop = (grid.TransformContinuousIndexToPhysicalPoint(point[::-1].tolist()) for point in indices)
        return Axis(start, stop, length_mm)

    return axis(length, ends), axis(across, across_ends)


def _liver_means(
    arrays: Mapping[Phase, np.ndarray], lesions: np.ndarray, organ_labels: sitk.Image | None
) -> dict[Phase, float]:
    if organ_labels is None:
        return {}
    liver = (sitk.GetArrayViewFromImage(organ_labels) == Organ.LIVER) & (lesions == 0)
    return {phase: _mean(array[liver]) for phase, array in arrays.items()}


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean(dtype=np.float64)) if finite.size else np.nan


def _check_same_grid(first: sitk.Image, second: sitk.Image, name: str) -> None:
    tolerance = 0.01 * min(first.GetSpacing())
    same = first.GetSize() == second.GetSize() and all(
        np.allclose(getattr(first, get)(), getattr(second, get)(), atol=tolerance)
        for get in ("GetSpacing", "GetOrigin", "GetDirection")
    )
    if not same:
        raise LiverTumorAIError("Image and lesion mask have different grids", name, "Resample the image onto the mask")

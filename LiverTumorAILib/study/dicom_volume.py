"""Builds one volume from the slices of an acquisition."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study.acquisitions import slice_location
from LiverTumorAILib.study.dicom_slice import Slice, read_pixels
from LiverTumorAILib.study.sanity import check_spacing

LOWEST_HU = -1024.0
_POSITION_TOLERANCE_MM = 0.05
_MOST_MISSING_IN_A_ROW = 3


@dataclass(frozen=True)
class SliceStack:
    """Slices of one acquisition, mended as far as their positions go.

    Attributes
    ----------
    slices: tuple of Slice
        Ordered, one at each position.
    locations: numpy.ndarray
        Distance of each along the axis from slice to slice, mm, beginning with 0.
    shifts: numpy.ndarray
        (n, 2) mm by which each slice lies displaced along row and column: not 0 with a tilted gantry.
    spacing: float
        Distance between the slices of the even grid, mm.
    warnings: tuple of str

    """

    slices: tuple[Slice, ...]
    locations: np.ndarray
    shifts: np.ndarray
    spacing: float
    warnings: tuple[str, ...]

    @property
    def even_locations(self) -> np.ndarray:
        """Locations of the even grid, mm."""
        count = round(self.locations[-1] / self.spacing) + 1
        return np.arange(count) * self.spacing

    @property
    def byte_count(self) -> int:
        """Bytes of the volume as float32."""
        columns, rows = self.slices[0].size
        return 4 * columns * rows * len(self.even_locations)


def make_stack(slices: list[Slice], where: str) -> SliceStack:
    """Find doubled, missing and uneven slices and gantry tilt from the positions alone.

    Parameters
    ----------
    slices: list of Slice
        One acquisition, ordered as `split_series` does.
    where: str
        Name of the acquisition for errors.

    Raises
    ------
    LiverTumorAIError
        If fewer than two positions remain or the spacing is absurd.

    """
    warnings = []
    slices, doubled = _without_doubled(slices)
    if doubled:
        warnings.append(f"{_count(doubled, 'slice')} doubled: the first one at each position was used")
    if len(slices) < 2:
        raise LiverTumorAIError("There is a single slice only", where, "Choose a series that covers the liver")
    slices, far = _longest_run(slices)
    if far:
        warnings.append(f"{_count(far, 'slice')} beyond a wide gap left out")
    locations = np.array([slice_location(item) for item in slices])
    locations -= locations[0]
    gaps = np.diff(locations)
    spacing = float(np.median(gaps))
    steps = np.rint(gaps / spacing)
    missing = int((steps - 1).clip(0).sum())
    uneven = int((abs(gaps - np.maximum(steps, 1) * spacing) > max(0.02 * spacing, 0.02)).sum())
    if missing:
        warnings.append(f"{_count(missing, 'slice')} missing: filled in between the neighbours")
    if uneven:
        warnings.append(f"{uneven} of {len(gaps)} slice distances uneven: resampled to {spacing:.2f} mm")
    elif not missing:
        spacing = float(locations[-1] / len(gaps))
    check_spacing((*slices[0].spacing, spacing), where)
    shifts, tilt = _in_plane_shifts(slices)
    if tilt:
        warnings.append(f"gantry tilted by {tilt:.1f} degrees: the slices were moved to an upright stack")
    return SliceStack(tuple(slices), locations, shifts, spacing, tuple(warnings))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _without_doubled(slices: list[Slice]) -> tuple[list[Slice], int]:
    kept = []
    for item in slices:
        if not kept or slice_location(item) - slice_location(kept[-1]) > _POSITION_TOLERANCE_MM:
            kept.append(item)
    return kept, len(slices) - len(kept)


def _longest_run(slices: list[Slice]) -> tuple[list[Slice], int]:
    """The longest run of slices without a gap too wide to be filled in, and how many that leaves out."""
    gaps = np.diff([slice_location(item) for item in slices])
    wide = np.flatnonzero(gaps > (_MOST_MISSING_IN_A_ROW + 1.5) * np.median(gaps)) + 1
    bounds = [0, *wide, len(slices)]
    start, end = max(pairwise(bounds), key=lambda run: run[1] - run[0])
    if end - start < 2:
        return slices, 0
    return slices[start:end], len(slices) - (end - start)


def _in_plane_shifts(slices: list[Slice]) -> tuple[np.ndarray, float]:
    """Displacement of each slice within its plane, mm, and the tilt in degrees (0 if there is none)."""
    first, last = slices[0], slices[-1]
    offsets = np.array([item.position - first.position for item in slices])
    shifts = offsets @ np.array([first.row_direction, first.column_direction]).T
    height = abs((last.position - first.position) @ first.normal)
    tilt = float(np.degrees(np.arctan2(np.linalg.norm(shifts[-1]), height)))
    if abs(shifts).max() < 0.5 * min(first.spacing):
        return np.zeros_like(shifts), 0.0
    return shifts, tilt


def read_volume(stack: SliceStack, is_ct: bool, progress: Progress) -> sitk.Image:
    """Read the pixels of a stack.

    Parameters
    ----------
    stack: SliceStack
    is_ct: bool
        Padding below -1024 HU becomes air.
    progress: Progress

    Returns
    -------
    SimpleITK.Image
        3D float32, LPS, mm, on an even grid whose axes run along L, P and S as nearly as they can. HU for CT.

    """
    first = stack.slices[0]
    columns, rows = first.size
    voxels = np.empty((len(stack.slices), rows, columns), np.float32)
    for index, pixels in enumerate(read_pixels(list(stack.slices))):
        voxels[index] = pixels
        if index % 16 == 0:
            progress.update(index / len(stack.slices))
    if is_ct:
        np.maximum(voxels, LOWEST_HU, out=voxels)
    if first.header.get("PhotometricInterpretation") == "MONOCHROME1" and is_ct and _air_is_bright(voxels):
        voxels = voxels.max() + voxels.min() - voxels
    voxels = _on_even_grid(voxels, stack)
    background = LOWEST_HU if is_ct else 0.0
    origin = first.position
    if stack.shifts.any():
        voxels, origin = _upright(voxels, stack, background)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((*first.spacing, stack.spacing))
    image.SetOrigin(tuple(float(value) for value in origin))
    towards = first.normal * np.sign((stack.slices[-1].position - first.position) @ first.normal)
    image.SetDirection(np.column_stack([first.row_direction, first.column_direction, towards]).ravel())
    # Slices are ordered towards the head already, so this only turns rows and columns.
    return sitk.DICOMOrient(image, "LPS")


def _air_is_bright(voxels: np.ndarray) -> bool:
    middle = voxels[len(voxels) // 2]
    rows, columns = middle.shape
    corner = np.median(middle[: rows // 16 + 1, : columns // 16 + 1])
    centre = np.median(middle[rows // 3 : 2 * rows // 3, columns // 3 : 2 * columns // 3])
    return bool(corner > centre + min(200, 0.2 * np.ptp(voxels)))


def _on_even_grid(voxels: np.ndarray, stack: SliceStack) -> np.ndarray:
    """Linear interpolation between the two neighbours of each location of the even grid."""
    wanted = np.minimum(stack.even_locations, stack.locations[-1])
    if len(wanted) == len(voxels) and np.allclose(wanted, stack.locations, atol=0.02 + 0.02 * stack.spacing):
        return voxels
    upper = np.searchsorted(stack.locations, wanted).clip(1, len(voxels) - 1)
    lower = upper - 1
    weight = (wanted - stack.locations[lower]) / (stack.locations[upper] - stack.locations[lower])
    result = np.empty((len(wanted), *voxels.shape[1:]), np.float32)
    for index, (below, above, share) in enumerate(zip(lower, upper, weight, strict=True)):
        result[index] = (1 - share) * voxels[below] + share * voxels[above]
    return result


def _upright(voxels: np.ndarray, stack: SliceStack, background: float) -> tuple[np.ndarray, np.ndarray]:
    """Move each slice within its plane so that all lie above each other; gives voxels and new origin."""
    first = stack.slices[0]
    spacing = np.array(first.spacing)
    locations = stack.even_locations
    shifts = np.column_stack([np.interp(locations, stack.locations, stack.shifts[:, axis]) for axis in (0, 1)])
    lowest = shifts.min(axis=0)
    added = np.ceil((shifts.max(axis=0) - lowest) / spacing).astype(int)
    rows, columns = voxels.shape[1:]
    result = np.empty((len(voxels), rows + added[1], columns + added[0]), np.float32)
    for index, pixels in enumerate(voxels):
        source = sitk.GetImageFromArray(pixels)
        source.SetSpacing(first.spacing)
        source.SetOrigin(tuple(shifts[index] - lowest))
        moved = sitk.Resample(
            source,
            [int(columns + added[0]), int(rows + added[1])],
            sitk.Transform(2, sitk.sitkIdentity),
            sitk.sitkLinear,
            (0.0, 0.0),
            first.spacing,
            (1.0, 0.0, 0.0, 1.0),
            background,
        )
        result[index] = sitk.GetArrayViewFromImage(moved)
    return result, first.position + lowest[0] * first.row_direction + lowest[1] * first.column_direction

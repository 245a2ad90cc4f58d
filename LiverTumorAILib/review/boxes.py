"""Masks on a box of a grid, no larger than what they hold."""

import numpy as np
import SimpleITK as sitk


def box_image(voxels: np.ndarray, box: tuple[slice, ...], grid: sitk.Image) -> sitk.Image:
    """Voxels (z, y, x) of a box of a grid as uint8 image (LPS, mm)."""
    image = sitk.GetImageFromArray(voxels.astype(np.uint8))
    image.SetSpacing(grid.GetSpacing())
    image.SetDirection(grid.GetDirection())
    image.SetOrigin(grid.TransformIndexToPhysicalPoint([int(side.start) for side in reversed(box)]))
    return image


def box_of(mask: sitk.Image, grid: sitk.Image) -> tuple[slice, ...]:
    """The box (z, y, x) of a grid that a mask fills; see `box_image`."""
    first = np.rint(grid.TransformPhysicalPointToContinuousIndex(mask.GetOrigin())).astype(int)
    return tuple(
        slice(int(start), int(start) + size)
        for start, size in zip(reversed(first.tolist()), reversed(mask.GetSize()), strict=True)
    )

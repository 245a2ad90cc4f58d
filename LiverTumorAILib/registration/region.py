"""Where a registration has to be right: the liver, found without a network."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.registration.initial import image_box
from LiverTumorAILib.registration.working_grid import is_ct
from LiverTumorAILib.study.landmarks import GRID_MM, CommonGrid, find_liver, make_common_grid

_EDGE_MM = 15.0
"""What is found is the liver's core; its edge lies about this far out."""


@dataclass(frozen=True)
class Region:
    """A part of the body.

    Attributes
    ----------
    mask: SimpleITK.Image
        Not 0 inside; LPS, mm, any grid.
    name: str
        As the user reads it after 'the'.

    """

    mask: sitk.Image
    name: str = "liver"


def liver_region(image: sitk.Image) -> Region:
    """The liver's core with its edge; where it cannot be found, the body's right upper part.

    Parameters
    ----------
    image: SimpleITK.Image
        CT in HU or MR, LPS, mm.

    """
    ct = is_ct(sitk.GetArrayViewFromImage(image))
    grid = make_common_grid([image], ct)
    if grid is None:
        return Region(_everywhere(image), "image")
    core = find_liver(grid, ct)
    if core is None:
        return Region(_on_grid(_right_upper_part(grid), image), "right upper part of the body")
    distance = ndimage.distance_transform_edt(~core, sampling=GRID_MM)
    return Region(_on_grid((distance <= _EDGE_MM) & grid.body, image))


def _everywhere(image: sitk.Image) -> sitk.Image:
    mask = sitk.Image(image.GetSize(), sitk.sitkUInt8) + 1
    mask.CopyInformation(image)
    return mask


def _right_upper_part(grid: CommonGrid) -> np.ndarray:
    mask = grid.body & (np.arange(grid.body.shape[2]) < grid.midline[:, None, None])
    mask[: len(mask) // 2] = False
    return mask


def _on_grid(mask: np.ndarray, image: sitk.Image) -> sitk.Image:
    """A mask of the common grid of one image, with its place."""
    result = sitk.GetImageFromArray(mask.astype(np.uint8))
    result.SetSpacing(GRID_MM[::-1])
    result.SetOrigin(image_box(image, np.eye(3))[0].tolist())
    return result

"""The viable part of a lesion after mRECIST (Lencioni and Llovet, Semin Liver Dis 2010;30:52-60).

mRECIST measures the part that enhances in the arterial phase. Enhancement is a rise of 20 HU over the non-contrast
phase, the customary threshold (Bosniak classification, version 2019).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.measurement.measure import measure_mask
from LiverTumorAILib.study import Modality, Phase

ENHANCING_HU = 20.0
AIR_HU = -1000.0
"""At most this where a phase shows nothing."""

SMOOTHING_MM = 1.5
"""Noise of single voxels would enhance otherwise."""


@dataclass(frozen=True)
class ViablePart:
    """Longest axial diameter (mm) of the enhancing part, and its share (0-1) of the lesion's volume."""

    diameter_mm: float
    share: float


def viable_part(mask: sitk.Image, images: Mapping[Phase, sitk.Image], modality: Modality) -> ViablePart | None:
    """The part of a lesion that enhances in the arterial phase.

    Parameters
    ----------
    mask: SimpleITK.Image
        uint8 (LPS, mm), not empty.
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases (LPS, mm; HU).
    modality: Modality

    Returns
    -------
    ViablePart or None
        None for MR, and where the non-contrast or the arterial phase is missing.

    """
    if modality is not Modality.CT or not {Phase.NON_CONTRAST, Phase.ARTERIAL} <= set(images):
        return None
    plain, arterial = (_around(images[phase], mask) for phase in (Phase.NON_CONTRAST, Phase.ARTERIAL))
    known = (plain > AIR_HU) & (arterial > AIR_HU)
    rise = sitk.GetImageFromArray(np.where(known, arterial - plain, 0.0).astype(np.float32))
    rise.CopyInformation(mask)
    inside = sitk.GetArrayViewFromImage(mask) > 0
    viable = inside & (sitk.GetArrayFromImage(_smoothed(rise)) >= ENHANCING_HU)
    if not viable.any():
        return ViablePart(0.0, 0.0)
    image = sitk.GetImageFromArray(viable.astype(np.uint8))
    image.CopyInformation(mask)
    return ViablePart(measure_mask(image).long_axis.length_mm, float(viable.sum() / inside.sum()))


def _around(image: sitk.Image, mask: sitk.Image) -> np.ndarray:
    values = sitk.Resample(image, mask, sitk.Transform(), sitk.sitkLinear, AIR_HU, sitk.sitkFloat32)
    return np.nan_to_num(sitk.GetArrayFromImage(values), nan=AIR_HU)


def _smoothed(image: sitk.Image) -> sitk.Image:
    """An image without the noise of single voxels; the filter cannot work along fewer than four."""
    return sitk.SmoothingRecursiveGaussian(image, SMOOTHING_MM) if min(image.GetSize()) >= 4 else image

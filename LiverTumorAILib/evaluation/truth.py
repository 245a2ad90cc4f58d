"""Truth of a case: reading `truth/` and bringing it onto the grid of the findings."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import NORMAL, LesionType
from LiverTumorAILib.phantom.labels import Tissue

INTRAHEPATIC = (Tissue.HEPATIC_VEINS, Tissue.HEPATIC_ARTERY, Tissue.PORTAL_SPLENIC_VEIN, Tissue.BILE_DUCTS)
CLOSING_MM = 8.0
"""Vessels this deep inside the liver's hull belong to the liver."""


@dataclass(frozen=True)
class Truth:
    """Truth of one case.

    Attributes
    ----------
    liver: SimpleITK.Image
        uint8 mask, vessels and lesions inside included.
    lesions: SimpleITK.Image
        uint16 instance numbers.
    types: dict of int to LesionType
    long_axes: dict of int to float
        mm.

    """

    liver: sitk.Image
    lesions: sitk.Image
    types: dict[int, LesionType]
    long_axes: dict[int, float]

    @property
    def classification(self) -> str:
        """Patient class by the priority order of Eq. 12 of the multi-sensitivity paper."""
        return next((kind.value for kind in LesionType if kind in self.types.values()), NORMAL)


def read_truth(case: Path) -> Truth:
    """Read the truth of a case; LiverTumorAIError where a file is missing or broken."""
    folder = case / "truth"
    try:
        organs = sitk.ReadImage(folder / "organs.nii.gz")
        lesions = sitk.Cast(sitk.ReadImage(folder / "lesions.nii.gz"), sitk.sitkUInt16)
        records = json.loads((folder / "lesions.json").read_text(encoding="utf-8"))["lesions"]
        types = {int(record["label"]): LesionType(record["type"]) for record in records}
        long_axes = {int(record["label"]): float(record["long_axis_mm"]) for record in records}
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LiverTumorAIError(
            "The truth of a case is missing or broken",
            f"{case.name}/truth",
            "It needs organs.nii.gz, lesions.nii.gz and lesions.json as 'livertumorai phantom' writes them",
        ) from error
    return Truth(liver_mask(organs, lesions), lesions, types, long_axes)


def liver_mask(organs: sitk.Image, lesions: sitk.Image) -> sitk.Image:
    """Liver with its lesions and the vessels inside, as a uint8 mask."""
    labels = sitk.GetArrayViewFromImage(organs)
    parenchyma = (labels == Tissue.LIVER) | (sitk.GetArrayViewFromImage(lesions) > 0)
    vessels = np.isin(labels, INTRAHEPATIC)
    mask = parenchyma | (vessels & _closed(parenchyma, organs.GetSpacing()[::-1]))
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.CopyInformation(organs)
    return image


def _closed(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Morphological closing by `CLOSING_MM` with a ball, by distance transforms."""
    if not mask.any():
        return mask
    grown = ndimage.distance_transform_edt(~mask, sampling=spacing) <= CLOSING_MM
    return ndimage.distance_transform_edt(grown, sampling=spacing) > CLOSING_MM


def on_grid(labels: sitk.Image, reference: sitk.Image) -> np.ndarray:
    """Labels on the grid of a reference image, as an array (z, y, x); nearest neighbour."""
    return sitk.GetArrayFromImage(sitk.Resample(labels, reference, sitk.Transform(), sitk.sitkNearestNeighbor, 0))

"""Values of aorta, liver, spleen and kidneys in each volume of a study."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study.landmarks import find_aorta, find_kidneys, find_liver, find_spleen, make_common_grid

ORGANS = ("aorta", "liver", "spleen", "kidneys")
_FEWEST_VOXELS = 20


@dataclass(frozen=True)
class OrganValues:
    """Values in one volume, HU for CT and signal for MR; NaN where the organ was not found.

    Attributes
    ----------
    aorta, liver, spleen: float
        Median.
    kidneys: float
        75th percentile, so that fat that breathing brought there does not count.

    """

    aorta: float = np.nan
    liver: float = np.nan
    spleen: float = np.nan
    kidneys: float = np.nan

    def in_words(self, unit: str) -> str:
        """Such as 'aorta 310 HU, liver 65 HU'; empty where nothing was found."""
        values = zip(ORGANS, astuple(self), strict=True)
        return ", ".join(f"{name} {value:.0f} {unit}".strip() for name, value in values if np.isfinite(value))

    @property
    def is_known(self) -> bool:
        """Whether any organ was found."""
        return bool(np.isfinite(astuple(self)).any())


def measure_organs(images: Sequence[sitk.Image], is_ct: bool, progress: Progress) -> list[OrganValues]:
    """Measure the same regions in all volumes.

    Parameters
    ----------
    images: sequence of SimpleITK.Image
        3D, LPS, mm, in one frame of reference.
    is_ct: bool
        Whether values are HU.
    progress: Progress

    Returns
    -------
    list of OrganValues
        One for each image; all NaN where no liver is found.

    """
    unknown = [OrganValues() for _ in images]
    grid = make_common_grid(images, is_ct)
    progress.update(0.4, "looking for the organs")
    liver = None if grid is None else find_liver(grid, is_ct)
    if liver is None:
        return unknown
    aorta = find_aorta(grid, is_ct, liver)
    progress.update(0.7, "looking for the organs")
    spleen = find_spleen(grid, is_ct, liver)
    kidneys = None if aorta is None else find_kidneys(grid, liver, aorta)
    progress.update(1.0)
    return [
        OrganValues(
            _percentile(voxels, aorta, 50),
            _percentile(voxels, liver, 50),
            _percentile(voxels, spleen, 50),
            _percentile(voxels, kidneys, 75),
        )
        for voxels in grid.voxels
    ]


def _percentile(voxels: np.ndarray, region: np.ndarray | None, percent: float) -> float:
    if region is None:
        return np.nan
    values = voxels[region]
    values = values[np.isfinite(values)]
    return float(np.percentile(values, percent)) if len(values) >= _FEWEST_VOXELS else np.nan

"""Where in the liver a lesion lies, as far as organs are known."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.lesions import Findings, Organ
from LiverTumorAILib.lesions.organs import whole_liver
from LiverTumorAILib.measurement.segments import LiverPlanes, in_words

SUBCAPSULAR_MM = 5.0
NEAR_VESSEL_MM = 5.0
SEARCH_MM = 20.0
"""Distances beyond this are not told."""

DISTANCE_STEP_MM = 1.5
"""Distances are measured on a grid that leaves out voxels as long as its steps stay within this."""

POINT_STEP_MM = 4.0
"""Between the points that stand for the liver when its segments are estimated."""

LEAST_LIVER_ML = 600.0
"""A smaller liver was resected or is not all there: it has no average proportions."""

THIRDS = (1 / 3, 2 / 3)
VESSELS = {Organ.HEPATIC_VESSELS: "hepatic vessel", Organ.PORTAL_SPLENIC_VEIN: "portal vein"}


@dataclass(frozen=True)
class Location:
    """Where a lesion lies.

    Attributes
    ----------
    segments: tuple of str
        Couinaud's segments that it may lie in, as far as can be told, see `measurement.segments`; empty where the
        liver is cut off, too small to be whole, or on the left.
    side: str
        'right', 'middle' or 'left' third of the liver along the patient's left-right axis.
    height: str
        'upper', 'middle' or 'lower' third.
    capsule_mm: float
        From the lesion's surface to the liver's; infinite beyond `SEARCH_MM`.
    vessel_mm: float
        To the nearest known vessel; infinite beyond `SEARCH_MM`.
    vessel: str
        Which one; empty if none is near.

    """

    segments: tuple[str, ...]
    side: str
    height: str
    capsule_mm: float
    vessel_mm: float
    vessel: str

    @property
    def words(self) -> str:
        """In words, such as 'right lobe, about VII/VIII, subcapsular, portal vein 2 mm'."""
        parts = [in_words(self.segments) if self.segments else self._third]
        if self.capsule_mm < SUBCAPSULAR_MM:
            parts.append("subcapsular")
        if self.vessel_mm < NEAR_VESSEL_MM:
            parts.append(f"{self.vessel} {self.vessel_mm:.0f} mm")
        return ", ".join(parts)

    @property
    def _third(self) -> str:
        place = self.side if self.height == "middle" else f"{self.side} {self.height}"
        return "centre" if place == "middle" else f"{place} part"


class LiverMap:
    """Answers where lesions lie in one liver.

    Parameters
    ----------
    organ_labels: SimpleITK.Image
        uint8 (LPS, mm), values of `Organ`.
    lesion_labels: SimpleITK.Image
        On the same grid, not 0 in lesions.

    """

    def __init__(self, organ_labels: sitk.Image, lesion_labels: sitk.Image) -> None:
        self._grid = organ_labels
        self._organs = sitk.GetArrayViewFromImage(organ_labels)
        self._liver = whole_liver(self._organs, sitk.GetArrayViewFromImage(lesion_labels))
        self._range = self._liver_range()
        self._planes = self._liver_planes()

    def locate(self, mask: sitk.Image) -> Location | None:
        """Where a lesion lies; None without a liver.

        Parameters
        ----------
        mask: SimpleITK.Image
            uint8 (LPS, mm), a box of the grid; not empty.

        """
        if self._range is None:
            return None
        voxels = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)
        centre = mask.TransformContinuousIndexToPhysicalPoint(voxels.mean(axis=0)[::-1].tolist())
        low, high = self._range
        shares = [(centre[axis] - low[axis]) / max(high[axis] - low[axis], 1e-6) for axis in (0, 2)]
        side = ("right", "middle", "left")[np.searchsorted(THIRDS, shares[0])]
        height = ("lower", "middle", "upper")[np.searchsorted(THIRDS, shares[1])]
        capsule, vessels = self._distances(mask)
        vessel = min(vessels, key=vessels.get) if vessels else None
        segments = self._planes.named(_points(mask, voxels)) if self._planes else ()
        return Location(segments, side, height, capsule, vessels.get(vessel, np.inf), VESSELS.get(vessel, ""))

    def _liver_range(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Lowest and highest corner (LPS, mm) of the liver."""
        filled = [np.flatnonzero(self._liver.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        if not filled[0].size:
            return None
        corners = np.array(np.meshgrid(*((index[0], index[-1]) for index in filled))).reshape(3, -1).T
        points = np.array(
            [self._grid.TransformIndexToPhysicalPoint([int(value) for value in corner[::-1]]) for corner in corners]
        )
        return points.min(axis=0), points.max(axis=0)

    def _liver_planes(self) -> LiverPlanes | None:
        """Planes between the segments; None for a liver that does not look like an average one."""
        cut_off = any(np.take(self._liver, side, axis).any() for axis in range(3) for side in (0, -1))
        if self._range is None or cut_off:
            return None
        volume_ml = float(self._liver.sum() * np.prod(self._grid.GetSpacing()) / 1000)
        liver, gallbladder, spleen = (
            self._spread_points(mask)
            for mask in (self._liver, self._organs == Organ.GALLBLADDER, self._organs == Organ.SPLEEN)
        )
        on_the_left = len(spleen) and spleen[:, 0].mean() < liver[:, 0].mean()
        if volume_ml < LEAST_LIVER_ML or on_the_left:
            return None
        return LiverPlanes.of(liver, gallbladder, volume_ml)

    def _spread_points(self, mask: np.ndarray) -> np.ndarray:
        """Points (n, 3; LPS, mm) that are spread evenly inside a mask of the grid."""
        steps = np.maximum(POINT_STEP_MM // np.array(self._grid.GetSpacing()[::-1]), 1).astype(int)
        return _points(self._grid, np.argwhere(mask[tuple(slice(None, None, step) for step in steps)]) * steps)

    def _distances(self, mask: sitk.Image) -> tuple[float, dict[Organ, float]]:
        """Distances (mm) from a lesion's surface to the liver's and to each vessel that is near."""
        spacing = np.array(self._grid.GetSpacing()[::-1])
        reach = np.ceil(SEARCH_MM / spacing).astype(int)
        first = np.array(self._grid.TransformPhysicalPointToIndex(mask.GetOrigin())[::-1])
        size = np.array(mask.GetSize()[::-1])
        low, high = np.maximum(first - reach, 0), np.minimum(first + size + reach, self._liver.shape)
        box = tuple(slice(*ends) for ends in zip(low, high, strict=True))
        lesion = np.zeros(high - low, bool)
        lesion[tuple(slice(*ends) for ends in zip(first - low, first - low + size, strict=True))] = (
            sitk.GetArrayViewFromImage(mask) > 0
        )
        steps = np.maximum(DISTANCE_STEP_MM // spacing, 1).astype(int)
        coarse = tuple(slice(None, None, step) for step in steps)
        distances = ndimage.distance_transform_edt(~lesion[coarse], spacing * steps)
        # From voxel centre to voxel centre: neighbours touch, their distance is none.
        gap = distances - (spacing * steps).min()
        vessels = {organ: _least(gap, self._organs[box][coarse] == organ) for organ in VESSELS}
        capsule = _least(gap, ~self._liver[box][coarse])
        return capsule, {organ: mm for organ, mm in vessels.items() if mm < SEARCH_MM}


def locate_lesions(findings: Findings) -> dict[str, Location]:
    """Where the lesions of findings lie, by `Lesion.uid`; empty without a liver."""
    liver, labels = LiverMap(findings.organ_labels, findings.lesion_labels), findings.lesion_labels
    boxes = ndimage.find_objects(sitk.GetArrayViewFromImage(labels))
    places = {}
    for lesion in findings.lesions:
        place = liver.locate(labels[tuple(reversed(boxes[lesion.label - 1]))] == lesion.label)
        if place is not None:
            places[lesion.uid] = place
    return places


def _points(image: sitk.Image, voxels: np.ndarray) -> np.ndarray:
    """Voxels (rows of z, y, x) as points (LPS, mm)."""
    matrix = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    return voxels[:, ::-1] @ matrix.T + image.GetOrigin()


def _least(distances: np.ndarray, mask: np.ndarray) -> float:
    least = distances[mask].min(initial=np.inf)
    return float(max(least, 0.0)) if least < SEARCH_MM else np.inf

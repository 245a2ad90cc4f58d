"""Sensitivity to lesions after the network has run ("Prob scale", multi-sensitivity paper, Eq. 2-3)."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import NetworkGrid, ProbabilityMaps
from LiverTumorAILib.lesions.instances import LesionInstance, find_instances
from LiverTumorAILib.lesions.organs import lesion_type_of_class
from LiverTumorAILib.lesions.seg2det import seg2det

LOW_FACTOR = 1.0
"""Plain argmax."""

LARGEST_FACTOR = 100.0
"""What is kept of the probabilities suffices up to it."""

CAPSULE_MM = 10.0
"""Notches of the found liver so wide are closed: a lesion at the surface may have been taken for what lies outside."""


Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class LesionProbabilities:
    """What has to be kept of a network's answer to detect lesions anew with any factor.

    Attributes
    ----------
    types: tuple of str
        Names of the lesion classes.
    lesions: numpy.ndarray
        float16 (types, z, y, x): their probabilities; 0 outside the liver and where no factor makes a lesion.
    rest: numpy.ndarray
        float16 (z, y, x): the greatest probability of a class that is no lesion; 1 where `lesions` was set to 0.
    grid: NetworkGrid
        Where the voxels lie: the part of the network's grid around the liver.

    """

    types: tuple[str, ...]
    lesions: np.ndarray
    rest: np.ndarray
    grid: NetworkGrid

    @classmethod
    def of(cls, maps: ProbabilityMaps, liver: sitk.Image) -> "LesionProbabilities":
        """The part of class probabilities that lies in a liver (mask on any grid; LPS, mm), notches closed."""
        inside = _closed(
            maps.grid.sample(sitk.Cast(liver > 0, sitk.sitkUInt8), sitk.sitkNearestNeighbor) > 0, maps.grid
        )
        (box,) = ndimage.find_objects(inside.view(np.uint8)) or [tuple(slice(0, n) for n in inside.shape)]
        is_lesion = np.array([lesion_type_of_class(name) is not None for name in maps.classes])
        part = maps.probabilities[(slice(None), *box)]
        lesions, rest = part[is_lesion].copy(), part[~is_lesion].max(axis=0)
        unreachable = ~inside[box] | (lesions.max(axis=0).astype(np.float32) * LARGEST_FACTOR <= rest)
        lesions[:, unreachable] = 0
        rest[unreachable] = 1
        grid = maps.grid.cropped(tuple(side.start for side in box), tuple(side.stop for side in box))
        types = tuple(name for name, kept in zip(maps.classes, is_lesion, strict=True) if kept)
        return cls(types, lesions, rest, grid)

    @property
    def maps(self) -> ProbabilityMaps:
        """Probabilities of the lesion classes alone, 'background' standing for all others."""
        return self.scaled(1.0)

    def scaled(self, factor: float) -> ProbabilityMaps:
        """Lesion probabilities times a factor, against the most probable other class ('background') (Eq. 3)."""
        both = np.concatenate([self.rest[None], self.lesions]).astype(np.float32)
        both[1:] *= factor
        return ProbabilityMaps(("background", *self.types), both, self.grid)

    def part_of(self, reference: sitk.Image) -> Box:
        """The smallest box (z, y, x) of a reference grid in which lesions can be; all of it if there is none."""
        whole = tuple(slice(0, length) for length in self.grid.shape)
        return _part_of(reference, self.grid, whole) or tuple(slice(0, n) for n in reference.GetSize()[::-1])

    def detect(self, factor: float, reference: sitk.Image) -> "Detection":
        """Find individual lesions with a sensitivity factor: Eq. 2-6.

        Parameters
        ----------
        factor: float
            1 is plain argmax; more finds more.
        reference: SimpleITK.Image
            The grid (LPS, mm) on which lesions are wanted.

        Raises
        ------
        LiverTumorAIError
            If the factor is not above 0, or beyond `LARGEST_FACTOR`.

        """
        check_factor(factor)
        scaled = self.scaled(factor)
        # A point between voxels can only be lesion if it is in one of the voxels around it.
        found = (scaled.probabilities[1:] > scaled.probabilities[0]).any(axis=0)
        near = ndimage.maximum_filter(found.view(np.uint8), 3)
        whole = _part_of(reference, self.grid, next(iter(ndimage.find_objects(near)), None))
        if whole is None:
            return Detection(np.zeros(reference.GetSize()[::-1], np.uint16), ())
        around = reference[whole[::-1]]
        mask = np.zeros(around.GetSize()[::-1], bool)
        for box in ndimage.find_objects(ndimage.label(near)[0]):
            part = _part_of(around, self.grid, box)
            if part is not None:
                mask[part] = sitk.GetArrayFromImage(scaled.labels_on(around[part[::-1]])) > 0
        part_labels, instances = find_instances(mask, self.maps, around, separate=seg2det)
        labels = np.zeros(reference.GetSize()[::-1], np.uint16)
        labels[whole] = sitk.GetArrayViewFromImage(part_labels)
        return Detection(labels, instances)


@dataclass(frozen=True)
class Detection:
    """Individual lesions.

    Attributes
    ----------
    labels: numpy.ndarray
        uint16 (z, y, x) on the reference grid: 1, 2, ... by falling volume, 0 elsewhere.
    instances: tuple of LesionInstance
        One for each label.

    """

    labels: np.ndarray
    instances: tuple[LesionInstance, ...]


def check_factor(factor: float) -> None:
    """Raise LiverTumorAIError unless a sensitivity factor can be used."""
    if not 0 < factor <= LARGEST_FACTOR:
        raise LiverTumorAIError(
            f"The sensitivity factor is {factor:g}", advice=f"Choose one above 0 and up to {LARGEST_FACTOR:g}"
        )


def _part_of(reference: sitk.Image, grid: NetworkGrid, box: Box | None) -> Box | None:
    """The smallest box (z, y, x) of a reference grid that covers a box of a network's grid; None if there is none."""
    if box is None:
        return None
    matrix, offset = grid.index_transform(reference)
    ends = [(side.start - 1, side.stop) for side in box]
    corners = np.stack(np.meshgrid(*ends), axis=-1).reshape(-1, 3)
    reached = (corners - offset) @ np.linalg.inv(matrix).T
    low = np.clip(np.floor(reached.min(axis=0)).astype(int), 0, None)
    high = np.minimum(np.ceil(reached.max(axis=0)).astype(int) + 1, reference.GetSize()[::-1])
    if (low >= high).any():
        return None
    return tuple(slice(int(first), int(last)) for first, last in zip(low, high, strict=True))


def _closed(mask: np.ndarray, grid: NetworkGrid) -> np.ndarray:
    """Morphological closing by `CAPSULE_MM / 2`, and one voxel more all around."""
    radius = CAPSULE_MM / 2
    padded = np.pad(mask, [(int(np.ceil(radius / step)) + 1,) * 2 for step in grid.spacing_mm])
    grown = ndimage.distance_transform_edt(~padded, sampling=grid.spacing_mm) <= radius
    closed = ndimage.distance_transform_edt(grown, sampling=grid.spacing_mm) > radius
    kept = tuple(slice(int(np.ceil(radius / step)) + 1, -int(np.ceil(radius / step)) - 1) for step in grid.spacing_mm)
    return ndimage.binary_dilation(closed[kept] | mask)

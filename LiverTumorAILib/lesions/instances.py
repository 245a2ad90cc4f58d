"""From a mask of lesion voxels to individual lesions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

import cc3d
import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.inference import ProbabilityMaps
from LiverTumorAILib.lesions.lesion import LesionType, Point
from LiverTumorAILib.lesions.organs import lesion_type_of_class

SMALLEST_LESION_MM3 = 30.0
"""A sphere of not quite 4 mm; less cannot be told from noise at the slice thickness of clinical studies."""


@dataclass(frozen=True)
class LesionInstance:
    """One lesion before it is measured.

    Attributes
    ----------
    label: int
        Its value in the label image (1, 2, ... by falling volume).
    type: LesionType
        The most probable one.
    type_probabilities: Mapping[LesionType, float]
        The network's probabilities averaged over the lesion, among the lesion classes; add up to 1. All types are
        there, those that the network does not know with 0.
    score: float
        Probability of being any lesion (0-1), averaged over the lesion.
    centroid_mm: Point
        LPS, mm.
    bounding_box_mm: tuple of two Points
        Lowest and highest corner (LPS, mm).
    found_at, evidence: tuples
        As in `Lesion`.
    doubts: tuple of str
        What the cascade adds to the reasons why the lesion is uncertain.
    decides: bool
        Whether it is large enough to decide about the patient's class.

    """

    label: int
    type: LesionType
    type_probabilities: Mapping[LesionType, float]
    score: float
    centroid_mm: Point
    bounding_box_mm: tuple[Point, Point]
    found_at: tuple[float, ...] = ()
    evidence: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    decides: bool = True


def connected_lesions(lesions: np.ndarray) -> np.ndarray:
    """Connected voxels (26 neighbours) of a bool mask (z, y, x), numbered."""
    return cc3d.connected_components(lesions, connectivity=26)


def find_instances(
    lesions: np.ndarray,
    maps: ProbabilityMaps,
    reference: sitk.Image,
    smallest_mm3: float = SMALLEST_LESION_MM3,
    separate: Callable[[np.ndarray], np.ndarray] = connected_lesions,
    *,
    least_peak: float = 0.0,
) -> tuple[sitk.Image, tuple[LesionInstance, ...]]:
    """Individual lesions, whatever types the network gives their voxels.

    Parameters
    ----------
    lesions: numpy.ndarray
        bool (z, y, x) on the reference grid.
    maps: ProbabilityMaps
        Class probabilities.
    reference: SimpleITK.Image
        The reference grid (LPS, mm).
    smallest_mm3: float
        Smaller ones are dropped.
    separate: callable
        Numbers individual lesions in a mask: `connected_lesions` or `seg2det`.
    least_peak: float
        One that is nowhere so probable (0-1), of whatever type, is dropped.

    Returns
    -------
    labels: SimpleITK.Image
        uint16 on the reference grid.
    instances: tuple of LesionInstance
        By falling volume.

    """
    labels = labels_by_volume(separate(lesions), smallest_mm3 / float(np.prod(reference.GetSpacing())))
    if least_peak:
        labels = labels_by_volume(np.where((_peaks(labels, maps, reference) >= least_peak)[labels], labels, 0))
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(reference)
    probabilities = _mean_probabilities(labels, maps, reference)
    instances = tuple(
        _instance(label, box, labels[box] == label, probabilities[label - 1], reference)
        for label, box in enumerate(ndimage.find_objects(labels), start=1)
    )
    return image, instances


def labels_by_volume(parts: np.ndarray, smallest_voxels: float = 1) -> np.ndarray:
    """Numbers (z, y, x) changed to 1, 2, ... by falling volume, uint16; parts with fewer voxels become 0."""
    sizes = np.bincount(parts[parts > 0], minlength=1)
    order = np.argsort(-sizes, kind="stable")
    order = order[(sizes[order] > 0) & (sizes[order] >= smallest_voxels)]
    renumbered = np.zeros(len(sizes), np.uint16)
    renumbered[order] = np.arange(1, len(order) + 1)
    return renumbered[parts]


def _peaks(labels: np.ndarray, maps: ProbabilityMaps, reference: sitk.Image) -> np.ndarray:
    """Greatest probability of being any lesion in each label; that of label 0 is 0."""
    voxels = np.argwhere(labels)
    kinds = [name for name in maps.classes if lesion_type_of_class(name)]
    peaks = np.zeros(int(labels.max(initial=0)) + 1)
    np.maximum.at(peaks, labels[tuple(voxels.T)], maps.sample(reference, voxels, kinds).sum(axis=1))
    return peaks


def _mean_probabilities(labels: np.ndarray, maps: ProbabilityMaps, reference: sitk.Image) -> np.ndarray:
    """Mean probability of each lesion type (columns, in the order of `LesionType`) over each lesion (rows)."""
    count = int(labels.max(initial=0))
    means = np.zeros((count, len(LesionType)))
    if count == 0:
        return means
    voxels = np.argwhere(labels)
    owners = labels[tuple(voxels.T)]
    kinds = {name: kind for name in maps.classes if (kind := lesion_type_of_class(name))}
    values = maps.sample(reference, voxels, list(kinds))
    sizes = np.bincount(owners, minlength=count + 1)[1:]
    for kind, column in zip(kinds.values(), values.T, strict=True):
        means[:, list(LesionType).index(kind)] = np.bincount(owners, column, count + 1)[1:] / sizes
    return means


def _instance(
    label: int, box: tuple[slice, ...], mask: np.ndarray, means: np.ndarray, reference: sitk.Image
) -> LesionInstance:
    shares = means / max(means.sum(), np.finfo(float).tiny)
    probabilities = dict(zip(LesionType, shares.tolist(), strict=True))
    corner = np.array([side.start for side in box])
    centroid = np.argwhere(mask).mean(axis=0) + corner
    return LesionInstance(
        label,
        max(probabilities, key=probabilities.get),
        probabilities,
        float(np.clip(means.sum(), 0, 1)),
        _physical(centroid, reference),
        _bounding_box_mm(box, reference),
    )


def _bounding_box_mm(box: tuple[slice, ...], reference: sitk.Image) -> tuple[Point, Point]:
    sides = [(side.start - 0.5, side.stop - 0.5) for side in box]
    corners = np.array([_physical(corner, reference) for corner in product(*sides)])
    return tuple(corners.min(axis=0).tolist()), tuple(corners.max(axis=0).tolist())


def _physical(index: np.ndarray, reference: sitk.Image) -> Point:
    return reference.TransformContinuousIndexToPhysicalPoint([float(value) for value in index[::-1]])

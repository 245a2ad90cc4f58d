"""What lesions do to their surroundings: capsular retraction and dilated bile ducts beside an ICC."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import distance_transform_edt

from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom.anatomy import Anatomy
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.lesion_shape import box_around, offsets_mm
from LiverTumorAILib.phantom.lesions import PlacedLesion

_YIELDING = (Tissue.FAT, Tissue.MUSCLE, Tissue.LUNGS, Tissue.ASCITES)


def apply_effects(
    rng: np.random.Generator, anatomy: Anatomy, region: np.ndarray, lesions: list[PlacedLesion]
) -> list[PlacedLesion]:
    """Change anatomy and region in place around the ICCs.

    Parameters
    ----------
    rng: numpy.random.Generator
    anatomy: Anatomy
        Its labels are changed.
    region: numpy.ndarray
        bool (z, y, x), the liver; loses what the retraction takes.
    lesions: list of PlacedLesion

    Returns
    -------
    list of PlacedLesion
        The lesions without what the retraction took.

    """
    for lesion in lesions:
        if lesion.plan.type is not LesionType.ICC:
            continue
        retracts, dilates = rng.random() < 0.6, rng.random() < 0.5
        if retracts:
            _retract_capsule(anatomy, region, lesion)
        if dilates:
            _dilate_ducts(rng, anatomy, region, lesion)
    return [replace(lesion, opacity=lesion.opacity * region[lesion.box]) for lesion in lesions]


def _retract_capsule(anatomy: Anatomy, region: np.ndarray, lesion: PlacedLesion) -> None:
    """Dent the liver's surface where the lesion touches it."""
    grid, radius = anatomy.grid, lesion.shape.radius_mm
    distance, nearest = distance_transform_edt(region[lesion.box], sampling=grid.spacing_mm, return_indices=True)
    distance = np.where(lesion.mask, distance, np.inf)
    touching = np.unravel_index(distance.argmin(), distance.shape)
    if not distance[touching] < 8.0:
        return
    corner = [part.start for part in lesion.box]
    surface = tuple(int(axis[touching]) + first for axis, first in zip(nearest, corner, strict=True))
    if anatomy.labels[surface] not in _YIELDING:
        return
    dent_mm = float(np.clip(0.5 * radius, 5.0, 15.0))
    box = box_around(grid, surface, dent_mm)
    dent = sum(offset**2 for offset in offsets_mm(grid, box, surface)) < dent_mm**2
    taken = dent & region[box]
    anatomy.labels[box][taken] = Tissue.FAT
    region[box][taken] = False


def _dilate_ducts(rng: np.random.Generator, anatomy: Anatomy, region: np.ndarray, lesion: PlacedLesion) -> None:
    """Draw dilated ducts from the lesion towards the periphery of the liver."""
    grid = anatomy.grid
    spacing = np.asarray(grid.spacing_mm)
    centre = np.argwhere(lesion.mask).mean(axis=0) + [part.start for part in lesion.box]
    liver_centre = np.array([axis.mean() for axis in np.nonzero(region)])
    outward = (centre - liver_centre) * spacing
    outward /= np.linalg.norm(outward) + 1e-6
    for _ in range(rng.integers(3, 7)):
        direction = outward + rng.normal(0, 0.45, 3)
        direction /= np.linalg.norm(direction)
        point = centre * spacing + 0.8 * lesion.shape.radius_mm * direction
        width, length = rng.uniform(1.6, 3.2), rng.uniform(20, 50)
        for step in np.arange(0, length, 1.5):
            direction = direction + rng.normal(0, 0.12, 3)
            direction /= np.linalg.norm(direction)
            point = point + 1.5 * direction
            _paint_ball(anatomy, tuple(np.rint(point / spacing).astype(int)), width * (1 - 0.6 * step / length))


def _paint_ball(anatomy: Anatomy, centre: tuple[int, int, int], radius_mm: float) -> None:
    box = box_around(anatomy.grid, centre, radius_mm)
    if any(part.stop <= part.start for part in box):
        return
    ball = sum(offset**2 for offset in offsets_mm(anatomy.grid, box, centre)) <= radius_mm**2
    part = anatomy.labels[box]
    part[ball & (part == Tissue.LIVER)] = Tissue.BILE_DUCTS

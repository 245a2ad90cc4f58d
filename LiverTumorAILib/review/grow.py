"""A missed lesion from one click: the voxels that look like the clicked one and unlike the liver around it."""

from collections.abc import Mapping
from dataclasses import dataclass

import cc3d
import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import ProbabilityMaps
from LiverTumorAILib.lesions import LesionType, Organ, Point
from LiverTumorAILib.lesions.organs import lesion_type_of_class
from LiverTumorAILib.review.boxes import box_image
from LiverTumorAILib.review.reading import take_away
from LiverTumorAILib.review.remeasure import AIR_HU
from LiverTumorAILib.study import Phase

REACH_MM = (30.0, 75.0)
"""Half sides of the boxes that are searched; the second one where the lesion fills the first."""

SEED_MM = 2.5
RIM_MM = 8.0
"""How far outside the found liver a clicked lesion may lie."""

NECK_MM = 1.5
"""Bridges to the surroundings that are no wider than twice this are cut."""

LEAST_CONTRAST = 1.5
"""Difference between seed and liver, in standard deviations of the liver over all phases."""

LEAST_LIVER_VOXELS = 50
LEAST_FILL = 0.1
"""Share of the ball around a lesion that it fills; an ellipsoid three times as long as wide fills 0.11."""

THRESHOLDS = (0.5, 0.6, 0.7, 0.8)
BEYOND = 2.5
"""On the scale where liver is 0 and the seed 1: what is farther from liver is vessel, calcification or fat."""

ROUNDS = 3
KNOWN_SHARE = 0.02
"""Probability of a lesion at the seed from which the network's map helps to draw it."""

ADVICE = "Click into its middle, in a phase that shows it, or paint it with the segment editor"


class _NotSeen(Exception):
    """Why no lesion is seen in a box."""


@dataclass(frozen=True)
class Grown:
    """A lesion's voxels (uint8; LPS, mm; a box of the reference grid) and, where a network saw any, its types."""

    mask: sitk.Image
    type_probabilities: Mapping[LesionType, float] | None


@dataclass(frozen=True)
class _Surroundings:
    """A box of the reference grid: phases smoothed (phase, z, y, x), where a lesion may be, and the seed's index."""

    box: tuple[slice, ...]
    phases: np.ndarray
    allowed: np.ndarray
    liver: np.ndarray
    seed: tuple[int, ...]
    spacing: np.ndarray


def grow_lesion(
    point: Point,
    images: Mapping[Phase, sitk.Image],
    organ_labels: sitk.Image,
    taken: Mapping[str, sitk.Image],
    maps: ProbabilityMaps | None = None,
) -> Grown:
    """The lesion at a point.

    Parameters
    ----------
    point: Point
        LPS, mm.
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases on the reference grid (LPS, mm).
    organ_labels: SimpleITK.Image
        uint8 on the reference grid, values of `Organ`.
    taken: Mapping[str, SimpleITK.Image]
        Masks of other lesions (boxes of the reference grid), which are left out.
    maps: ProbabilityMaps, optional
        Of lesion classes.

    Raises
    ------
    LiverTumorAIError
        If the point lies outside the liver or in another lesion, or looks like the liver around it.

    """
    index = organ_labels.TransformPhysicalPointToIndex(point)[::-1]
    if any(not 0 <= place < size for place, size in zip(index, organ_labels.GetSize()[::-1], strict=True)):
        raise LiverTumorAIError("This place lies outside the images", advice=ADVICE)
    for reach_mm in REACH_MM:
        around = _surroundings(index, images, organ_labels, taken, reach_mm)
        try:
            voxels = _grow(around, _lesion_probability(maps, organ_labels, around.box))
            break
        except _NotSeen as error:
            # A large lesion leaves no liver in a small box.
            if reach_mm == REACH_MM[-1]:
                raise LiverTumorAIError(str(error), advice=ADVICE) from error
    (inner,) = ndimage.find_objects(voxels.view(np.uint8))
    box = tuple(
        slice(side.start + part.start, side.start + part.stop) for side, part in zip(around.box, inner, strict=True)
    )
    mask = box_image(voxels[inner], box, organ_labels)
    return Grown(mask, _types(maps, mask))


def _surroundings(
    index: tuple[int, ...],
    images: Mapping[Phase, sitk.Image],
    organ_labels: sitk.Image,
    taken: Mapping[str, sitk.Image],
    reach_mm: float,
) -> _Surroundings:
    spacing = np.array(organ_labels.GetSpacing()[::-1])
    reach = np.ceil(reach_mm / spacing).astype(int)
    box = tuple(
        slice(max(int(place - far), 0), min(int(place + far) + 1, size))
        for place, far, size in zip(index, reach, organ_labels.GetSize()[::-1], strict=True)
    )
    seed = tuple(place - side.start for place, side in zip(index, box, strict=True))
    organs = sitk.GetArrayViewFromImage(organ_labels)[box]
    liver = organs == Organ.LIVER
    free = liver | (organs == 0)
    for mask in taken.values():
        take_away(free, box, mask, organ_labels)
    if not free[seed]:
        raise LiverTumorAIError("This place is a vessel, another organ or a lesion already", advice=ADVICE)
    outside_mm = ndimage.distance_transform_edt(~liver, spacing) if liver.any() else np.full(liver.shape, np.inf)
    if outside_mm[seed] > RIM_MM:
        raise LiverTumorAIError("This place lies outside the liver", advice=ADVICE)
    allowed = free & (outside_mm <= (RIM_MM if outside_mm[seed] > 0 else spacing.max()))
    # As fine as the slices allow: noise is averaged, thick slices are kept apart.
    sigma = np.minimum(1.0 / spacing, 1.5)
    phases = np.stack(
        [ndimage.gaussian_filter(_known(sitk.GetArrayViewFromImage(image)[box]), sigma) for image in images.values()]
    )
    return _Surroundings(box, phases, allowed, liver & free, seed, spacing)


def _known(voxels: np.ndarray) -> np.ndarray:
    values = np.asarray(voxels, np.float32)
    missing = ~np.isfinite(values) | (values <= AIR_HU)
    if not missing.any():
        return values
    return np.where(missing, 0 if missing.all() else np.median(values[~missing]), values)


def _grow(around: _Surroundings, likely: np.ndarray | None) -> np.ndarray:
    seeds = _ball(around, SEED_MM) & around.allowed
    known = likely is not None and likely[seeds].max(initial=0) >= KNOWN_SHARE
    map_alone = np.clip(likely / likely[seeds].max(), 0, 1) if known else None
    voxels = seeds
    for _ in range(ROUNDS):
        likeness = _likeness(around, voxels)
        if likeness is None and not known:
            raise _NotSeen("This place looks like the liver around it in all phases")
        evidence = [one for one in (likeness, map_alone) if one is not None]
        scale = sum(evidence) / len(evidence)
        parts = (_part(around, scale, level) for level in THRESHOLDS)
        found = next((part for part in parts if not _leaks(part, around.spacing)), None)
        if found is None:
            raise _NotSeen("What is seen here cannot be told from its surroundings")
        if np.array_equal(found, voxels):
            break
        voxels = found
    return voxels


def _likeness(around: _Surroundings, lesion: np.ndarray) -> np.ndarray | None:
    """How much each voxel looks like the lesion (1) and not like liver (0): Fisher's discriminant over the phases.

    None where they look alike.
    """
    liver = around.phases[:, around.liver & ~ndimage.binary_dilation(lesion, iterations=2)]
    if liver.shape[1] < LEAST_LIVER_VOXELS:
        raise _NotSeen("There is no liver around this place to compare it with")
    middle = np.median(liver, axis=1)
    deviation = 1.4826 * np.median(np.abs(liver - middle[:, None]), axis=1) + 1e-3
    contrast = np.median(around.phases[:, lesion], axis=1) - middle
    if np.sqrt(((contrast / deviation) ** 2).sum()) < LEAST_CONTRAST:
        return None
    weights = contrast / deviation**2
    difference = np.tensordot(weights, around.phases - middle[:, None, None, None], axes=1)
    return (difference / float(weights @ contrast)).astype(np.float32)


def _part(around: _Surroundings, scale: np.ndarray, level: float) -> np.ndarray:
    """The connected voxels of the seed that are lesion rather than liver, thin bridges cut, holes filled."""
    alike = (scale > level) & (scale < BEYOND) & around.allowed
    # Distances run to the centre of the nearest voxel outside, half a voxel beyond the border.
    neck = NECK_MM + around.spacing.min() / 2
    core = ndimage.distance_transform_edt(alike, around.spacing) > neck
    seeds = _ball(around, SEED_MM)
    labels = cc3d.connected_components(core, connectivity=26)
    wanted = np.unique(labels[seeds & core])
    # A lesion no wider than a bridge has no core.
    chosen = np.isin(labels, wanted) if wanted.size else None
    if chosen is None:
        labels = cc3d.connected_components(alike, connectivity=6)
        chosen = np.isin(labels, np.unique(labels[seeds & alike])) & alike
    else:
        chosen = (ndimage.distance_transform_edt(~chosen, around.spacing) <= neck) & alike
    chosen |= seeds & around.allowed
    holes = np.stack([ndimage.binary_fill_holes(plane) for plane in chosen]) & around.allowed
    return chosen | holes


def _ball(around: _Surroundings, radius_mm: float) -> np.ndarray:
    """Voxels within a distance of the seed; the seed's own neighbours in its slice at least."""
    axes = np.ogrid[tuple(slice(0, size) for size in around.allowed.shape)]
    squares = [
        ((axis - place) * step) ** 2 for axis, place, step in zip(axes, around.seed, around.spacing, strict=True)
    ]
    return squares[0] + squares[1] + squares[2] <= radius_mm**2


def _leaks(voxels: np.ndarray, spacing: np.ndarray) -> bool:
    """Whether voxels reach the end of their box, or are strung out as no lesion is."""
    if any(np.take(voxels, side, axis).any() for axis in range(3) for side in (0, -1)):
        return True
    places = np.argwhere(voxels) * spacing
    radius = np.percentile(np.linalg.norm(places - places.mean(axis=0), axis=1), 95) + spacing.max() / 2
    return len(places) * np.prod(spacing) < LEAST_FILL * 4 / 3 * np.pi * radius**3


def _lesion_probability(maps: ProbabilityMaps | None, grid: sitk.Image, box: tuple[slice, ...]) -> np.ndarray | None:
    """Probability of any lesion in a box of the grid."""
    if maps is None:
        return None
    part = grid[tuple(reversed(box))]
    names = [name for name in maps.classes if lesion_type_of_class(name)]
    return sum(sitk.GetArrayFromImage(maps.probability_on(part, name)) for name in names)


def _types(maps: ProbabilityMaps | None, mask: sitk.Image) -> dict[LesionType, float] | None:
    """Mean probability of each type over a lesion, adding up to 1; None where the network saw none."""
    if maps is None:
        return None
    inside = sitk.GetArrayViewFromImage(mask) > 0
    means = dict.fromkeys(LesionType, 0.0)
    for name in maps.classes:
        kind = lesion_type_of_class(name)
        if kind is not None:
            means[kind] = float(sitk.GetArrayFromImage(maps.probability_on(mask, name))[inside].mean())
    total = sum(means.values())
    return {kind: mean / total for kind, mean in means.items()} if total >= KNOWN_SHARE else None

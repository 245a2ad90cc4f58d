"""The reclassification network's opinions on detections, patch by patch (multi-sensitivity paper, Eq. 9-10)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.inference import Model, NetworkGrid, sliding_window
from LiverTumorAILib.inference.preprocess import network_input, sample_phase
from LiverTumorAILib.lesions.reclassification import NOT_ASKED, Opinions
from LiverTumorAILib.lesions.shuffle import Voxel, cut, find_places, take_graft, transplant
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Phase

PATCHES = 4
"""For each lesion; every second one shows it elsewhere in the liver."""

MOST_LESIONS = 24
"""The largest so many get patches of their own; the others share those of one pass over the liver, so that the time
stays bounded."""

HEALTHY_MARGIN = 2
"""Voxels around a detection that are not taken for healthy liver."""

_JITTER = 0.2


@dataclass(frozen=True)
class LiverOnly:
    """The phases inside the liver, on the reclassification network's grid.

    Attributes
    ----------
    phases: tuple of Phase
    images: numpy.ndarray
        float32 (phases, z, y, x), HU; NaN outside the liver and where a phase shows nothing.
    inside: numpy.ndarray
        bool (z, y, x), the liver with its lesions.
    grid: NetworkGrid
        Where the voxels lie.

    """

    phases: tuple[Phase, ...]
    images: np.ndarray
    inside: np.ndarray
    grid: NetworkGrid

    @classmethod
    def of(cls, images: Mapping[Phase, sitk.Image], liver: sitk.Image, model: Model) -> "LiverOnly":
        """Cut the liver (mask on the images' grid; LPS, mm) out of those phases that a model takes."""
        mask = sitk.GetArrayViewFromImage(liver)
        (box,) = ndimage.find_objects(mask) or [tuple(slice(0, n) for n in mask.shape)]
        part = tuple(box[::-1])
        grid = NetworkGrid.covering([liver[part]], model.card.spacing_mm)
        inside = grid.sample(liver[part], sitk.sitkNearestNeighbor) > 0
        phases = tuple(phase for phase in map(Phase, model.card.inputs) if phase in images)
        sampled = np.stack([sample_phase(images[phase][part], grid) for phase in phases])
        sampled[:, ~inside] = np.nan
        return cls(phases, sampled, inside, grid)


def ask(
    model: Model, liver: LiverOnly, detections: sitk.Image, progress: Progress | None = None, shuffle: bool = True
) -> Opinions:
    """Let the reclassification network look at each detection in several patches of the liver alone.

    Parameters
    ----------
    model: Model
        The network; its card's patch is the fixed size.
    liver: LiverOnly
        The liver on the network's grid.
    detections: SimpleITK.Image
        Numbered lesions (LPS, mm; any grid).
    progress: Progress, optional
        Updated, and polled for cancel, before each patch.
    shuffle: bool
        Show each lesion in other places of the liver too, not only where it is.

    Returns
    -------
    Opinions
        The same every time: chance is seeded by the lesion's number.

    """
    progress = progress or Progress(stage="Reclassification")
    labels = liver.grid.sample(detections, sitk.sitkNearestNeighbor)
    said = np.full((PATCHES, *labels.shape), NOT_ASKED, np.uint8)
    patch = model.card.patch
    free = liver.inside & ~ndimage.binary_dilation(labels > 0, iterations=HEALTHY_MARGIN)
    boxes = ndimage.find_objects(labels)
    sizes = np.bincount(labels.ravel(), minlength=len(boxes) + 1)[1:]
    order = [index for index in np.argsort(-sizes, kind="stable").tolist() if sizes[index]]
    own, shared = order[:MOST_LESIONS], order[MOST_LESIONS:]
    for count, index in enumerate(own):
        part = progress.part(0.8 * count / len(own), 0.8 * (count + 1) / len(own))
        mask = labels == index + 1
        voxels = np.argwhere(mask)
        rng = np.random.default_rng([17, index])
        for number, (images, moved) in enumerate(_views(rng, liver, mask, free, patch=patch, shuffle=shuffle)):
            part.update(number / PATCHES, f"lesion {count + 1} of {len(own)}")
            within = ((moved >= 0) & (moved < patch)).all(axis=1)
            answer = _classes(model, liver, images)
            said[(number, *voxels.T)] = np.where(within, answer[tuple(np.where(within[:, None], moved, 0).T)], 0)
    if shared:
        volume = network_input(dict(zip(liver.phases, liver.images, strict=True)), model.card)
        rest = np.isin(labels, np.array(shared) + 1)
        maps = sliding_window(
            volume,
            model.session,
            len(model.card.classes),
            patch,
            overlap=0.25,
            region=rest,
            progress=progress.part(0.8, 1.0),
        )
        said[:, rest] = maps[:, rest].argmax(axis=0)
    progress.update(1.0)
    return Opinions(model.card.classes, said, liver.grid)


def _views(
    rng: np.random.Generator,
    liver: LiverOnly,
    mask: np.ndarray,
    free: np.ndarray,
    *,
    patch: tuple[int, int, int],
    shuffle: bool,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Patches (phases, z, y, x) that show a lesion, each with where its voxels (rows of z, y, x) are in it."""
    voxels = np.argwhere(mask)
    start, length = voxels.min(axis=0), np.ptp(voxels, axis=0) + 1
    places = find_places(rng, mask, free, PATCHES // 2) if shuffle else []
    for number in range(PATCHES):
        place = places[number // 2] if number % 2 and number // 2 < len(places) else tuple(start.tolist())
        corner = _corner(rng, np.array(place), length, patch)
        images = cut(liver.images, corner, patch, np.nan)
        if place != tuple(start.tolist()):
            graft = take_graft(liver.images, mask, liver.grid.spacing_mm)
            transplant(images, graft, (np.array(graft.corner) - start + place - corner).tolist())
        yield images, voxels - start + np.array(place) - corner


def _corner(rng: np.random.Generator, place: np.ndarray, length: np.ndarray, patch: tuple[int, int, int]) -> Voxel:
    """A corner for a patch that shows a box of a length at a place, not always in its middle."""
    room = np.minimum((np.array(patch) - length) / 2, _JITTER * np.array(patch)).clip(0)
    middle = place + length / 2 - np.array(patch) / 2
    return tuple(np.rint(middle + rng.uniform(-room, room)).astype(int).tolist())


def _classes(model: Model, liver: LiverOnly, images: np.ndarray) -> np.ndarray:
    """Most probable class of each voxel of a patch, uint8 (z, y, x)."""
    volume = network_input(dict(zip(liver.phases, images, strict=True)), model.card)
    return model.session(volume[None])[0].argmax(axis=0).astype(np.uint8)

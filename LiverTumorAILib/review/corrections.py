"""Corrections of lesions' voxels: draw, add, split, merge. None of them changes a lesion that it does not name."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import cc3d
import numpy as np
import SimpleITK as sitk
from pydicom.uid import generate_uid
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import Certainty, Enhancement, Lesion, LesionType
from LiverTumorAILib.measurement import measure_mask
from LiverTumorAILib.review.boxes import box_image, box_of
from LiverTumorAILib.review.reading import Reading, ReviewState, take_away
from LiverTumorAILib.review.remeasure import bounding_box_mm, centroid_mm, remeasure
from LiverTumorAILib.study import Phase

BY_HAND = "added by the reader"
NOT_JUDGED = "no network judged its type"
NECK_DEPTHS_MM = (8.0, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0)
"""How much thinner than both its sides a neck is, deepest first; less is the roughness of a drawn outline."""


@dataclass(frozen=True)
class Corrector:
    """Makes corrected readings of one study.

    Attributes
    ----------
    grid: SimpleITK.Image
        Any image on the reference grid (LPS, mm).
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases on it.

    """

    grid: sitk.Image
    images: Mapping[Phase, sitk.Image]

    def draw(self, reading: Reading, uid: str, mask: sitk.Image | None) -> Reading:
        """A lesion with other voxels; those of other lesions are left to them, and an emptied lesion is deleted.

        Parameters
        ----------
        reading: Reading
        uid: str
        mask: SimpleITK.Image or None
            uint8 (LPS, mm), a box of the reference grid; None is empty.

        """
        own = self.free(reading, mask, {uid}) if mask is not None else None
        if own is None:
            return reading.without(uid)
        if same_voxels(own, reading.masks[uid]):
            return reading
        return reading.with_lesion(remeasure(reading.lesion(uid), own, self.images), own).touched(uid)

    def add(self, reading: Reading, mask: sitk.Image, probabilities: Mapping[LesionType, float] | None) -> Reading:
        """A further lesion, the last one of the reading afterwards.

        Parameters
        ----------
        reading: Reading
        mask: SimpleITK.Image
            uint8 (LPS, mm), a box of the reference grid.
        probabilities: Mapping[LesionType, float] or None
            Of the types, adding up to 1; None where no network judged the place.

        Raises
        ------
        LiverTumorAIError
            If no voxel of it is free.

        """
        own = self.free(reading, mask)
        if own is None:
            raise LiverTumorAIError("A lesion is there already", advice="Choose it in the table and correct it")
        reasons = (BY_HAND,) if probabilities else (BY_HAND, NOT_JUDGED)
        probabilities = probabilities or {kind: float(kind is LesionType.OTHER) for kind in LesionType}
        lesion = Lesion(
            uid=generate_uid(),
            label=self._next_label(reading),
            type=max(probabilities, key=probabilities.get),
            type_probabilities=dict(probabilities),
            certainty=Certainty.UNCERTAIN,
            certainty_reasons=reasons,
            score=1.0,
            centroid_mm=centroid_mm(own),
            bounding_box_mm=bounding_box_mm(own),
            measurement=replace(measure_mask(own), enhancement=self._liver_enhancement(reading)),
        )
        lesion = remeasure(lesion, own, self.images)
        return reading.with_lesion(lesion, own).with_state(lesion.uid, ReviewState.NEW)

    def split(self, reading: Reading, uid: str) -> Reading:
        """A lesion cut into its separate parts, or at its deepest neck; the largest part keeps its number.

        Raises
        ------
        LiverTumorAIError
            If it has one part and no neck.

        """
        mask = reading.masks[uid]
        first, *others = self._parts(mask)
        lesion = reading.lesion(uid)
        reading = reading.with_lesion(remeasure(lesion, first, self.images), first).touched(uid)
        for part in others:
            piece = replace(lesion, uid=generate_uid(), label=self._next_label(reading))
            piece = remeasure(piece, part, self.images)
            reading = reading.with_lesion(piece, part).with_state(piece.uid, ReviewState.NEW)
            if uid in reading.typed_by_hand:
                reading = replace(reading, typed_by_hand=reading.typed_by_hand | {piece.uid})
        return reading

    def merge(self, reading: Reading, uid: str, other: str) -> Reading:
        """Two lesions as one: the larger keeps number and type."""
        larger, smaller = sorted(
            (reading.lesion(uid), reading.lesion(other)), key=lambda lesion: -lesion.measurement.volume_mm3
        )
        merged = self._union(reading.masks[larger.uid], reading.masks[smaller.uid])
        reading = reading.without(smaller.uid).with_lesion(remeasure(larger, merged, self.images), merged)
        return reading.touched(larger.uid)

    def free(self, reading: Reading, mask: sitk.Image, but: Collection[str] = ()) -> sitk.Image | None:
        """A mask without the voxels of lesions that were not rejected, cropped; None if nothing is left."""
        box = box_of(mask, self.grid)
        voxels = sitk.GetArrayFromImage(mask) > 0
        for lesion in reading.present:
            if lesion.uid not in but:
                take_away(voxels, box, reading.masks[lesion.uid], self.grid)
        return self._cropped(voxels, box)

    def _cropped(self, voxels: np.ndarray, box: tuple[slice, ...]) -> sitk.Image | None:
        found = ndimage.find_objects(voxels.view(np.uint8))
        if not found:
            return None
        (inner,) = found
        shifted = tuple(
            slice(outer.start + side.start, outer.start + side.stop) for outer, side in zip(box, inner, strict=True)
        )
        return box_image(voxels[inner], shifted, self.grid)

    def _union(self, first: sitk.Image, second: sitk.Image) -> sitk.Image:
        boxes = [box_of(mask, self.grid) for mask in (first, second)]
        low = [min(sides[0].start, sides[1].start) for sides in zip(*boxes, strict=True)]
        high = [max(sides[0].stop, sides[1].stop) for sides in zip(*boxes, strict=True)]
        voxels = np.zeros(np.subtract(high, low), bool)
        for mask, box in zip((first, second), boxes, strict=True):
            inner = tuple(slice(side.start - start, side.stop - start) for side, start in zip(box, low, strict=True))
            voxels[inner] |= sitk.GetArrayViewFromImage(mask) > 0
        return box_image(voxels, tuple(slice(*ends) for ends in zip(low, high, strict=True)), self.grid)

    def _parts(self, mask: sitk.Image) -> list[sitk.Image]:
        voxels = sitk.GetArrayViewFromImage(mask) > 0
        labels = cc3d.connected_components(voxels, connectivity=26)
        if labels.max() < 2:
            labels = _cut_at_neck(mask)
        box = box_of(mask, self.grid)
        parts = [self._cropped(labels == label, box) for label in range(1, int(labels.max()) + 1)]
        return sorted(parts, key=lambda part: -int(sitk.GetArrayViewFromImage(part).sum()))

    @staticmethod
    def _next_label(reading: Reading) -> int:
        return 1 + max((lesion.label for lesion in reading.lesions), default=0)

    def _liver_enhancement(self, reading: Reading) -> dict[Phase, Enhancement]:
        """The liver's mean in each phase as other lesions know it; NaN without any."""
        known = {phase: mean for lesion in reading.lesions for phase, mean in lesion.measurement.enhancement.items()}
        unknown = Enhancement(np.nan, np.nan)
        return {phase: Enhancement(np.nan, known.get(phase, unknown).liver) for phase in self.images}


def same_voxels(first: sitk.Image, second: sitk.Image) -> bool:
    """Whether two cropped masks of one grid hold the same voxels."""
    return (
        first.GetSize() == second.GetSize()
        and np.allclose(first.GetOrigin(), second.GetOrigin())
        and np.array_equal(sitk.GetArrayViewFromImage(first), sitk.GetArrayViewFromImage(second))
    )


def _cut_at_neck(mask: sitk.Image) -> np.ndarray:
    """Parts (1, 2, ...; z, y, x) of a connected mask to both sides of its deepest neck."""
    padded = sitk.ConstantPad(mask, (1, 1, 1), (1, 1, 1), 0)
    depth = sitk.SignedMaurerDistanceMap(padded, insideIsPositive=True, squaredDistance=False, useImageSpacing=True)
    for level in NECK_DEPTHS_MM:
        basins = sitk.MorphologicalWatershed(-depth, level, markWatershedLine=False, fullyConnected=True)
        labels = sitk.GetArrayFromImage(sitk.Mask(basins, padded))[1:-1, 1:-1, 1:-1]
        values = np.unique(labels[labels > 0])
        if len(values) > 1:
            return np.searchsorted(values, labels, side="left").astype(np.uint16) * (labels > 0) + (labels > 0)
    raise LiverTumorAIError("This lesion has one part and no neck", advice="Cut it with the Erase tool, then split")

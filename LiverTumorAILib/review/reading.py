"""A reading: the lesions as the reader left them, and what was decided about each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.explanation.titles import heatmap_types
from LiverTumorAILib.lesions import Certainty, Findings, Lesion, LesionType, Organ
from LiverTumorAILib.lesions.patient import summarise_patient
from LiverTumorAILib.review.boxes import box_image, box_of
from LiverTumorAILib.review.organs import volume_mm3, with_organs


class ReviewState(StrEnum):
    """What the reader made of a lesion."""

    TO_REVIEW = "to review"
    ACCEPTED = "accepted"
    CHANGED = "changed"
    REJECTED = "rejected"
    NEW = "new"


@dataclass(frozen=True)
class Reading:
    """The reader's work on one study; each change makes another one.

    Attributes
    ----------
    lesions: tuple of Lesion
        As they are now, rejected ones included.
    masks: Mapping[str, SimpleITK.Image]
        By lesion UID: uint8 0 or 1 (LPS, mm), a box of the reference grid.
    states: Mapping[str, ReviewState]
        By lesion UID; a lesion that is missing waits for review.
    typed_by_hand: frozenset of str
        UIDs of the lesions whose type the reader set.
    targets: tuple of str
        UIDs of the target lesions (RECIST 1.1).
    factor: float or None
        Sensitivity factor that lesions were found with; None where it is the analysis's own.
    organs: Mapping[Organ, SimpleITK.Image]
        Organs that the reader edited: uint8 (LPS, mm), boxes of the reference grid; the liver with its lesions and
        vessels.

    """

    lesions: tuple[Lesion, ...]
    masks: Mapping[str, sitk.Image]
    states: Mapping[str, ReviewState] = field(default_factory=dict)
    typed_by_hand: frozenset[str] = frozenset()
    targets: tuple[str, ...] = ()
    factor: float | None = None
    organs: Mapping[Organ, sitk.Image] = field(default_factory=dict)

    def lesion(self, uid: str | None) -> Lesion | None:
        """The lesion with this UID; None if there is none."""
        return next((lesion for lesion in self.lesions if lesion.uid == uid), None)

    def state(self, uid: str) -> ReviewState:
        """What the reader made of a lesion."""
        return self.states.get(uid, ReviewState.TO_REVIEW)

    @property
    def present(self) -> tuple[Lesion, ...]:
        """The lesions that were not rejected."""
        return tuple(lesion for lesion in self.lesions if self.state(lesion.uid) is not ReviewState.REJECTED)

    @property
    def reviewed_count(self) -> int:
        """How many lesions do not wait for review any more."""
        return sum(self.state(lesion.uid) is not ReviewState.TO_REVIEW for lesion in self.lesions)

    def accepted(self, uid: str) -> "Reading":
        """The reader agrees with a lesion; what was changed or is new stays so."""
        if self.state(uid) in (ReviewState.CHANGED, ReviewState.NEW):
            return self
        return self.with_state(uid, ReviewState.ACCEPTED)

    def rejected(self, uid: str) -> "Reading":
        """The reader says that this is no lesion; it is no target then."""
        return self.with_state(uid, ReviewState.REJECTED).without_target(uid)

    def with_target(self, uid: str) -> "Reading":
        """A further target lesion; `measurement.recist` says whether it can be one."""
        return replace(self, targets=(*self.targets, uid))

    def without_target(self, uid: str) -> "Reading":
        """A lesion that is no target any more."""
        return replace(self, targets=tuple(target for target in self.targets if target != uid))

    def with_state(self, uid: str, state: ReviewState) -> "Reading":
        """Another state of one lesion."""
        return replace(self, states={**self.states, uid: state})

    def touched(self, uid: str) -> "Reading":
        """The reader changed a lesion; a new one stays new."""
        return self if self.state(uid) is ReviewState.NEW else self.with_state(uid, ReviewState.CHANGED)

    def with_lesion(self, lesion: Lesion, mask: sitk.Image | None = None) -> "Reading":
        """A lesion in place of the one with its UID, or beside the others; its mask stays if none is given."""
        known = self.lesion(lesion.uid) is not None
        others = tuple(lesion if other.uid == lesion.uid else other for other in self.lesions)
        masks = self.masks if mask is None else {**self.masks, lesion.uid: mask}
        return replace(self, lesions=others if known else (*others, lesion), masks=masks)

    def with_organ(self, organ: Organ, mask: sitk.Image) -> "Reading":
        """An organ as the reader drew it."""
        return replace(self, organs={**self.organs, organ: mask})

    def without(self, uid: str) -> "Reading":
        """All but one lesion, as if it had never been there."""
        return replace(
            self.without_target(uid),
            lesions=tuple(lesion for lesion in self.lesions if lesion.uid != uid),
            masks={key: mask for key, mask in self.masks.items() if key != uid},
            states={key: state for key, state in self.states.items() if key != uid},
            typed_by_hand=self.typed_by_hand - {uid},
        )

    def with_type(self, uid: str, kind: LesionType) -> "Reading":
        """A lesion with the type that the reader sees; the reader's word leaves no doubt.

        Its heatmaps stay those of the types that the networks saw.
        """
        before = self.lesion(uid)
        lesion = replace(
            before,
            type=kind,
            type_probabilities={other: float(other is kind) for other in LesionType},
            certainty=Certainty.CERTAIN,
            certainty_reasons=(),
            score=1.0,
            heatmap_types=tuple(filter(None, heatmap_types(before))) if before.heatmap else (),
        )
        return replace(self.with_lesion(lesion).touched(uid), typed_by_hand=self.typed_by_hand | {uid})


def begin_reading(findings: Findings) -> Reading:
    """The reading before the reader did anything."""
    labels = sitk.GetArrayViewFromImage(findings.lesion_labels)
    boxes = ndimage.find_objects(labels)
    masks = {
        lesion.uid: box_image(labels[box] == lesion.label, box, findings.lesion_labels)
        for lesion in findings.lesions
        if (box := boxes[lesion.label - 1]) is not None
    }
    return Reading(findings.lesions, masks)


def take_away(voxels: np.ndarray, box: tuple[slice, ...], mask: sitk.Image, grid: sitk.Image) -> None:
    """Clear the voxels (bool; z, y, x) of a box of a grid that a mask has; the mask is another box of it."""
    other = box_of(mask, grid)
    low = [max(a.start, b.start) for a, b in zip(box, other, strict=True)]
    high = [min(a.stop, b.stop) for a, b in zip(box, other, strict=True)]
    if all(start < stop for start, stop in zip(low, high, strict=True)):
        here = tuple(slice(a - side.start, b - side.start) for a, b, side in zip(low, high, box, strict=True))
        there = tuple(slice(a - side.start, b - side.start) for a, b, side in zip(low, high, other, strict=True))
        voxels[here] &= sitk.GetArrayViewFromImage(mask)[there] == 0


def labels_of(reading: Reading, grid: sitk.Image) -> sitk.Image:
    """The lesions that were not rejected as uint16 label image on the reference grid."""
    labels = np.zeros(grid.GetSize()[::-1], np.uint16)
    for lesion in reading.present:
        mask = reading.masks[lesion.uid]
        part = labels[box_of(mask, grid)]
        part[sitk.GetArrayViewFromImage(mask) > 0] = lesion.label
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(grid)
    return image


def summary_of(findings: Findings, reading: Reading) -> Findings:
    """The findings with the lesions and the patient summary that follow from a reading; images stay as they are.

    Rejected lesions do not count. A lesion that the reader accepted counts as certain. The liver's volume is that of
    the liver as the reader drew it.
    """
    if Organ.LIVER in reading.organs:
        findings = replace(findings, liver_volume_mm3=volume_mm3(reading.organs[Organ.LIVER]))
    settled = tuple(
        replace(lesion, certainty=Certainty.CERTAIN, certainty_reasons=(), score=1.0)
        if reading.state(lesion.uid) is ReviewState.ACCEPTED
        else lesion
        for lesion in reading.present
    )
    present = tuple(sorted(reading.present, key=lambda lesion: -lesion.measurement.volume_mm3))
    if settled == findings.lesions:
        return findings
    phases = [record.phase for record in findings.phases if record.phase is not None]
    patient = summarise_patient(settled, phases, findings.warnings)
    return replace(findings, lesions=present, patient=patient)


def reviewed_findings(findings: Findings, reading: Reading) -> Findings:
    """The findings as the reader leaves them, label images included; lesions name the heatmaps that there are."""
    findings = with_organs(findings, reading.organs)
    summary = summary_of(findings, reading)
    lesions = tuple(_without_missing_heatmaps(lesion, findings.heatmaps) for lesion in summary.lesions)
    used = {name for lesion in lesions for name in lesion.heatmap_files}
    return replace(
        summary,
        lesions=lesions,
        lesion_labels=labels_of(reading, findings.lesion_labels),
        heatmaps={name: findings.heatmaps[name] for name in findings.heatmaps if name in used},
    )


def _without_missing_heatmaps(lesion: Lesion, heatmaps: Collection[str]) -> Lesion:
    """A lesion that names no heatmap of a network whose heatmaps of it are not all there."""
    own, second = filter(None, (lesion.heatmap, lesion.opposing_heatmap)), lesion.second_heatmaps
    if not all(name in heatmaps for name in own):
        lesion = replace(lesion, heatmap="", opposing_heatmap="", heatmap_types=())
    if second and not (second.supporting in heatmaps and second.opposing in heatmaps):
        lesion = replace(lesion, second_heatmaps=None)
    return lesion

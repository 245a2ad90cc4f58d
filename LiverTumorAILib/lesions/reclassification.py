"""Which detections are lesions, and of which type, by a second network (multi-sensitivity paper, Eq. 8-11)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.inference import NetworkGrid
from LiverTumorAILib.lesions.certainty import CERTAIN_TYPE
from LiverTumorAILib.lesions.instances import LesionInstance
from LiverTumorAILib.lesions.lesion import LesionType
from LiverTumorAILib.lesions.organs import lesion_type_of_class
from LiverTumorAILib.lesions.sensitivity import Detection

NOT_ASKED = 255


@dataclass(frozen=True)
class Rule:
    """When a detection is kept.

    Attributes
    ----------
    threshold_cm3: float
        Least truthiness score: mean overlap with what the second network calls lesion, over all patches.
    share: float
        For small lesions the threshold is this share of their volume, if that is less: one of less than
        `threshold_cm3` could never reach it. Such a lesion is kept, but does not decide about the patient.
    largest_cm3: float
        Larger ones pass by.

    """

    threshold_cm3: float = 0.5
    share: float = 0.5
    largest_cm3: float = 64.0


RULE = Rule()
STRICT_RULE = Rule(share=float("inf"))
"""The paper's, which discards every lesion below 0.5 cm3."""


@dataclass(frozen=True)
class Opinions:
    """What the second network made of each detection in several patches, brought back to where the lesion lies.

    Detections do not overlap, so one volume for each patch holds them all. A lesion that is found anew with another
    factor lies in one of them (or holds some) and has its opinions without the network.

    Attributes
    ----------
    classes: tuple of str
        Of the network.
    labels: numpy.ndarray
        uint8 (patches, z, y, x): index into `classes`, `NOT_ASKED` where no detection was.
    grid: NetworkGrid
        Where the voxels lie.

    """

    classes: tuple[str, ...]
    labels: np.ndarray
    grid: NetworkGrid

    def volumes(self, labels: np.ndarray, count: int, reference: sitk.Image) -> np.ndarray:
        """How much of each lesion each patch called what.

        Parameters
        ----------
        labels: numpy.ndarray
            (z, y, x) on the reference grid: lesions 1 ... `count`.
        count: int
            Number of lesions.
        reference: SimpleITK.Image
            The reference grid (LPS, mm).

        Returns
        -------
        numpy.ndarray
            cm3 (patches, lesions, classes + 1); the last column is what was not asked.

        """
        voxels = np.argwhere(labels)
        owners = labels[tuple(voxels.T)].astype(np.int64) - 1
        matrix, offset = self.grid.index_transform(reference)
        nearest = np.rint(voxels @ matrix.T + offset).astype(int)
        place = tuple(np.clip(nearest, 0, np.array(self.grid.shape) - 1).T)
        columns = len(self.classes) + 1
        voxel_cm3 = float(np.prod(reference.GetSpacing())) / 1000
        tables = []
        for patch in self.labels:
            said = np.minimum(patch[place], columns - 1)
            counts = np.bincount(owners * columns + said, minlength=count * columns)
            tables.append(counts.reshape(count, columns) * voxel_cm3)
        return np.array(tables)


def reclassify(detection: Detection, opinions: Opinions, reference: sitk.Image, rule: Rule = RULE) -> Detection:
    """Discard detections that the second network does not confirm, and type the others by its vote.

    Parameters
    ----------
    detection: Detection
        From `LesionProbabilities.detect`.
    opinions: Opinions
        Of detections with the same or a greater factor on the same images.
    reference: SimpleITK.Image
        The reference grid (LPS, mm).
    rule: Rule
        What is kept.

    Returns
    -------
    Detection
        Type and type probabilities are the volume vote over all patches, the score is the mean overlap as share of
        the lesion's volume; numbers are new.

    """
    if not detection.instances:
        return detection
    kinds = {index: kind for index, name in enumerate(opinions.classes) if (kind := lesion_type_of_class(name))}
    tables = opinions.volumes(detection.labels, len(detection.instances), reference)
    judged = [_judge(instance, tables[:, index], kinds, rule) for index, instance in enumerate(detection.instances)]
    return select(detection, judged)


def select(detection: Detection, instances: Sequence[LesionInstance | None]) -> Detection:
    """A detection with other instances for its labels, in their order; None drops a lesion, and numbers close up."""
    kept = [instance for instance in instances if instance]
    numbers = np.zeros(len(instances) + 1, np.uint16)
    for number, instance in enumerate(kept, start=1):
        numbers[instance.label] = number
    renumbered = tuple(replace(instance, label=number) for number, instance in enumerate(kept, start=1))
    return Detection(numbers[detection.labels], renumbered)


def _judge(
    instance: LesionInstance, table: np.ndarray, kinds: Mapping[int, LesionType], rule: Rule
) -> LesionInstance | None:
    """A lesion after the patches' vote, None if it is none; `table` is cm3 (patches, classes + 1)."""
    volume = float(table[0].sum())
    if volume > rule.largest_cm3:
        return replace(instance, evidence=(f"larger than {rule.largest_cm3:g} cm³: not reclassified",))
    if table[:, -1].sum() > 0.5 * table.sum():
        return replace(
            instance,
            evidence=("not reclassified",),
            doubts=("not confirmed by reclassification",),
            decides=volume >= rule.threshold_cm3,
        )
    votes = table[:, list(kinds)]
    overlap = float(votes.sum(axis=1).mean())
    if overlap < min(rule.threshold_cm3, rule.share * volume):
        return None
    shares = dict(zip(kinds.values(), (votes.sum(axis=0) / votes.sum()).tolist(), strict=True))
    probabilities = {kind: shares.get(kind, 0.0) for kind in LesionType}
    winner = max(probabilities, key=probabilities.get)
    return replace(
        instance,
        type=winner,
        type_probabilities=probabilities,
        score=min(overlap / volume, 1.0),
        evidence=(*_in_words(instance, votes, list(kinds.values()), overlap, volume),),
        doubts=(*instance.doubts, *_doubt_of_segmentation(instance, winner)),
        decides=overlap >= rule.threshold_cm3,
    )


def _doubt_of_segmentation(instance: LesionInstance, winner: LesionType) -> tuple[str, ...]:
    """Patches of one network vote alike even where they are wrong: a type needs the first network's word, too."""
    share = instance.type_probabilities[instance.type]
    if instance.type is winner and share >= CERTAIN_TYPE:
        return ()
    return (f"segmentation says {instance.type.title} {share:.0%}",)


def _in_words(
    instance: LesionInstance, votes: np.ndarray, kinds: Sequence[LesionType], overlap: float, volume: float
) -> list[str]:
    said = [kinds[row.argmax()].title if row.sum() > 0.5 * volume else "no lesion" for row in votes]
    counted = sorted(dict.fromkeys(said), key=lambda word: -said.count(word))
    return [
        f"segmentation: {instance.type.title} {instance.type_probabilities[instance.type]:.0%}",
        f"{len(said)} patches: " + ", ".join(f"{said.count(word)} {word}" for word in counted),
        f"mean overlap {overlap:.1f} of {volume:.1f} cm³",
    ]

"""From class probabilities to findings: what the cascades have in common."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from pydicom.uid import generate_uid
from scipy import ndimage

from LiverTumorAILib.explanation import Explain, ExplainFirst, probability_heatmap
from LiverTumorAILib.inference import ProbabilityMaps
from LiverTumorAILib.lesions import (
    Certainty,
    Findings,
    Lesion,
    Measurement,
    PhaseRecord,
    Provenance,
    SecondHeatmaps,
)
from LiverTumorAILib.lesions.certainty import uncertainty_reasons
from LiverTumorAILib.lesions.instances import LesionInstance
from LiverTumorAILib.lesions.organs import lesion_type_of_class, whole_liver
from LiverTumorAILib.lesions.patient import summarise_patient
from LiverTumorAILib.lesions.uneven_liver import uneven_liver_warnings
from LiverTumorAILib.measurement import measure_lesions
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Modality

LIVER_CUT = "The liver reaches the edge of the images: lesions beyond it are not seen, its volume is too small"

SMALL_LIVER_ML = 600.0
"""Of adults. What the liver networks drew in parts of real CT without liver mostly had 300 to 540 ml."""


@dataclass(frozen=True)
class Segmented:
    """What a cascade found, on the reference grid.

    Attributes
    ----------
    organ_labels, lesion_labels: SimpleITK.Image
        As in `Findings`.
    instances: tuple of LesionInstance
        One for each lesion label.
    maps: ProbabilityMaps
        Class probabilities for the heatmaps.
    explain: Explain, optional
        With it heatmaps show what spoke for and against the types, else how probable they are where.
    explain_second: ExplainFirst, optional
        With it there are heatmaps by the cascade's second network too.

    """

    organ_labels: sitk.Image
    lesion_labels: sitk.Image
    instances: tuple[LesionInstance, ...]
    maps: ProbabilityMaps
    explain: Explain | None = None
    explain_second: ExplainFirst | None = None


def assemble_findings(
    study: RegisteredStudy,
    segmented: Segmented,
    provenance: Provenance,
    warnings: tuple[str, ...],
    progress: Progress,
    *,
    limits: tuple[str, ...] = (),
    lesions_only: bool = False,
) -> Findings:
    """Measure the lesions, say how certain they are, and summarise the patient.

    Parameters
    ----------
    study: RegisteredStudy
        What was analyzed.
    segmented: Segmented
        What was found.
    provenance: Provenance
        How; the seconds of measuring are added.
    warnings: tuple of str
        The cascade's own; the study's and the registration's are added.
    progress: Progress
        Covers the measuring.
    limits: tuple of str
        Why a result without lesions is uncertain, beside what the images say.
    lesions_only: bool
        Leaves out heatmaps, although the lesions name them, and the look at the liver.

    """
    started = time.perf_counter()
    organs, labels = segmented.organ_labels, segmented.lesion_labels
    measurements = measure_lesions(labels, study.images, organs, progress.part(0, 0.3))
    heatmaps = {} if lesions_only else _heatmaps(segmented, progress.part(0.3, 0.8))
    second_maps, second = ({}, {}) if lesions_only else _second_heatmaps(segmented, progress.part(0.8, 1))
    lesions = _lesions(study, segmented, measurements, heatmaps, second)
    liver = whole_liver(sitk.GetArrayViewFromImage(organs), sitk.GetArrayViewFromImage(labels))
    cut = (LIVER_CUT,) if _reaches_edge(liver) else ()
    liver_mm3 = float(liver.sum() * np.prod(organs.GetSpacing()))
    looked_at = study.study.modality is Modality.CT and not lesions_only
    uneven = uneven_liver_warnings(organs, labels, study.reference) if looked_at else ()
    small = ()
    if looked_at and liver_mm3 < 1000 * SMALL_LIVER_ML:
        small = (f"Only {liver_mm3 / 1000:.0f} ml of liver: it is cut off, or resected, or what was found is none",)
    seconds = {**provenance.seconds, "measurement": time.perf_counter() - started}
    return Findings(
        modality=study.study.modality,
        reference_phase=study.reference_phase,
        organ_labels=organs,
        lesion_labels=labels,
        lesions=lesions,
        patient=summarise_patient(lesions, study.images, (*limits, *cut)),
        liver_volume_mm3=liver_mm3,
        provenance=replace(provenance, seconds=seconds),
        heatmaps=heatmaps | second_maps,
        phases=phase_records(study),
        warnings=(*study.study.warnings, *study.warnings, *warnings, *cut, *small, *uneven),
    )


def with_seconds(findings: Findings, seconds: Mapping[str, float]) -> Findings:
    """The same findings with the times of further stages in their provenance, these first."""
    merged = {**seconds, **findings.provenance.seconds}
    return replace(findings, provenance=replace(findings.provenance, seconds=merged))


def phase_records(study: RegisteredStudy) -> tuple[PhaseRecord, ...]:
    """What became of each volume of a study."""
    records = []
    for volume in study.study.volumes:
        used = volume.phase is not None and study.study.volume(volume.phase) is volume
        probability = volume.phase_probabilities.get(volume.phase, 1.0) if volume.phase else 0.0
        quality = study.quality.get(volume.phase) if used else None
        records.append(PhaseRecord(volume.phase, volume.source, volume.phase_reason, probability, quality))
    return tuple(records)


def _lesions(
    study: RegisteredStudy,
    segmented: Segmented,
    measurements: Mapping[int, Measurement],
    heatmaps: Mapping[str, sitk.Image],
    second_heatmaps: Mapping[int, SecondHeatmaps],
) -> tuple[Lesion, ...]:
    labels = sitk.GetArrayViewFromImage(segmented.lesion_labels)
    boxes = ndimage.find_objects(labels)
    lesions = []
    for instance in segmented.instances:
        box, measurement = boxes[instance.label - 1], measurements[instance.label]
        mask = labels[box] == instance.label
        limits = uncertainty_reasons(instance, mask, study.images, box, measurement.long_axis.length_mm)
        reasons = (*instance.doubts, *limits)
        lesions.append(
            Lesion(
                uid=generate_uid(),
                label=instance.label,
                type=instance.type,
                type_probabilities=instance.type_probabilities,
                certainty=Certainty.UNCERTAIN if reasons else Certainty.CERTAIN,
                score=instance.score,
                centroid_mm=instance.centroid_mm,
                bounding_box_mm=instance.bounding_box_mm,
                measurement=measurement,
                certainty_reasons=reasons,
                heatmap=_heatmap_name(instance),
                opposing_heatmap=name if (name := _opposing_name(instance)) in heatmaps else "",
                found_at=instance.found_at,
                evidence=instance.evidence,
                second_heatmaps=second_heatmaps.get(instance.label),
            )
        )
    return tuple(lesions)


def _heatmaps(segmented: Segmented, progress: Progress) -> dict[str, sitk.Image]:
    """What spoke for and against each lesion's type, or where the network saw it, by file name."""
    labels = segmented.lesion_labels
    boxes = ndimage.find_objects(sitk.GetArrayViewFromImage(labels))
    heatmaps = {}
    for index, instance in enumerate(segmented.instances):
        progress.update(index / len(segmented.instances), f"what spoke for lesion {instance.label}")
        first, second = _classes_of(instance, segmented.maps)
        if segmented.explain:
            evidence = segmented.explain(labels, instance.label, (first, second))
            heatmaps[_heatmap_name(instance)] = evidence.supporting
            heatmaps[_opposing_name(instance)] = evidence.opposing
        else:
            box = boxes[instance.label - 1]
            heatmaps[_heatmap_name(instance)] = probability_heatmap(
                segmented.maps, first, labels, instance.label, box=box
            )
    progress.update(1.0)
    return heatmaps


def _second_heatmaps(
    segmented: Segmented, progress: Progress
) -> tuple[dict[str, sitk.Image], dict[int, SecondHeatmaps]]:
    """What spoke for and against each lesion's type in the second network: by file name, and the names by label."""
    heatmaps, names = {}, {}
    for index, instance in enumerate(segmented.instances if segmented.explain_second else ()):
        progress.update(index / len(segmented.instances), f"what spoke for lesion {instance.label}, second network")
        first, _ = _classes_of(instance, segmented.maps)
        evidence, second = segmented.explain_second(segmented.lesion_labels, instance.label, first)
        supporting, opposing = (f"lesion-{instance.label}-second{kind}.nii.gz" for kind in ("", "-opposing"))
        heatmaps |= {supporting: evidence.supporting, opposing: evidence.opposing}
        names[instance.label] = SecondHeatmaps(supporting, opposing, (instance.type, lesion_type_of_class(second)))
    progress.update(1.0)
    return heatmaps, names


def _heatmap_name(instance: LesionInstance) -> str:
    return f"lesion-{instance.label}.nii.gz"


def _opposing_name(instance: LesionInstance) -> str:
    return f"lesion-{instance.label}-opposing.nii.gz"


def _classes_of(instance: LesionInstance, maps: ProbabilityMaps) -> tuple[str, str]:
    """The network's classes of a lesion's type and of the most probable other type that it knows."""
    kinds = {lesion_type_of_class(name): name for name in maps.classes}
    others = [kind for kind in kinds if kind not in (None, instance.type)]
    second = max(others, key=lambda kind: instance.type_probabilities.get(kind, 0.0), default=instance.type)
    return kinds[instance.type], kinds[second]


def _reaches_edge(mask: np.ndarray) -> bool:
    return any(np.take(mask, side, axis).any() for axis in range(3) for side in (0, -1))

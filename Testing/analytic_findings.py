"""Findings of an analytic study: ellipsoids whose centres and sizes are known."""

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.lesions import (
    Certainty,
    Findings,
    Lesion,
    LesionType,
    Organ,
    PatientSummary,
    PhaseRecord,
    Provenance,
)
from LiverTumorAILib.measurement import measure_lesions
from LiverTumorAILib.study import Modality, Phase

LIVER = ((-55.0, -20.0, 0.0), (85.0, 70.0, 65.0))
SPLEEN = ((75.0, 30.0, 5.0), (25.0, 30.0, 35.0))
BODY = ((0.0, 0.0, 0.0), (165.0, 115.0, 200.0))
LESIONS = {
    1: ((-75.0, -25.0, 6.0), (22.0, 15.0, 16.0), LesionType.HCC, 0.92),
    2: ((-30.0, -45.0, -18.0), (10.0, 10.0, 10.0), LesionType.METASTASIS, 0.48),
    3: ((-85.0, 5.0, 27.0), (7.0, 9.0, 8.0), LesionType.CYST, 0.97),
}
"""By label: centre and half axes (LPS, mm), type, its probability."""

HU = {
    Phase.NON_CONTRAST: {"body": 40, "liver": 58, "spleen": 48, 1: 45, 2: 42, 3: 6},
    Phase.ARTERIAL: {"body": 45, "liver": 75, "spleen": 120, 1: 125, 2: 62, 3: 7},
    Phase.PORTAL_VENOUS: {"body": 55, "liver": 115, "spleen": 125, 1: 88, 2: 70, 3: 8},
    Phase.DELAYED: {"body": 52, "liver": 95, "spleen": 95, 1: 72, 2: 75, 3: 7},
}
TILT = (1.0, 0.0, 0.0, 0.0, 0.9961947, -0.0871557, 0.0, 0.0871557, 0.9961947)


def grid(spacing=(2.5, 2.5, 5.0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)) -> sitk.Image:
    """An empty image (LPS, mm) around the origin, 340 x 240 x 160 mm."""
    image = sitk.Image(
        [round(length / step) for length, step in zip((340, 240, 160), spacing, strict=True)], sitk.sitkUInt8
    )
    image.SetSpacing(spacing)
    image.SetDirection(direction)
    middle = [(size - 1) / 2 for size in image.GetSize()]
    centre = np.array(image.TransformContinuousIndexToPhysicalPoint(middle))
    image.SetOrigin((-centre).tolist())
    return image


def inside(image: sitk.Image, centre, half_axes) -> np.ndarray:
    """Voxels (z, y, x) whose centres lie in an ellipsoid along LPS."""
    matrix = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    indices = np.stack(np.meshgrid(*map(np.arange, image.GetSize()), indexing="ij"), axis=-1)
    points = indices @ matrix.T + image.GetOrigin()
    return ((((points - centre) / half_axes) ** 2).sum(axis=-1) <= 1).T


def make_image(voxels: np.ndarray, like: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(voxels)
    image.CopyInformation(like)
    return image


def analytic_study(**geometry) -> tuple[Findings, dict[Phase, sitk.Image]]:
    """Findings and registered images of a four-phase CT with three lesions, the second one uncertain."""
    like = grid(**geometry)
    organs = np.zeros(like.GetSize()[::-1], np.uint8)
    organs[inside(like, *LIVER)] = Organ.LIVER
    organs[inside(like, *SPLEEN)] = Organ.SPLEEN
    labels = np.zeros(organs.shape, np.uint16)
    for label, (centre, half_axes, *_) in LESIONS.items():
        labels[inside(like, centre, half_axes)] = label
    images = {phase: make_image(_hounsfield(like, organs, labels, values), like) for phase, values in HU.items()}
    organ_labels, lesion_labels = make_image(organs, like), make_image(labels, like)
    measurements = measure_lesions(lesion_labels, images, organ_labels)
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(lesion_labels)
    lesions = tuple(_lesion(label, measurements[label], statistics.GetCentroid(label)) for label in LESIONS)
    patient = PatientSummary("HCC", {"HCC": 0.92, "METASTASIS": 0.48, "CYST": 0.97}, Certainty.CERTAIN)
    voxel_mm3 = float(np.prod(like.GetSpacing()))
    findings = Findings(
        modality=Modality.CT,
        reference_phase=Phase.PORTAL_VENOUS,
        organ_labels=organ_labels,
        lesion_labels=lesion_labels,
        lesions=tuple(sorted(lesions, key=lambda lesion: -lesion.measurement.volume_mm3)),
        patient=patient,
        liver_volume_mm3=float((organs == Organ.LIVER).sum()) * voxel_mm3,
        provenance=Provenance("0.1", "base"),
        phases=tuple(PhaseRecord(phase, f"{phase}.nii.gz", "file name", 1.0) for phase in HU),
    )
    return findings, images


def _hounsfield(like, organs, labels, values) -> np.ndarray:
    noise = np.random.default_rng(7).normal(0, 8, organs.shape)
    voxels = np.where(inside(like, *BODY), values["body"] + noise, -1000)
    for organ, name in ((Organ.LIVER, "liver"), (Organ.SPLEEN, "spleen")):
        voxels = np.where(organs == organ, values[name] + noise, voxels)
    for label in LESIONS:
        voxels = np.where(labels == label, values[label] + noise, voxels)
    return voxels.astype(np.float32)


def _lesion(label, measurement, centroid) -> Lesion:
    centre, half_axes, kind, probability = LESIONS[label]
    others = [other for other in LesionType if other is not kind]
    uncertain = probability < 0.5
    return Lesion(
        uid=f"2.25.{1000 + label}",
        label=label,
        type=kind,
        type_probabilities={kind: probability} | {other: (1 - probability) / len(others) for other in others},
        certainty=Certainty.UNCERTAIN if uncertain else Certainty.CERTAIN,
        certainty_reasons=("no type reaches a probability of 50%",) if uncertain else (),
        score=0.9,
        centroid_mm=centroid,
        bounding_box_mm=(
            tuple(c - h for c, h in zip(centre, half_axes, strict=True)),
            tuple(c + h for c, h in zip(centre, half_axes, strict=True)),
        ),
        measurement=measurement,
    )

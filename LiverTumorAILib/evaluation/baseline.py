"""A plain baseline: thresholds on enhancement inside the true liver.

It knows the true liver, which no user's software does; a trained cascade has to beat it all the same.
"""

from collections.abc import Mapping

import cc3d
import numpy as np
import SimpleITK as sitk
from pydicom.uid import generate_uid
from scipy import ndimage

from LiverTumorAILib import __version__
from LiverTumorAILib.evaluation.truth import Truth, on_grid
from LiverTumorAILib.lesions import Certainty, Findings, Lesion, LesionType, Measurement, Organ, Provenance
from LiverTumorAILib.lesions.patient import summarise_patient
from LiverTumorAILib.measurement import measure_lesions
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Phase

SMOOTHING_MM = 1.5
DEVIATIONS = 3.0
"""A voxel is abnormal if it differs from the liver's median by so many of the liver's robust deviations."""
BORDER_MM = 3.0
"""Partial volume at the liver's surface is no lesion."""
SMALLEST_ML = 0.1


def baseline_findings(study: RegisteredStudy, truth: Truth) -> Findings:
    """Dark or arterially bright blobs inside the true liver, typed by textbook rules on their mean HU."""
    reference = study.reference
    liver = on_grid(truth.liver, reference) > 0
    labels = _label_image(_abnormal(study, liver), reference)
    organs = sitk.GetImageFromArray(np.where(liver, Organ.LIVER, 0).astype(np.uint8))
    organs.CopyInformation(reference)
    measurements = measure_lesions(labels, study.images, organs)
    boxes = ndimage.find_objects(sitk.GetArrayViewFromImage(labels))
    lesions = tuple(_lesion(label, measurements[label], boxes[label - 1], reference) for label in measurements)
    return Findings(
        modality=study.study.modality,
        reference_phase=study.reference_phase,
        organ_labels=organs,
        lesion_labels=labels,
        lesions=lesions,
        patient=summarise_patient(lesions, study.images, ()),
        liver_volume_mm3=float(liver.sum() * np.prod(reference.GetSpacing())),
        provenance=Provenance(__version__, "baseline"),
    )


def _abnormal(study: RegisteredStudy, liver: np.ndarray) -> np.ndarray:
    """Darker than the liver in the reference phase, or brighter in the arterial one where vessels are not."""
    spacing = study.reference.GetSpacing()[::-1]
    inside = ndimage.distance_transform_edt(liver, sampling=spacing) > BORDER_MM
    deviation = {phase: _deviation(image, liver) for phase, image in study.images.items()}
    abnormal = deviation[study.reference_phase] < -DEVIATIONS
    if Phase.ARTERIAL in deviation:
        abnormal |= (deviation[Phase.ARTERIAL] > DEVIATIONS) & (deviation[study.reference_phase] < DEVIATIONS / 2)
    return ndimage.binary_opening(abnormal & inside)


def _deviation(image: sitk.Image, liver: np.ndarray) -> np.ndarray:
    """Smoothed intensity as robust deviations from the liver's median; 0 where the phase shows nothing."""
    values = sitk.GetArrayFromImage(image)
    known = np.isfinite(values)
    sigma = [SMOOTHING_MM / step for step in image.GetSpacing()[::-1]]
    smooth = ndimage.gaussian_filter(np.where(known, values, 0.0), sigma)
    sample = smooth[liver & known]
    if sample.size == 0:
        return np.zeros_like(smooth)
    median = np.median(sample)
    spread = 1.4826 * np.median(np.abs(sample - median))
    return np.where(known, (smooth - median) / max(spread, 1.0), 0.0)


def _label_image(mask: np.ndarray, reference: sitk.Image) -> sitk.Image:
    voxels = SMALLEST_ML * 1000 / float(np.prod(reference.GetSpacing()))
    parts = cc3d.dust(cc3d.connected_components(mask, connectivity=26), threshold=voxels)
    image = sitk.GetImageFromArray(cc3d.connected_components(parts > 0, connectivity=26).astype(np.uint16))
    image.CopyInformation(reference)
    return image


def _lesion(label: int, measurement: Measurement, box: tuple[slice, ...], reference: sitk.Image) -> Lesion:
    low, high = ([float(getattr(side, end)) for side in box[::-1]] for end in ("start", "stop"))
    corners = [reference.TransformContinuousIndexToPhysicalPoint(corner) for corner in (low, high)]
    centre = tuple(float(sum(pair) / 2) for pair in zip(*corners, strict=True))
    kind = textbook_type(measurement)
    return Lesion(
        uid=generate_uid(),
        label=label,
        type=kind,
        type_probabilities={other: float(other is kind) for other in LesionType},
        certainty=Certainty.CERTAIN,
        score=1.0,
        centroid_mm=centre,
        bounding_box_mm=(tuple(map(min, *corners)), tuple(map(max, *corners))),
        measurement=measurement,
    )


def textbook_type(measurement: Measurement) -> LesionType:
    """Type by mean HU in the phases (lesion against liver)."""
    difference: Mapping[Phase, float] = {
        phase: value.lesion - value.liver for phase, value in measurement.enhancement.items()
    }
    level = {phase: value.lesion for phase, value in measurement.enhancement.items()}
    portal, arterial = difference.get(Phase.PORTAL_VENOUS, 0.0), difference.get(Phase.ARTERIAL, 0.0)
    if level.get(Phase.NON_CONTRAST, 0.0) > 110:
        return LesionType.OTHER
    if max(level.values()) < 35:
        return LesionType.CYST
    if arterial > 10:
        return LesionType.HCC if portal < 5 else LesionType.OTHER
    if difference.get(Phase.DELAYED, 0.0) > 5:
        return LesionType.HEMANGIOMA
    return LesionType.METASTASIS

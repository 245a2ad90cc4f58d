"""`seg.dcm`: the segments as a DICOM Segmentation (PS3.3 A.51)."""

from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import SimpleITK as sitk
from pydicom import Dataset, dcmread
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from LiverTumorAILib import __version__
from LiverTumorAILib.lesions import Findings, Organ
from LiverTumorAILib.lesions.terminology import LESION_TERMS, ORGAN_TERMS, Term

MANUFACTURER = "Liver Tumor AI"


def read_headers(files: Sequence[Path]) -> list[Dataset]:
    """The source images' headers without pixels."""
    return [dcmread(file, stop_before_pixels=True) for file in files]


def build_segmentation(findings: Findings, sources: Sequence[Dataset]) -> hd.seg.Segmentation:
    """Segments of all organs and lesions on the reference grid.

    The liver's segment includes its lesions and vessels, so segments overlap.

    Parameters
    ----------
    findings: Findings
    sources: sequence of pydicom.Dataset
        Headers of the reference phase's images.

    """
    masks, descriptions = _segments(findings)
    volume = hd.Volume(
        np.stack(masks, axis=-1),
        _affine(findings.lesion_labels),
        hd.CoordinateSystemNames.PATIENT,
        frame_of_reference_uid=sources[0].FrameOfReferenceUID,
        channels={"SegmentNumber": list(range(1, len(masks) + 1))},
    )
    return hd.seg.Segmentation(
        source_images=list(sources),
        pixel_array=volume,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=generate_uid(),
        series_number=901,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=findings.provenance.cascade,
        software_versions=__version__,
        device_serial_number="0",
        content_label="LIVER_LESIONS",
        content_description="Liver and lesions, not for clinical use",
        series_description="Liver Tumor AI segments (not for clinical use)",
    )


def _affine(image: sitk.Image) -> np.ndarray:
    """From (slice, row, column) indices to LPS mm."""
    direction = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3] = direction[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return affine


def _segments(findings: Findings) -> tuple[list[np.ndarray], list[hd.seg.SegmentDescription]]:
    organs = sitk.GetArrayViewFromImage(findings.organ_labels)
    lesions = sitk.GetArrayViewFromImage(findings.lesion_labels)
    algorithm = hd.AlgorithmIdentificationSequence(
        name=f"Liver Tumor AI {findings.provenance.cascade}",
        family=Code("123110", "DCM", "Artificial Intelligence"),
        version=__version__,
    )
    masks, descriptions = [], []

    def add(mask: np.ndarray, label: str, term: Term, uid: str | None) -> None:
        masks.append(mask.astype(np.uint8))
        descriptions.append(
            hd.seg.SegmentDescription(
                segment_number=len(masks),
                segment_label=label,
                segmented_property_category=_code(term.category),
                segmented_property_type=_code(term.type),
                algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
                algorithm_identification=algorithm,
                tracking_uid=uid,
                tracking_id=label if uid else None,
                display_color=hd.color.CIELabColor.from_rgb(*term.colour),
            )
        )

    for organ in Organ:
        mask = (organs == organ) | (lesions > 0) if organ is Organ.LIVER else organs == organ
        if mask.any():
            add(mask, organ.title, ORGAN_TERMS[organ], None)
    for lesion in findings.lesions:
        add(lesions == lesion.label, f"Lesion {lesion.label}", LESION_TERMS[lesion.type], lesion.uid)
    return masks, descriptions


def _code(code: object) -> Code:
    return Code(code.value, code.scheme_designator, code.meaning)

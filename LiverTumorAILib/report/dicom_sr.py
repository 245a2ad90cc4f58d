"""`sr.dcm`: the measurements as a DICOM Structured Report (PS3.16, TID 1500)."""

from collections.abc import Sequence

import highdicom as hd
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from LiverTumorAILib.lesions import Certainty, Findings, Lesion, Organ
from LiverTumorAILib.lesions.terminology import LESION_TERMS, ORGAN_TERMS
from LiverTumorAILib.report.dicom_seg import MANUFACTURER
from LiverTumorAILib.study import Modality

MILLIMETRE = Code("mm", "UCUM", "millimeter")
CUBIC_MILLIMETRE = Code("mm3", "UCUM", "cubic millimeter")
PROBABILITY = Code("1", "UCUM", "no units")
PROCEDURES = {Modality.CT: codes.LN.CTUnspecifiedBodyRegion, Modality.MR: codes.LN.MRIUnspecifiedBodyRegion}
PRIVATE_SCHEME = "99LTAI"
CERTAINTY = Code("certainty", PRIVATE_SCHEME, "Certainty of the lesion type")
SCORE = Code("score", PRIVATE_SCHEME, "Lesion score")
PATIENT_CLASS = Code("patient-class", PRIVATE_SCHEME, "Patient level classification")


def build_structured_report(
    findings: Findings, segmentation: hd.seg.Segmentation, sources: Sequence[Dataset]
) -> hd.sr.Comprehensive3DSR:
    """Each lesion with its segment, type, certainty and measurements.

    Parameters
    ----------
    findings: Findings
    segmentation: highdicom.seg.Segmentation
        Of the same findings, see `build_segmentation`.
    sources: sequence of pydicom.Dataset
        Headers of the reference phase's images.

    """
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(), name=f"Liver Tumor AI {findings.provenance.cascade}", manufacturer_name=MANUFACTURER
        ),
    )
    report = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion
        if findings.modality == "CT"
        else codes.LN.MRIUnspecifiedBodyRegion,
        title=codes.DCM.ImagingMeasurementReport,
        imaging_measurements=[
            *(_lesion_group(lesion, segmentation) for lesion in findings.lesions),
            _liver_group(findings, segmentation),
        ],
        referenced_images=list(sources),
    )
    return hd.sr.Comprehensive3DSR(
        evidence=[*sources, segmentation],
        content=report,
        series_instance_uid=generate_uid(),
        series_number=902,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="Liver Tumor AI measurements (not for clinical use)",
    )


def _segment_number(segmentation: hd.seg.Segmentation, label: str) -> int:
    return next(item.SegmentNumber for item in segmentation.SegmentSequence if item.SegmentLabel == label)


def _measurement(name: Code, value: float, unit: Code) -> hd.sr.Measurement:
    return hd.sr.Measurement(name=name, value=round(float(value), 4), unit=unit)


def _lesion_group(
    lesion: Lesion, segmentation: hd.seg.Segmentation
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    measured = lesion.measurement
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=lesion.uid, identifier=f"Lesion {lesion.label}"),
        referenced_segment=_reference(segmentation, f"Lesion {lesion.label}"),
        finding_type=_finding(LESION_TERMS[lesion.type].type),
        finding_sites=[hd.sr.FindingSite(codes.SCT.Liver)],
        measurements=[
            _measurement(codes.SCT.LongAxis, measured.long_axis.length_mm, MILLIMETRE),
            _measurement(codes.SCT.ShortAxis, measured.short_axis.length_mm, MILLIMETRE),
            _measurement(
                Code("L0JK", "IBSI", "Maximum 3D Diameter of a Mesh"), measured.max_3d_diameter_mm, MILLIMETRE
            ),
            _measurement(codes.SCT.Volume, measured.volume_mm3, CUBIC_MILLIMETRE),
            _measurement(SCORE, lesion.score, PROBABILITY),
        ],
        qualitative_evaluations=[hd.sr.QualitativeEvaluation(CERTAINTY, _certainty(lesion.certainty))],
    )


def _liver_group(
    findings: Findings, segmentation: hd.seg.Segmentation
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    """The liver's volume; the patient level classification rides on it, having no region of its own."""
    patient = findings.patient
    classification = Code(patient.classification.lower(), PRIVATE_SCHEME, patient.classification.capitalize())
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=generate_uid(), identifier="Liver"),
        referenced_segment=_reference(segmentation, Organ.LIVER.title),
        finding_type=_finding(ORGAN_TERMS[Organ.LIVER].type),
        measurements=[_measurement(codes.SCT.Volume, findings.liver_volume_mm3, CUBIC_MILLIMETRE)],
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(PATIENT_CLASS, classification),
            hd.sr.QualitativeEvaluation(CERTAINTY, _certainty(patient.certainty)),
        ],
    )


def _reference(segmentation: hd.seg.Segmentation, label: str) -> hd.sr.ReferencedSegment:
    """The segment of a label with its source images, or, if it is the only one, with their series."""
    number = _segment_number(segmentation, label)
    if len(segmentation.SegmentSequence) > 1:
        return hd.sr.ReferencedSegment.from_segmentation(segmentation, number)
    # highdicom then writes what it looks for in each frame only once, for all frames together.
    series = segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID
    return hd.sr.ReferencedSegment(
        segmentation.SOPClassUID,
        segmentation.SOPInstanceUID,
        number,
        source_series=hd.sr.SourceSeriesForSegmentation(series),
    )


def _certainty(certainty: Certainty) -> Code:
    return Code(certainty.value, PRIVATE_SCHEME, certainty.value.capitalize())


def _finding(code: object) -> Code:
    return Code(code.value, code.scheme_designator, code.meaning)

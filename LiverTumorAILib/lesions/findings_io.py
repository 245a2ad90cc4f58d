"""Findings in a folder: `findings.json`, `segmentation.seg.nrrd`, `heatmaps/`, and perhaps `sensitivity.npz`."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.folders import new_folder
from LiverTumorAILib.lesions.findings import Findings, PatientSummary, PhaseRecord, Provenance
from LiverTumorAILib.lesions.lesion import (
    Axis,
    Certainty,
    Enhancement,
    Lesion,
    LesionType,
    Measurement,
    SecondHeatmaps,
)
from LiverTumorAILib.lesions.segmentation_file import read_segmentation, write_segmentation
from LiverTumorAILib.lesions.sensitivity_file import SENSITIVITY_FILE, read_sensitivity, write_sensitivity
from LiverTumorAILib.registration import RegistrationQuality, Verdict
from LiverTumorAILib.study import Modality, Phase

FINDINGS_FILE = "findings.json"
SEGMENTATION_FILE = "segmentation.seg.nrrd"
HEATMAP_FOLDER = "heatmaps"
FORMAT = 1


def write_findings(findings: Findings, folder: Path) -> None:
    """Write findings into a folder that appears complete or not at all.

    Raises
    ------
    LiverTumorAIError
        If the folder exists and is not empty, cannot be created, or the disk is full.

    """
    with new_folder(folder) as partial:
        write_findings_files(findings, partial)


def write_findings_files(findings: Findings, folder: Path) -> None:
    """Write the files of `write_findings` into an existing folder."""
    content = json.dumps(findings_to_json(findings), indent=2, allow_nan=False)
    (folder / FINDINGS_FILE).write_text(content + "\n", encoding="utf-8")
    write_segmentation(findings, folder / SEGMENTATION_FILE)
    (folder / HEATMAP_FOLDER).mkdir()
    for name, heatmap in findings.heatmaps.items():
        sitk.WriteImage(heatmap, folder / HEATMAP_FOLDER / name, useCompression=True)
    if findings.sensitivity:
        write_sensitivity(findings.sensitivity, folder / SENSITIVITY_FILE)


def read_findings(folder: Path) -> Findings:
    """Read what `write_findings` wrote.

    Raises
    ------
    LiverTumorAIError
        If a file is missing or broken.

    """
    folder = Path(folder)
    try:
        content = json.loads((folder / FINDINGS_FILE).read_text(encoding="utf-8"))
        organs, lesions = read_segmentation(folder / SEGMENTATION_FILE)
        names = [name for lesion in content["lesions"] for name in lesion_from_json(lesion).heatmap_files]
        heatmaps = {name: _read_heatmap(folder / HEATMAP_FOLDER / name, organs) for name in names}
        path = folder / SENSITIVITY_FILE
        sensitivity = read_sensitivity(path) if path.is_file() else None
        return replace(findings_from_json(content, organs, lesions, heatmaps), sensitivity=sensitivity)
    except FileNotFoundError as error:
        raise LiverTumorAIError(
            "The folder holds no complete findings", Path(error.filename or folder).name, "Run the analysis again"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise LiverTumorAIError("The findings cannot be read", folder.name, "Run the analysis again") from error


def findings_to_json(findings: Findings) -> dict[str, Any]:
    """The content of `findings.json`; described by `Resources/findings.schema.json`."""
    patient, provenance = findings.patient, findings.provenance
    return {
        "format": FORMAT,
        "modality": findings.modality,
        "reference_phase": findings.reference_phase,
        "liver_volume_mm3": findings.liver_volume_mm3,
        "lesions": [lesion_to_json(lesion) for lesion in findings.lesions],
        "patient": {
            "classification": patient.classification,
            "probabilities": dict(patient.probabilities),
            "certainty": patient.certainty,
            "certainty_reasons": list(patient.certainty_reasons),
            "opinions": dict(patient.opinions),
            "deciding_lesions": list(patient.deciding_lesions),
        },
        "provenance": {
            "software_version": provenance.software_version,
            "cascade": provenance.cascade,
            "models": dict(provenance.models),
            "device": provenance.device,
            "seconds": dict(provenance.seconds),
        },
        "phases": [_phase_to_json(record) for record in findings.phases],
        "warnings": list(findings.warnings),
    }


def lesion_to_json(lesion: Lesion) -> dict[str, Any]:
    """One lesion of `findings.json`."""
    measured = lesion.measurement
    return {
        "id": lesion.uid,
        "label": lesion.label,
        "type": lesion.type,
        "type_probabilities": dict(lesion.type_probabilities),
        "certainty": lesion.certainty,
        "certainty_reasons": list(lesion.certainty_reasons),
        "score": lesion.score,
        "centroid_mm": list(lesion.centroid_mm),
        "bounding_box_mm": [list(corner) for corner in lesion.bounding_box_mm],
        "volume_mm3": measured.volume_mm3,
        "volume_uncertainty_mm3": measured.volume_uncertainty_mm3,
        "long_axis_mm": measured.long_axis.length_mm,
        "short_axis_mm": measured.short_axis.length_mm,
        "max_3d_diameter_mm": measured.max_3d_diameter_mm,
        "long_axis_ends_mm": [list(measured.long_axis.start_mm), list(measured.long_axis.end_mm)],
        "axes_by_hand": [name for name in ("long_axis", "short_axis") if getattr(measured, name).by_hand],
        "short_axis_ends_mm": [list(measured.short_axis.start_mm), list(measured.short_axis.end_mm)],
        "enhancement": {
            phase: {"lesion": _number(mean.lesion), "liver": _number(mean.liver)}
            for phase, mean in measured.enhancement.items()
        },
        "heatmap": lesion.heatmap,
        "opposing_heatmap": lesion.opposing_heatmap,
        "heatmap_types": list(lesion.heatmap_types),
        "second_heatmaps": lesion.second_heatmaps and _second_to_json(lesion.second_heatmaps),
        "found_at": list(lesion.found_at),
        "evidence": list(lesion.evidence),
    }


def _second_to_json(heatmaps: SecondHeatmaps) -> dict[str, Any]:
    return {"supporting": heatmaps.supporting, "opposing": heatmaps.opposing, "types": list(heatmaps.types)}


def _phase_to_json(record: PhaseRecord) -> dict[str, Any]:
    quality = record.registration
    return {
        "phase": record.phase,
        "source": record.source,
        "reason": record.reason,
        "probability": record.probability,
        "registration": quality
        and {
            "verdict": quality.verdict,
            "reasons": list(quality.reasons),
            **{name: _number(getattr(quality, name)) for name in _QUALITY_NUMBERS},
        },
    }


_QUALITY_NUMBERS = (
    "similarity_before",
    "similarity_after",
    "jacobian_min",
    "jacobian_max",
    "inverse_consistency_mm",
    "outside_share",
    "seconds",
    "match",
    "misplaced_share",
    "volume_change",
)


def findings_from_json(
    content: Mapping[str, Any], organs: sitk.Image, lesions: sitk.Image, heatmaps: Mapping[str, sitk.Image]
) -> Findings:
    """What `findings_to_json` wrote, with its images (reference grid, LPS, mm); errors as `lesion_from_json`."""
    patient = content["patient"]
    return Findings(
        modality=Modality(content["modality"]),
        reference_phase=Phase(content["reference_phase"]),
        organ_labels=organs,
        lesion_labels=lesions,
        lesions=tuple(lesion_from_json(lesion) for lesion in content["lesions"]),
        patient=PatientSummary(
            patient["classification"],
            patient["probabilities"],
            Certainty(patient["certainty"]),
            tuple(patient["certainty_reasons"]),
            patient.get("opinions", {}),
            tuple(patient.get("deciding_lesions", ())),
        ),
        liver_volume_mm3=content["liver_volume_mm3"],
        provenance=Provenance(**content["provenance"]),
        heatmaps=heatmaps,
        phases=tuple(_phase_record(record) for record in content["phases"]),
        warnings=tuple(content["warnings"]),
    )


def lesion_from_json(content: Mapping[str, Any]) -> Lesion:
    """What `lesion_to_json` wrote; KeyError, ValueError or TypeError if it is none."""

    def axis(name: str) -> Axis:
        start, end = content[f"{name}_ends_mm"]
        return Axis(tuple(start), tuple(end), content[f"{name}_mm"], name in content.get("axes_by_hand", ()))

    measurement = Measurement(
        content["volume_mm3"],
        content["volume_uncertainty_mm3"],
        axis("long_axis"),
        axis("short_axis"),
        content["max_3d_diameter_mm"],
        {
            Phase(phase): Enhancement(_value(means["lesion"]), _value(means["liver"]))
            for phase, means in content["enhancement"].items()
        },
    )
    lowest, highest = content["bounding_box_mm"]
    second = content.get("second_heatmaps")
    return Lesion(
        uid=content["id"],
        label=content["label"],
        type=LesionType(content["type"]),
        type_probabilities={LesionType(kind): value for kind, value in content["type_probabilities"].items()},
        certainty=Certainty(content["certainty"]),
        score=content["score"],
        centroid_mm=tuple(content["centroid_mm"]),
        bounding_box_mm=(tuple(lowest), tuple(highest)),
        measurement=measurement,
        certainty_reasons=tuple(content["certainty_reasons"]),
        heatmap=content["heatmap"],
        opposing_heatmap=content.get("opposing_heatmap", ""),
        heatmap_types=tuple(LesionType(kind) for kind in content.get("heatmap_types", ())),
        second_heatmaps=second and _second_from_json(second),
        found_at=tuple(content.get("found_at", ())),
        evidence=tuple(content.get("evidence", ())),
    )


def _second_from_json(content: Mapping[str, Any]) -> SecondHeatmaps:
    first, second = map(LesionType, content["types"])
    return SecondHeatmaps(content["supporting"], content["opposing"], (first, second))


def _phase_record(content: Mapping[str, Any]) -> PhaseRecord:
    quality = content["registration"]
    return PhaseRecord(
        content["phase"] and Phase(content["phase"]),
        content["source"],
        content["reason"],
        content["probability"],
        quality
        and RegistrationQuality(
            Verdict(quality["verdict"]),
            tuple(quality["reasons"]),
            **{name: _value(quality[name]) for name in _QUALITY_NUMBERS},
        ),
    )


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if math.isfinite(value) else None


def _value(number: float | None) -> float:
    return math.nan if number is None else number


def _read_heatmap(path: Path, reference: sitk.Image) -> sitk.Image:
    """A heatmap on the reference grid's voxels; NIfTI keeps its geometry in single precision only."""
    if not path.is_file():
        raise FileNotFoundError(2, "missing", str(path))
    heatmap = sitk.ReadImage(path, sitk.sitkFloat32)
    corner = np.rint(reference.TransformPhysicalPointToContinuousIndex(heatmap.GetOrigin())).astype(int)
    heatmap.SetSpacing(reference.GetSpacing())
    heatmap.SetDirection(reference.GetDirection())
    heatmap.SetOrigin(reference.TransformIndexToPhysicalPoint(corner.tolist()))
    return heatmap

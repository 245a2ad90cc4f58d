"""`lesions.csv`: a row for each lesion."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from LiverTumorAILib.lesions import Findings, Lesion, LesionType
from LiverTumorAILib.measurement.location import Location
from LiverTumorAILib.review.reading import Reading
from LiverTumorAILib.study import Phase


def write_lesions_csv(
    findings: Findings, places: Mapping[str, Location], path: Path, reading: Reading | None = None
) -> None:
    """Write one row a lesion; lengths in mm, volumes in mm3, positions in LPS mm, intensities in HU or signal.

    Where it lies (`locate_lesions`) is an estimate, see `measurement.segments`; distances to capsule and vessel are
    empty where they are far. The state is what the reader made of it, in the reading that the findings come from.
    """
    phases = [phase for phase in Phase if any(phase in lesion.measurement.enhancement for lesion in findings.lesions)]
    reading = reading or Reading((), {})
    rows = [
        [*_row(lesion, phases, places.get(lesion.uid)), reading.state(lesion.uid).value, lesion.uid in reading.targets]
        for lesion in findings.lesions
    ]
    header = list(_header(phases))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _header(phases: list[Phase]) -> list[str]:
    return [
        "number",
        "id",
        "type",
        *(f"probability_{kind.value.lower()}" for kind in LesionType),
        "certainty",
        "certainty_reasons",
        "score",
        "long_axis_mm",
        "short_axis_mm",
        "max_3d_diameter_mm",
        "volume_mm3",
        "volume_uncertainty_mm3",
        "centroid_left_mm",
        "centroid_posterior_mm",
        "centroid_superior_mm",
        "place",
        "capsule_mm",
        "vessel_mm",
        *(f"{phase}_{part}" for phase in phases for part in ("lesion", "liver")),
        "state",
        "target",
    ]


def _row(lesion: Lesion, phases: list[Phase], place: Location | None) -> list[object]:
    measurement = lesion.measurement
    enhancement = [measurement.enhancement.get(phase) for phase in phases]
    return [
        lesion.label,
        lesion.uid,
        lesion.type.value,
        *(f"{lesion.type_probabilities.get(kind, 0.0):.4f}" for kind in LesionType),
        lesion.certainty.value,
        "; ".join(lesion.certainty_reasons),
        f"{lesion.score:.4f}",
        f"{measurement.long_axis.length_mm:.2f}",
        f"{measurement.short_axis.length_mm:.2f}",
        f"{measurement.max_3d_diameter_mm:.2f}",
        f"{measurement.volume_mm3:.1f}",
        f"{measurement.volume_uncertainty_mm3:.1f}",
        *(f"{value:.2f}" for value in lesion.centroid_mm),
        place.words if place else "",
        *(
            f"{mm:.1f}" if mm < np.inf else ""
            for mm in ((place.capsule_mm, place.vessel_mm) if place else (np.inf,) * 2)
        ),
        *(f"{value:.1f}" if item else "" for item in enhancement for value in _pair(item)),
    ]


def _pair(item: object) -> tuple[float, float]:
    return (item.lesion, item.liver) if item else (0.0, 0.0)

"""`report.html`: one file that needs no network and holds no patient identity unless it is given one."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from jinja2 import Environment, PackageLoader, select_autoescape
from PIL import Image

from LiverTumorAILib.inference.predict import box_of
from LiverTumorAILib.lesions import Findings, Lesion, LesionType, Organ
from LiverTumorAILib.lesions.terminology import LESION_TERMS
from LiverTumorAILib.measurement.lirads import major_features
from LiverTumorAILib.measurement.location import Location
from LiverTumorAILib.measurement.recist import sum_of_diameters_mm
from LiverTumorAILib.measurement.viable import viable_part
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.report.heatmap_pictures import heatmap_pictures, legend_gradient
from LiverTumorAILib.report.pictures import lesion_frame, lesion_row, overview_picture
from LiverTumorAILib.report.registration_pictures import Cut, Plane, registration_pictures
from LiverTumorAILib.report.summary import classification_title, evidence_lines, opinions_line
from LiverTumorAILib.review.corrections import NOT_JUDGED
from LiverTumorAILib.review.reading import Reading
from LiverTumorAILib.study import Modality, Phase


def data_url(picture: Image.Image) -> str:
    """A picture as it stands inside the page."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _colour(lesion: Lesion) -> str:
    return "#{:02x}{:02x}{:02x}".format(*LESION_TERMS[lesion.type].colour)


def _lesion_view(
    registered: RegisteredStudy, findings: Findings, lesion: Lesion, place: str, reading: Reading | None
) -> dict[str, object]:
    row = lesion_row(registered, findings, lesion)
    return {
        "lesion": lesion,
        "state": reading.state(lesion.uid).value if reading else "",
        "is_target": reading is not None and lesion.uid in reading.targets,
        "types": _types(lesion, reading),
        "place": place,
        "side_mm": lesion_frame(lesion).side_mm,
        "colour": _colour(lesion),
        "evidence": evidence_lines(lesion),
        "pictures": [
            (phase.title, _numbers(findings, lesion, phase), data_url(picture)) for phase, picture in row.items()
        ],
        "heatmaps": [
            (title, data_url(picture)) for title, picture in heatmap_pictures(registered, findings, lesion).items()
        ],
        **_features(registered, findings, lesion),
    }


def _types(lesion: Lesion, reading: Reading | None) -> list[str]:
    """The likely types with their probabilities, the first one the lesion's; a type that no network gave says so."""
    if reading and lesion.uid in reading.typed_by_hand:
        return [f"{lesion.type.title}, set by the reader"]
    if NOT_JUDGED in lesion.certainty_reasons:
        return [f"{lesion.type.title}, not judged"]
    likely = {lesion.type: lesion.probability} | dict(lesion.likely_types)
    return [f"{kind.title} {probability:.0%}" for kind, probability in likely.items()]


def _numbers(findings: Findings, lesion: Lesion, phase: Phase) -> str:
    """Mean intensities of lesion and liver in a phase; empty where they are not known."""
    value = lesion.measurement.enhancement.get(phase)
    return f"lesion {value.lesion:.0f}, liver {value.liver:.0f} {_unit(findings)}" if value else ""


def _unit(findings: Findings) -> str:
    return "HU" if findings.modality is Modality.CT else "signal"


def _features(registered: RegisteredStudy, findings: Findings, lesion: Lesion) -> dict[str, object]:
    """LI-RADS major features and mRECIST's viable part."""
    labels = sitk.GetArrayViewFromImage(findings.lesion_labels)
    box = box_of(labels == lesion.label)
    mask = findings.lesion_labels[tuple(reversed(box))] == lesion.label
    return {
        "features": major_features(lesion, mask, registered.images, findings.modality),
        "viable": viable_part(mask, registered.images, findings.modality),
    }


def _registration_view(registered: RegisteredStudy, findings: Findings, phase: Phase) -> dict[str, object]:
    """Pictures of one phase's registration through the middle of the liver, a row for each plane."""
    liver = np.argwhere(sitk.GetArrayViewFromImage(findings.organ_labels) == Organ.LIVER)
    shape = np.array(findings.organ_labels.GetSize()[::-1])
    middle = liver.mean(axis=0) if len(liver) else shape / 2
    centre = findings.organ_labels.TransformContinuousIndexToPhysicalPoint(middle[::-1].tolist())
    rows = []
    for plane in Plane:
        pictures = registration_pictures(registered, phase, Cut.through(centre, registered.reference, plane))
        rows.append([(f"{plane.name.lower()} {caption}", data_url(picture)) for caption, picture in pictures.items()])
    return {
        "phase": phase,
        "quality": registered.quality[phase],
        "rows": filter(None, rows),
        "lacks_field": phase in registered.images and phase not in registered.fields,
    }


def write_report(
    registered: RegisteredStudy,
    findings: Findings,
    places: Mapping[str, Location],
    path: Path,
    progress: Progress = Progress(),
    *,
    identity: str = "",
    reading: Reading | None = None,
) -> None:
    """Write the report: pictures of each lesion in all phases, table, patient summary, how it came about.

    Of findings that were reviewed it also tells what the reader decided, and the target lesions.

    Parameters
    ----------
    registered: RegisteredStudy
    findings: Findings
    places: Mapping[str, Location]
        Where its lesions lie, from `locate_lesions`.
    path: Path
        Receives one file with all pictures inside.
    progress: Progress
    identity: str
        Whose study it is, printed as it is; nobody's if empty.
    reading: Reading, optional
        That the findings come from; None if nobody has reviewed them.

    """
    views = []
    for index, lesion in enumerate(findings.lesions):
        progress.update(index / (len(findings.lesions) + 1), f"lesion {index + 1} of {len(findings.lesions)}")
        place = places[lesion.uid].words if lesion.uid in places else ""
        views.append(_lesion_view(registered, findings, lesion, place, reading))
    main = findings.lesions[0] if findings.lesions else None
    environment = Environment(
        loader=PackageLoader("LiverTumorAILib.report", "."), autoescape=select_autoescape(default=True)
    )
    patient = findings.patient
    page = environment.get_template("report.html.j2").render(
        findings=findings,
        identity=identity,
        reading=reading,
        target_sum_mm=sum_of_diameters_mm([view["lesion"] for view in views if view["is_target"]]),
        unit=_unit(findings),
        patient=patient,
        opinions=opinions_line(patient),
        classification=classification_title(patient.classification),
        patient_probabilities=[(kind.title, patient.probabilities.get(kind.value, 0.0)) for kind in LesionType],
        overview=data_url(overview_picture(registered, findings, main)),
        views=views,
        tumour_load=sum(lesion.measurement.volume_mm3 for lesion in findings.lesions) / findings.liver_volume_mm3
        if findings.liver_volume_mm3
        else 0.0,
        legend=legend_gradient(),
        registrations=[_registration_view(registered, findings, phase) for phase in registered.quality],
    )
    path.write_text(page, encoding="utf-8")

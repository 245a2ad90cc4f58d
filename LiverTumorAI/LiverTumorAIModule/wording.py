"""Texts of the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from LiverTumorAILib.lesions import Findings, Lesion, PhaseRecord
    from LiverTumorAILib.review.reading import Reading
    from LiverTumorAILib.worker.events import FoundVolume, ProgressReported

TARGET_MARK = " T"


def duration(seconds: float) -> str:
    """Seconds as a person says them: '40 s', '2 min', '1 h 10 min'."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def progress_line(event: ProgressReported) -> str:
    """Stage, detail and remaining time in one line."""
    line = ": ".join(filter(None, (event.stage, event.message))) or "working"
    line = line[0].upper() + line[1:]
    if event.remaining_seconds is not None and event.fraction < 1:
        line += f" (about {duration(event.remaining_seconds)} left)"
    return line


def sureness(volume: FoundVolume) -> str:
    """How sure the phase is: 'given', '97%', or '45% ?' where it should be checked."""
    if volume.phase is None:
        return "?"
    return share(volume.probability) + ("" if volume.sure else " ?")


def share(probability: float) -> str:
    """Probability of a phase: '97%', or 'given' where it was not guessed."""
    return "given" if probability >= 1 else f"{probability:.0%}"


def registration(record: PhaseRecord, findings: Findings) -> tuple[str, str]:
    """What became of a volume of the study in a word, and why."""
    quality = record.registration
    if quality is not None:
        reasons = "; ".join(quality.reasons)
        if quality.verdict.value == "failed":
            return "failed, left out", f"Left out, because its registration failed: {reasons}"
        figures = f"match {quality.match:.2f} in the liver, {quality.seconds:.0f} s"
        return quality.verdict.value, f"Check this registration: {reasons}. {figures}" if reasons else figures
    if record.phase is None:
        return "not used", record.reason
    alike = sum(other.phase == record.phase for other in findings.phases)
    if record.phase != findings.reference_phase:
        return "not used", f"Another volume shows the {record.phase.title} phase better"
    if alike > 1:
        return (
            "see notes",
            f"{alike} volumes show the {record.phase.title} phase; the notes say which one is the reference",
        )
    return "reference", "The other phases are registered onto this one"


def registrations(findings: Findings) -> str:
    """What became of all phases, in a few words; empty where there was one only."""
    verdicts = {record.phase: record.registration.verdict for record in findings.phases if record.registration}
    words = {"check": "to check", "failed": "left out"}
    doubts = [f"{phase.title} {words[verdict]}" for phase, verdict in verdicts.items() if verdict.value in words]
    return ", ".join(doubts) or ("registration green" if verdicts else "")


def slices(volume: FoundVolume) -> str:
    """Slices and their distance, such as '75 × 2.5 mm'."""
    return f"{volume.slices} × {volume.spacing_mm[2]:.3g} mm"


def volume_hint(volume: FoundVolume) -> str:
    """Why this phase, and what is unusual about the acquisition."""
    return ". ".join(part.rstrip(".") for part in (volume.reason, *volume.warnings) if part)


def axes(lesion: Lesion) -> str:
    """Long and short axis in mm."""
    measurement = lesion.measurement
    return f"{measurement.long_axis.length_mm:.0f} × {measurement.short_axis.length_mm:.0f}"


def millilitres(volume_mm3: float) -> str:
    """A volume in ml, with a decimal place where it matters."""
    ml = volume_mm3 / 1000
    if ml >= 10:
        return f"{ml:.0f} ml"
    return f"{ml:.1f} ml" if ml >= 0.1 else f"{ml:.2f} ml"


def type_and_share(lesion: Lesion, typed_by_hand: bool) -> str:
    """Type with its probability, or that the reader has set it, or that nobody has."""
    from LiverTumorAILib.review.corrections import NOT_JUDGED

    share = f"{lesion.probability:.0%}"
    if typed_by_hand or NOT_JUDGED in lesion.certainty_reasons:
        share = "(set)" if typed_by_hand else "?"
    return f"{type_title(lesion.type)} {share}"


def short_place(place: str) -> str:
    """A lesion's place where room is short: 'right VII/VIII, subcapsular'; the lines below tell vessels too."""
    parts = place.replace(" lobe, about", "").split(", ")
    return ", ".join(part for part in parts if not part.endswith(" mm"))


def sure(lesion: Lesion, typed_by_hand: bool) -> str:
    """Whether the type is sure."""
    return "yes" if typed_by_hand or lesion.certainty.value == "certain" else "uncertain"


def lesion_hint(lesion: Lesion, place: str = "", typed_by_hand: bool = False) -> str:
    """Place, probabilities, measures, evidence and reasons of doubt of one lesion in a few lines."""
    from LiverTumorAILib.report.summary import evidence_lines

    types = ", ".join(f"{kind.title} {probability:.0%}" for kind, probability in lesion.likely_types[:3])
    measurement = lesion.measurement
    named = type_and_share(lesion, typed_by_hand)
    lines = [
        f"Lesion {lesion.label}: " + (types if named.endswith("%") else named),
        f"Greatest 3D diameter {measurement.max_3d_diameter_mm:.0f} mm, volume "
        f"{millilitres(measurement.volume_mm3)} ± {millilitres(measurement.volume_uncertainty_mm3)}",
    ]
    if place:
        lines.append(f"Place in the liver: {place}")
    lines += evidence_lines(lesion) if lesion.evidence or lesion.found_at else []
    if lesion.certainty_reasons:
        lines.append("Uncertain: " + "; ".join(lesion.certainty_reasons))
    return "\n".join(lines)


def reviewed(reading: Reading) -> str:
    """How far the review is: '5 of 7 reviewed'."""
    return f"{reading.reviewed_count} of {len(reading.lesions)} reviewed"


def targets(reading: Reading) -> str:
    """Target lesions and the sum of their diameters."""
    from LiverTumorAILib.measurement.recist import sum_of_diameters_mm

    chosen = [reading.lesion(uid) for uid in reading.targets]
    each = ", ".join(f"{lesion.label} ({lesion.measurement.long_axis.length_mm:.0f} mm)" for lesion in chosen)
    return f"Target lesions (RECIST 1.1): {each}. Sum {sum_of_diameters_mm(chosen):.0f} mm"


def summary(findings: Findings) -> str:
    """Patient level result as rich text: classification and certainty, then counts, then warnings."""
    from LiverTumorAILib.report.summary import opinions_line

    patient = findings.patient
    if patient.classification == "NORMAL":
        result = "No focal lesion found"
    else:
        share = patient.probabilities.get(patient.classification)
        result = type_title(patient.classification) + (f" {share:.0%}" if share is not None else "")
        result += ", malignant type" if patient.is_malignant else ", benign type"
    lines = [f"<b>{escaped(result)}</b> — <b>{patient.certainty.value}</b>"]
    lines += [escaped(line) for line in ("; ".join(patient.certainty_reasons), opinions_line(patient)) if line]
    count = len(findings.lesions)
    diameter = f", maximum diameter {findings.maximum_diameter_mm:.0f} mm" if count else ""
    lines.append(
        f"{count} lesion{'' if count == 1 else 's'}{diameter}, liver {findings.liver_volume_mm3 / 1000:.0f} ml"
    )
    lines += [f"<i>{escaped(warning)}</i>" for warning in findings.warnings]
    return "<br>".join(lines)


def type_title(value: str) -> str:
    """Name of a lesion type with a capital letter."""
    from LiverTumorAILib.lesions import LesionType

    title = LesionType(value).title
    return title[0].upper() + title[1:]


def escaped(text: str) -> str:
    """Text that rich text shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

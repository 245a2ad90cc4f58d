"""Texts of the panel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from LiverTumorAIModule.terms import term

if TYPE_CHECKING:
    from LiverTumorAILib.lesions import Findings, Lesion, PhaseRecord
    from LiverTumorAILib.progress import ProgressEvent
    from LiverTumorAILib.review.reading import Reading
    from LiverTumorAILib.worker.events import FoundVolume, ProgressReported

TARGET_MARK = " T"


def duration(seconds: float) -> str:
    """Seconds as a person says them: '40 s', '2 min', '1 h 10 min'."""
    if seconds < 90:
        return _("{seconds} s").format(seconds=max(1, round(seconds)))
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("{minutes} min").format(minutes=minutes)
    return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)


def progress_line(event: ProgressReported | ProgressEvent) -> str:
    """Stage, detail and remaining time in one line."""
    line = ": ".join(filter(None, (event.stage, event.message))) or _("working")
    line = line[0].upper() + line[1:]
    if event.remaining_seconds is not None and event.fraction < 1:
        line = _("{progress} (about {time} left)").format(progress=line, time=duration(event.remaining_seconds))
    return line


def loaded(count: int, unsure: int) -> str:
    """How many acquisitions were loaded, and what to do next."""
    text = _("1 acquisition loaded.") if count == 1 else _("{count} acquisitions loaded.")
    advice = _("Check the phase of {unsure} of them.") if unsure else _("Ready to analyze.")
    return f"{text} {advice}".format(count=count, unsure=unsure)


def found(count: int) -> str:
    """How many lesions were found, and what to do next."""
    text = _("1 lesion found.") if count == 1 else _("{count} lesions found.")
    advice = _("A click on a row shows the lesion.") if count else ""
    return f"{text} {advice}".format(count=count).rstrip()


def saved(folder: Path, with_dicom: bool) -> str:
    """Where results were saved, and whether DICOM files that they should hold could not be written."""
    if with_dicom and not (folder / "seg.dcm").is_file():
        return _(
            "Saved to {folder}. DICOM SEG and SR are left out: the study's files are not where they were. "
            "Enter the study's folder in section 1, without loading it, and export again to have both."
        ).format(folder=folder)
    return _("Saved to {folder}").format(folder=folder)


def sureness(volume: FoundVolume) -> str:
    """How sure the phase is: 'given', '97%', or '45% ?' where it should be checked."""
    if volume.phase is None:
        return "?"
    return share(volume.probability) + ("" if volume.sure else " ?")


def share(probability: float) -> str:
    """Probability of a phase: '97%', or 'given' where it was not guessed."""
    return _("given") if probability >= 1 else f"{probability:.0%}"


def percent(probability: float) -> str:
    """The probability of a type: '97%'; what is not quite sure is never said to be."""
    return ">99%" if 0.995 <= probability < 1 else f"{probability:.0%}"


def registration(record: PhaseRecord, findings: Findings) -> tuple[str, str]:
    """What became of a volume of the study in a word, and why."""
    quality = record.registration
    if quality is not None:
        reasons = "; ".join(quality.reasons)
        if quality.verdict.value == "failed":
            why = _("Left out, because its registration failed: {reasons}").format(reasons=reasons)
            return _("failed, left out"), why
        figures = _("match {match:.2f} in the liver, {seconds:.0f} s")
        figures = figures.format(match=quality.match, seconds=quality.seconds)
        check = _("Check this registration: {reasons}. {figures}").format(reasons=reasons, figures=figures)
        return term(quality.verdict.value), check if reasons else figures
    if record.phase is None:
        return _("not used"), record.reason
    phase = term(record.phase.title)
    alike = sum(other.phase == record.phase for other in findings.phases)
    if record.phase != findings.reference_phase:
        return _("not used"), _("Another volume shows the {phase} phase better").format(phase=phase)
    if alike > 1:
        why = _("{count} volumes show the {phase} phase; the notes say which one is the reference")
        return _("see notes"), why.format(count=alike, phase=phase)
    return _("reference"), _("The other phases are registered onto this one")


def registrations(findings: Findings) -> str:
    """What became of all phases, in a few words; empty where there was one only."""
    verdicts = {record.phase: record.registration.verdict for record in findings.phases if record.registration}
    words = {"check": _("{phase} to check"), "failed": _("{phase} left out")}
    doubts = [words[verdict].format(phase=term(phase.title)) for phase, verdict in verdicts.items() if verdict in words]
    return ", ".join(doubts) or (_("registration green") if verdicts else "")


def slices(volume: FoundVolume) -> str:
    """Slices and their distance, such as '75 × 2.5 mm'."""
    return _("{count} × {distance:.3g} mm").format(count=volume.slices, distance=volume.spacing_mm[2])


def volume_hint(volume: FoundVolume) -> str:
    """Why this phase, and what is unusual about the acquisition."""
    return ". ".join(part.rstrip(".") for part in (volume.reason, *volume.warnings) if part)


def axes(lesion: Lesion) -> str:
    """Long and short axis in mm."""
    measurement = lesion.measurement
    return f"{measurement.long_axis.length_mm:.0f} × {measurement.short_axis.length_mm:.0f}"


def choice(lesion: Lesion) -> str:
    """A lesion in a menu."""
    return _("{number} {type}, {axes} mm").format(number=lesion.label, type=type_title(lesion.type), axes=axes(lesion))


def volume_ml(volume_mm3: float) -> str:
    """A volume (ml) as a number, with decimal places where they matter."""
    ml = volume_mm3 / 1000
    digits = 0 if ml >= 10 else 1 if ml >= 0.1 else 2
    return f"{ml:.{digits}f}"


def millilitres(volume_mm3: float) -> str:
    """A volume with its unit."""
    return _("{volume} ml").format(volume=volume_ml(volume_mm3))


def type_and_share(lesion: Lesion, typed_by_hand: bool) -> str:
    """Type with its probability, or that the reader has set it, or that nobody has."""
    from LiverTumorAILib.review.corrections import NOT_JUDGED

    share = percent(lesion.probability)
    if typed_by_hand or NOT_JUDGED in lesion.certainty_reasons:
        share = _("(set)") if typed_by_hand else "?"
    return f"{type_title(lesion.type)} {share}"


def short_place(place: str) -> str:
    """A lesion's place where room is short: 'right VII/VIII' or 'VIII, subcapsular'; the lines below tell more."""
    lobe, about, segments = place.partition(", about ")
    if about:
        # The segments tell the lobe.
        is_long = "subcapsular" in segments or lobe == "between the lobes"
        place = segments if is_long else f"{lobe.removesuffix(' lobe')} {segments}"
    parts = place.split(", ")
    return ", ".join(part for part in parts if not part.endswith(" mm"))


def sure(lesion: Lesion, typed_by_hand: bool) -> str:
    """Whether the type is sure."""
    return _("yes") if typed_by_hand or lesion.certainty.value == "certain" else _("uncertain")


def lesion_hint(lesion: Lesion, place: str = "", typed_by_hand: bool = False) -> str:
    """Place, probabilities, measures, evidence and reasons of doubt of one lesion in a few lines."""
    from LiverTumorAILib.report.summary import evidence_lines

    types = ", ".join(f"{term(kind.title)} {percent(probability)}" for kind, probability in lesion.likely_types[:3])
    measurement = lesion.measurement
    named = type_and_share(lesion, typed_by_hand)
    lines = [
        _("Lesion {number}: {type}").format(number=lesion.label, type=types if named.endswith("%") else named),
        _("Greatest 3D diameter {diameter:.0f} mm, volume {volume} ± {uncertainty}").format(
            diameter=measurement.max_3d_diameter_mm,
            volume=millilitres(measurement.volume_mm3),
            uncertainty=millilitres(measurement.volume_uncertainty_mm3),
        ),
    ]
    if place:
        lines.append(_("Place in the liver: {place}").format(place=place))
    lines += evidence_lines(lesion) if lesion.evidence or lesion.found_at else []
    if lesion.certainty_reasons:
        lines.append(_("Uncertain: {reasons}").format(reasons="; ".join(lesion.certainty_reasons)))
    return "\n".join(lines)


def reviewed(reading: Reading) -> str:
    """How far the review is: '5 of 7 reviewed'."""
    return _("{done} of {count} reviewed").format(done=reading.reviewed_count, count=len(reading.lesions))


def targets(reading: Reading) -> str:
    """Target lesions and the sum of their diameters."""
    from LiverTumorAILib.measurement.recist import sum_of_diameters_mm

    chosen = [reading.lesion(uid) for uid in reading.targets]
    one = _("{number} ({diameter:.0f} mm)")
    each = [one.format(number=lesion.label, diameter=lesion.measurement.long_axis.length_mm) for lesion in chosen]
    text = _("Target lesions (RECIST 1.1): {lesions}. Sum {sum:.0f} mm")
    return text.format(lesions=", ".join(each), sum=sum_of_diameters_mm(chosen))


def summary(findings: Findings) -> str:
    """Patient level result as rich text: classification and certainty, then counts, then warnings."""
    from LiverTumorAILib.report.summary import opinions_line

    patient = findings.patient
    if patient.classification == "NORMAL":
        result = _("No focal lesion found")
    else:
        share = patient.probabilities.get(patient.classification)
        named = type_title(patient.classification) + (f" {percent(share)}" if share is not None else "")
        result = _("{type}, malignant type") if patient.is_malignant else _("{type}, benign type")
        result = result.format(type=named)
    lines = [f"<b>{escaped(result)}</b> — <b>{escaped(term(patient.certainty.value))}</b>"]
    lines += [escaped(line) for line in ("; ".join(patient.certainty_reasons), opinions_line(patient)) if line]
    lines.append(_size(findings))
    lines += [f"<i>{escaped(warning)}</i>" for warning in findings.warnings]
    return "<br>".join(lines)


def _size(findings: Findings) -> str:
    """How many lesions, how large they and the liver are."""
    count = len(findings.lesions)
    text = {
        0: _("0 lesions, liver {volume}"),
        1: _("1 lesion, maximum diameter {diameter:.0f} mm, liver {volume}"),
    }.get(count) or _("{count} lesions, maximum diameter {diameter:.0f} mm, liver {volume}")
    volume = _("{volume} ml").format(volume=f"{findings.liver_volume_mm3 / 1000:.0f}")
    return text.format(count=count, diameter=findings.maximum_diameter_mm if count else 0, volume=volume)


def problem(error: Exception) -> str:
    """What went wrong, where, and what to do, in one line."""
    from LiverTumorAILib.errors import LiverTumorAIError

    if isinstance(error, LiverTumorAIError):
        return str(error)
    if isinstance(error, MemoryError):
        return _("Not enough memory. Close other programs, then try again.")
    if isinstance(error, ImportError):
        text = _("A Python package cannot be used ({name}). Restart Slicer: this panel then offers to install it.")
        return text.format(name=error.name or error)
    if isinstance(error, OSError):
        what = error.strerror or type(error).__name__
        if error.filename:
            what = f"{what} ({Path(error.filename).name})"
        return _("{what}. Check that the disk is there, has room and may be used, then try again.").format(what=what)
    # Image libraries say what matters last.
    said = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "").rstrip(".")
    kind = ": ".join(filter(None, (type(error).__name__, said)))
    return _("Unexpected error ({kind}). Try again; if it comes back, report it with the version.").format(kind=kind)


def type_title(value: str) -> str:
    """Name of a lesion type with a capital letter."""
    from LiverTumorAILib.lesions import LesionType

    title = term(LesionType(value).title)
    return title[0].upper() + title[1:]


def escaped(text: str) -> str:
    """Text that rich text shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

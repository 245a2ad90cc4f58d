"""Which contrast phase each volume of a study shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study.header_words import read_words
from LiverTumorAILib.study.phase import Phase
from LiverTumorAILib.study.raw_volume import RawVolume
from LiverTumorAILib.study.study import Modality


@dataclass(frozen=True)
class RecognisedPhase:
    """Phase of one volume, with probabilities that add up to 1, the reason in words, and warnings."""

    phase: Phase | None
    probabilities: Mapping[Phase, float] = field(default_factory=dict)
    reason: str = ""
    warnings: tuple[str, ...] = ()


def recognise_phases(volumes: Sequence[RawVolume], modality: Modality, progress: Progress) -> list[RecognisedPhase]:
    """Recognise the phase of each volume."""
    found = []
    for volume in volumes:
        progress.check()
        if volume.given_phase:
            found.append(RecognisedPhase(volume.given_phase, reason="named by the file"))
            continue
        words = read_words(volume.words)
        rest = (1 - words.weight) / 4
        probabilities = (
            {phase: words.weight if phase == words.phase else rest for phase in Phase} if words.phase else {}
        )
        found.append(
            RecognisedPhase(words.phase, probabilities, f"'{words.word}' in the header" if words.phase else "")
        )
    return found

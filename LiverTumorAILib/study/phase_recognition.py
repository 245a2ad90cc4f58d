"""Which contrast phase each volume of a study shows, from header words and from the image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study.enhancement import OrganValues, measure_organs
from LiverTumorAILib.study.header_words import WordEvidence, names_no_contrast, read_words
from LiverTumorAILib.study.phase import Phase
from LiverTumorAILib.study.phase_model import Stage, VolumeEvidence, stage_probabilities
from LiverTumorAILib.study.raw_volume import RawVolume
from LiverTumorAILib.study.study import Modality

_SURE = 0.7
_LEAST_OF_ANY_STAGE = 0.005
_GIVEN = 0.9999
_AGENT_BEFORE_INJECTION = 0.3
_EARLY_TO_LATE_ARTERIAL = 0.95


@dataclass(frozen=True)
class RecognisedPhase:
    """Phase of one volume, with probabilities that add up to 1, the reason in words, and warnings."""

    phase: Phase | None
    probabilities: Mapping[Phase, float] = field(default_factory=dict)
    reason: str = ""
    warnings: tuple[str, ...] = ()


def recognise_phases(volumes: Sequence[RawVolume], modality: Modality, progress: Progress) -> list[RecognisedPhase]:
    """Recognise the phase of each volume, judging all volumes of the study together.

    Parameters
    ----------
    volumes: sequence of RawVolume
        In the order in which they were acquired, where that is known.
    modality: Modality
    progress: Progress

    Returns
    -------
    list of RecognisedPhase
        One for each volume. The phase is None where neither words nor image say anything.

    """
    if all(volume.given_phase for volume in volumes):
        return [_given(volume) for volume in volumes]
    is_ct = modality is Modality.CT
    organs = measure_organs([volume.image for volume in volumes], is_ct, progress)
    words = [read_words(volume.words) for volume in volumes]
    by_image = _probabilities(volumes, organs, [WordEvidence()] * len(volumes), is_ct)
    together = _probabilities(volumes, organs, words, is_ct)
    is_late = together.argmax(axis=1) == Stage.LATE_ARTERIAL
    late_arterial = max((_by_phase(row)[Phase.ARTERIAL] for row in together[is_late]), default=0.0)
    found = []
    for volume, values, word, image, both in zip(volumes, organs, words, by_image, together, strict=True):
        if volume.given_phase:
            found.append(_given(volume))
        elif not values.is_known and word.phase is None:
            found.append(RecognisedPhase(None, reason="no liver found in the image and no words in the header"))
        else:
            result = _recognised(values, (word, image, both), is_ct)
            highest = _EARLY_TO_LATE_ARTERIAL * late_arterial
            if both.argmax() == Stage.EARLY_ARTERIAL and late_arterial:
                result = replace(result, probabilities=_capped(result.probabilities, Phase.ARTERIAL, highest))
            found.append(result)
    return found


def _given(volume: RawVolume) -> RecognisedPhase:
    return RecognisedPhase(volume.given_phase, reason="named by the file")


def _probabilities(
    volumes: Sequence[RawVolume], organs: Sequence[OrganValues], words: Sequence[WordEvidence], is_ct: bool
) -> np.ndarray:
    """(volume, stage), rows add up to 1, none quite impossible."""
    evidence = [
        VolumeEvidence(values, _word_log_likelihood(volume, word), volume.seconds, volume.is_ordered)
        for volume, values, word in zip(volumes, organs, words, strict=True)
    ]
    result = stage_probabilities(evidence, is_ct) + _LEAST_OF_ANY_STAGE
    doubtful = np.array([volume.values_are_approximate and not volume.given_phase for volume in volumes])
    result[doubtful] += result[doubtful].sum(axis=1, keepdims=True) / len(Stage)
    return result / result.sum(axis=1, keepdims=True)


def _word_log_likelihood(volume: RawVolume, word: WordEvidence) -> np.ndarray:
    likelihood = np.ones(len(Stage))
    phase, weight = (volume.given_phase, _GIVEN) if volume.given_phase else (word.phase, word.weight)
    if phase is not None:
        of_phase = np.array([stage.phase == phase for stage in Stage])
        likelihood = np.where(of_phase, weight, (1 - weight) / (len(Phase) - 1))
    elif volume.contrast_agent and not names_no_contrast(volume.contrast_agent):
        likelihood[Stage.NON_CONTRAST] = _AGENT_BEFORE_INJECTION
    return np.log(likelihood)


def _recognised(
    values: OrganValues, evidence: tuple[WordEvidence, np.ndarray, np.ndarray], is_ct: bool
) -> RecognisedPhase:
    """Phase and reason from words, stage probabilities of the image, and those of both."""
    word, image, both = evidence
    probabilities = _by_phase(both)
    phase = max(probabilities, key=probabilities.get)
    stage = Stage(int(np.argmax(both)))
    shown = _by_phase(image)
    seen = max(shown, key=shown.get)
    measured = values.in_words("HU" if is_ct else "")
    looks = f"{measured}: {_title(stage, phase)}" if measured else "no liver found in the image"
    warnings = []
    if word.phase is None:
        reason = looks
    elif not measured or seen == word.phase:
        reason = f"'{word.word}' in the header; {looks}"
    elif shown[seen] >= _SURE:
        reason = f"the header says '{word.word}', the image looks {seen.title} ({measured})"
        warnings.append(f"header ('{word.word}') and image ({seen.title}) disagree about the phase")
    else:
        reason = f"'{word.word}' in the header; the image does not tell for sure ({measured})"
    if probabilities[phase] < _SURE:
        ranked = sorted(probabilities, key=probabilities.get, reverse=True)[:2]
        chances = ", ".join(f"{choice.title} {probabilities[choice]:.0%}" for choice in ranked)
        reason += f"; unsure ({chances}), please check"
        warnings.append(f"the phase is unsure ({chances})")
    return RecognisedPhase(phase, probabilities, reason, tuple(warnings))


def _by_phase(stages: np.ndarray) -> dict[Phase, float]:
    probabilities = dict.fromkeys(Phase, 0.0)
    for stage in Stage:
        probabilities[stage.phase] += float(stages[stage])
    return probabilities


def _capped(probabilities: dict[Phase, float], phase: Phase, highest: float) -> dict[Phase, float]:
    """Lower one probability so that the late arterial volume is preferred; the others share what is left."""
    own, rest = probabilities[phase], 1 - probabilities[phase]
    if highest >= own or rest <= 0:
        return probabilities
    return {
        choice: highest if choice == phase else value * (1 - highest) / rest for choice, value in probabilities.items()
    }


def _title(stage: Stage, phase: Phase) -> str:
    return stage.name.replace("_", " ").lower() if stage.phase == phase == Phase.ARTERIAL else phase.title

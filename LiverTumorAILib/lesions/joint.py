"""Two sensitivities, one decision (multi-sensitivity paper, Sec. IV-B2 and V-B)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from LiverTumorAILib.lesions.findings import NORMAL, PatientSummary
from LiverTumorAILib.lesions.instances import LesionInstance
from LiverTumorAILib.lesions.lesion import Certainty, LesionType
from LiverTumorAILib.lesions.match import match_lesions
from LiverTumorAILib.lesions.patient import classify_patient
from LiverTumorAILib.lesions.reclassification import select
from LiverTumorAILib.lesions.sensitivity import Detection

LOW, HIGH = "Base+ReCls", "High+ReCls"

Pair = tuple[LesionInstance | None, LesionInstance | None]
"""A lesion as low and as high sensitivity found it."""


@dataclass(frozen=True)
class JointDecision:
    """What low and high sensitivity say together.

    Attributes
    ----------
    detection: Detection
        Every lesion of the low sensitivity, with its own outline, and those that only the high one found.
    opinions: Mapping[str, str]
        Patient class (Eq. 12) by the lesions of each sensitivity alone, as far as they are large enough to decide.
    deciding: tuple of int
        Labels of the lesions that make the difference. Where there is none: of those that are too small to decide,
        but of a malignant type that is more serious than what the others say.
    classification: str
        The most serious of both opinions and of what small lesions are taken for.

    """

    detection: Detection
    opinions: Mapping[str, str]
    deciding: tuple[int, ...]
    classification: str

    @property
    def is_certain(self) -> bool:
        """Whether both opinions agree and no small lesion may be something more serious."""
        return not self.deciding


def more_serious(classes: Collection[str]) -> str:
    """The patient class of highest priority."""
    return classify_patient(LesionType(name) for name in classes if name != NORMAL)


def decide(low: Detection, high: Detection, factors: tuple[float, float]) -> JointDecision:
    """Join the lesions of two sensitivities.

    Parameters
    ----------
    low, high: Detection
        Reclassified, on the same grid.
    factors: tuple of two floats
        Their sensitivity factors.

    """
    opinions = {LOW: _patient_class(low), HIGH: _patient_class(high)}
    matches = match_lesions(low.labels, _types(low), high.labels, _types(high))
    of_high = {instance.label: instance for instance in high.instances}
    partner = {match.true_label: of_high.get(match.found_label) for match in matches if match.true_label is not None}
    only_high = {match.found_label for match in matches if match.true_label is None}
    both = [_of_low(instance, partner[instance.label], factors) for instance in low.instances]
    extra = select(
        high, [_of_high(instance, factors) if instance.label in only_high else None for instance in high.instances]
    )
    shifted = np.where(extra.labels > 0, extra.labels + len(both), 0).astype(np.uint16)
    labels = np.where(low.labels > 0, low.labels, shifted)
    instances = [*both, *(replace(instance, label=instance.label + len(both)) for instance in extra.instances)]
    detection, order = _by_volume(labels, instances)
    seen = [*((instance, partner[instance.label]) for instance in low.instances)]
    seen += [(None, instance) for instance in extra.instances]
    pairs = [seen[index] for index in order]
    deciding = _deciding(pairs, opinions)
    small = () if deciding else _too_small(pairs, opinions)
    return JointDecision(detection, opinions, deciding or small, _classification(pairs, opinions))


def joint_patient(decision: JointDecision, summary: PatientSummary, limits: Collection[str] = ()) -> PatientSummary:
    """Patient level result: certain where both sensitivities agree.

    Parameters
    ----------
    decision: JointDecision
        Of both sensitivities.
    summary: PatientSummary
        Gives the probabilities.
    limits: collection of str
        What makes a normal result uncertain all the same, such as a liver that is cut off.

    """
    low, high = decision.opinions[LOW], decision.opinions[HIGH]
    reasons: tuple[str, ...] = ()
    if low != high:
        reasons = (_difference(decision.opinions, decision.deciding),)
    elif decision.deciding:
        reasons = (_too_small_to_decide(decision.deciding),)
    elif decision.classification == NORMAL:
        reasons = tuple(limits)
    return replace(
        summary,
        classification=decision.classification,
        certainty=Certainty.UNCERTAIN if reasons else Certainty.CERTAIN,
        certainty_reasons=reasons,
        opinions=decision.opinions,
        deciding_lesions=decision.deciding,
    )


def renumbered(patient: PatientSummary, numbers: Mapping[int, int]) -> PatientSummary:
    """The same result where lesions have other numbers (by their old ones)."""
    deciding = tuple(sorted(numbers[label] for label in patient.deciding_lesions))
    differ = len(set(patient.opinions.values())) > 1
    reasons = patient.certainty_reasons
    if deciding:
        reasons = (_difference(patient.opinions, deciding) if differ else _too_small_to_decide(deciding),)
    return replace(patient, deciding_lesions=deciding, certainty_reasons=reasons)


def _difference(opinions: Mapping[str, str], deciding: Collection[int]) -> str:
    low, high = (_title(opinions[name]) for name in (LOW, HIGH))
    lesions = ", ".join(map(str, deciding))
    return f"low sensitivity says {low}, high sensitivity {high}: lesion {lesions} decides"


def _too_small_to_decide(lesions: Collection[int]) -> str:
    return f"lesion {', '.join(map(str, lesions))}: of a malignant type, but too small to decide"


def _title(classification: str) -> str:
    return "normal" if classification == NORMAL else LesionType(classification).title


def _types(detection: Detection) -> dict[int, LesionType]:
    return {instance.label: instance.type for instance in detection.instances}


def _patient_class(detection: Detection) -> str:
    return classify_patient(instance.type for instance in detection.instances if instance.decides)


def _of_low(instance: LesionInstance, other: LesionInstance | None, factors: tuple[float, float]) -> LesionInstance:
    low, high = factors
    if other is None:
        doubts, found = (f"not confirmed at high sensitivity (factor {high:g})",), (low,)
    elif other.type is not instance.type:
        doubts, found = (f"{instance.type.title} at low, {other.type.title} at high sensitivity",), factors
    else:
        doubts, found = (), factors
    return replace(instance, found_at=found, doubts=(*instance.doubts, *doubts))


def _of_high(instance: LesionInstance, factors: tuple[float, float]) -> LesionInstance:
    doubt = f"found only at high sensitivity (factor {factors[1]:g})"
    return replace(instance, found_at=factors[1:], doubts=(*instance.doubts, doubt))


def _by_volume(labels: np.ndarray, instances: list[LesionInstance]) -> tuple[Detection, list[int]]:
    """A detection numbered by falling volume, and which of the instances each one was."""
    sizes = np.bincount(labels[labels > 0], minlength=len(instances) + 1)[1:]
    order = np.argsort(-sizes, kind="stable").tolist()
    numbers = np.zeros(len(instances) + 1, np.uint16)
    numbers[np.array(order, int) + 1] = np.arange(1, len(order) + 1)
    ordered = tuple(replace(instances[index], label=number) for number, index in enumerate(order, start=1))
    return Detection(numbers[labels], ordered), order


def _deciding(pairs: Sequence[Pair], opinions: Mapping[str, str]) -> tuple[int, ...]:
    """Numbers of the lesions that only one sensitivity sees, or sees as, the more serious class."""
    if opinions[LOW] == opinions[HIGH]:
        return ()
    serious = more_serious(opinions.values())
    sides = [
        tuple(each is not None and each.decides and classify_patient([each.type]) == serious for each in pair)
        for pair in pairs
    ]
    return tuple(number for number, (low, high) in enumerate(sides, start=1) if low != high)


def _too_small(pairs: Sequence[Pair], opinions: Mapping[str, str]) -> tuple[int, ...]:
    """Numbers of the lesions that are too small to decide, but malignant and more serious than the opinions."""
    said = more_serious(opinions.values())
    malignant = [{each.type for each in pair if each is not None and each.type.is_malignant} for pair in pairs]
    return tuple(
        number for number, types in enumerate(malignant, start=1) if types and more_serious([said, *types]) != said
    )


def _classification(pairs: Sequence[Pair], opinions: Mapping[str, str]) -> str:
    """What benign small lesions are taken for counts at low sensitivity alone."""
    types = [
        each.type
        for low, high in pairs
        for each in (low, high)
        if each is not None and (each is low or each.type.is_malignant)
    ]
    return more_serious([*opinions.values(), *types])

"""Two sensitivities, one decision (multi-sensitivity paper, Sec. IV-B2 and V-B)."""

from collections.abc import Collection, Mapping
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


@dataclass(frozen=True)
class JointDecision:
    """What low and high sensitivity say together.

    Attributes
    ----------
    detection: Detection
        Every lesion of the low sensitivity, with its own outline, and those that only the high one found.
    opinions: Mapping[str, str]
        Patient class (Eq. 12) by the lesions of each sensitivity alone.
    deciding: tuple of int
        Labels of the lesions that make the difference, empty if there is none.

    """

    detection: Detection
    opinions: Mapping[str, str]
    deciding: tuple[int, ...]

    @property
    def classification(self) -> str:
        """The more serious of both opinions."""
        return more_serious(self.opinions.values())


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
    pairs = match_lesions(low.labels, _types(low), high.labels, _types(high))
    partner = {match.true_label: match.found_type for match in pairs if match.true_label is not None}
    only_high = {match.found_label for match in pairs if match.true_label is None}
    both = [_of_low(instance, partner[instance.label], factors) for instance in low.instances]
    extra = select(
        high, [_of_high(instance, factors) if instance.label in only_high else None for instance in high.instances]
    )
    shifted = np.where(extra.labels > 0, extra.labels + len(both), 0).astype(np.uint16)
    labels = np.where(low.labels > 0, low.labels, shifted)
    instances = [*both, *(replace(instance, label=instance.label + len(both)) for instance in extra.instances)]
    detection, order = _by_volume(labels, instances)
    types = [(instance.type, partner[instance.label]) for instance in low.instances]
    types += [(None, instance.type) for instance in extra.instances]
    return JointDecision(detection, opinions, _deciding([types[index] for index in order], opinions))


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
    elif high == NORMAL:
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
    reasons = (_difference(patient.opinions, deciding),) if differ else patient.certainty_reasons
    return replace(patient, deciding_lesions=deciding, certainty_reasons=reasons)


def _difference(opinions: Mapping[str, str], deciding: Collection[int]) -> str:
    low, high = (_title(opinions[name]) for name in (LOW, HIGH))
    lesions = ", ".join(map(str, deciding))
    return f"low sensitivity says {low}, high sensitivity {high}: lesion {lesions} decides"


def _title(classification: str) -> str:
    return "normal" if classification == NORMAL else LesionType(classification).title


def _types(detection: Detection) -> dict[int, LesionType]:
    return {instance.label: instance.type for instance in detection.instances}


def _patient_class(detection: Detection) -> str:
    return classify_patient(instance.type for instance in detection.instances)


def _of_low(instance: LesionInstance, other: LesionType | None, factors: tuple[float, float]) -> LesionInstance:
    low, high = factors
    if other is None:
        doubts, found = (f"not confirmed at high sensitivity (factor {high:g})",), (low,)
    elif other is not instance.type:
        doubts, found = (f"{instance.type.title} at low, {other.title} at high sensitivity",), factors
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


def _deciding(types: list[tuple[LesionType | None, LesionType | None]], opinions: Mapping[str, str]) -> tuple[int, ...]:
    """Numbers of the lesions that only one sensitivity sees, or sees as, the more serious class."""
    if opinions[LOW] == opinions[HIGH]:
        return ()
    serious = more_serious(opinions.values())
    sides = [tuple(kind is not None and classify_patient([kind]) == serious for kind in pair) for pair in types]
    return tuple(number for number, (low, high) in enumerate(sides, start=1) if low != high)

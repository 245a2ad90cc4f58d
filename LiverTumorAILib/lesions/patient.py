"""From lesions to the patient."""

from collections.abc import Collection, Iterable

import numpy as np

from LiverTumorAILib.lesions.certainty import phase_limits
from LiverTumorAILib.lesions.findings import NORMAL, PatientSummary
from LiverTumorAILib.lesions.lesion import Certainty, Lesion, LesionType
from LiverTumorAILib.study import Phase

OVERRULING_PROBABILITY = 0.15
"""A lesion that is so probably of a more serious type leaves the patient's class uncertain."""


def classify_patient(types: Iterable[LesionType]) -> str:
    """The type of highest priority among a patient's lesions, or `NORMAL`.

    Eq. 12 of the multi-sensitivity paper: HCC, ICC, metastasis, hemangioma, other (with FNH), cyst. A calcification
    alone, unknown to that paper, comes last.
    """
    found = {LesionType.OTHER if kind is LesionType.FNH else kind for kind in types}
    return next((kind.value for kind in LesionType if kind in found), NORMAL)


def summarise_patient(
    lesions: Collection[Lesion], phases: Collection[Phase], limits: Collection[str] = ()
) -> PatientSummary:
    """Patient level result.

    Parameters
    ----------
    lesions: collection of Lesion
        All of the patient's.
    phases: collection of Phase
        Those that were analyzed.
    limits: collection of str
        What else makes a normal result uncertain, such as a liver that is cut off.

    Returns
    -------
    PatientSummary
        A type's probability is that of at least one such lesion, lesions taken as independent:
        1 - product of (1 - score * type probability).

    """
    probabilities = {
        kind.value: float(
            1 - np.prod([1 - lesion.score * lesion.type_probabilities.get(kind, 0) for lesion in lesions])
        )
        for kind in LesionType
    }
    classification = classify_patient(lesion.type for lesion in lesions)
    if classification == NORMAL:
        reasons = (*phase_limits(phases), *limits)
    else:
        deciding = [lesion for lesion in lesions if classify_patient([lesion.type]) == classification]
        reasons = (*_reasons_of_the_surest(deciding), *_overruling_lesions(lesions, classification))
    certainty = Certainty.UNCERTAIN if reasons else Certainty.CERTAIN
    return PatientSummary(classification, probabilities, certainty, tuple(reasons))


def _reasons_of_the_surest(deciding: list[Lesion]) -> tuple[str, ...]:
    """One certain lesion decides; else the doubts about the most probable one."""
    surest = max(
        deciding,
        key=lambda lesion: (
            lesion.certainty is Certainty.CERTAIN,
            lesion.score * lesion.type_probabilities[lesion.type],
        ),
    )
    return tuple(f"lesion {surest.label}: {reason}" for reason in surest.certainty_reasons)


def _overruling_lesions(lesions: Collection[Lesion], classification: str) -> tuple[str, ...]:
    """Lesions of another type that may well be of a type with higher priority."""
    higher = list(LesionType)[: list(LesionType).index(LesionType(classification))]
    reasons = []
    for lesion in lesions:
        if higher and sum(_probability_of(lesion, kind) for kind in higher) >= OVERRULING_PROBABILITY:
            likeliest = max(higher, key=lambda kind, lesion=lesion: _probability_of(lesion, kind))
            share = lesion.type_probabilities.get(likeliest, 0.0)
            reasons.append(f"lesion {lesion.label} may be {likeliest.title} ({share:.0%})")
    return tuple(reasons)


def _probability_of(lesion: Lesion, kind: LesionType) -> float:
    """That this is a lesion at all, and of this type."""
    return lesion.score * lesion.type_probabilities.get(kind, 0.0)

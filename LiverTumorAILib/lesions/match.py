"""Matching detected lesions with true ones (multi-sensitivity paper, Eq. 7 and Sec. III-A)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from LiverTumorAILib.lesions.lesion import LesionType


class Outcome(StrEnum):
    """What became of a lesion: right type, wrong type, missed, or a false alarm."""

    TRUE_POSITIVE = "TP"
    FALSE_LABEL = "FL"
    FALSE_NEGATIVE = "FN"
    FALSE_POSITIVE = "FP"


@dataclass(frozen=True)
class Match:
    """One lesion of truth or detection; `true_label` is None for a false alarm, `found_label` for a miss."""

    outcome: Outcome
    true_label: int | None
    found_label: int | None
    true_type: LesionType | None
    found_type: LesionType | None


def match_lesions(
    true_labels: np.ndarray,
    true_types: Mapping[int, LesionType],
    found_labels: np.ndarray,
    found_types: Mapping[int, LesionType],
) -> tuple[Match, ...]:
    """Compare two sets of lesions by overlap.

    A true lesion goes with the detection that shares most voxels with it; a detection that touches no true lesion
    is a false positive.

    Parameters
    ----------
    true_labels, found_labels: numpy.ndarray
        Instance numbers (z, y, x) of the same shape, 0 elsewhere.
    true_types, found_types: Mapping[int, LesionType]
        Type of each instance.

    Returns
    -------
    tuple of Match
        One for each true lesion, then one for each false positive.

    """
    both = (true_labels > 0) & (found_labels > 0)
    numbers = max(found_types, default=0) + 1
    codes, counts = np.unique(true_labels[both].astype(np.int64) * numbers + found_labels[both], return_counts=True)
    pairs = np.stack(np.divmod(codes, numbers))
    partners: dict[int, int] = {}
    for index in np.argsort(counts, kind="stable"):
        partners[int(pairs[0, index])] = int(pairs[1, index])
    touched = set(pairs[1].tolist())
    matches = [_match(label, kind, partners.get(label), found_types) for label, kind in true_types.items()]
    alarms = [
        Match(Outcome.FALSE_POSITIVE, None, label, None, kind)
        for label, kind in found_types.items()
        if label not in touched
    ]
    return (*matches, *alarms)


def _match(label: int, kind: LesionType, partner: int | None, found_types: Mapping[int, LesionType]) -> Match:
    if partner is None:
        return Match(Outcome.FALSE_NEGATIVE, label, None, kind, None)
    found = found_types[partner]
    outcome = Outcome.TRUE_POSITIVE if found is kind else Outcome.FALSE_LABEL
    return Match(outcome, label, partner, kind, found)

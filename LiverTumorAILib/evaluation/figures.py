"""The papers' figures from evaluated cases."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import rankdata

from LiverTumorAILib.lesions import NORMAL, Certainty, LesionType, PatientSummary
from LiverTumorAILib.lesions.match import Match, Outcome

SIZE_LIMITS_MM = (10.0, 20.0, 30.0, 50.0)


@dataclass(frozen=True)
class EvaluatedCase:
    """One case with its truth.

    Attributes
    ----------
    name: str
    liver_dice: float
    lesion_overlap, lesion_total: int
        Voxels in both lesion masks, and the sum of both masks: Dice is 2 * overlap / total.
    matches: tuple of Match
    true_long_axes, found_long_axes: dict of int to float
        mm by instance number.
    patient: PatientSummary
    true_classification: str

    """

    name: str
    liver_dice: float
    lesion_overlap: int
    lesion_total: int
    matches: tuple[Match, ...]
    true_long_axes: dict[int, float]
    found_long_axes: dict[int, float]
    patient: PatientSummary
    true_classification: str


def ratio(part: float, whole: float) -> float | None:
    """Part / whole, None where there is nothing to divide by."""
    return part / whole if whole else None


def mean(values: Iterable[float]) -> float | None:
    """Mean, None of nothing."""
    values = list(values)
    return float(np.mean(values)) if values else None


def lesion_figures(matches: Sequence[Match]) -> dict[str, float | int | None]:
    """Precision, recall and rough recall (type ignored) as in Table II of the multi-sensitivity paper."""
    count = Counter(match.outcome for match in matches)
    right, wrong = count[Outcome.TRUE_POSITIVE], count[Outcome.FALSE_LABEL]
    missed, alarms = count[Outcome.FALSE_NEGATIVE], count[Outcome.FALSE_POSITIVE]
    return {
        "true": right + wrong + missed,
        "tp": right,
        "fl": wrong,
        "fn": missed,
        "fp": alarms,
        "precision": ratio(right, right + wrong + alarms),
        "recall": ratio(right, right + wrong + missed),
        "rough_recall": ratio(right + wrong, right + wrong + missed),
    }


def figures_by_type(matches: Sequence[Match]) -> dict[str, dict]:
    """`lesion_figures` for each type; precision counts every lesion that was called this type."""
    table = {}
    for kind in LesionType:
        own = [match for match in matches if match.true_type is kind]
        called = [match for match in matches if match.found_type is kind]
        if not own and not called:
            continue
        alarms = [match for match in called if match.outcome is Outcome.FALSE_POSITIVE]
        row = lesion_figures([*own, *alarms])
        row["precision"] = ratio(row["tp"], len(called))
        table[kind.value] = row
    return table


def size_name(long_axis_mm: float) -> str:
    """Name of the size class of a long axis, such as '10-20 mm'."""
    if long_axis_mm < SIZE_LIMITS_MM[0]:
        return f"<{SIZE_LIMITS_MM[0]:.0f} mm"
    for low, high in pairwise(SIZE_LIMITS_MM):
        if long_axis_mm < high:
            return f"{low:.0f}-{high:.0f} mm"
    return f">{SIZE_LIMITS_MM[-1]:.0f} mm"


def size_names() -> list[str]:
    """All size classes, smallest first."""
    return [size_name(limit) for limit in (0.0, *SIZE_LIMITS_MM)]


def figures_by_size(cases: Sequence[EvaluatedCase]) -> dict[str, dict]:
    """`lesion_figures` by long axis: the true one of true lesions, the measured one of false positives."""
    groups: dict[str, list[Match]] = {name: [] for name in size_names()}
    for case in cases:
        for match in case.matches:
            if match.true_label is not None:
                length = case.true_long_axes[match.true_label]
            else:
                length = case.found_long_axes[match.found_label]
            groups[size_name(length)].append(match)
    return {name: lesion_figures(matches) for name, matches in groups.items() if matches}


def is_malignant(classification: str) -> bool:
    """Whether a patient class is a malignant type."""
    return classification != NORMAL and LesionType(classification).is_malignant


def area_under_curve(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """Area under the ROC curve, None where one of the two groups is empty."""
    positive = np.asarray(positive, bool)
    count = int(positive.sum())
    if count in {0, positive.size}:
        return None
    ranks = rankdata(scores)[positive].sum()
    return float((ranks - count * (count + 1) / 2) / (count * (positive.size - count)))


def patient_figures(cases: Sequence[EvaluatedCase]) -> dict:
    """Sensitivity and specificity for malignancy, AUC by type and for malignancy, share of uncertain patients."""
    true = [is_malignant(case.true_classification) for case in cases]
    found = [case.patient.is_malignant for case in cases]
    pairs = Counter(zip(true, found, strict=True))
    auc = {
        kind.value: area_under_curve(
            [case.patient.probabilities.get(kind.value, 0.0) for case in cases],
            [any(match.true_type is kind for match in case.matches) for case in cases],
        )
        for kind in LesionType
    }
    auc["malignant"] = area_under_curve([_malignancy(case.patient) for case in cases], true)
    return {
        "sensitivity": ratio(pairs[True, True], pairs[True, True] + pairs[True, False]),
        "specificity": ratio(pairs[False, False], pairs[False, False] + pairs[False, True]),
        "auc": auc,
        "uncertain_share": mean(case.patient.certainty is Certainty.UNCERTAIN for case in cases),
    }


def _malignancy(patient: PatientSummary) -> float:
    """Probability of at least one malignant lesion, types taken as independent."""
    values = [1 - patient.probabilities.get(kind.value, 0.0) for kind in LesionType if kind.is_malignant]
    return 1 - float(np.prod(values))


def long_axis_errors(cases: Sequence[EvaluatedCase]) -> list[float]:
    """Absolute long axis errors (mm) of all matched lesions."""
    return [
        abs(case.found_long_axes[match.found_label] - case.true_long_axes[match.true_label])
        for case in cases
        for match in case.matches
        if match.true_label is not None and match.found_label is not None
    ]


def maximum_diameter_errors(cases: Sequence[EvaluatedCase]) -> list[float]:
    """Absolute errors (mm) of the maximum tumour diameter of patients with lesions (HFS-Net paper, MTD)."""
    return [
        abs(max(case.found_long_axes.values(), default=0.0) - max(case.true_long_axes.values()))
        for case in cases
        if case.true_long_axes
    ]


def summarise(cases: Sequence[EvaluatedCase]) -> dict:
    """All figures of the `evaluate --json` contract."""
    matches = [match for case in cases for match in case.matches]
    with_lesions = [case for case in cases if case.true_long_axes]
    lesion = lesion_figures(matches)
    return {
        "cases": len(cases),
        "liver": {"dice": mean(case.liver_dice for case in cases)},
        "lesion": {
            "precision": lesion["precision"],
            "recall": lesion["recall"],
            "rough_recall": lesion["rough_recall"],
            "by_type": figures_by_type(matches),
            "by_size": figures_by_size(cases),
        },
        "patient": patient_figures(cases),
        "segmentation": {
            "dice_per_case": mean(2 * case.lesion_overlap / case.lesion_total for case in with_lesions),
            "dice_global": ratio(
                2 * sum(case.lesion_overlap for case in cases), sum(case.lesion_total for case in cases)
            ),
        },
        "mtd_mae_mm": mean(maximum_diameter_errors(cases)),
        "tables": {
            "lesion_counts": lesion,
            "type_accuracy": ratio(lesion["tp"], lesion["tp"] + lesion["fl"]),
            "false_positives_per_case": ratio(lesion["fp"], len(cases)),
            "long_axis_mae_mm": mean(long_axis_errors(cases)),
            "liver_dice_minimum": min((case.liver_dice for case in cases), default=None),
            "cases": [
                {
                    "name": case.name,
                    "liver_dice": case.liver_dice,
                    "true": case.true_classification,
                    "found": case.patient.classification,
                    "certainty": case.patient.certainty.value,
                }
                for case in cases
            ],
        },
    }

"""The multi-sensitivity paper's tables and figures, from what the cascade keeps of each case.

One forward pass a case is enough: every variant and every sensitivity is computed from the kept probabilities and
opinions, on the network's grid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.cascades.multi_sensitivity import HIGH_FACTOR
from LiverTumorAILib.evaluation.figures import is_malignant, ratio
from LiverTumorAILib.lesions import NORMAL, LesionType
from LiverTumorAILib.lesions.instances import connected_lesions, find_instances
from LiverTumorAILib.lesions.joint import HIGH, LOW, decide
from LiverTumorAILib.lesions.match import Match, Outcome, match_lesions
from LiverTumorAILib.lesions.patient import classify_patient
from LiverTumorAILib.lesions.reclassification import RULE, STRICT_RULE, Opinions, Rule, reclassify
from LiverTumorAILib.lesions.sensitivity import LOW_FACTOR, Detection
from LiverTumorAILib.lesions.sensitivity_file import SensitivityData

BASE, NO_SHUFFLE, JOINT, PLAIN = "Base", "Base+ReCls w/o LS", "Base+ReCls & High+ReCls", "Argmax + CC + size"
UNCERTAIN = "uncertain"
DIAGNOSIS, SCREENING = "diagnosis setting", "screening setting"
"""With contrast phases, and with the non-contrast phase alone."""

TYPES = (
    LesionType.HCC,
    LesionType.ICC,
    LesionType.METASTASIS,
    LesionType.HEMANGIOMA,
    LesionType.OTHER,
    LesionType.CYST,
)
ALL, MALIGNANT = "All", "Malig"
VOLUME_LIMITS_CM3 = (0.5, 2.0, 4.0, 8.0, 16.0, 64.0)
"""Of Table I; smaller lesions are not counted, neither as found nor as missed."""

FACTORS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
SAMPLES = 1000
_COUNTS = ("tp", "fl", "fn", "fp", "called")


@dataclass(frozen=True)
class KeptCase:
    """What is kept of a case with truth.

    Attributes
    ----------
    name: str
        Of the case.
    data: SensitivityData
        The networks' answers.
    true_labels: numpy.ndarray
        uint16 (z, y, x) on the probabilities' grid: true lesions, 0 elsewhere.
    true_types: Mapping[int, LesionType]
        The paper's six.
    true_volumes_cm3: Mapping[int, float]
        On the truth's own grid.
    no_shuffle: Opinions or None
        Of the network that was trained and asked without lesion shuffle.

    """

    name: str
    data: SensitivityData
    true_labels: np.ndarray
    true_types: Mapping[int, LesionType]
    true_volumes_cm3: Mapping[int, float]
    no_shuffle: Opinions | None = None

    @property
    def true_class(self) -> str:
        """Patient class (Eq. 12)."""
        return classify_patient(self.true_types.values())

    @property
    def is_counted(self) -> bool:
        """Whether a lesion that Table I counts makes the patient malignant, or none does."""
        volumes = [self.true_volumes_cm3[label] for label, kind in self.true_types.items() if kind.is_malignant]
        return not volumes or max(volumes) >= VOLUME_LIMITS_CM3[0]

    @property
    def grid(self) -> sitk.Image:
        """The probabilities' grid as an empty image."""
        grid = self.data.probabilities.grid
        return grid.image(np.zeros(grid.shape, np.uint8))

    def matches(self, detection: Detection) -> tuple[list[Match], int]:
        """Eq. 7 for the lesions of Table I, and the number of false positives below its smallest size.

        Smaller true lesions are not counted, and what touches only these is no false positive.
        """
        found = {instance.label: _six(instance.type) for instance in detection.instances}
        sizes = np.bincount(detection.labels.ravel(), minlength=max(found, default=0) + 1)
        found_cm3 = sizes * np.prod(self.data.probabilities.grid.spacing_mm) / 1000
        every = match_lesions(self.true_labels, self.true_types, detection.labels, found)
        true = [match for match in every if match.true_label is not None]
        false = [match for match in every if match.true_label is None]
        large = [match for match in false if found_cm3[match.found_label] >= VOLUME_LIMITS_CM3[0]]
        counted = [match for match in true if self.true_volumes_cm3[match.true_label] >= VOLUME_LIMITS_CM3[0]]
        return [*counted, *large], len(false) - len(large)


@dataclass(frozen=True)
class Outcomes:
    """What a variant made of each case.

    Attributes
    ----------
    matches: tuple of tuples of Match
        Of the lesions that the tables count.
    small_false: tuple of int
        False positives that are too small for the tables.
    classes: tuple of str
        Patient classes, `UNCERTAIN` where the variant would not say.

    """

    matches: tuple[tuple[Match, ...], ...]
    small_false: tuple[int, ...]
    classes: tuple[str, ...]

    def of(self, chosen: Sequence[int]) -> "Outcomes":
        """Those of some cases."""
        columns = (self.matches, self.small_false, self.classes)
        return Outcomes(*(tuple(column[index] for index in chosen) for column in columns))


def keep_truth(
    name: str,
    data: SensitivityData,
    true_lesions: sitk.Image,
    true_types: Mapping[int, LesionType],
    no_shuffle: Opinions | None = None,
) -> KeptCase:
    """A case with its truth: true instance numbers on any grid (LPS, mm), and the type of each."""
    counts = np.bincount(sitk.GetArrayViewFromImage(true_lesions).ravel(), minlength=max(true_types, default=0) + 1)
    voxel_cm3 = float(np.prod(true_lesions.GetSpacing())) / 1000
    return KeptCase(
        name,
        data,
        data.probabilities.grid.sample(true_lesions, sitk.sitkNearestNeighbor),
        {label: _six(kind) for label, kind in true_types.items()},
        {label: float(counts[label]) * voxel_cm3 for label in true_types},
        no_shuffle,
    )


def _six(kind: LesionType) -> LesionType:
    return kind if kind in TYPES else LesionType.OTHER


def run_variants(
    cases: Sequence[KeptCase], *, high: float = HIGH_FACTOR, rule: Rule = RULE, smallest_cm3: float = 0.0
) -> dict[str, Outcomes]:
    """Every column of Tables II-IV.

    Parameters
    ----------
    cases: sequence of KeptCase
        In the order of the outcomes.
    high: float
        Factor of the high sensitivity.
    rule: Rule
        Of reclassification.
    smallest_cm3: float
        Size filter of the plain baseline, from `tune_size_filter`.

    """
    noted: dict[str, list[tuple]] = {}

    def note(variant: str, case: KeptCase, found: Detection | None, patient: str) -> None:
        matches, small_false = case.matches(found) if found else ([], 0)
        noted.setdefault(variant, []).append((tuple(matches), small_false, patient))

    with_ablation = all(case.no_shuffle is not None for case in cases)
    for case in cases:
        grid, probabilities = case.grid, case.data.probabilities
        base, more = probabilities.detect(LOW_FACTOR, grid), probabilities.detect(high, grid)
        low, up = (reclassify(each, case.data.opinions, grid, rule) for each in (base, more))
        shown = {PLAIN: _plain(case, base, smallest_cm3), BASE: base}
        if with_ablation:
            shown[NO_SHUFFLE] = reclassify(base, case.no_shuffle, grid, rule)
        for variant, detection in (shown | {LOW: low, HIGH: up}).items():
            note(variant, case, detection, _class_of(detection))
        joint = decide(low, up, (LOW_FACTOR, high))
        # Table V: the lesions of High+ReCls, in the patients on whom both agree.
        note(JOINT, case, *((up, joint.classification) if joint.is_certain else (None, UNCERTAIN)))
    return {variant: Outcomes(*zip(*rows, strict=True)) for variant, rows in noted.items()}


def tune_size_filter(
    cases: Sequence[KeptCase], sizes: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0)
) -> float:
    """The size (cm3) below which the plain baseline does best to drop a component.

    Judged by F1 over all lesions; small false positives count as well.
    """
    bases = [case.data.probabilities.detect(LOW_FACTOR, case.grid) for case in cases]

    def quality(size: float) -> float:
        found = [case.matches(_plain(case, base, size)) for case, base in zip(cases, bases, strict=True)]
        right, wrong, missed, alarms, _ = _counts([matches for matches, _ in found], ALL).sum(axis=0)
        alarms += sum(small for _, small in found)
        return 2 * right / max(2 * right + 2 * wrong + missed + alarms, 1)

    return max(sizes, key=quality)


def _plain(case: KeptCase, detection: Detection, smallest_cm3: float) -> Detection:
    labels, instances = find_instances(
        detection.labels > 0,
        case.data.probabilities.maps,
        case.grid,
        max(smallest_cm3 * 1000, 1.0),
        separate=connected_lesions,
    )
    return Detection(sitk.GetArrayFromImage(labels), instances)


def _class_of(detection: Detection) -> str:
    return classify_patient(instance.type for instance in detection.instances)


def lesion_table(outcomes: Outcomes, seed: int = 0) -> dict[str, dict]:
    """Rows of Table II, III or V: each type, `ALL` and `MALIGNANT`, with bootstrap 95% intervals.

    Precision is the share of right ones among all lesions called a type, false positives included; patients are what
    is drawn anew.
    """
    draws = _draws(len(outcomes.matches), seed)
    table = {}
    for row in (*(kind.value for kind in TYPES), ALL, MALIGNANT):
        counts = _counts(outcomes.matches, row)
        sums, sampled = counts.sum(axis=0), draws @ counts
        figures = {
            "precision": lambda c: (c[..., 0], c[..., 4]),
            "recall": lambda c: (c[..., 0], c[..., 0] + c[..., 1] + c[..., 2]),
            "rough_recall": lambda c: (c[..., 0] + c[..., 1], c[..., 0] + c[..., 1] + c[..., 2]),
        }
        table[row] = dict(zip(_COUNTS, map(int, sums), strict=True))
        for name, parts in figures.items():
            table[row][name] = ratio(*map(float, parts(sums)))
            table[row][f"{name}_95"] = _interval(*parts(sampled))
    return table


def patient_table(outcomes: Outcomes, true_classes: Sequence[str], seed: int = 0) -> dict:
    """A row of Table IV: sensitivity and specificity for malignancy among the patients on whom the variant decides."""
    decided = np.array([name != UNCERTAIN for name in outcomes.classes], bool)
    found = np.array([name != UNCERTAIN and is_malignant(name) for name in outcomes.classes], bool)
    true = np.array([is_malignant(name) for name in true_classes], bool)
    columns = [decided & true & found, decided & true, decided & ~true & ~found, decided & ~true]
    counts = np.stack(columns, axis=1).astype(int)
    sums, sampled = counts.sum(axis=0), _draws(len(true), seed) @ counts
    uncertain = int((~decided).sum())
    return {
        "sensitivity": ratio(int(sums[0]), int(sums[1])),
        "sensitivity_95": _interval(sampled[:, 0], sampled[:, 1]),
        "specificity": ratio(int(sums[2]), int(sums[3])),
        "specificity_95": _interval(sampled[:, 2], sampled[:, 3]),
        "uncertain": uncertain,
        "uncertain_share": ratio(uncertain, len(true)),
    }


def confusion(outcomes: Outcomes, true_classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Fig. 10: patients by true class (rows) and found class, the uncertain ones in a column of their own."""
    names = [*(kind.value for kind in TYPES), NORMAL]
    table = {true: dict.fromkeys([*names, UNCERTAIN], 0) for true in names}
    for true, found in zip(true_classes, outcomes.classes, strict=True):
        table[true][found] += 1
    return table


def sensitivity_curve(cases: Sequence[KeptCase], factors: Sequence[float] = FACTORS, rule: Rule = RULE) -> list[dict]:
    """Fig. 11: false positives, false negatives, recall and precision against the factor.

    With reclassification only up to the factor of the kept opinions.
    """
    rows = []
    for factor in factors:
        bare, judged = [], []
        for case in cases:
            detection = case.data.probabilities.detect(factor, case.grid)
            bare.append(case.matches(detection)[0])
            if factor <= case.data.factor:
                judged.append(case.matches(reclassify(detection, case.data.opinions, case.grid, rule))[0])
        row: dict = {"factor": factor}
        for name, found in (("without ReCls", bare), ("with ReCls", judged)):
            complete = len(found) == len(cases)
            right, wrong, missed, alarms, called = (int(n) for n in _counts(found, ALL).sum(axis=0))
            row[name] = {
                "fp": alarms,
                "fn": missed,
                "recall": ratio(right, right + wrong + missed),
                "rough_recall": ratio(right + wrong, right + wrong + missed),
                "precision": ratio(right, called),
            } if complete else None  # fmt: skip
        rows.append(row)
    return rows


def size_table(cases: Sequence[KeptCase]) -> dict[str, dict[str, int]]:
    """Table I: true lesions by type and volume (cm3), with those below its first class in a column of their own."""
    names = [f"<{VOLUME_LIMITS_CM3[0]:g}"]
    names += [f"{low:g}-{high:g}" for low, high in pairwise(VOLUME_LIMITS_CM3)]
    names += [f">{VOLUME_LIMITS_CM3[-1]:g}"]
    table = {row: dict.fromkeys(names, 0) for row in (*(kind.value for kind in TYPES), ALL)}
    for case in cases:
        for label, kind in case.true_types.items():
            name = names[int(np.searchsorted(VOLUME_LIMITS_CM3, case.true_volumes_cm3[label], side="right"))]
            table[kind.value][name] += 1
            table[ALL][name] += 1
    return table


def paper_tables(cases: Sequence[KeptCase], *, smallest_cm3: float = 0.0, high: float = HIGH_FACTOR) -> dict:
    """All tables and figures of one setting, ready for JSON.

    Patients come twice: as the cascade decides, and by the paper's rule, which discards all lesions below 0.5 cm3,
    among those who have no malignant lesion or one that Table I counts.
    """
    outcomes = run_variants(cases, high=high, smallest_cm3=smallest_cm3)
    strict = run_variants(cases, high=high, smallest_cm3=smallest_cm3, rule=STRICT_RULE)
    true = [case.true_class for case in cases]
    counted = [index for index, case in enumerate(cases) if case.is_counted]
    return {
        "cases": len(cases),
        "high_factor": high,
        "size_filter_cm3": smallest_cm3,
        "table_1": size_table(cases),
        "lesions": {name: lesion_table(each) for name, each in outcomes.items()},
        "small_false_positives": {name: sum(each.small_false) for name, each in outcomes.items()},
        "patients": {name: patient_table(each, true) for name, each in outcomes.items()},
        "counted_cases": len(counted),
        "counted_patients": {
            name: patient_table(each.of(counted), [true[index] for index in counted]) for name, each in strict.items()
        },
        "figure_10": confusion(outcomes[JOINT], true),
        "figure_11": sensitivity_curve(cases),
    }


def _counts(matches: Sequence[Sequence[Match]], row: str) -> np.ndarray:
    """Int (cases, TP FL FN FP and called) of a row of the tables."""
    table = np.zeros((len(matches), len(_COUNTS)), int)
    for index, case in enumerate(matches):
        for match in map(_as_malignant, case) if row == MALIGNANT else case:
            own = row == ALL or (match.true_type is not None and match.true_type.value == _row_type(row))
            called = match.found_type is not None and (row == ALL or match.found_type.value == _row_type(row))
            if own:
                table[index, _COLUMN[match.outcome]] += match.outcome is not Outcome.FALSE_POSITIVE
            if called:
                table[index, 3] += match.outcome is Outcome.FALSE_POSITIVE
                table[index, 4] += 1
    return table


_COLUMN = {
    Outcome.TRUE_POSITIVE: 0,
    Outcome.FALSE_LABEL: 1,
    Outcome.FALSE_NEGATIVE: 2,
    Outcome.FALSE_POSITIVE: 3,
}


def _row_type(row: str) -> str:
    return LesionType.HCC.value if row == MALIGNANT else row


def _as_malignant(match: Match) -> Match:
    """The match with HCC for every malignant and cyst for every benign type."""

    def merged(kind: LesionType | None) -> LesionType | None:
        if kind is None:
            return None
        return LesionType.HCC if kind.is_malignant else LesionType.CYST

    true, found = merged(match.true_type), merged(match.found_type)
    outcome = match.outcome
    if true and found:
        outcome = Outcome.TRUE_POSITIVE if true is found else Outcome.FALSE_LABEL
    return replace(match, outcome=outcome, true_type=true, found_type=found)


def _draws(cases: int, seed: int) -> np.ndarray:
    """How often each case is drawn in each bootstrap sample, int (samples, cases)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(cases, np.full(cases, 1 / cases), SAMPLES) if cases else np.zeros((SAMPLES, 0), int)


def _interval(part: np.ndarray, whole: np.ndarray) -> list[float] | None:
    """2.5% and 97.5% of part / whole over the samples in which there is a whole; None where there is none."""
    usable = whole > 0
    if not usable.any():
        return None
    return np.percentile(part[usable] / whole[usable], [2.5, 97.5]).tolist()

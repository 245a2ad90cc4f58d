"""The HFS-Net paper's tables of a test set: Table 3, Table S2, and false alarms where there is no HCC."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.evaluation.detection import Counts, compare_cuts, compare_objects, total
from LiverTumorAILib.evaluation.figures import mean, ratio
from LiverTumorAILib.evaluation.truth import Truth, on_grid
from LiverTumorAILib.lesions import Findings, LesionType, Organ


@dataclass(frozen=True)
class Overlap:
    """Voxels in both masks, and the sum of both masks."""

    both: int
    total: int

    @classmethod
    def of(cls, one: np.ndarray, other: np.ndarray) -> "Overlap":
        """Of two bool masks."""
        return cls(int(np.count_nonzero(one & other)), int(np.count_nonzero(one)) + int(np.count_nonzero(other)))

    @property
    def dice(self) -> float | None:
        """None where both masks are empty."""
        return ratio(2 * self.both, self.total)


@dataclass(frozen=True)
class HccCase:
    """One patient: what is true of HCC, and what a cascade called HCC.

    Attributes
    ----------
    name: str
    liver, tumour: Overlap
    true_mtd_mm, found_mtd_mm: float
        Maximum tumour diameter (longest axial one); 0 without tumour.
    volumes: Counts
        Of tumours.
    cuts: tuple of Counts
        Of tumour cuts, for each slice that shows any, true or found.
    other_lesions: int
        True lesions of other types.

    """

    name: str
    liver: Overlap
    tumour: Overlap
    true_mtd_mm: float
    found_mtd_mm: float
    volumes: Counts
    cuts: tuple[Counts, ...]
    other_lesions: int


def compare_hcc(name: str, findings: Findings, truth: Truth) -> HccCase:
    """Compare the HCC of findings with the truth; lesions of other types count as none on both sides."""
    grid = findings.lesion_labels
    of_truth = [label for label, kind in truth.types.items() if kind is LesionType.HCC]
    of_findings = [lesion.label for lesion in findings.lesions if lesion.type is LesionType.HCC]
    true_labels, found_labels = on_grid(truth.lesions, grid), sitk.GetArrayViewFromImage(grid)
    true = np.where(np.isin(true_labels, of_truth), true_labels, 0)
    found = np.where(np.isin(found_labels, of_findings), found_labels, 0)
    liver = (sitk.GetArrayViewFromImage(findings.organ_labels) == Organ.LIVER) | (found_labels > 0)
    found_axes = [lesion.measurement.long_axis.length_mm for lesion in findings.lesions if lesion.label in of_findings]
    return HccCase(
        name,
        Overlap.of(liver, on_grid(truth.liver, grid) > 0),
        Overlap.of(found > 0, true > 0),
        max((truth.long_axes[label] for label in of_truth), default=0.0),
        max(found_axes, default=0.0),
        compare_objects(true, found),
        tuple(compare_cuts(true > 0, found > 0)),
        len(truth.types) - len(of_truth),
    )


GROUPS: Mapping[str, Callable[[HccCase], bool]] = {
    "All": lambda case: True,
    "< 1 cm": lambda case: case.true_mtd_mm < 10,
    "1-2 cm": lambda case: 10 <= case.true_mtd_mm < 20,
    "2-3 cm": lambda case: 20 <= case.true_mtd_mm <= 30,
    "3-5 cm": lambda case: 30 < case.true_mtd_mm <= 50,
    "> 5 cm": lambda case: case.true_mtd_mm > 50,
    "1 tumor": lambda case: case.volumes.true == 1,
    "> 1 tumors": lambda case: case.volumes.true > 1,
}
"""Of patients, by maximum tumour diameter and number of tumours."""

PAPER_SIZES: Mapping[str, int] = {"1-2 cm": 33, "2-3 cm": 28, "3-5 cm": 52, "> 5 cm": 66}
"""Patients of each size in the paper's test set (Table 3)."""


def table3(cases: Sequence[HccCase]) -> dict[str, dict]:
    """Table 3 over the patients with HCC, by group; groups without patients are left out."""
    with_hcc = [case for case in cases if case.volumes.true]
    groups = {name: [case for case in with_hcc if belongs(case)] for name, belongs in GROUPS.items()}
    return {name: _row(members) for name, members in groups.items() if members}


def in_paper_sizes(cases: Sequence[HccCase]) -> dict[str, float | None] | None:
    """What Table 3's first row would be if tumours were as large as the paper's: groups weigh as much as there.

    None if a group has no patient. Patients whose tumours are all below 1 cm do not count: the paper has none.
    """
    groups = [[case for case in cases if case.volumes.true and GROUPS[name](case)] for name in PAPER_SIZES]
    if not all(groups):
        return None
    shares = np.array(list(PAPER_SIZES.values())) / sum(PAPER_SIZES.values())

    def weighted(value: Callable[[HccCase], float | None]) -> float:
        return float(shares @ [mean(value(case) or 0.0 for case in members) for members in groups])

    return {
        "dice_per_case": weighted(lambda case: case.tumour.dice),
        "mtd_mae_mm": weighted(lambda case: abs(case.found_mtd_mm - case.true_mtd_mm)),
        "sensitivity_per_patient": weighted(lambda case: case.volumes.any.detected),
        "precision_per_patient": ratio(
            weighted(lambda case: case.volumes.any.right), weighted(lambda case: case.volumes.any.found)
        ),
    }


def _row(cases: Sequence[HccCase]) -> dict:
    levels = {
        "per_tumor_volume": [case.volumes for case in cases],
        "per_tumor_cut": [cut for case in cases for cut in case.cuts],
        "per_slice": [cut.any for case in cases for cut in case.cuts],
        "per_patient": [case.volumes.any for case in cases],
    }
    return {
        "n": len(cases),
        **_dice([case.tumour for case in cases]),
        "mtd_mae_mm": mean(abs(case.found_mtd_mm - case.true_mtd_mm) for case in cases),
        **{name: _rates(total(counts)) for name, counts in levels.items()},
    }


def _rates(counts: Counts) -> dict[str, float | None]:
    return {"sensitivity": counts.sensitivity, "precision": counts.precision, "f1": counts.f1}


def _dice(overlaps: Sequence[Overlap]) -> dict[str, float | None]:
    return {
        "dice_per_case": mean(overlap.dice for overlap in overlaps if overlap.dice is not None),
        "dice_global": ratio(2 * sum(overlap.both for overlap in overlaps), sum(overlap.total for overlap in overlaps)),
    }


def table_s2(cases: Sequence[HccCase]) -> dict[str, float | None]:
    """Liver Dice (Table S2)."""
    return _dice([case.liver for case in cases])


def false_alarms(cases: Sequence[HccCase]) -> dict[str, dict]:
    """HCC reported in patients without one, apart for normal livers and for livers with other lesions."""
    without = [case for case in cases if not case.volumes.true]
    groups = {
        "normal liver": [case for case in without if not case.other_lesions],
        "other lesions": [case for case in without if case.other_lesions],
    }
    return {
        name: {
            "n": len(members),
            "alarms_per_patient": mean(case.volumes.found for case in members),
            "patients_with_alarm": mean(case.volumes.found > 0 for case in members),
        }
        for name, members in groups.items()
        if members
    }


def summarise_hcc(cases: Sequence[HccCase]) -> dict:
    """All of it, ready for JSON."""
    return {
        "table3": table3(cases),
        "in_paper_sizes": in_paper_sizes(cases),
        "table_s2": table_s2(cases),
        "false_alarms": false_alarms(cases),
    }


def hcc_lines(result: dict) -> list[str]:
    """`summarise_hcc` as lines of text, in the paper's order."""
    levels = ("per_tumor_volume", "per_tumor_cut", "per_slice", "per_patient")
    lines = [
        f"{'':12} {'n':>4}  {'Dice/case':>9} {'global':>7} {'MTD MAE':>8}  "
        + "  ".join(f"{level.replace('_', ' '):>23}" for level in levels),
        f"{'':12} {'':>4}  {'':>9} {'':>7} {'mm':>8}  " + "  ".join(f"{'sens.   prec.      F1':>23}" for _ in levels),
    ]
    for name, row in result["table3"].items():
        rates = "  ".join("".join(f"{_percent(row[level][key]):>8}" for key in row[level])[1:] for level in levels)
        lines.append(
            f"{name:12} {row['n']:4}  {_percent(row['dice_per_case']):>9} {_percent(row['dice_global']):>7} "
            f"{row['mtd_mae_mm']:8.1f}  {rates}"
        )
    if sized := result["in_paper_sizes"]:
        lines.append(
            f"With the paper's sizes: Dice per case {_percent(sized['dice_per_case'])}, MTD MAE "
            f"{sized['mtd_mae_mm']:.1f} mm, per patient sensitivity {_percent(sized['sensitivity_per_patient'])}, "
            f"precision {_percent(sized['precision_per_patient'])}"
        )
    liver = result["table_s2"]
    lines.append(f"Liver Dice: per case {_percent(liver['dice_per_case'])}, global {_percent(liver['dice_global'])}")
    lines += [
        f"Without HCC, {name} (n = {row['n']}): {row['alarms_per_patient']:.2f} false alarms a patient, "
        f"{row['patients_with_alarm']:.0%} of patients with any"
        for name, row in result["false_alarms"].items()
    ]
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"

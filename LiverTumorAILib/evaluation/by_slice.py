"""Figures by the longest axis in the slice, as in the HFS-Net paper's ablation (Tables S3-S6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cc3d
import numpy as np

from LiverTumorAILib.evaluation.detection import Counts, compare_objects, total
from LiverTumorAILib.evaluation.figures import mean, ratio

LIMITS_PX = (0, 10, 20, 30, 40, 50)


@dataclass(frozen=True)
class SliceScore:
    """One slice: longest axis of its true tumours (pixels; 0 for none), Dice of all of them, cuts."""

    axis_px: float
    dice: float | None
    cuts: Counts


def slice_scores(found: np.ndarray, true: np.ndarray, axes_px: Sequence[float]) -> list[SliceScore]:
    """Scores of the slices that show any tumour, true or found.

    Parameters
    ----------
    found, true: numpy.ndarray
        bool (z, y, x).
    axes_px: sequence of float
        Longest axis of the true tumours of each slice, 0 for none.

    """
    scores = []
    for index in np.flatnonzero((found | true).any(axis=(1, 2))):
        parts = [cc3d.connected_components(mask[index], connectivity=8) for mask in (true, found)]
        both = np.count_nonzero(true[index] & found[index])
        dice = ratio(2 * both, np.count_nonzero(true[index]) + np.count_nonzero(found[index]))
        scores.append(SliceScore(float(axes_px[index]), dice, compare_objects(*parts)))
    return scores


def axis_name(axis_px: float) -> str:
    """Name of the group of a longest axis, such as '10-20 px'."""
    for low, high in pairwise(LIMITS_PX):
        if axis_px <= high:
            return f"{low}-{high} px"
    return f">{LIMITS_PX[-1]} px"


def by_axis(scores: Sequence[SliceScore]) -> dict[str, dict[str, float | int | None]]:
    """Dice (mean over slices) and detection rate of the slices with tumours, by longest axis and of all.

    `false_cuts` of all slices counts found cuts that are no tumour.
    """
    names = [axis_name(limit) for limit in (*LIMITS_PX[1:], LIMITS_PX[-1] + 1)]
    with_tumour = [score for score in scores if score.axis_px > 0]
    groups = {name: [score for score in with_tumour if axis_name(score.axis_px) == name] for name in names}
    table = {name: _row(members) for name, members in groups.items()}
    wrong = total(score.cuts for score in scores)
    table["all"] = _row(with_tumour) | {"false_cuts": wrong.found - wrong.right, "precision": wrong.precision}
    return table


def _row(scores: Sequence[SliceScore]) -> dict[str, float | int | None]:
    return {
        "slices": len(scores),
        "dice": mean(score.dice for score in scores),
        "detection": total(score.cuts for score in scores).sensitivity,
    }


def by_axis_lines(tables: dict[str, dict[str, dict]]) -> list[str]:
    """`by_axis` of several networks as lines: Dice / detection rate in percent, by longest axis."""
    width = max((len(name) for name in tables), default=0)
    columns = next(iter(tables.values()), {})
    lines = [" " * width + "".join(f"{name:>15}" for name in columns) + f"{'false cuts':>12}"]
    for name, table in tables.items():
        cells = "".join(f"{_percent(row['dice']):>8}/{_percent(row['detection']):>6}" for row in table.values())
        lines.append(f"{name:{width}}{cells}{table['all']['false_cuts']:12}")
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"

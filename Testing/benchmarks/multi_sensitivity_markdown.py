"""The multi-sensitivity paper's tables as Markdown, for the documentation.

python Testing/benchmarks/multi_sensitivity_markdown.py runs/multi-sensitivity/tables.json
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from LiverTumorAILib.evaluation.multi_sensitivity import ALL, BASE, JOINT, MALIGNANT


def markdown(tables: Mapping[str, Mapping]) -> str:
    """Tables I-V and the points of Figure 11 of every setting; shares in percent, with 95% intervals in brackets."""
    return "\n".join(line for setting, table in tables.items() for line in _setting(setting, table))


def _setting(setting: str, table: Mapping) -> Iterator[str]:
    yield f"### {setting.capitalize()}, {table['cases']} patients\n"
    sizes = list(table["table_1"][ALL])
    yield from _table("Table I: lesions by volume (cm³)", sizes, ((k, r.values()) for k, r in table["table_1"].items()))
    lesions = {name: rows for name, rows in table["lesions"].items() if name != JOINT}
    rows = [(row, [_lesion(each[row]) for each in lesions.values()]) for row in lesions[BASE]]
    for row in (ALL, MALIGNANT):
        of_row = [each[row] for each in lesions.values()]
        rows.append(
            (f"{row}, 95 %", [f"{_interval(each, 'precision')}, {_interval(each, 'recall')}" for each in of_row])
        )
    rows.append(("false, below 0.5 cm³", [str(table["small_false_positives"][name]) for name in lesions]))
    yield from _table("Table II/III: FN, FP, precision, recall", lesions, rows)
    columns = ("sensitivity", "specificity", "uncertain")
    small = f"Table IV by the paper's rule ({table['counted_cases']} patients)"
    for title, patients in (("Table IV: malignancy", table["patients"]), (small, table["counted_patients"])):
        yield from _table(title, columns, ((name, _patients(row)) for name, row in patients.items()))
    yield from _table(
        "Table V: lesions of the patients on whom both agree",
        ("FN", "FP", "FL", "TP", "precision", "recall", "rough recall"),
        ((name, _agreed(row)) for name, row in table["lesions"][JOINT].items()),
    )
    sides = ("without ReCls", "with ReCls")
    points = ((f"factor {point['factor']:g}", [_point(point[side]) for side in sides]) for point in table["figure_11"])
    yield from _table("Figure 11: FP, FN, recall, precision", sides, points)


def _table(title: str, columns: Iterable[str], rows: Iterable[tuple[str, Iterable]]) -> Iterator[str]:
    columns = list(columns)
    yield f"| {title} | " + " | ".join(columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for name, cells in rows:
        yield f"| {name} | " + " | ".join(str(cell) for cell in cells) + " |"
    yield ""


def _lesion(row: Mapping) -> str:
    return f"{row['fn']}, {row['fp']}, {_percent(row['precision'])}, {_percent(row['recall'])}"


def _patients(row: Mapping) -> list[str]:
    uncertain = f"{row['uncertain']} ({_percent(row['uncertain_share'])})"
    return [_share(row, "sensitivity"), _share(row, "specificity"), uncertain]


def _agreed(row: Mapping) -> list[str]:
    counts = [str(row[name]) for name in ("fn", "fp", "fl", "tp")]
    return [*counts, *(_share(row, name) for name in ("precision", "recall", "rough_recall"))]


def _point(point: Mapping | None) -> str:
    if point is None:
        return "-"
    return f"{point['fp']}, {point['fn']}, {_percent(point['recall'])}, {_percent(point['precision'])}"


def _share(row: Mapping, name: str) -> str:
    return f"{_percent(row[name])} ({_interval(row, name)})"


def _interval(row: Mapping, name: str) -> str:
    interval = row[f"{name}_95"]
    return f"{100 * interval[0]:.0f}-{100 * interval[1]:.0f}" if interval else "-"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


if __name__ == "__main__":
    print(markdown(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))

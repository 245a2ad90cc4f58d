"""The multi-sensitivity paper's tables as the command line prints them."""

from collections.abc import Mapping

from LiverTumorAILib.evaluation.multi_sensitivity import BASE, JOINT


def table_lines(tables: Mapping, title: str) -> list[str]:
    """Tables II-V of one setting as lines of text."""
    variants = [name for name in tables["lesions"] if name != JOINT]
    lines = [f"{title}: {tables['cases']} patients, high factor {tables['high_factor']:g}", "", "Table II/III"]
    lines.append(" " * 11 + " ".join(f"{name:<46}" for name in variants))
    lines.append(
        " " * 11 + " ".join([f"{'FN':>4} {'FP':>3} {'precision':>9}{'':9} {'recall':>6}{'':12}"] * len(variants))
    )
    for row in tables["lesions"][BASE]:
        cells = []
        for name in variants:
            each = tables["lesions"][name][row]
            cells.append(f"{each['fn']:4} {each['fp']:3} {_share(each, 'precision')} {_share(each, 'recall')}")
        lines.append(f"{row:11}" + " ".join(cells))
    small = (f"{tables['small_false_positives'][name]:4}{'':42}" for name in variants)
    lines += ["FP too small" + " ".join(small), "", "Table IV: malignancy", *_patients(tables["patients"])]
    left = tables["counted_cases"]
    lines += ["", f"By the paper's rule ({left} patients: without those whose malignant lesions are all below 0.5 cm3)"]
    lines += _patients(tables["counted_patients"])
    lines += [
        "",
        "Table V: lesions of the patients on whom both agree",
        f"{'':11}  FN  FP  FL  TP precision{'':10}recall",
    ]
    for row, each in tables["lesions"][JOINT].items():
        counts = " ".join(f"{each[name]:3}" for name in ("fn", "fp", "fl", "tp"))
        lines.append(f"{row:11} {counts} {_share(each, 'precision')} {_share(each, 'recall')}")
    lines += ["", "Fig. 11: factor, FP, FN, recall and precision without | with reclassification"]
    for row in tables["figure_11"]:
        sides = [_curve_point(row[name]) for name in ("without ReCls", "with ReCls")]
        lines.append(f"{row['factor']:6g}  {sides[0]} | {sides[1]}")
    return lines


def _patients(rows: Mapping[str, Mapping]) -> list[str]:
    return [
        f"{name:26} sensitivity {_share(row, 'sensitivity')}  specificity {_share(row, 'specificity')}  "
        f"uncertain {row['uncertain']}"
        for name, row in rows.items()
    ]


def _curve_point(point: Mapping | None) -> str:
    if point is None:
        return "-"
    return f"{point['fp']:4} {point['fn']:4} {_number(point['recall'])} {_number(point['precision'])}"


def _share(figures: Mapping, name: str) -> str:
    interval = figures[f"{name}_95"]
    spread = f"({interval[0]:.0%}-{interval[1]:.0%})" if interval else ""
    return f"{_number(figures[name])} {spread:11}"


def _number(value: float | None) -> str:
    return f"{'-':>6}" if value is None else f"{value:6.1%}"

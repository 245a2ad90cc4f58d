"""Evaluation figures as the command line prints them."""

from LiverTumorAILib.evaluation.multi_sensitivity import DIAGNOSIS, SCREENING
from LiverTumorAILib.evaluation.multi_sensitivity_table import table_lines


def _text(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _rows(title: str, rows: dict[str, dict]) -> list[str]:
    lines = [f"{title:14} true   TP   FL   FN   FP  precision  recall  rough recall"]
    for name, row in rows.items():
        counts = "  ".join(f"{row[key]:3}" for key in ("tp", "fl", "fn", "fp"))
        lines.append(
            f"{name:14} {row['true']:4}  {counts}  {_text(row['precision']):>9}  {_text(row['recall']):>6}  "
            f"{_text(row['rough_recall']):>12}"
        )
    return lines


def evaluation_lines(result: dict) -> list[str]:
    """The figures of `evaluate` as lines of text."""
    patient, segmentation, tables = result["patient"], result["segmentation"], result["tables"]
    settings = [setting for setting in (DIAGNOSIS, SCREENING) if setting in tables]
    return [
        f"{result['cases']} cases",
        f"Liver Dice {_text(result['liver']['dice'])} (lowest {_text(tables['liver_dice_minimum'])})",
        *_rows("By type", result["lesion"]["by_type"] | {"all": tables["lesion_counts"]}),
        *_rows("By long axis", result["lesion"]["by_size"]),
        f"Type accuracy {_text(tables['type_accuracy'])}, false positives per case "
        f"{_text(tables['false_positives_per_case'], 2)}",
        f"Malignancy: sensitivity {_text(patient['sensitivity'])}, specificity {_text(patient['specificity'])}, "
        f"AUC {_text(patient['auc']['malignant'])}, uncertain {_text(patient['uncertain_share'])}",
        f"Lesion Dice per case {_text(segmentation['dice_per_case'])}, global {_text(segmentation['dice_global'])}",
        f"Long axis error {_text(tables['long_axis_mae_mm'], 1)} mm, maximum diameter error "
        f"{_text(result['mtd_mae_mm'], 1)} mm",
        *(line for setting in settings for line in ("", *table_lines(tables[setting], setting.capitalize()))),
    ]

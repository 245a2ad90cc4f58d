"""Running a cascade over cases with truth."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.cascades import get_cascade
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.evaluation.figures import EvaluatedCase, summarise
from LiverTumorAILib.evaluation.hcc import compare_hcc, summarise_hcc
from LiverTumorAILib.evaluation.multi_sensitivity import DIAGNOSIS, SCREENING, keep_truth, paper_tables
from LiverTumorAILib.evaluation.truth import Truth, on_grid, read_truth
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.lesions import Findings, LesionType, Organ
from LiverTumorAILib.lesions.match import match_lesions
from LiverTumorAILib.pipeline import analyze
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Phase

SIX_TYPES: Mapping[LesionType, LesionType] = {
    LesionType.FNH: LesionType.OTHER,
    LesionType.CALCIFICATION: LesionType.OTHER,
}
"""The multi-sensitivity paper's types: FNH and calcification fall into OTHER (Sec. III)."""


def evaluate(cascade_name: str, cases: Path, models: ModelStore, progress: Progress = Progress()) -> dict:
    """Run a cascade on every case of a folder and compute the figures of the `evaluate --json` contract.

    Parameters
    ----------
    cascade_name: str
    cases: Path
        Folder of cases: study folders with `truth/`.
    models: ModelStore
    progress: Progress

    Raises
    ------
    LiverTumorAIError
        If the folder holds no case, or a case's truth is broken.

    """
    get_cascade(cascade_name)
    folders = case_folders(cases)
    evaluated, hcc, kept = [], [], {SCREENING: [], DIAGNOSIS: []}
    for index, folder in enumerate(folders):
        part = progress.part(index / len(folders), (index + 1) / len(folders), f"Case {index + 1} of {len(folders)}")
        truth = read_truth(folder)
        analysis = analyze(folder, cascade_name, models, part)
        findings = analysis.findings
        evaluated.append(evaluate_case(folder.name, findings, truth))
        hcc.append(compare_hcc(folder.name, findings, truth))
        if findings.sensitivity:
            setting = SCREENING if set(analysis.registered.images) == {Phase.NON_CONTRAST} else DIAGNOSIS
            kept[setting].append(keep_truth(folder.name, findings.sensitivity, truth.lesions, truth.types))
    result = summarise(evaluated)
    result["tables"]["hcc"] = summarise_hcc(hcc)
    result["tables"] |= {setting: paper_tables(each) for setting, each in kept.items() if each}
    return result


def case_folders(cases: Path) -> list[Path]:
    """The cases in a folder, or the folder itself if it is one."""
    if (cases / "truth").is_dir():
        return [cases]
    found = sorted(folder for folder in cases.glob("*") if (folder / "truth").is_dir())
    if not found:
        raise LiverTumorAIError(
            "No case with truth was found",
            cases,
            "Make some with: livertumorai phantom --seed 1 --protocol ct4 --out ...",
        )
    return found


def evaluate_case(
    name: str, findings: Findings, truth: Truth, same_type: Mapping[LesionType, LesionType] = SIX_TYPES
) -> EvaluatedCase:
    """Compare the findings of a case with its truth.

    Parameters
    ----------
    name: str
    findings: Findings
    truth: Truth
    same_type: Mapping[LesionType, LesionType]
        Types that the cascade does not tell apart.

    """
    reference = findings.lesion_labels
    true_liver, true_lesions = on_grid(truth.liver, reference) > 0, on_grid(truth.lesions, reference)
    found_lesions = sitk.GetArrayViewFromImage(reference)
    organs = sitk.GetArrayViewFromImage(findings.organ_labels)
    found_liver = (organs == Organ.LIVER) | (found_lesions > 0)
    merged = {label: same_type.get(kind, kind) for label, kind in truth.types.items()}
    return EvaluatedCase(
        name=name,
        liver_dice=dice(found_liver, true_liver),
        lesion_overlap=int(np.count_nonzero((found_lesions > 0) & (true_lesions > 0))),
        lesion_total=int(np.count_nonzero(found_lesions) + np.count_nonzero(true_lesions)),
        matches=match_lesions(
            true_lesions,
            merged,
            found_lesions,
            {lesion.label: same_type.get(lesion.type, lesion.type) for lesion in findings.lesions},
        ),
        true_long_axes=truth.long_axes,
        found_long_axes={lesion.label: lesion.measurement.long_axis.length_mm for lesion in findings.lesions},
        patient=findings.patient,
        true_classification=_merged_classification(truth.classification, same_type),
    )


def _merged_classification(classification: str, same_type: Mapping[LesionType, LesionType]) -> str:
    merged = {kind.value: other.value for kind, other in same_type.items()}
    return merged.get(classification, classification)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice coefficient of two masks; 1 where both are empty."""
    total = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero(one & other) / total if total else 1.0

"""Figures of the base cascade on 40 held-out phantoms, beside a plain baseline on the same cases.

    python Testing/benchmarks/base_cascade.py [--cases 40] [--work runs/heldout] [--prepare-only]

Phantoms (seeds 30000 and up, which no training or selection saw) are generated and registered once and kept in the
work folder; the cascade and the baseline then run on the same registered phases. All figures are synthetic-data
figures.
"""

import argparse
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import SimpleITK as sitk
from implanted_lesions import on_reference

from LiverTumorAILib.cascades import get_cascade
from LiverTumorAILib.cascades.base import BaseCascade
from LiverTumorAILib.evaluation import evaluation_lines, read_truth
from LiverTumorAILib.evaluation.baseline import baseline_findings
from LiverTumorAILib.evaluation.evaluate import evaluate_case
from LiverTumorAILib.evaluation.figures import summarise
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.phantom import PhantomOptions, generate_phantom, write_case
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import RegisteredStudy, register_study
from LiverTumorAILib.study import Modality, Phase, Study, StudyVolume, load_study

FIRST_SEED = 30_000


def prepare(
    seed: int, work: Path, protocol: str = "ct4", options: PhantomOptions | None = None, *, register: bool = True
) -> Path:
    """Generate, load and register one held-out phantom; keep its registered phases and its truth.

    Without `register` the phases are kept as they lie.
    """
    folder = work / str(seed)
    if folder.is_dir():
        return folder
    partial = work / f".{seed}"
    shutil.rmtree(partial, ignore_errors=True)
    phantom = generate_phantom(seed, protocol, options)
    write_case(phantom, partial)
    started = time.monotonic()
    registered = register_study(load_study(partial)) if register else on_reference(phantom)
    seconds = time.monotonic() - started
    for phase, image in registered.images.items():
        sitk.WriteImage(image, partial / f"registered_{phase}.nrrd", useCompression=True)
    verdicts = {phase: quality.verdict for phase, quality in registered.quality.items()}
    (partial / "registration.json").write_text(json.dumps({"seconds": seconds, "verdicts": verdicts}))
    for file in partial.glob("*.nii.gz"):
        file.unlink()
    shutil.rmtree(partial / "truth" / "fields", ignore_errors=True)
    partial.rename(folder)
    return folder


def registered_study(folder: Path) -> RegisteredStudy:
    """The registered phases that `prepare` kept."""
    images = {
        phase: sitk.ReadImage(folder / f"registered_{phase}.nrrd", sitk.sitkFloat32)
        for phase in Phase
        if (folder / f"registered_{phase}.nrrd").is_file()
    }
    study = Study(Modality.CT, tuple(StudyVolume(image, phase) for phase, image in images.items()))
    return RegisteredStudy(study, study.reference_phase, images)


def main() -> None:
    """Print the tables and write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--work", type=Path, default=Path("runs/heldout"))
    parser.add_argument("--cascade", default="base")
    parser.add_argument("--models", type=Path, help="model store; default: the one that comes with the library")
    parser.add_argument("--prepare-only", action="store_true")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    folders = [prepare(FIRST_SEED + index, arguments.work) for index in range(arguments.cases)]
    if arguments.prepare_only:
        return
    cascade, models = get_cascade(arguments.cascade), ModelStore(arguments.models)
    if isinstance(cascade, BaseCascade):
        cascade = replace(cascade, explains=False)
    evaluated, baseline, seconds = [], [], 0.0
    for folder in folders:
        study, truth = registered_study(folder), read_truth(folder)
        started = time.monotonic()
        findings = cascade.run(study, models, Progress())
        seconds += time.monotonic() - started
        evaluated.append(evaluate_case(folder.name, findings, truth))
        baseline.append(evaluate_case(folder.name, baseline_findings(study, truth), truth))
        print(f"{folder.name}: liver Dice {evaluated[-1].liver_dice:.3f}", flush=True)
    results = {cascade.title: summarise(evaluated), "Baseline: thresholds inside the true liver": summarise(baseline)}
    for title, result in results.items():
        print("\n".join(["", title, *evaluation_lines(result)]))
    print(f"\nCascade: {seconds / len(folders):.1f} s a case without loading, registration and heatmaps")
    (arguments.work / "figures.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

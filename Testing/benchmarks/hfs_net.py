"""The HFS-Net paper's tables on held-out phantoms: Table 3, Table S2, false alarms, speed, ablation (S3-S6).

    python Testing/benchmarks/hfs_net.py [--hcc 120] [--others 40] [--work runs/hfs-heldout] [--models DIR]
    python Testing/benchmarks/hfs_net.py --only speed
    python Testing/benchmarks/hfs_net.py --only ablation --cases runs/hfs/test --models runs/hfs/models

Patients with HCC have seeds from 61000, patients without (other lesions, or a normal liver) from 63000; no training or
selection saw them. They are generated and registered once and kept in the work folder. The ablation runs on slices as
`python -m LiverTumorAILib.training.hfs.make_data runs/hfs --test 40` writes them, with those candidates that the model
folder holds (`livertumorai train --model ablation_unet_dynamic_cross_entropy --data runs/hfs --models DIR`). All
figures are synthetic-data figures.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from base_cascade import prepare, registered_study

from LiverTumorAILib.cascades import get_cascade
from LiverTumorAILib.cascades.hfs_net import FUSION, fuse
from LiverTumorAILib.cascades.hierarchy import PRIORS, StageMaps, first_stages
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.evaluation import read_truth
from LiverTumorAILib.evaluation.by_slice import SliceScore, by_axis, by_axis_lines, slice_scores
from LiverTumorAILib.evaluation.hcc import HccCase, compare_hcc, hcc_lines, summarise_hcc
from LiverTumorAILib.inference import Model, ModelStore, choose_device, predict_slices
from LiverTumorAILib.inference.session import available_cores
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.networks import ARCHITECTURES_2D
from LiverTumorAILib.phantom import PhantomOptions
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training.export import export_model
from LiverTumorAILib.training.hfs.cases import HfsCase, read_cases
from LiverTumorAILib.training.hfs.loop import build_network
from LiverTumorAILib.training.hfs.make_data import draw_hcc_patient
from LiverTumorAILib.training.hfs.recipe import HFS_RECIPES, LOSSES, PHASES, ablation_recipe
from LiverTumorAILib.training.hfs.train import as_volumetric, predict_target

FIRST_HCC, FIRST_OTHER = 61_000, 63_000
OTHER_TYPES = tuple(kind for kind in LesionType if kind is not LesionType.HCC)
SLICES, SIDE = 126, 256
LIVER_SLICES, LIVER_SIDES = 64, (160, 176)
"""Of a study with 2.5 mm slices: a liver of 16 cm, with the margin that the networks see around it."""

LARGE_SHARE = 0.25
"""Of the liver's slices that hold a large tumour, in the timing."""


def hcc_patient(seed: int) -> PhantomOptions:
    """A patient with HCC, mostly one tumour, breathing as it comes."""
    return PhantomOptions(lesions=draw_hcc_patient(np.random.default_rng([seed, 7])))


def other_patient(seed: int) -> PhantomOptions:
    """A normal liver (every third) or one with lesions of other types."""
    rng = np.random.default_rng([seed, 7])
    kinds = () if seed % 3 == 0 else tuple(rng.choice(OTHER_TYPES, int(rng.integers(1, 4))).tolist())
    return PhantomOptions(lesions=tuple(map(LesionType, kinds)))


def run_cascade(seeds: Mapping[int, PhantomOptions], work: Path, models: ModelStore) -> tuple[list[HccCase], list[str]]:
    """Evaluated patients, and those that the cascade refused."""
    cascade, evaluated, refused, seconds = replace(get_cascade("hfs-net"), explains=False), [], [], 0.0
    for seed, options in seeds.items():
        folder = prepare(seed, work, "ct3", options)
        study, truth = registered_study(folder), read_truth(folder)
        started = time.monotonic()
        try:
            findings = cascade.run(study, models, Progress())
        except LiverTumorAIError as error:
            refused.append(f"{folder.name}: {error}")
            continue
        seconds += time.monotonic() - started
        evaluated.append(compare_hcc(folder.name, findings, truth))
        print(f"{folder.name}: tumour Dice {evaluated[-1].tumour.dice}, found {evaluated[-1].volumes}", flush=True)
    print(f"{seconds / max(len(evaluated), 1):.1f} s a patient without loading, registration and heatmaps")
    return evaluated, refused


def tables(arguments: argparse.Namespace, models: ModelStore) -> dict:
    """Table 3, Table S2 and false alarms."""
    arguments.work.mkdir(parents=True, exist_ok=True)
    seeds = {seed: hcc_patient(seed) for seed in range(FIRST_HCC, FIRST_HCC + arguments.hcc)}
    seeds |= {seed: other_patient(seed) for seed in range(FIRST_OTHER, FIRST_OTHER + arguments.others)}
    evaluated, refused = run_cascade(seeds, arguments.work, models)
    result = summarise_hcc(evaluated)
    print("\n".join(["", *hcc_lines(result), f"Refused: {len(refused)}", *refused]))
    return result | {"refused": refused}


class TorchSession:
    """A network in plain torch where a `Model` has its ONNX session."""

    def __init__(self, network: torch.nn.Module, device: str) -> None:
        self.device = device
        self._network = network.to(device).eval()

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Scores of a batch (1, channels, z, y, x)."""
        with torch.no_grad():
            return self._network(torch.from_numpy(batch).to(self.device)).cpu().numpy()


def timed_pass(models: Mapping[str, Model], phases: Mapping[Phase, np.ndarray], box: tuple[slice, ...]) -> float:
    """Seconds of all five networks: f_liver on every slice, the others inside a box (z, y, x)."""
    started = time.perf_counter()
    volume = np.stack([phases[phase] for phase in PHASES])
    f_liver, f_size, f_large, f_small = (models[name] for name in PRIORS)
    liver = predict_slices(f_liver, volume[2:])[box]
    cropped = np.ascontiguousarray(volume[(slice(None), *box)])
    depth = cropped.shape[1]
    large = depth if depth == SLICES else round(LARGE_SHARE * depth)
    maps = [liver, predict_slices(f_size, cropped)]
    maps.append(predict_slices(f_large, cropped[2:], range(large)))
    maps.append(predict_slices(f_small, cropped))
    fuse(models[FUSION], phases, StageMaps(tuple(box), np.stack(maps)))
    return time.perf_counter() - started


def speed(_arguments: argparse.Namespace, _models: ModelStore) -> dict[str, float]:
    """Seconds for 126 slices: plain torch as the paper runs it, plain torch as here, ONNX Runtime as here."""
    device = choose_device("auto")
    torch.set_num_threads(available_cores())
    rng = np.random.default_rng(1)
    phases = {phase: rng.normal(60, 60, (SLICES, SIDE, SIDE)).astype(np.float32) for phase in PHASES}
    whole = (slice(0, SLICES), slice(0, SIDE), slice(0, SIDE))
    liver = (slice(30, 30 + LIVER_SLICES), slice(40, 40 + LIVER_SIDES[0]), slice(20, 20 + LIVER_SIDES[1]))
    with tempfile.TemporaryDirectory() as folder:
        plain = {}
        for name, recipe in HFS_RECIPES.items():
            plain[name] = as_volumetric(build_network(recipe).eval())
            export_model(plain[name], recipe, Path(folder), "Not trained: for timing")
        onnx = {name: ModelStore(Path(folder)).load(name, device) for name in HFS_RECIPES}
    batched = {name: Model(onnx[name].card, TorchSession(network, device)) for name, network in plain.items()}
    one_by_one = {
        name: model if name == FUSION else Model(replace(model.card, patch=(1, SIDE, SIDE)), model.session)
        for name, model in batched.items()
    }
    runs: dict[str, Callable[[], float]] = {
        "ONNX Runtime, batches, liver only": lambda: timed_pass(onnx, phases, liver),
        "torch, batches, liver only": lambda: timed_pass(batched, phases, liver),
        "torch, slice by slice, all slices": lambda: timed_pass(one_by_one, phases, whole),
    }
    timed_pass(onnx, {phase: values[:8] for phase, values in phases.items()}, (slice(0, 8), *liver[1:]))
    seconds = {name: run() for name, run in runs.items()}
    fastest = seconds["ONNX Runtime, batches, liver only"]
    print(f"\n{SLICES} slices of {SIDE} x {SIDE}, {LIVER_SLICES} with liver; {device}, {available_cores()} cores")
    for name, value in seconds.items():
        print(f"{name:36} {value:7.2f} s  {value / fastest:5.2f} x")
    return seconds


def scores_of(predict: Callable[[HfsCase], np.ndarray], cases: Sequence[HfsCase]) -> list[SliceScore]:
    """Scores of all slices with tumours, true or found."""
    scores = []
    for case in cases:
        axes = [max(content.axes_px, default=0.0) for content in case.slices]
        scores += slice_scores(predict(case), case.target("HCC"), axes)
    return scores


def ablation_tables() -> dict[str, list[str]]:
    """Names of the candidates of each of the paper's tables, in its order."""
    phases = [*map(str, PHASES), "dynamic"]
    best = (("unet", str(Phase.PORTAL_VENOUS)), ("dense_unet", "dynamic"))
    tables = {
        "S3: phases": [(network, phase, "cross_entropy") for network in ("unet", "dense_unet") for phase in phases],
        "S4: architectures": [
            (*best[0], "cross_entropy"),
            *((a, "dynamic", "cross_entropy") for a in ARCHITECTURES_2D),
        ],
        "S5: losses": [(*network, loss) for network in best for loss in LOSSES],
    }
    return {title: [ablation_recipe(*row).name for row in rows] for title, rows in tables.items()}


def hierarchy_scores(models: ModelStore, cases: Sequence[HfsCase]) -> dict[str, list[SliceScore]]:
    """2D HFS-Net (the networks for small and large tumours, without fusion) against 3D HFS-Net."""
    networks = {name: models.load(name) for name in HFS_RECIPES}
    found: dict[str, dict[str, np.ndarray]] = {"2D HFS-Net": {}, "3D HFS-Net": {}}
    for case in cases:
        phases = case.phases()
        stages = first_stages(networks, phases)
        masks = {name: np.zeros(case.labels.shape, bool) for name in found}
        if stages is not None:
            masks["2D HFS-Net"][stages.box] = stages.probabilities[2:].max(axis=0) > 0.5
            masks["3D HFS-Net"][stages.box] = fuse(networks[FUSION], phases, stages) > 0.5
        for name, mask in masks.items():
            found[name][case.folder.name] = mask
    return {name: scores_of(lambda case, m=masks: m[case.folder.name], cases) for name, masks in found.items()}


def ablation(arguments: argparse.Namespace, models: ModelStore) -> dict[str, dict]:
    """Tables S3 to S6 with those candidates that are trained."""
    cases = read_cases(arguments.cases)
    measured: dict[str, dict] = {}
    result: dict[str, dict] = {}
    for title, names in ablation_tables().items():
        for name in names:
            if name in models.names() and name not in measured:
                model = models.load(name)
                measured[name] = by_axis(scores_of(lambda case, m=model: predict_target(m, case), cases))
        missing = [name for name in names if name not in measured]
        result[title] = {name: measured[name] for name in names if name in measured}
        _print_table(title, result[title], missing)
    missing = [name for name in HFS_RECIPES if name not in models.names()]
    title = "S6: hierarchy and fusion"
    scores = {} if missing else hierarchy_scores(models, cases)
    result[title] = {name: by_axis(rows) for name, rows in scores.items()}
    _print_table(title, result[title], missing)
    return result


def _print_table(title: str, rows: Mapping[str, dict], missing: Sequence[str]) -> None:
    print(f"\n{title} (Dice / detection rate, %, by longest axis in the slice)")
    if rows:
        print("\n".join(by_axis_lines(rows)))
    if missing:
        print(f"Not trained: {', '.join(missing)}")


PARTS = {"tables": tables, "speed": speed, "ablation": ablation}


def main() -> None:
    """Print the tables and write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, help="default: all of them")
    parser.add_argument("--hcc", type=int, default=120, help="patients with HCC")
    parser.add_argument("--others", type=int, default=40, help="patients without")
    parser.add_argument("--work", type=Path, default=Path("runs/hfs-heldout"))
    parser.add_argument("--cases", type=Path, default=Path("runs/hfs/test"), help="slices for the ablation")
    parser.add_argument("--models", type=Path, help="model folder (default: the one that ships)")
    arguments = parser.parse_args()
    models = ModelStore(arguments.models)
    chosen = [arguments.only] if arguments.only else list(PARTS)
    results = {}
    for part in chosen:
        missing = [name for name in HFS_RECIPES if name not in models.names()]
        if (part == "tables" and missing) or (part == "ablation" and not arguments.cases.is_dir()):
            lacking = ", ".join(missing) if part == "tables" else arguments.cases
            print(f"No {part}: {lacking} missing; see Docs/hfs-net.md")
            continue
        results[part] = PARTS[part](arguments, models)
    arguments.work.mkdir(parents=True, exist_ok=True)
    (arguments.work / f"figures-{arguments.only or 'all'}.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

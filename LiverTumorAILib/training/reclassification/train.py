"""Training the reclassification network: python -m LiverTumorAILib.training.reclassification.train --data DIR."""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from LiverTumorAILib.cascades.base import SCREENING_NETWORK
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.inference.preprocess import normalise
from LiverTumorAILib.lesions.reclassification import RULE
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.training.cases import CaseFolder
from LiverTumorAILib.training.device import reduced_precision, training_device
from LiverTumorAILib.training.export import begun_with, export_model
from LiverTumorAILib.training.loop import train
from LiverTumorAILib.training.recipe import RECIPES, TrainingRecipe
from LiverTumorAILib.training.reclassification.livers import LiverFolder
from LiverTumorAILib.training.reclassification.recipe import CLASSES, RECLASSIFICATION_RECIPES, WITH_SHUFFLE
from LiverTumorAILib.training.reclassification.sampler import (
    LiverPatch,
    ReclassificationSampler,
    Scheme,
    draw_patch,
    draw_suspect,
    mask_to_liver,
)
from LiverTumorAILib.training.reclassification.suspects import SuspectFinder

SEGMENTATION = "base_unet"
"""Whose training cases are used."""


def train_reclassification(
    recipe: TrainingRecipe,
    data: Path,
    run_folder: Path,
    models_folder: Path,
    *,
    resume: bool = True,
    device: str = "auto",
    start: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train the reclassification network on the segmentation network's cases and put it into a model store.

    Parameters
    ----------
    recipe: TrainingRecipe
        One of `RECLASSIFICATION_RECIPES`, perhaps with other steps.
    data: Path
        Cases of the segmentation network in `training/` and, held out, in `validation/` (or the training cases alone).
    run_folder: Path
        Checkpoints, curves, and the livers cut out of the cases.
    models_folder: Path
        Receives `NAME/model.onnx` and `NAME/card.json`. Its segmentation network (or, where there is none, the one that
        ships) shows which places are taken for lesions and are none.
    resume: bool
        Continue from the run folder's checkpoint if there is one.
    device: str
        'auto', 'cpu' or 'cuda'.
    start: Path, optional
        ONNX file whose weights to begin with, such as the segmentation network's, which knows all types.
    progress: Progress, optional
        Updated, and polled for cancel, at each step.

    Returns
    -------
    Path
        The model's folder.

    """
    progress = progress or Progress(stage="Training")
    training = data / "training" if (data / "training").is_dir() else data
    finder = _suspect_finder(recipe, models_folder, device) if recipe.negative_share else None
    livers = _livers(training, run_folder / "livers" / "training", finder).all_cut(progress.part(0, 0.05))
    sampler = ReclassificationSampler(recipe, livers)
    network = train(recipe, sampler, run_folder, progress.part(0.05, 0.95), resume=resume, device=device, start=start)
    figures = {}
    if (data / "validation").is_dir():
        held_out = _livers(data / "validation", run_folder / "livers" / "validation", finder)
        measured = figures_of(network, held_out, recipe, training_device(device), progress.part(0.95, 1))
        figures = {name: round(value, 4) if math.isfinite(value) else None for name, value in measured.items()}
        figures = {"cases": f"{len(held_out)} held-out cases of {data.name}", **figures}
    schemes = ", ".join(sampler.schemes)
    used = recipe.pool(recipe.steps - 1, len(livers))
    steps = f"{recipe.steps} steps{begun_with(start)}"
    hard = f", {recipe.negative_share:.0%} of them around false lesions of {finder.first.card.name}" if finder else ""
    text = f"{steps}, one liver-only patch each ({schemes}){hard}, AdamW, on {used} cases {recipe.described}."
    return export_model(network, recipe, models_folder, text, figures)


def figures_of(
    network: nn.Module,
    livers: LiverFolder,
    recipe: TrainingRecipe,
    device: torch.device,
    progress: Progress | None = None,
    *,
    most: int = 150,
) -> dict[str, float]:
    """Figures on held-out livers, at most so many patches of each scheme.

    Returns
    -------
    dict of str to float
        `confirmed, original`, `confirmed, shuffled`: share of lesions that the truthiness rule keeps; `refused`:
        share of lesions replaced by liver that it discards; `refused suspects`: share of the first network's false
        lesions that it discards; `type accuracy`: share of the confirmed lesions whose volume vote is right. NaN where
        there is none.

    """
    network.eval()
    confirmed: dict[Scheme, list[bool]] = {scheme: [] for scheme in Scheme}
    suspected: list[bool] = []
    right: list[bool] = []
    rng = np.random.default_rng(recipe.seed)
    rounds = -(-most // len(livers))
    for index in range(len(livers)):
        if progress:
            progress.update(index / len(livers), "validation")
        liver = livers.liver(index, progress)
        for scheme in (Scheme.ORIGINAL_POSITIVE, Scheme.SHUFFLED_POSITIVE, Scheme.SHUFFLED_NEGATIVE) * rounds:
            patch = draw_patch(rng, liver, scheme, recipe.patch, recipe)
            if patch is None or not patch.lesion.any():
                continue
            votes = _votes(network, patch, recipe, device)
            kept = _keeps(votes, patch, recipe)
            confirmed[scheme].append(kept)
            if kept and scheme is not Scheme.SHUFFLED_NEGATIVE:
                right.append(int(votes.argmax()) + 1 == int(patch.labels[patch.lesion][0]))
        for _ in range(rounds):
            patch = draw_suspect(rng, liver, recipe.patch)
            if patch is not None:
                suspected.append(_keeps(_votes(network, patch, recipe, device), patch, recipe))

    def share(values: list[bool]) -> float:
        return float(np.mean(values)) if values else math.nan

    return {
        "confirmed, original": share(confirmed[Scheme.ORIGINAL_POSITIVE]),
        "confirmed, shuffled": share(confirmed[Scheme.SHUFFLED_POSITIVE]),
        "refused": 1 - share(confirmed[Scheme.SHUFFLED_NEGATIVE]),
        "refused suspects": 1 - share(suspected),
        "type accuracy": share(right),
    }


def _votes(network: nn.Module, patch: LiverPatch, recipe: TrainingRecipe, device: torch.device) -> np.ndarray:
    """Voxels of a patch's lesion that the network calls each lesion class."""
    return np.bincount(_predict(network, patch, recipe, device)[patch.lesion], minlength=len(CLASSES))[1:-1]


def _keeps(votes: np.ndarray, patch: LiverPatch, recipe: TrainingRecipe) -> bool:
    """Whether the truthiness rule keeps a patch's lesion."""
    volume, voxel = int(patch.lesion.sum()), float(np.prod(recipe.spacing_mm)) / 1000
    return bool(votes.sum() * voxel >= min(RULE.threshold_cm3, RULE.share * volume * voxel))


def _predict(network: nn.Module, patch: LiverPatch, recipe: TrainingRecipe, device: torch.device) -> np.ndarray:
    images, _ = mask_to_liver(patch.images, patch.labels, patch.labels > 0)
    images[[name not in recipe.shown for name in recipe.inputs]] = np.nan
    channels = [normalise(image, recipe.normalisation) for image in images]
    batch = np.stack([*channels, *np.isfinite(images).astype(np.float32)])[None]
    with torch.no_grad(), reduced_precision(device):
        return network(torch.from_numpy(batch).to(device))[0].float().argmax(dim=0).cpu().numpy()


def _livers(folder: Path, kept: Path, finder: SuspectFinder | None) -> LiverFolder:
    return LiverFolder(CaseFolder.open(folder), RECIPES[SEGMENTATION].classes, kept, finder)


def _suspect_finder(recipe: TrainingRecipe, models_folder: Path, device: str) -> SuspectFinder:
    """The first network of the recipe's setting, of the store that is trained into or of the one that ships."""
    stores = (ModelStore(models_folder), ModelStore())
    wanted = SEGMENTATION if recipe.shown == recipe.inputs else f"{SEGMENTATION}{SCREENING_NETWORK}"
    store = next((store for store in stores if wanted in store.names()), stores[-1])
    return SuspectFinder(store.load(wanted, device), recipe.shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description="Train the reclassification network; resumes where it was stopped.")
    parser.add_argument("--data", type=Path, required=True, help="training cases of base_unet")
    parser.add_argument("--model", default=WITH_SHUFFLE.name, choices=sorted(RECLASSIFICATION_RECIPES))
    parser.add_argument("--run", type=Path, help="checkpoints (default: runs/MODEL)")
    parser.add_argument("--models", type=Path, help="model store (default: the one that ships)")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--start", type=Path, help="ONNX file whose weights to begin with, such as base_unet's")
    chosen = parser.parse_args(arguments)
    recipe = RECLASSIFICATION_RECIPES[chosen.model]
    recipe = recipe if chosen.steps is None else replace(recipe, steps=chosen.steps)
    try:
        folder = train_reclassification(
            recipe,
            chosen.data,
            chosen.run or Path("runs") / chosen.model,
            chosen.models or ModelStore().folder,
            start=chosen.start,
            progress=Progress(lambda event: print(f"{event.fraction:.1%} {event.message}", file=sys.stderr)),
        )
    except LiverTumorAIError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Model: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

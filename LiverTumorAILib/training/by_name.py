"""Training by a model's name: what the command line calls."""

import math
from dataclasses import replace
from pathlib import Path

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference.card import ANY_PHASE
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.training.cases import CaseFolder
from LiverTumorAILib.training.device import training_device
from LiverTumorAILib.training.export import begun_with, export_model
from LiverTumorAILib.training.hfs import ABLATION_RECIPES, HFS_RECIPES, train_hfs_model
from LiverTumorAILib.training.liver_samples import LiverSampler
from LiverTumorAILib.training.loop import train
from LiverTumorAILib.training.materials import read_materials
from LiverTumorAILib.training.recipe import RECIPES, TrainingRecipe
from LiverTumorAILib.training.reclassification import RECLASSIFICATION_RECIPES, train_reclassification
from LiverTumorAILib.training.sampler import Sampler
from LiverTumorAILib.training.validation import validate

VALIDATION = "validation"
TRAINING = "training"
NEGATIVES = "negatives"


def train_model(
    name: str,
    data: Path,
    run_folder: Path,
    models_folder: Path,
    resume: bool = True,
    *,
    steps: int | None = None,
    device: str = "auto",
    start: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train a network by its recipe and put it into a model store.

    Parameters
    ----------
    name: str
        Of the recipe and the model.
    data: Path
        Folder with the prepared cases in `training/` and, held out, in `validation/` (or the training cases alone),
        as `python -m LiverTumorAILib.training.make_data` writes them, and real CT without lesions in `negatives/`,
        as `python -m LiverTumorAILib.training.real_negatives` does, where the recipe draws from them; for the liver
        networks the materials that `python -m LiverTumorAILib.training.materials` writes.
    run_folder: Path
        Checkpoints and curves.
    models_folder: Path
        Receives `NAME/model.onnx` and `NAME/card.json`.
    resume: bool
        Continue from the run folder's checkpoint if there is one.
    steps: int, optional
        Length of the schedule, if not the recipe's.
    device: str
        'auto', 'cpu' or 'cuda'.
    start: Path, optional
        ONNX file of the same network whose weights to begin with.
    progress: Progress, optional
        Updated, and polled for cancel, at each step.

    Returns
    -------
    Path
        The model's folder.

    """
    hfs = {**HFS_RECIPES, **ABLATION_RECIPES}.get(name)
    if hfs:
        hfs = hfs if steps is None else replace(hfs, steps=steps)
        return train_hfs_model(hfs, data, run_folder, models_folder, resume, device=device, progress=progress)
    if name in RECLASSIFICATION_RECIPES:
        recipe = RECLASSIFICATION_RECIPES[name]
        recipe = recipe if steps is None else replace(recipe, steps=steps)
        return train_reclassification(
            recipe, data, run_folder, models_folder, resume=resume, device=device, start=start, progress=progress
        )
    if name not in RECIPES:
        known = ", ".join((*RECIPES, *HFS_RECIPES, *RECLASSIFICATION_RECIPES))
        raise LiverTumorAIError(f"There is no recipe for a model '{name}'", advice=f"Known: {known}")
    recipe = RECIPES[name] if steps is None else replace(RECIPES[name], steps=steps)
    progress = progress or Progress(stage="Training")
    training, held_out, described = _data_of(recipe, data)
    negatives = _cases(data / NEGATIVES) if recipe.negative_share else None
    network = train(
        recipe,
        training,
        run_folder,
        progress.part(0.0, 0.95),
        validation=held_out,
        resume=resume,
        device=device,
        start=start,
        negatives=negatives,
    )
    figures = {}
    if held_out:
        measured = validate(network, held_out, recipe, training_device(device), progress.part(0.95, 1.0))
        figures = {
            "cases": f"{len(held_out)} held-out cases of {data.name}",
            **{name: round(value, 4) if math.isfinite(value) else None for name, value in measured.items()},
        }
    real = f" and {len(negatives)} real CT without lesions" if negatives else ""
    text = f"{recipe.steps} steps{begun_with(start)}, one patch each, AdamW, on {described}{real}."
    return export_model(network, recipe, models_folder, text, figures)


def _data_of(recipe: TrainingRecipe, data: Path) -> tuple[CaseFolder | Sampler, CaseFolder | None, str]:
    """What a recipe trains on in a folder, its held-out cases, and words for the card."""
    if ANY_PHASE in recipe.inputs:
        materials = read_materials(data)
        real = sum(material.is_real for material in materials)
        text = f"samples drawn from {real} bodies with a real CT's texture and {len(materials) - real} synthetic ones"
        return LiverSampler(recipe, materials), None, text
    training = CaseFolder.open(data / TRAINING if (data / TRAINING).is_dir() else data)
    used = recipe.pool(recipe.steps - 1, len(training))
    return training, _cases(data / VALIDATION), f"{used} cases {recipe.described}"


def _cases(folder: Path) -> CaseFolder | None:
    return CaseFolder.open(folder) if folder.is_dir() else None

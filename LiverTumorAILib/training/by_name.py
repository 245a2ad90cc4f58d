"""Training by a model's name: what the command line calls."""

import math
from dataclasses import replace
from pathlib import Path

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.training.cases import CaseFolder
from LiverTumorAILib.training.device import training_device
from LiverTumorAILib.training.export import export_model
from LiverTumorAILib.training.loop import train
from LiverTumorAILib.training.recipe import RECIPES
from LiverTumorAILib.training.validation import validate

VALIDATION = "validation"
TRAINING = "training"


def train_model(
    name: str,
    data: Path,
    run_folder: Path,
    models_folder: Path,
    resume: bool = True,
    *,
    steps: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Path:
    """Train a network by its recipe and put it into a model store.

    Parameters
    ----------
    name: str
        Of the recipe and the model.
    data: Path
        Folder with the prepared cases in `training/` and, held out, in `validation/` (or the training cases alone),
        as `python -m LiverTumorAILib.training.make_data` writes them.
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
    progress: Progress, optional
        Updated, and polled for cancel, at each step.

    Returns
    -------
    Path
        The model's folder.

    """
    if name not in RECIPES:
        raise LiverTumorAIError(f"There is no recipe for a model '{name}'", advice=f"Known: {', '.join(RECIPES)}")
    recipe = RECIPES[name] if steps is None else replace(RECIPES[name], steps=steps)
    progress = progress or Progress(stage="Training")
    training = CaseFolder.open(data / TRAINING if (data / TRAINING).is_dir() else data)
    held_out = CaseFolder.open(data / VALIDATION) if (data / VALIDATION).is_dir() else None
    network = train(
        recipe,
        training,
        run_folder,
        progress.part(0.0, 0.95),
        validation=held_out,
        resume=resume,
        device=device,
    )
    figures = {}
    if held_out:
        measured = validate(network, held_out, recipe, training_device(device), progress.part(0.95, 1.0))
        figures = {
            "cases": f"{len(held_out)} held-out cases of {data.name}",
            **{name: round(value, 4) if math.isfinite(value) else None for name, value in measured.items()},
        }
    used = recipe.pool(recipe.steps - 1, len(training))
    text = f"{recipe.steps} steps, one patch each, AdamW, on {used} cases with phase dropout."
    return export_model(network, recipe, models_folder, text, figures)

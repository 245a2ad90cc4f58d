"""Training of one of HFS-Net's networks, from the cases on disk to the model store."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from torch import nn

from LiverTumorAILib.cascades.hfs_net import fuse
from LiverTumorAILib.cascades.hierarchy import StageMaps, cropped_phases, liver_box
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import Model, ModelStore, predict_slices, write_card
from LiverTumorAILib.inference.preprocess import network_input
from LiverTumorAILib.inference.store import CARD_FILE
from LiverTumorAILib.networks import SliceWise, UNet3D
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.training.export import export_model
from LiverTumorAILib.training.hfs.cases import HfsCase, read_cases
from LiverTumorAILib.training.hfs.loop import train
from LiverTumorAILib.training.hfs.priors import make_priors, read_priors
from LiverTumorAILib.training.hfs.recipe import HfsRecipe
from LiverTumorAILib.training.materials import read_materials

TRAINING, FUSION_CASES, VALIDATION, MATERIALS = "training", "fusion", "validation", "materials"

SOURCES = (
    "Lesions, vessels and contrast are the phantoms'. Of studies made with real bodies a quarter takes place in a real "
    "CT and a quarter has a real person's organ shapes; the card of liver_fine names their sources and licences."
)


def train_hfs_model(
    recipe: HfsRecipe,
    data: Path,
    run_folder: Path,
    models_folder: Path,
    resume: bool = True,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> Path:
    """Train a network and put it into a model store.

    Parameters
    ----------
    recipe: HfsRecipe
        Says everything but the data.
    data: Path
        Folder with cases in `training/`, for the fusion in `fusion/`, and held out in `validation/`, as
        `python -m LiverTumorAILib.training.hfs.make_data` writes them; for f_liver with bodies in `materials/`, as
        `python -m LiverTumorAILib.training.materials` does.
    run_folder: Path
        Checkpoints and curves.
    models_folder: Path
        Receives `NAME/model.onnx` and `NAME/card.json`; for the fusion it holds the four other networks.
    resume: bool
        Continue from the run folder's checkpoint if there is one.
    device: str
        'auto', 'cpu' or 'cuda'.
    progress: Progress, optional
        Updated, and polled for cancel, at each step.

    Returns
    -------
    Path
        The model's folder.

    """
    progress = progress or Progress(stage="Training")
    cases = read_cases(data / (FUSION_CASES if recipe.priors else TRAINING))
    held_out = read_cases(data / VALIDATION) if (data / VALIDATION).is_dir() else ()
    begin = 0.0
    if recipe.priors:
        begin = 0.3
        _require_models(recipe, models_folder)
        where = "cpu" if device == "cpu" else "auto"  # torch may find a GPU that ONNX Runtime does not
        make_priors((*cases, *held_out), ModelStore(models_folder), where, progress.part(0, begin))
    materials = read_materials(data / MATERIALS) if recipe.bodies else ()
    network = train(
        recipe, cases, run_folder, progress.part(begin, 0.9), materials=materials, resume=resume, device=device
    )
    bodies = f" and {len(materials)} bodies, most with a real CT's texture" if materials else ""
    training = (
        f"{recipe.steps} steps on {len(cases)} synthetic studies{bodies}; loss: {' + '.join(recipe.loss)}. {SOURCES}"
    )
    folder = export_model(as_volumetric(network), recipe, models_folder, training)
    if held_out:
        store = ModelStore(models_folder)
        figures = validate(store.load(recipe.name), recipe, held_out, progress.part(0.9, 1.0))
        write_card(replace(store.card(recipe.name), figures=figures), folder / CARD_FILE)
    return folder


def _require_models(recipe: HfsRecipe, models_folder: Path) -> None:
    missing = [name for name in recipe.priors if name not in ModelStore(models_folder).names()]
    if missing:
        raise LiverTumorAIError(
            f"{recipe.name} fuses the results of networks that are missing: {', '.join(missing)}",
            models_folder,
            "Train them first",
        )


def as_volumetric(network: nn.Module) -> nn.Module:
    """The network as models take volumes (z, y, x): the 2D ones slice by slice."""
    return network if isinstance(network, UNet3D) else SliceWise(network)


def predict_target(model: Model, case: HfsCase, progress: Progress | None = None) -> np.ndarray:
    """What one network alone marks in a case: bool (z, y, x), in the slices that hold liver.

    As in the cascade, the networks for HCC see the liver's box and the margin around it.
    """
    phases = case.phases()
    result = np.zeros(case.labels.shape, bool)
    if model.card.priors:
        priors = read_priors(case)
        for box in ndimage.find_objects(priors.any(axis=0).view(np.uint8)):
            result[box] = fuse(model, phases, StageMaps(box, priors[(slice(None), *box)]), progress) > 0.5
        return result
    liver = case.target("liver")
    box = liver_box(liver) if model.card.classes[1] == "HCC" else (slice(None),) * 3
    if box is not None:
        wanted = np.flatnonzero(liver[box].any(axis=(1, 2)))
        volume = network_input(cropped_phases(phases, box), model.card)
        result[box] = predict_slices(model, volume, wanted, progress) > 0.5
    return result


def validate(model: Model, recipe: HfsRecipe, cases: Sequence[HfsCase], progress: Progress) -> dict[str, Any]:
    """Dice of a network's target on held-out cases, over the slices that hold liver."""
    overlaps, totals = [], []
    for number, case in enumerate(cases):
        part = progress.part(number / len(cases), (number + 1) / len(cases), "Validation")
        found, true = predict_target(model, case, part), case.target(recipe.target)
        overlaps.append(2 * int((found & true).sum()))
        totals.append(int(found.sum()) + int(true.sum()))
    per_case = [overlap / total for overlap, total in zip(overlaps, totals, strict=True) if total]
    return {
        "cases": f"{len(cases)} held-out synthetic studies",
        "dice_global": round(sum(overlaps) / max(sum(totals), 1), 4),
        "dice_per_case": round(float(np.mean(per_case)), 4) if per_case else None,
    }

"""Export of a trained network to ONNX with its card."""

import copy
import hashlib
import io
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from LiverTumorAILib.inference import ModelCard, write_card
from LiverTumorAILib.inference.store import CARD_FILE, MODEL_FILE
from LiverTumorAILib.training.recipe import TrainingRecipe

OPSET = 17
LICENCE = "Apache-2.0"
INTENDED_USE = (
    "Research and software tests. Trained on synthetic studies only, not validated on patients; not for clinical use."
)


def model_card(
    recipe: TrainingRecipe, sha256: str, training: str, figures: Mapping[str, Any] | None = None
) -> ModelCard:
    """The card of a recipe's network."""
    return ModelCard(
        name=recipe.name,
        version=recipe.version,
        title=recipe.title,
        sha256=sha256,
        inputs=tuple(str(name) for name in recipe.inputs),
        presence_channels=recipe.presence_channels,
        spacing_mm=recipe.spacing_mm,
        patch=recipe.window,
        normalisation=recipe.normalisation,
        classes=recipe.classes,
        training=training,
        licence=LICENCE,
        intended_use=INTENDED_USE,
        figures=dict(figures or {}),
    )


def onnx_bytes(network: nn.Module, channels: int, patch: tuple[int, int, int]) -> bytes:
    """A network as an ONNX file's content: float32, opset 17, any batch and any z, y, x."""
    network = copy.deepcopy(network).cpu().float().eval()
    axes = {0: "batch", 2: "z", 3: "y", 4: "x"}
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, channels, *patch),),
            buffer,
            input_names=["volume"],
            output_names=["scores"],
            dynamic_axes={"volume": axes, "scores": axes},
            opset_version=OPSET,
            dynamo=False,
        )
    return buffer.getvalue()


def export_model(
    network: nn.Module,
    recipe: TrainingRecipe,
    models_folder: Path,
    training: str,
    figures: Mapping[str, Any] | None = None,
) -> Path:
    """Write `NAME/model.onnx` and `NAME/card.json` into a model store; both change by renames of whole files.

    Parameters
    ----------
    network: torch.nn.Module
        The trained network.
    recipe: TrainingRecipe
        What it was trained by.
    models_folder: Path
        The store's folder.
    training: str
        How and on what it was trained, for the card.
    figures: Mapping[str, Any], optional
        Measured on held-out cases, for the card.

    Returns
    -------
    Path
        The model's folder.

    """
    channels = recipe.input_channels
    content = onnx_bytes(network, channels, recipe.patch)
    card = model_card(recipe, hashlib.sha256(content).hexdigest(), training, figures)
    folder = models_folder / recipe.name
    partial = models_folder / f".{recipe.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / MODEL_FILE).write_bytes(content)
    write_card(card, partial / CARD_FILE)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (MODEL_FILE, CARD_FILE):
        (partial / name).replace(folder / name)
    partial.rmdir()
    return folder

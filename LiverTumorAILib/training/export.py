"""Export of a trained network to ONNX with its card."""

import copy
import hashlib
import io
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import ModelCard, read_card, write_card
from LiverTumorAILib.inference.session import CONTRASTS, EVIDENCE, EXPLAIN, REGION, SCORES, VOLUME
from LiverTumorAILib.inference.store import CARD_FILE, MODEL_FILE
from LiverTumorAILib.networks import UNet3D
from LiverTumorAILib.networks.evidence import EvidenceUNet3D
from LiverTumorAILib.networks.evidence2d import EvidenceSliceWise, can_explain_slices

if TYPE_CHECKING:
    from LiverTumorAILib.training.hfs.recipe import HfsRecipe
    from LiverTumorAILib.training.recipe import TrainingRecipe

OPSET = 17
LICENCE = "Apache-2.0"
_HALF = ".half"
_HEAD = ("heads.0.weight", "heads.0.bias")
INTENDED_USE = "Research and software tests. Not validated on patients; not for clinical use."


def model_card(
    recipe: "TrainingRecipe | HfsRecipe", sha256: str, training: str, figures: Mapping[str, Any] | None = None
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
        priors=recipe.priors,
    )


def onnx_bytes(network: nn.Module, channels: int, patch: tuple[int, int, int]) -> bytes:
    """A network as an ONNX file's content: float32, opset 17, any batch and any z, y, x.

    Networks whose gradients `networks.evidence` and `networks.evidence2d` know get outputs for evidence as well; who
    asks for scores only need not know.
    """
    network = copy.deepcopy(network).cpu().float().eval()
    volume = torch.zeros(1, channels, *patch)
    axes = {0: "batch", 2: "z", 3: "y", 4: "x"}
    dynamic = {VOLUME: axes, SCORES: axes}
    if isinstance(network, UNet3D):
        network, classes = EvidenceUNet3D(network), network.heads[0].out_channels
    elif can_explain_slices(network):
        network, classes = EvidenceSliceWise(network), network.network.head.out_channels
    else:
        return _exported(network, {VOLUME: volume}, [SCORES], dynamic)
    inputs = {VOLUME: volume, REGION: torch.zeros(1, 1, *patch), CONTRASTS: torch.zeros(2, classes)}
    evidence = [f"{EVIDENCE}{level}" for level in network.levels]
    dynamic |= {REGION: {2: "rz", 3: "ry", 4: "rx"}, CONTRASTS: {0: "targets"}}
    dynamic |= {name: {0: "targets", **{axis: f"{name}_{axis}" for axis in (2, 3, 4)}} for name in evidence}
    content = _exported(network, inputs, [SCORES, *evidence], dynamic)
    return _on_demand(content, evidence, {REGION: np.zeros((1,) * 5), CONTRASTS: np.zeros((1, classes))})


def _exported(
    network: nn.Module, inputs: Mapping[str, torch.Tensor], outputs: list[str], dynamic: Mapping[str, Mapping[int, str]]
) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            tuple(inputs.values()),
            buffer,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes=dynamic,
            opset_version=OPSET,
            dynamo=False,
        )
    return buffer.getvalue()


def _on_demand(content: bytes, outputs: list[str], defaults: Mapping[str, np.ndarray]) -> bytes:
    """The ONNX file with some outputs computed only where its further input `EXPLAIN` is true, else empty.

    ONNX Runtime computes a whole graph whichever outputs are asked for, but one branch only of an If.
    """
    model = onnx.load_from_string(content)
    graph = model.graph
    wanted, always = {SCORES}, []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            always.insert(0, node)
    inside = [node for node in graph.node if node not in always]
    results = [output for output in graph.output if output.name in outputs]
    empty = [helper.make_node("ConstantOfShape", ["shape"], [f"no_{name}"], name=f"no_{name}") for name in outputs]
    shape = numpy_helper.from_array(np.zeros(5, np.int64), "shape")
    untyped = [helper.make_tensor_value_info(f"no_{name}", onnx.TensorProto.FLOAT, None) for name in outputs]
    choice = helper.make_node(
        "If",
        [EXPLAIN],
        outputs,
        then_branch=helper.make_graph(inside, "evidence", [], results),
        else_branch=helper.make_graph(empty, "no_evidence", [], untyped, [shape]),
    )
    del graph.node[:]
    graph.node.extend([*always, choice])
    graph.input.append(helper.make_tensor_value_info(EXPLAIN, onnx.TensorProto.BOOL, []))
    graph.initializer.append(numpy_helper.from_array(np.array(False), EXPLAIN))
    for name, value in defaults.items():
        graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def with_half_weights(content: bytes) -> bytes:
    """The ONNX file with its convolutions' weights stored in 16 bits, half the size; it computes in 32 bits.

    ONNX Runtime casts them back once, when it loads the file.
    """
    model = onnx.load_from_string(content)
    graph, casts = model.graph, []
    defaults = {given.name for given in graph.input}
    for index, entry in enumerate(graph.initializer):
        if entry.data_type == onnx.TensorProto.FLOAT and len(entry.dims) > 2 and entry.name not in defaults:
            name, values = entry.name, numpy_helper.to_array(entry)
            entry.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + _HALF))
            casts.append(helper.make_node("Cast", [name + _HALF], [name], f"cast_{index}", to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def export_model(
    network: nn.Module,
    recipe: "TrainingRecipe | HfsRecipe",
    models_folder: Path,
    training: str,
    figures: Mapping[str, Any] | None = None,
) -> Path:
    """Write `NAME/model.onnx` and `NAME/card.json` into a model store; both change by renames of whole files.

    Parameters
    ----------
    network: torch.nn.Module
        The trained network; takes volumes (batch, channels, z, y, x).
    recipe: TrainingRecipe or HfsRecipe
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
    content = with_half_weights(onnx_bytes(network, recipe.input_channels, recipe.patch))
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


def begun_with(start: Path | None) -> str:
    """Words for the card of a training that began with another network's weights (an ONNX file in its folder)."""
    return "" if start is None else f" from the weights of another training ({start.parent.name})"


def starting_weights(path: Path, classes: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Weights to begin a training with, of a network exported here with the same levels.

    Where it has other classes than are wanted, its head gives those that both know; what is missing keeps the weights
    it was drawn with.

    Parameters
    ----------
    path: Path
        ONNX file; the card beside it names its classes.
    classes: tuple of str
        Of the network to train.

    Raises
    ------
    LiverTumorAIError
        If the card lacks one of the classes.

    """
    weights = weights_of_onnx(path)
    known = read_card(path.with_name(CARD_FILE)).classes
    if known != classes:
        if missing := sorted(set(classes) - set(known)):
            raise LiverTumorAIError(f"The network to begin with has no class {', '.join(missing)}", path)
        rows = [known.index(name) for name in classes]
        for name in _HEAD:
            weights[name] = weights[name][rows]
    return weights


def weights_of_onnx(path: Path) -> dict[str, torch.Tensor]:
    """Weights by name of a network exported here; what only training needs (deeper heads) is not among them."""
    model = onnx.load(str(path))
    named = ((entry.name.removeprefix("network.").removesuffix(_HALF), entry) for entry in model.graph.initializer)
    return {name: torch.from_numpy(numpy_helper.to_array(entry).copy()).float() for name, entry in named}

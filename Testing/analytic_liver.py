"""Real ONNX liver networks whose answer is known: liver is what is brighter than a threshold."""

import hashlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from LiverTumorAILib.inference import IntensityNormalisation, ModelCard, ModelStore, write_card
from LiverTumorAILib.inference.card import ANY_PHASE
from LiverTumorAILib.inference.liver import COARSE, FINE

THRESHOLD_HU = 0.0
LOW, HIGH = -150.0, 250.0
STEEPNESS = 80.0
"""Score of liver for a whole window width above the threshold."""


def write_liver_networks(folder, spacings_mm=(4.0, 2.0)) -> ModelStore:
    """A model store with both liver networks beside those that are there."""
    for name, priors, spacing in zip((COARSE, FINE), ((), (COARSE,)), spacings_mm, strict=True):
        _write(folder, name, priors, (spacing,) * 3)
    return ModelStore(folder)


def _write(folder, name, priors, spacing_mm):
    channels = 1 + len(priors)
    weights = np.zeros((2, channels, 1, 1, 1), np.float32)
    weights[1, 0] = STEEPNESS
    bias = np.array([0, -STEEPNESS * (THRESHOLD_HU - (LOW + HIGH) / 2) / ((HIGH - LOW) / 2)], np.float32)
    shape = ["depth", "height", "width"]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "weights", "bias"], ["scores"])],
        "threshold",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, channels, *shape])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2, *shape])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    content = model.SerializeToString()
    (folder / name).mkdir(parents=True)
    (folder / name / "model.onnx").write_bytes(content)
    card = ModelCard(
        name=name,
        version="1",
        title="Threshold",
        sha256=hashlib.sha256(content).hexdigest(),
        inputs=(ANY_PHASE,),
        presence_channels=False,
        spacing_mm=spacing_mm,
        patch=(24, 32, 32),
        normalisation=IntensityNormalisation("window", LOW, HIGH),
        classes=("background", "liver"),
        training="Not trained: a formula",
        licence="Apache-2.0",
        intended_use="Tests",
        priors=priors,
    )
    write_card(card, folder / name / "card.json")

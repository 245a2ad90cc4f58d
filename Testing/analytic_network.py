"""A real ONNX network whose answer is known: the class whose HU is nearest in the portal venous phase."""

import hashlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from LiverTumorAILib.inference import IntensityNormalisation, ModelCard, ModelStore, write_card
from LiverTumorAILib.study import Phase

CLASS_HU = {
    "background": -150,
    "CYST": 10,
    "OTHER": 40,
    "METASTASIS": 70,
    "liver": 100,
    "spleen": 130,
    "HCC": 160,
    "ICC": 190,
    "hepatic_vessels": 220,
    "portal_splenic_vein": 250,
    "HEMANGIOMA": 280,
}
"""Of each class: the HU that it is recognised by."""

INPUTS = (Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED)
LOW, HIGH = -200, 300
SHARPNESS = 0.02
"""Score of a class: -SHARPNESS * (HU - its HU)^2, which is linear in HU but for a term that all share."""


def class_probabilities(hu: float) -> dict[str, float]:
    """What the network says of a voxel, by the formula."""
    scores = np.array([-SHARPNESS * (hu - centre) ** 2 for centre in CLASS_HU.values()])
    shares = np.exp(scores - scores.max())
    return dict(zip(CLASS_HU, (shares / shares.sum()).tolist(), strict=True))


def write_network(
    folder, spacing_mm=(3.0, 2.0, 2.0), name="base_unet", class_hu=CLASS_HU, phase=Phase.PORTAL_VENOUS
) -> ModelStore:
    """A model store with this network beside those that are there."""
    half, middle = (HIGH - LOW) / 2, (HIGH + LOW) / 2
    centres = np.array(list(class_hu.values()), float)
    channel = INPUTS.index(phase)
    weights = np.zeros((len(class_hu), 2 * len(INPUTS), 1, 1, 1), np.float32)
    weights[:, channel, 0, 0, 0] = 2 * SHARPNESS * centres * half
    bias = SHARPNESS * (2 * centres * middle - centres**2)
    # Where the phase shows nothing, background wins.
    weights[0, len(INPUTS) + channel] = -1e4
    bias[0] += 1e4
    shape = ["depth", "height", "width"]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "weights", "bias"], ["scores"])],
        "nearest_hu",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 2 * len(INPUTS), *shape])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, len(class_hu), *shape])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias.astype(np.float32), "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    target = folder / name
    target.mkdir(parents=True)
    (target / "model.onnx").write_bytes(content)
    card = ModelCard(
        name=name,
        version="1",
        title="Nearest HU",
        sha256=hashlib.sha256(content).hexdigest(),
        inputs=tuple(str(phase) for phase in INPUTS),
        presence_channels=True,
        spacing_mm=spacing_mm,
        patch=(32, 64, 64),
        normalisation=IntensityNormalisation("window", LOW, HIGH),
        classes=tuple(class_hu),
        training="Not trained: a formula",
        licence="Apache-2.0",
        intended_use="Tests",
    )
    write_card(card, target / "card.json")
    return ModelStore(folder)

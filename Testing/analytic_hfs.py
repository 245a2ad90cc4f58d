"""HFS-Net's five networks as real ONNX networks whose answers are known: each a threshold on its inputs.

f_liver is every voxel above 20 HU in the portal venous phase; f_size and f_small what is above 130 HU in the arterial
phase; f_large what is above 130 HU in the portal venous phase; f_3D what f_large or f_small marks.
"""

import hashlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from LiverTumorAILib.cascades.hfs_net import FUSION, PHASES
from LiverTumorAILib.cascades.hierarchy import PRIORS
from LiverTumorAILib.inference import IntensityNormalisation, ModelCard, ModelStore, write_card
from LiverTumorAILib.study import Phase

LOW, HIGH = -100.0, 240.0
STEEPNESS = 0.5
"""Of the logistic, for each HU."""
PORTAL = (Phase.PORTAL_VENOUS,)


def _threshold(phases, phase, hu):
    """Weights of the phases' channels and bias of a score that is 0 at a HU."""
    half, middle = (HIGH - LOW) / 2, (HIGH + LOW) / 2
    return [STEEPNESS * half * (other is phase) for other in phases], STEEPNESS * (middle - hu)


NETWORKS = {
    "hfs_liver": (PORTAL, "liver", *_threshold(PORTAL, Phase.PORTAL_VENOUS, 20)),
    "hfs_size": (PHASES, "HCC", *_threshold(PHASES, Phase.ARTERIAL, 130)),
    "hfs_small": (PHASES, "HCC", *_threshold(PHASES, Phase.ARTERIAL, 130)),
    "hfs_large": (PORTAL, "HCC", *_threshold(PORTAL, Phase.PORTAL_VENOUS, 130)),
    FUSION: (PORTAL, "HCC", [0, *(20 * (name in {"hfs_large", "hfs_small"}) for name in PRIORS)], -10),
}


def write_networks(folder, side=64) -> ModelStore:
    """A model store with the five networks, whose slices are as small as the body allows."""
    for name, (phases, target, weights, bias) in NETWORKS.items():
        content = _linear(weights, bias)
        (folder / name).mkdir(parents=True)
        (folder / name / "model.onnx").write_bytes(content)
        card = ModelCard(
            name=name,
            version="1",
            title="Threshold",
            sha256=hashlib.sha256(content).hexdigest(),
            inputs=tuple(map(str, phases)),
            presence_channels=False,
            spacing_mm=(2.5, 1.4, 1.4),
            patch=(16, 128, 128) if name == FUSION else (8, side, side),
            normalisation=IntensityNormalisation("window", LOW, HIGH),
            classes=("background", target),
            training="Not trained: a formula",
            licence="Apache-2.0",
            intended_use="Tests",
            priors=PRIORS if name == FUSION else (),
        )
        write_card(card, folder / name / "card.json")
    return ModelStore(folder)


def _linear(weights, bias) -> bytes:
    kernel = np.zeros((2, len(weights), 1, 1, 1), np.float32)
    kernel[1, :, 0, 0, 0] = weights
    shape = ["depth", "height", "width"]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["volume", "weights", "bias"], ["scores"])],
        "threshold",
        [helper.make_tensor_value_info("volume", TensorProto.FLOAT, [1, len(weights), *shape])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2, *shape])],
        [
            numpy_helper.from_array(kernel, "weights"),
            numpy_helper.from_array(np.array([0, bias], np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model.SerializeToString()

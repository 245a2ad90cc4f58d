"""Model store, ONNX Runtime sessions and sliding-window inference."""

from LiverTumorAILib.inference.card import IntensityNormalisation, ModelCard, read_card, write_card
from LiverTumorAILib.inference.grid import NetworkGrid
from LiverTumorAILib.inference.predict import predict_probabilities
from LiverTumorAILib.inference.probability_maps import ProbabilityMaps
from LiverTumorAILib.inference.session import Session, choose_device
from LiverTumorAILib.inference.slices import predict_slices, slice_grid
from LiverTumorAILib.inference.sliding_window import sliding_window
from LiverTumorAILib.inference.store import Model, ModelStore, Verification

__all__ = [
    "IntensityNormalisation",
    "Model",
    "ModelCard",
    "ModelStore",
    "NetworkGrid",
    "ProbabilityMaps",
    "Session",
    "Verification",
    "choose_device",
    "predict_probabilities",
    "predict_slices",
    "read_card",
    "slice_grid",
    "sliding_window",
    "write_card",
]

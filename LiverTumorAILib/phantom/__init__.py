"""Synthetic studies with their truth."""

from LiverTumorAILib.phantom.case import write_case
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.phantom import PHANTOM_VERSION, Phantom, generate_phantom
from LiverTumorAILib.phantom.protocol import PROTOCOLS, PhantomOptions
from LiverTumorAILib.phantom.truth import LesionTruth

__all__ = [
    "PHANTOM_VERSION",
    "PROTOCOLS",
    "LesionTruth",
    "Phantom",
    "PhantomOptions",
    "Tissue",
    "generate_phantom",
    "write_case",
]

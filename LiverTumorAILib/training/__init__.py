"""Training of the networks: cases, losses, augmentation, loop, export to ONNX with card."""

from LiverTumorAILib.training.by_name import train_model
from LiverTumorAILib.training.export import export_model
from LiverTumorAILib.training.loop import train
from LiverTumorAILib.training.recipe import RECIPES, TrainingRecipe

__all__ = ["RECIPES", "TrainingRecipe", "export_model", "train", "train_model"]

"""Training of the networks: cases, losses, augmentation, loop, export to ONNX with card."""

from LiverTumorAILib.training.export import export_model
from LiverTumorAILib.training.recipe import RECIPES, TrainingRecipe
from LiverTumorAILib.training.train import train
from LiverTumorAILib.training.train_model import train_model

__all__ = ["RECIPES", "TrainingRecipe", "export_model", "train", "train_model"]

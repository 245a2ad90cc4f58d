"""Training of the reclassification network (multi-sensitivity paper, Sec. III-B and IV-B1)."""

from LiverTumorAILib.training.reclassification.recipe import RECLASSIFICATION_RECIPES
from LiverTumorAILib.training.reclassification.train import train_reclassification

__all__ = ["RECLASSIFICATION_RECIPES", "train_reclassification"]

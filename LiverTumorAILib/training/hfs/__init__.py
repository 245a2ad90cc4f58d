"""Training of HFS-Net's five networks and of those of its ablation."""

from LiverTumorAILib.training.hfs.recipe import ABLATION_RECIPES, HFS_RECIPES, HfsRecipe
from LiverTumorAILib.training.hfs.train import train_hfs_model

__all__ = ["ABLATION_RECIPES", "HFS_RECIPES", "HfsRecipe", "train_hfs_model"]

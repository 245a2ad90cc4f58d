"""Explanation: pictures of what spoke for a lesion's type."""

from LiverTumorAILib.explanation.heatmap import probability_heatmap

__all__ = ["probability_heatmap"]

"""Explanation: pictures of what spoke for a lesion's type."""

from LiverTumorAILib.explanation.evidence import Evidence, can_explain, lesion_evidence
from LiverTumorAILib.explanation.heatmap import probability_heatmap

__all__ = ["Evidence", "can_explain", "lesion_evidence", "probability_heatmap"]

"""Explanation: pictures of what spoke for a lesion's type."""

from LiverTumorAILib.explanation.evidence import (
    Evidence,
    Explain,
    ExplainFirst,
    can_explain,
    class_evidence,
    explained_by,
    lesion_evidence,
)
from LiverTumorAILib.explanation.heatmap import probability_heatmap

__all__ = [
    "Evidence",
    "Explain",
    "ExplainFirst",
    "can_explain",
    "class_evidence",
    "explained_by",
    "lesion_evidence",
    "probability_heatmap",
]

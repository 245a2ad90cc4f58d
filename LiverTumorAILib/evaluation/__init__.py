"""The papers' figures on cases with truth."""

from LiverTumorAILib.evaluation.evaluate import evaluate, evaluate_case
from LiverTumorAILib.evaluation.table import evaluation_lines
from LiverTumorAILib.evaluation.truth import Truth, read_truth

__all__ = ["Truth", "evaluate", "evaluate_case", "evaluation_lines", "read_truth"]

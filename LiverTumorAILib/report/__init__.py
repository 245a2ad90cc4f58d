"""Findings as files: DICOM SEG and SR, CSV, HTML, and the results folder that holds them all."""

from LiverTumorAILib.report.results import write_results
from LiverTumorAILib.report.summary import lesion_line, patient_line, summary_lines

__all__ = ["lesion_line", "patient_line", "summary_lines", "write_results"]

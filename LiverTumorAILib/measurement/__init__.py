"""Measurement: diameters, volumes and enhancement of lesions."""

from LiverTumorAILib.measurement.files import measure_files
from LiverTumorAILib.measurement.measure import axial_axis, measure_lesions, measure_mask

__all__ = ["axial_axis", "measure_files", "measure_lesions", "measure_mask"]

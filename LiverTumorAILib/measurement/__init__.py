"""Measurement: diameters, volumes and enhancement of lesions."""

from LiverTumorAILib.measurement.measure import axial_axis, measure_lesions, measure_mask

__all__ = ["axial_axis", "measure_lesions", "measure_mask"]

"""Grey-level windows of the pictures and views."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.study import Modality, Phase


@dataclass(frozen=True)
class Window:
    """Grey-level window: centre and width in HU (CT) or signal (MR)."""

    centre: float
    width: float

    def to_grey(self, values: np.ndarray) -> np.ndarray:
        """Map intensities to uint8 0-255; unknown (NaN) is black."""
        scaled = (np.nan_to_num(values, nan=-np.inf) - self.centre) / self.width + 0.5
        return (np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def liver_window(image: sitk.Image, phase: Phase, modality: Modality) -> Window:
    """The customary liver window of a phase; for MR from the image's own signal."""
    if modality is Modality.CT:
        return Window(50, 200) if phase is Phase.NON_CONTRAST else Window(90, 280)
    values = sitk.GetArrayViewFromImage(image)[::2, ::4, ::4]
    values = values[np.isfinite(values)]
    bright = values[values > values.mean()] if values.size else np.zeros(1)
    low, high = np.percentile(bright, (2, 99))
    low = max(0.0, low - (high - low) / 2)
    return Window((low + high) / 2, max(high - low, 1e-6))

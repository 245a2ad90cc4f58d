"""Measuring a label map file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import Measurement
from LiverTumorAILib.measurement.measure import measure_lesions
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Phase, read_image


def measure_files(mask: Path, image: Path | None = None, progress: Progress = Progress()) -> Mapping[int, Measurement]:
    """Measure every label of a label map file.

    Parameters
    ----------
    mask: Path
        Volume of whole numbers: 0 for no lesion, else the lesion's label.
    image: Path, optional
        Image for the mean intensities, given as the portal venous phase unless its name says another phase; it is
        resampled onto the mask's grid.
    progress: Progress

    Raises
    ------
    LiverTumorAIError
        If a file cannot be read or the mask holds no label.

    """
    values = read_image(mask)
    array = sitk.GetArrayViewFromImage(values)
    if not np.array_equal(array, np.round(array)) or array.min() < 0 or array.max() > 65535:
        raise LiverTumorAIError("The mask is no label map", mask.name, "Give whole numbers from 0: one for each lesion")
    if not array.any():
        raise LiverTumorAIError("The mask holds no lesion", mask.name, "Give a label map with at least one label")
    labels = sitk.Cast(values, sitk.sitkUInt16)
    images = {}
    if image is not None:
        grey = read_image(image)
        images[_phase_of(image)] = sitk.Resample(grey, labels, sitk.Transform(), sitk.sitkLinear, float("nan"))
    return measure_lesions(labels, images, progress=progress)


def _phase_of(path: Path) -> Phase:
    return next((phase for phase in Phase if phase.value in path.name.lower()), Phase.PORTAL_VENOUS)

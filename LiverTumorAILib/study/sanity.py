"""Checks that a volume can be a liver study at all."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.memory import require_memory
from LiverTumorAILib.study.study import Modality

_COPIES_IN_MEMORY = 2.5
"""Loading holds each volume once, and some of them a second time while they are resampled."""


def check_spacing(spacing: Sequence[float], where: str) -> None:
    """Raise LiverTumorAIError unless the spacing (mm, axes in any order) is one that a scanner makes.

    In-plane 0.05-10 mm, between slices 0.05-50 mm.
    """
    smallest, middle, largest = sorted(spacing)
    if not (smallest >= 0.05 and middle <= 10 and largest <= 50):
        text = " x ".join(f"{value:.4g}" for value in spacing)
        raise LiverTumorAIError(
            f"The voxel spacing of {text} mm makes no sense", where, "Export the original series or mend the header"
        )


def check_extent(size: Sequence[int], spacing: Sequence[float], where: str) -> None:
    """Raise LiverTumorAIError unless the volume (x, y, z) is as large as a part of an abdomen can be."""
    if min(size) < 2:
        raise LiverTumorAIError("There is a single slice only", where, "Choose a series that covers the liver")
    extent = [count * step for count, step in zip(size, spacing, strict=True)]
    if max(extent) > 2500 or min(extent[:2]) < 20:
        text = " x ".join(f"{value:.4g}" for value in extent)
        raise LiverTumorAIError(
            f"Size and spacing contradict each other: the volume would measure {text} mm",
            where,
            "Export the original series or mend the header",
        )


def check_values(image: sitk.Image, where: str) -> None:
    """Raise LiverTumorAIError if the volume holds NaN or one value only."""
    values = sitk.GetArrayViewFromImage(image)
    lowest, highest = values.min(), values.max()
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        check_numbers(int(values.size - np.isfinite(values).sum()), where)
    if lowest == highest:
        raise LiverTumorAIError("All voxels have the same value", where, "Choose a series that shows the liver")


def check_numbers(bad: int, where: str) -> None:
    """Raise LiverTumorAIError if any voxel is no number."""
    if bad:
        raise LiverTumorAIError(f"{bad} voxels are not numbers (NaN or infinite)", where, "Export the volume again")


def check_memory(byte_count: int, where: str) -> None:
    """Raise LiverTumorAIError if reading volumes of so many bytes would exhaust the memory."""
    require_memory(byte_count * _COPIES_IN_MEMORY, "The study", where, "choose fewer or thicker series")


def modality_of_values(image: sitk.Image) -> Modality:
    """CT if the volume holds air or lung below -500 HU, else MR."""
    values = sitk.GetArrayViewFromImage(image)[::2, ::4, ::4]
    has_air = np.mean(values < -500) > 1e-3
    return Modality.CT if has_air or np.mean(values < -50) > 0.05 else Modality.MR

"""Pictures of the synthetic studies for Docs/phantoms.md: python Testing/benchmarks/phantom_pictures.py."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom import Phantom, PhantomOptions, generate_phantom
from LiverTumorAILib.report.window import Window

mpl.use("Agg")
from matplotlib import pyplot as plt

DOCS = Path(__file__).resolve().parents[2] / "Docs"
PATIENTS = (50_002, 50_005, 50_011)
GALLERY_SEED = 50_100
FIELD_MM = 110.0
STILL = {"breathing_mm": 0.0, "vary_coverage": False}


def axial(image: sitk.Image, level_mm: float) -> np.ndarray:
    """The axial slice (y, x) nearest to a level (LPS z, mm)."""
    index = round((level_mm - image.GetOrigin()[2]) / image.GetSpacing()[2])
    return sitk.GetArrayFromImage(image)[int(np.clip(index, 0, image.GetSize()[2] - 1))]


def busiest_level(phantom: Phantom) -> float:
    """Level (LPS z, mm) that shows most of the lesions, else of the liver."""
    lesions = sitk.GetArrayFromImage(phantom.lesions) > 0
    shown = lesions if lesions.any() else sitk.GetArrayFromImage(phantom.organs) == 1
    level = int(shown.sum(axis=(1, 2)).argmax())
    return phantom.lesions.TransformIndexToPhysicalPoint((0, 0, level))[2]


def draw(axes: plt.Axes, values: np.ndarray, image: sitk.Image, title: str) -> None:
    """Draw a slice in the liver window with square pixels in mm."""
    axes.imshow(Window(80, 300).to_grey(values), cmap="gray", vmin=0, vmax=255, aspect=1)
    axes.set_title(title, fontsize=9)
    axes.axis("off")


def patients() -> None:
    """Whole slices of several patients in all four phases."""
    figure, grid = plt.subplots(len(PATIENTS), 4, figsize=(13, 2.9 * len(PATIENTS)), dpi=75)
    for row, seed in zip(grid, PATIENTS, strict=True):
        phantom = generate_phantom(seed, "ct4")
        level = busiest_level(phantom)
        for axes, (phase, image) in zip(row, phantom.images.items(), strict=True):
            draw(axes, axial(image, level), image, f"{phase.title}, {image.GetSpacing()[2]:.1f} mm slices")
    figure.tight_layout()
    figure.savefig(DOCS / "phantom-patients.png")


def gallery() -> None:
    """One lesion of each type in all four phases."""
    figure, grid = plt.subplots(4, 8, figsize=(14, 7.4), dpi=75)
    for number, kind in enumerate(LesionType):
        options = PhantomOptions(lesions=(kind,) * 3, **STILL)
        phantom = generate_phantom(GALLERY_SEED + number, "ct4", options)
        lesion = max(phantom.lesion_truth, key=lambda item: item.long_axis_mm)
        for index, (phase, image) in enumerate(phantom.images.items()):
            centre = image.TransformPhysicalPointToIndex(lesion.centroid_mm)
            half = round(FIELD_MM / 2 / image.GetSpacing()[0])
            low = [max(0, c - half) for c in centre[:2]]
            values = axial(image, lesion.centroid_mm[2])[low[1] : centre[1] + half, low[0] : centre[0] + half]
            row, column = number // 2, index + 4 * (number % 2)
            draw(grid[row, column], values, image, f"{kind.title}, {phase.title}" if index == 0 else phase.title)
    figure.tight_layout()
    figure.savefig(DOCS / "phantom-lesions.png")


if __name__ == "__main__":
    patients()
    gallery()

"""Draw Docs/multi-sensitivity-*.png: where seg2det and connected components differ, and the shuffling schemes.

python Testing/benchmarks/multi_sensitivity_pictures.py [--case runs/cases/training/seed_060000]
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from scipy import ndimage

from LiverTumorAILib.lesions.instances import connected_lesions
from LiverTumorAILib.lesions.seg2det import seg2det
from LiverTumorAILib.phantom import PhantomOptions
from LiverTumorAILib.training.cases import read_case
from LiverTumorAILib.training.make_data import make_case
from LiverTumorAILib.training.recipe import RECIPES
from LiverTumorAILib.training.reclassification.livers import LiverCase, cut_liver
from LiverTumorAILib.training.reclassification.recipe import WITH_SHUFFLE
from LiverTumorAILib.training.reclassification.sampler import Scheme, draw_patch, mask_to_liver

mpl.use("Agg")
from matplotlib import pyplot

DOCS = Path(__file__).resolve().parents[2] / "Docs"
SHAPE, SPACING = (4, 44, 64), (5.0, 1.5, 1.5)
COLOURS = np.array([[0.93, 0.93, 0.93], [0.84, 0.37, 0.0], [0.0, 0.45, 0.70], [0.0, 0.62, 0.45], [0.8, 0.47, 0.65]])


def oblique_neighbours() -> np.ndarray:
    """Two lesions beside each other, each seen in two slices, that touch only across the slices; and one alone."""
    z, y, x = np.indices(SHAPE)
    left = (z < 2) & ((y - 20) ** 2 + (x - 14) ** 2 <= 9**2)
    right = (z >= 2) & ((y - 20) ** 2 + (x - 33) ** 2 <= 9**2)
    bridge = (z >= 2) & (abs(y - 20) <= 1) & (x == 24)
    alone = (z >= 1) & ((y - 26) ** 2 + (x - 54) ** 2 <= 6**2)
    return left | right | bridge | alone


def draw_difference(path: Path) -> None:
    """One row for each way to separate, one column for each slice."""
    mask = oblique_neighbours()
    figure, axes = pyplot.subplots(2, SHAPE[0], figsize=(12, 4.6))
    ways = {"connected components (26)": connected_lesions(mask), "seg2det": seg2det(mask)}
    for (name, labels), row in zip(ways.items(), axes, strict=True):
        for number, (axis, plane) in enumerate(zip(row, labels, strict=True), start=1):
            axis.imshow(COLOURS[plane], interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_title(f"slice {number}" if labels is ways["connected components (26)"] else "", fontsize=10)
            for label in np.unique(plane[plane > 0]):
                y, x = ndimage.center_of_mass(plane == label)
                axis.text(x, y, str(label), color="white", ha="center", va="center", fontsize=11)
        row[0].set_ylabel(f"{name}\n{labels.max()} lesions", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def draw_schemes(liver: LiverCase, path: Path, phase: int = 2, rows: int = 3) -> None:
    """Portal venous patches of each scheme, the lesion outlined where it is or was."""
    figure, axes = pyplot.subplots(rows, len(Scheme), figsize=(12, 3.1 * rows))
    for index, row in enumerate(axes):
        for axis, scheme in zip(row, Scheme, strict=True):
            patch = draw_patch(np.random.default_rng(index), liver, scheme, WITH_SHUFFLE.patch, WITH_SHUFFLE)
            images, _ = mask_to_liver(patch.images, patch.labels, patch.labels > 0)
            slices = patch.lesion.sum(axis=(1, 2)) if patch.lesion.any() else (patch.labels > 0).sum(axis=(1, 2))
            middle = int(slices.argmax())
            axis.imshow(np.nan_to_num(images[phase, middle], nan=-200), cmap="gray", vmin=-10, vmax=190)
            if patch.lesion[middle].any():
                axis.contour(patch.lesion[middle], [0.5], colors="#e69f00", linewidths=0.8)
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_title(scheme if index == 0 else "", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", type=Path, help="a training case of base_unet with small lesions; else one is made")
    chosen = parser.parse_args().case
    case = read_case(chosen) if chosen else make_case(10_004, PhantomOptions(breathing_mm=1.0), RECIPES["base_unet"])
    draw_difference(DOCS / "multi-sensitivity-seg2det.png")
    draw_schemes(cut_liver(case, RECIPES["base_unet"].classes), DOCS / "multi-sensitivity-shuffle.png")


if __name__ == "__main__":
    main()

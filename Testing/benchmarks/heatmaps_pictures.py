"""Pictures of heatmaps and of what `heatmaps.py` measured.

python Testing/benchmarks/heatmaps_pictures.py [--work runs/heatmaps] [--out Docs]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import SimpleITK as sitk
from heatmaps import (
    FIRST_SEED,
    ORDERS,
    SHARES,
    Explained,
    explain,
    kept,
    look,
    make_study,
    network_and_file,
    results_folder,
)

from LiverTumorAILib.explanation.colours import FAINTEST, heat_colours
from LiverTumorAILib.inference import Model
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.report.window import liver_window
from LiverTumorAILib.study import Modality

mpl.use("Agg")
from matplotlib import pyplot


def draw_curves(lesions: Sequence[Explained], path: Path) -> None:
    """Mean deletion and insertion curves."""
    drawn = [each for each in lesions if each.deletion]
    figure, axes = pyplot.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
    for axis, kind in zip(axes, ("deletion", "insertion"), strict=True):
        for name, style in zip(ORDERS, ("C3-o", "C0--s", "k:^"), strict=True):
            mean = np.mean([getattr(each, kind)[name] for each in drawn], axis=0)
            axis.plot((0, *SHARES, 1), mean, style, label=name)
        axis.set(
            title=f"{kind}, mean of {len(drawn)} lesions",
            xlabel=f"share of the voxels {'gone' if kind == 'deletion' else 'there'}",
        )
    axes[0].set_ylabel("probability of the type")
    axes[1].legend(frameon=False)
    figure.savefig(path, dpi=110)


def draw_examples(model: Model, path: Path, count: int = 5) -> None:
    """The first found lesions, larger ones first: portal venous phase with the true outline, and both heatmaps."""
    phantom, study = make_study(FIRST_SEED + 1)
    rows = []
    for lesion in phantom.lesion_truth:
        seen = look(model, study, phantom.lesions, lesion.label) if len(rows) < count else None
        if seen is not None:
            rows.append((lesion, seen, explain(model, study, seen)))
    colours = mpl.colors.ListedColormap(heat_colours(256))
    figure, axes = pyplot.subplots(len(rows), 3, figsize=(7.2, 2.3 * len(rows)), layout="constrained")
    for row, (lesion, seen, evidence) in zip(axes, rows, strict=True):
        level = int(seen.true.sum(axis=(1, 2)).argmax())
        grey = liver_window(study.reference, study.reference_phase, Modality.CT).to_grey(
            seen.grid.sample(study.reference)[level]
        )
        words = "nothing spoke" if sitk.GetArrayViewFromImage(evidence.opposing).max() < FAINTEST else "spoke"
        maps = (None, evidence.supporting, evidence.opposing)
        titles = (
            f"{lesion.type.title}, {lesion.long_axis_mm:.0f} mm",
            f"spoke for {LesionType(seen.first).title}",
            f"{words} for {LesionType(seen.second).title} instead",
        )
        for axis, heat, title in zip(row, maps, titles, strict=True):
            axis.imshow(grey, cmap="gray", vmin=0, vmax=255, aspect=1)
            if heat is not None:
                axis.imshow(seen.grid.sample(heat)[level], cmap=colours, vmin=0, vmax=1, alpha=0.65)
            axis.contour(seen.true[level], [0.5], colors="w", linewidths=0.7)
            axis.set_title(title, fontsize=9)
            axis.axis("off")
    figure.savefig(path, dpi=90)


def main() -> int:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/heatmaps"))
    parser.add_argument("--out", type=Path, default=Path("Docs"))
    chosen = parser.parse_args()
    model, path = network_and_file()
    files = sorted(results_folder(chosen.work, path).glob("*.json"))
    if not files:
        parser.error("nothing was measured yet: run heatmaps.py first")
    draw_curves([each for file in files for each in kept(file)], chosen.out / "heatmaps-curves.png")
    draw_examples(model, chosen.out / "heatmaps.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The whole pipeline on two real patients with HCC: what it finds, beside a tumour mask drawn by eye.

python Testing/benchmarks/real_hcc.py [--models FOLDER] [--cascade NAME] [--pictures FOLDER]
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.pipeline import Analysis, analyze

ROOT = Path(__file__).resolve().parents[2]
PATIENTS = ROOT.parent / "shared" / "data" / "hcc_tace_seg"
TUMOUR = ROOT / "Testing" / "data" / "hcc_007_tumour.nii.gz"


def tumour_dice(analysis: Analysis) -> tuple[float, float, int]:
    """Dice of the drawn tumour with the lesion that covers most of it, with all lesions, and how many touch it."""
    labels = analysis.findings.lesion_labels
    drawn = sitk.Resample(sitk.ReadImage(str(TUMOUR)), labels, sitk.Transform(), sitk.sitkNearestNeighbor)
    truth, found = (sitk.GetArrayFromImage(image) for image in (drawn, labels))
    counts = np.bincount(found[truth > 0], minlength=2)
    counts[0] = 0
    best = found == counts.argmax() if counts.any() else np.zeros(found.shape, bool)
    return _dice(best, truth > 0), _dice(found > 0, truth > 0), int(np.count_nonzero(counts))


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / max(one.sum() + other.sum(), 1))


def draw(analysis: Analysis, path: Path) -> None:
    """Every lesion on its own middle slice of each phase, liver in green, lesions in red."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    findings, images = analysis.findings, analysis.registered.images
    labels, organs = (sitk.GetArrayViewFromImage(image) for image in (findings.lesion_labels, findings.organ_labels))
    shown = findings.lesions[:5] or (None,)
    figure, axes = plt.subplots(len(shown), len(images), figsize=(4 * len(images), 3.4 * len(shown)), squeeze=False)
    for row, lesion in zip(axes, shown, strict=True):
        mask = labels == lesion.label if lesion else organs > 0
        z = int(mask.sum(axis=(1, 2)).argmax())
        for axis, (phase, image) in zip(row, images.items(), strict=True):
            axis.imshow(sitk.GetArrayViewFromImage(image)[z], cmap="gray", vmin=-40, vmax=220)
            for part, colour in ((organs[z] == 1, "lime"), (labels[z] > 0, "red")):
                if part.any():
                    axis.contour(part, [0.5], colors=colour, linewidths=0.6)
            axis.set_title(f"{lesion.label if lesion else ''} {phase.title}", fontsize=8)
            axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=70)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--cascade", default="base")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--patients", nargs="+", default=["HCC_007", "HCC_011"])
    chosen = parser.parse_args(arguments)
    for patient in chosen.patients:
        begun = time.perf_counter()
        analysis = analyze(PATIENTS / patient, chosen.cascade, ModelStore(chosen.models))
        findings = analysis.findings
        print(f"{patient}: {time.perf_counter() - begun:.1f} s, liver {findings.liver_volume_mm3 / 1000:.0f} ml")
        for lesion in findings.lesions:
            share = lesion.probability
            place = ", ".join(f"{value:.0f}" for value in lesion.centroid_mm)
            print(
                f"  {lesion.label}: {lesion.type} {share:.0%} ({lesion.certainty}), "
                f"{lesion.measurement.long_axis.length_mm:.0f} x {lesion.measurement.short_axis.length_mm:.0f} mm "
                f"at ({place}), score {lesion.score:.2f}"
            )
        if patient == "HCC_007":
            best, every, pieces = tumour_dice(analysis)
            print(f"  drawn tumour: Dice {best:.3f} of one lesion, {every:.3f} of all, in {pieces} pieces")
        sys.stdout.flush()
        if chosen.pictures:
            chosen.pictures.mkdir(parents=True, exist_ok=True)
            draw(analysis, chosen.pictures / f"{patient}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())

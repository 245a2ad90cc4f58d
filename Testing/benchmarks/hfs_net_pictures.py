"""Draw Docs/hfs-net.png: what each of HFS-Net's networks makes of a held-out phantom and of a real patient.

python Testing/benchmarks/hfs_net_pictures.py [--work runs/hfs-heldout] [--models DIR]
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import SimpleITK as sitk
from base_cascade import prepare, registered_study
from hfs_net import hcc_patient

from LiverTumorAILib.cascades.base import known_liver
from LiverTumorAILib.cascades.hfs_net import FUSION, PHASES, predict_hcc
from LiverTumorAILib.cascades.hierarchy import PRIORS
from LiverTumorAILib.evaluation import read_truth
from LiverTumorAILib.evaluation.truth import on_grid
from LiverTumorAILib.explanation.colours import heat_colours
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import RegisteredStudy, register_study
from LiverTumorAILib.study import load_study

mpl.use("Agg")
from matplotlib import pyplot

ROOT = Path(__file__).resolve().parents[2]
PATIENT = ROOT.parent / "shared" / "data" / "hcc_tace_seg" / "HCC_007"
TUMOUR = ROOT / "Testing" / "data" / "hcc_007_tumour.nii.gz"
PHANTOM = 61_009
"""With tumours of 60, 40 and 9 mm."""

GREY = {"cmap": "gray", "vmin": -40, "vmax": 220}
NETWORKS = {"hfs_size": "f_size", "hfs_small": "f_small", "hfs_large": "f_large", "HCC": "f_3D, the result"}


def true_tumours(work: Path) -> tuple[RegisteredStudy, list[np.ndarray]]:
    """The phantom, and its tumours as masks (z, y, x), the greatest first."""
    folder = prepare(PHANTOM, work, "ct3", hcc_patient(PHANTOM))
    study, truth = registered_study(folder), read_truth(folder)
    labels = on_grid(truth.lesions, study.reference)
    hcc = [label for label, kind in truth.types.items() if kind is LesionType.HCC]
    return study, sorted((labels == label for label in hcc), key=lambda mask: -int(mask.sum()))


def drawn_tumour() -> tuple[RegisteredStudy, list[np.ndarray]]:
    """The real patient, and the tumour as drawn by eye."""
    study = register_study(load_study(PATIENT))
    drawn = sitk.Resample(sitk.ReadImage(str(TUMOUR)), study.reference, sitk.Transform(), sitk.sitkNearestNeighbor)
    return study, [sitk.GetArrayFromImage(drawn) > 0]


def draw_rows(axes: np.ndarray, name: str, study: RegisteredStudy, masks: list[np.ndarray], models: ModelStore) -> None:
    """A row for each tumour: the phases with the true outlines, then probabilities over the portal venous phase."""
    networks = {model: models.load(model) for model in (*PRIORS, FUSION)}
    liver, _ = known_liver(study, models, "auto", Progress())
    images = {phase: study.images[phase] for phase in PHASES}
    result, stages = predict_hcc(networks, images, study.reference, known=liver)
    found = {key: (result if key == "HCC" else stages).probability_on(study.reference, key) for key in NETWORKS}
    inside = sitk.GetArrayViewFromImage(liver.mask) > 0
    rows, columns = (np.flatnonzero(inside.any(axis=sides)) for sides in ((0, 2), (0, 1)))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    colours = mpl.colors.ListedColormap(heat_colours())
    for row, mask in zip(axes, masks, strict=True):
        z = int(mask.sum(axis=(1, 2)).argmax())
        pictures = [(phase.title, image, None) for phase, image in images.items()]
        pictures += [(title, images[PHASES[-1]], found[key]) for key, title in NETWORKS.items()]
        for axis, (title, image, probability) in zip(row, pictures, strict=True):
            axis.imshow(sitk.GetArrayViewFromImage(image)[z][box], **GREY)
            if probability is not None:
                axis.imshow(sitk.GetArrayViewFromImage(probability)[z][box], cmap=colours, vmin=0, vmax=1, alpha=0.7)
            axis.contour(np.any(masks, axis=0)[z][box], [0.5], colors="white", linewidths=0.7)
            axis.set_title(title, fontsize=9)
            axis.set_xticks([])
            axis.set_yticks([])
        row[0].set_ylabel(name, fontsize=9)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/hfs-heldout"))
    parser.add_argument("--models", type=Path, help="model folder (default: the one that ships)")
    arguments = parser.parse_args()
    models = ModelStore(arguments.models)
    studies = {"synthetic": true_tumours(arguments.work), "HCC_007, real": drawn_tumour()}
    count = sum(len(masks) for _, masks in studies.values())
    columns = len(PHASES) + len(NETWORKS)
    figure, axes = pyplot.subplots(count, columns, figsize=(2.1 * columns, 1.9 * count), layout="constrained")
    for name, (study, masks) in studies.items():
        draw_rows(axes[: len(masks)], name, study, masks, models)
        axes = axes[len(masks) :]
    figure.savefig(ROOT / "Docs" / "hfs-net.png", dpi=100)


if __name__ == "__main__":
    main()

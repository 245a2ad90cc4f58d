"""Versions of the base network beside each other on validation phantoms, with the base cascade's rules.

    python Testing/benchmarks/lesion_networks.py --stores models OTHER [--cases 40] [--work runs/multi-sensitivity]

The phantoms are those on which `multi_sensitivity.py` tunes (seeds 48000 and up), so these figures choose a network
and do not tell how good it is. Each network looks for lesions in the same liver, which the liver networks found. All
figures are synthetic-data figures.
"""

import argparse
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import SimpleITK as sitk
from base_cascade import prepare, registered_study
from multi_sensitivity import FIRST_VALIDATION_SEED, LIVER, REGION_MM, residual, seeds

from LiverTumorAILib.cascades.base import LEAST_PEAK, known_liver, segment_liver
from LiverTumorAILib.evaluation import read_truth
from LiverTumorAILib.evaluation.multi_sensitivity import TYPES
from LiverTumorAILib.inference import Model, ModelStore, predict_probabilities
from LiverTumorAILib.inference.liver import Liver
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.lesions.instances import find_instances
from LiverTumorAILib.lesions.match import Match, Outcome, match_lesions

NETWORK = "base_unet"
SIZES_MM = (0, 10, 20, math.inf)


def compare(folder: Path, networks: list[Model]) -> Iterator[list[tuple[Match, float]]]:
    """What each network makes of a phantom: matches, and the true lesions' long axes (mm; NaN where there is none)."""
    study, truth = registered_study(folder), read_truth(folder)
    if not (folder / LIVER).is_file():
        sitk.WriteImage(known_liver(study, ModelStore(), "auto")[0].mask, folder / LIVER, useCompression=True)
    mask = sitk.ReadImage(folder / LIVER)
    around = sitk.BinaryDilate(mask, [math.ceil(REGION_MM / step) for step in mask.GetSpacing()])
    liver = Liver(mask, sitk.Cast(mask, sitk.sitkFloat32), float("nan"), 1.0)
    lesions = sitk.Resample(truth.lesions, study.reference, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    types = {label: _six(kind) for label, kind in truth.types.items()}
    for network in networks:
        maps = predict_probabilities(network, study.images, region=around, overlap=0.25)
        _, inside, _ = segment_liver(study.reference, maps, liver=liver)
        labels, instances = find_instances(inside, maps, study.reference, least_peak=LEAST_PEAK)
        found = {instance.label: _six(instance.type) for instance in instances}
        matches = match_lesions(sitk.GetArrayViewFromImage(lesions), types, sitk.GetArrayViewFromImage(labels), found)
        yield [(match, truth.long_axes.get(match.true_label, math.nan)) for match in matches]


def _six(kind: LesionType) -> LesionType:
    return kind if kind in TYPES else LesionType.OTHER


def table_column(matches: list[tuple[Match, float]]) -> dict[str, str]:
    """Rows of the table for one network."""
    column = {}
    for low, high in pairwise(SIZES_MM):
        of_size = [match for match, axis in matches if low <= axis < high]
        found = sum(match.outcome is not Outcome.FALSE_NEGATIVE for match in of_size)
        column[f"{low}-{high} mm found"] = f"{found} of {len(of_size)}"
    both = [match for match, _ in matches if match.outcome in (Outcome.TRUE_POSITIVE, Outcome.FALSE_LABEL)]
    right = sum(match.outcome is Outcome.TRUE_POSITIVE for match in both)
    agree = sum(match.true_type.is_malignant == match.found_type.is_malignant for match in both)
    column["right type"] = f"{right} of {len(both)}"
    column["malignant or benign told rightly"] = f"{agree} of {len(both)}"
    column["false lesions"] = str(sum(match.outcome is Outcome.FALSE_POSITIVE for match, _ in matches))
    return column


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stores", type=Path, nargs="+", required=True, help="folders of models to compare")
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--work", type=Path, default=Path("runs/multi-sensitivity"))
    arguments = parser.parse_args()
    networks = [ModelStore(store).load(NETWORK) for store in arguments.stores]
    matches: list[list[tuple[Match, float]]] = [[] for _ in networks]
    for seed in seeds(FIRST_VALIDATION_SEED, arguments.cases):
        folder = prepare(seed, arguments.work, options=residual(seed), register=False)
        for collected, found in zip(matches, compare(folder, networks), strict=True):
            collected.extend(found)
    columns = [table_column(collected) for collected in matches]
    print("| | " + " | ".join(str(store) for store in arguments.stores) + " |")
    for row in columns[0]:
        print(f"| {row} | " + " | ".join(column[row] for column in columns) + " |")


if __name__ == "__main__":
    main()

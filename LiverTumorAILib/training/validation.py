"""Figures on held-out cases while a network trains."""

from collections import defaultdict

import cc3d
import numpy as np
import torch
from torch import nn

from LiverTumorAILib.inference.preprocess import network_input
from LiverTumorAILib.inference.sliding_window import sliding_window
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.training.cases import CaseFolder, TrainingCase
from LiverTumorAILib.training.device import reduced_precision
from LiverTumorAILib.training.export import model_card
from LiverTumorAILib.training.recipe import TrainingRecipe
from LiverTumorAILib.training.targets import LESION_CLASSES

_LEAST_VOXELS = 5


def predict_case(
    network: nn.Module, case: TrainingCase, recipe: TrainingRecipe, device: torch.device, overlap: float = 0.25
) -> np.ndarray:
    """Most probable class, uint8 (z, y, x), of a case by a torch network."""
    network.eval()

    def scores(batch: np.ndarray) -> np.ndarray:
        with torch.no_grad(), reduced_precision(device):
            return network(torch.from_numpy(batch).to(device)).float().cpu().numpy()

    phases = case.phases(recipe.inputs)
    shown = {phase: image for phase, image in phases.items() if phase in recipe.shown}
    inputs = network_input(shown or phases, model_card(recipe, sha256="", training=""))
    maps = sliding_window(inputs, scores, len(recipe.classes), recipe.window, overlap=overlap)
    return maps.argmax(axis=0).astype(np.uint8)


def validate(
    network: nn.Module,
    cases: CaseFolder,
    recipe: TrainingRecipe,
    device: torch.device,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Figures of a network on held-out cases.

    Returns
    -------
    dict of str to float
        `dice CLASS` for each organ and for `dice lesions` (all types together), over all voxels of all cases;
        `lesion recall`: share of true lesions of which a predicted one covers a voxel; `lesion precision`: share of
        predicted lesions (26-connected, of at least 5 voxels) that touch a true one; `type accuracy`: share of found
        lesions whose most frequent predicted type is right. NaN where a figure does not apply.

    """
    overlaps, totals = defaultdict(int), defaultdict(int)
    lesion_indices = [recipe.classes.index(name) for name in LESION_CLASSES]
    counts = np.zeros(5)
    for index in range(len(cases)):
        if progress:
            progress.update(index / len(cases), "validation")
        case = cases.case(index, progress)
        predicted, truth = predict_case(network, case, recipe, device), np.asarray(case.labels)
        for position, name in enumerate(recipe.classes[1:], start=1):
            if position not in lesion_indices:
                _add_overlap(overlaps, totals, name, predicted == position, truth == position)
        found, true = np.isin(predicted, lesion_indices), np.isin(truth, lesion_indices)
        _add_overlap(overlaps, totals, "lesions", found, true)
        counts += _lesion_counts(predicted, found, case, true)
    figures = {f"dice {name}": 2 * overlaps[name] / totals[name] if totals[name] else np.nan for name in totals}
    hit, lesions, right, matched, components = counts
    figures["lesion recall"] = hit / lesions if lesions else np.nan
    figures["lesion precision"] = matched / components if components else np.nan
    figures["type accuracy"] = right / hit if hit else np.nan
    return {name: float(value) for name, value in figures.items()}


def _add_overlap(overlaps: dict, totals: dict, name: str, predicted: np.ndarray, truth: np.ndarray) -> None:
    overlaps[name] += int((predicted & truth).sum())
    totals[name] += int(predicted.sum()) + int(truth.sum())


def _lesion_counts(predicted: np.ndarray, found: np.ndarray, case: TrainingCase, true: np.ndarray) -> np.ndarray:
    """Lesions hit, lesions, hit with the right type, predicted lesions matched, predicted lesions."""
    instances = cc3d.connected_components(np.asarray(case.labels) * true, connectivity=26)
    hit = right = 0
    for place in case.lesions:
        number = instances[place.voxel]
        votes = np.bincount(predicted[(instances == number) & found]) if number else np.zeros(0)
        hit += bool(votes.size)
        right += bool(votes.size) and int(votes.argmax()) == place.class_index
    components = cc3d.dust(cc3d.connected_components(found, connectivity=26), threshold=_LEAST_VOXELS)
    numbers = np.unique(components[components > 0])
    matched = np.unique(components[true & (components > 0)])
    return np.array([hit, len(case.lesions), right, len(matched), len(numbers)], float)

"""Real CT without lesions as training cases, with the places where a network sees lesions in them (hard negatives).

Makes them: python -m LiverTumorAILib.training.real_negatives FOLDER --ct FILE=PHASE [FILE=PHASE ...].
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cc3d
import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from tqdm import tqdm

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import ModelStore, NetworkGrid, ProbabilityMaps, predict_probabilities
from LiverTumorAILib.inference.liver import find_liver
from LiverTumorAILib.inference.preprocess import sample_phase
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training.cases import UNKNOWN, LesionPlace, TrainingCase, write_case
from LiverTumorAILib.training.materials import SPACING_MM, read_materials
from LiverTumorAILib.training.recipe import RECIPES, TrainingRecipe
from LiverTumorAILib.training.targets import LESION_CLASSES, UNLABELLED, UNSPLIT_LIVER

SUSPECTED = 0.25
"""Probability of any lesion from which a voxel is a place to train on."""
LEAST_VOXELS = 3
MARGIN_MM = 30.0
"""Of the body that is kept around the liver."""
_STEP = np.ones((3, 3, 3), bool)


def negative_case(
    name: str, image: sitk.Image, phase: Phase, liver: sitk.Image, *, recipe: TrainingRecipe, models: ModelStore
) -> TrainingCase:
    """A real CT without lesions as a training case.

    Its organs are not told apart: inside the liver any class of liver or vessel is right, elsewhere any but a lesion.

    Parameters
    ----------
    name: str
        Of the case.
    image: SimpleITK.Image
        float32 (LPS, mm; HU).
    phase: Phase
        Which it shows.
    liver: SimpleITK.Image
        uint8 (LPS, mm): 1 in the liver.
    recipe: TrainingRecipe
        Gives grid and channels.
    models: ModelStore
        Whose model of the recipe's name says where it sees lesions.

    Returns
    -------
    TrainingCase
        `lesions` are the suspected places, of class `UNLABELLED`.

    Raises
    ------
    LiverTumorAIError
        If there is no liver.

    """
    grid = NetworkGrid.covering([image], recipe.spacing_mm)
    inside = grid.sample(liver, sitk.sitkNearestNeighbor) > 0
    if not inside.any():
        raise LiverTumorAIError("There is no liver in a CT for training", name, "Leave it out")
    maps = predict_probabilities(models.load(recipe.name), {phase: image}, region=liver)
    values = sample_phase(image, grid)
    labels = np.full(grid.shape, UNLABELLED, np.uint8)
    labels[ndimage.binary_erosion(inside, _STEP)] = UNSPLIT_LIVER
    box = _around(inside, grid)
    stored = np.full((len(recipe.inputs), *values[box].shape), UNKNOWN, np.int16)
    shown = values[box]
    stored[list(recipe.inputs).index(phase)] = np.where(
        np.isfinite(shown), np.clip(np.rint(np.nan_to_num(shown)), -1024, 3000), UNKNOWN
    )
    suspected = _suspected(maps, grid) & inside
    return TrainingCase(name, stored, labels[box], _places(suspected[box]))


def _around(inside: np.ndarray, grid: NetworkGrid) -> tuple[slice, ...]:
    """The liver's box with a margin."""
    return tuple(
        slice(max(side.start - round(MARGIN_MM / step), 0), side.stop + round(MARGIN_MM / step))
        for side, step in zip(ndimage.find_objects(inside.astype(np.uint8))[0], grid.spacing_mm, strict=True)
    )


def _suspected(maps: ProbabilityMaps, grid: NetworkGrid) -> np.ndarray:
    """Where lesions are at all probable, bool (z, y, x) on a grid."""
    chosen = [maps.classes.index(name) for name in LESION_CLASSES]
    probability = maps.grid.image(maps.probabilities[chosen].astype(np.float32).sum(axis=0))
    return grid.sample(probability) > SUSPECTED


def _places(suspected: np.ndarray) -> tuple[LesionPlace, ...]:
    """One place in each connected part."""
    parts = cc3d.connected_components(suspected, connectivity=26)
    places = []
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        voxels = np.argwhere(parts[box] == number) + [side.start for side in box]
        if len(voxels) >= LEAST_VOXELS:
            middle = voxels[np.argmin(((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1))]
            places.append(LesionPlace(UNLABELLED, tuple(middle.tolist()), len(voxels)))
    return tuple(places)


def _sources(chosen: argparse.Namespace, models: ModelStore) -> Iterator[tuple[str, sitk.Image, Phase, sitk.Image]]:
    """Name, image, phase and liver of each case to make: the CT, and the first bodies onto which each was warped."""
    phases = {Path(path).name.split(".")[0]: Phase(phase) for path, _, phase in (e.rpartition("=") for e in chosen.ct)}
    for entry, (stem, phase) in zip(chosen.ct, phases.items(), strict=True):
        if not (chosen.folder / stem).is_dir():
            image = sitk.DICOMOrient(sitk.ReadImage(entry.rpartition("=")[0]), "LPS")
            image = sitk.Cast(image, sitk.sitkFloat32)
            yield stem, image, phase, find_liver(image, models).mask
    taken = dict.fromkeys(phases, 0)
    for material in read_materials(chosen.materials) if chosen.materials else ():
        if material.donor == material.name or taken.get(material.donor, chosen.transfers) >= chosen.transfers:
            continue
        taken[material.donor] += 1
        if not (chosen.folder / material.name).is_dir():
            values = np.where(material.ct == UNKNOWN, np.nan, material.ct.astype(np.float32))
            image, liver = (sitk.GetImageFromArray(np.asarray(part)) for part in (values, material.liver))
            for part in (image, liver):
                part.SetSpacing([SPACING_MM] * 3)
            yield material.name, image, phases[material.donor], liver


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of this module; what is there already is kept."""
    parser = argparse.ArgumentParser(description="Make training cases of real CT without lesions.")
    parser.add_argument("folder", type=Path, help="receives one folder for each case")
    parser.add_argument("--ct", nargs="+", required=True, metavar="FILE=PHASE", help="e.g. ct.nii.gz=portal_venous")
    parser.add_argument("--materials", type=Path, help="folder of materials; bodies onto which the CT were warped")
    parser.add_argument("--transfers", type=int, default=5, help="so many of them for each CT")
    parser.add_argument("--model", default="base_unet", choices=sorted(RECIPES))
    parser.add_argument("--models", type=Path, help="model store; default: the one that comes with the library")
    chosen = parser.parse_args(arguments)
    models = ModelStore(chosen.models)
    try:
        for source in tqdm(_sources(chosen, models), desc="real CT", file=sys.stderr):
            case = negative_case(*source, recipe=RECIPES[chosen.model], models=models)
            write_case(case, chosen.folder)
            tqdm.write(f"{case.name}: lesions suspected in {len(case.lesions)} places", file=sys.stderr)
    except (RuntimeError, ValueError, LiverTumorAIError) as error:
        print(f"Real CT: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Makes training cases from synthetic studies: python -m LiverTumorAILib.training.make_data FOLDER --count 100."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from tqdm import tqdm

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.phantom import PhantomOptions, generate_phantom
from LiverTumorAILib.phantom.real_scan import RealScan
from LiverTumorAILib.training.cases import CaseFolder, TrainingCase, prepare_case, write_case
from LiverTumorAILib.training.materials import SPACING_MM, Material, read_materials
from LiverTumorAILib.training.recipe import RECIPES, TrainingRecipe
from LiverTumorAILib.training.targets import class_map

PROTOCOL = "ct4"
GREATEST_RESIDUAL_MM = 3.0
"""Inference sees registered phases, so only what registration leaves of the breathing displacement is put in."""
THICK_SHARE = 0.15


def case_name(seed: int) -> str:
    """Folder name of a seed's case."""
    return f"seed_{seed:06d}"


@dataclass(frozen=True)
class Bodies:
    """Real people in whom some of the studies take place.

    Attributes
    ----------
    anatomies: tuple of Path
        Organ label maps.
    every: int
        Each such seed uses one of them.
    scans: tuple of Material
        Unenhanced CT with complete labels.
    scan_share: float
        Share of the studies that take place in one of them, if there are any.

    """

    anatomies: tuple[Path, ...] = ()
    every: int = 4
    scans: tuple[Material, ...] = ()
    scan_share: float = 0.6


def read_bodies(anatomies: Path | None, materials: Path | None, every: int = 4) -> Bodies:
    """The organ label maps (.nii.gz) of one folder and the materials with a CT of another, as far as given."""
    maps = tuple(sorted(anatomies.glob("*.nii.gz"))) if anatomies else ()
    found = read_materials(materials) if materials else ()
    return Bodies(maps, every, tuple(material for material in found if material.is_real))


def draw_options(seed: int, bodies: Bodies = Bodies()) -> PhantomOptions:
    """How a seed's study is made: residual displacement, slice thickness, and for some a real person's body."""
    rng = np.random.default_rng([seed, 77])
    breathing = float(rng.uniform(0, GREATEST_RESIDUAL_MM))
    thickness = 5.0 if rng.random() < THICK_SHARE else None
    anatomy, scan = None, None
    if bodies.anatomies and seed % bodies.every == bodies.every - 1:
        anatomy = bodies.anatomies[int(rng.integers(len(bodies.anatomies)))]
    if bodies.scans and rng.random() < bodies.scan_share:
        scan = real_scan(bodies.scans[int(rng.integers(len(bodies.scans)))])
    return PhantomOptions(breathing_mm=breathing, slice_thickness_mm=thickness, anatomy=anatomy, scan=scan)


def real_scan(material: Material) -> RealScan:
    """A material with a CT as the body of a phantom."""
    labels, ct = (sitk.GetImageFromArray(np.asarray(part)) for part in (material.labels, material.ct))
    for image in (labels, ct):
        image.SetSpacing([SPACING_MM] * 3)
    return RealScan(labels, ct)


def make_case(seed: int, options: PhantomOptions, recipe: TrainingRecipe) -> TrainingCase:
    """One synthetic study as a training case."""
    phantom = generate_phantom(seed, PROTOCOL, options)
    types = {lesion.label: lesion.type for lesion in phantom.lesion_truth}
    organs, lesions = sitk.GetArrayFromImage(phantom.organs), sitk.GetArrayFromImage(phantom.lesions)
    classes = sitk.GetImageFromArray(class_map(organs, lesions, types))
    classes.CopyInformation(phantom.organs)
    return prepare_case(case_name(seed), phantom.images, classes, phantom.lesions, recipe)


def make_cases(folder: Path, seeds: Sequence[int], recipe: TrainingRecipe, bodies: Bodies = Bodies()) -> None:
    """Make the cases of some seeds, in their order; those that are there already are kept.

    The folder's plan is written first, so that a training can begin before all are made.
    """
    CaseFolder.write_plan(folder, tuple(case_name(seed) for seed in seeds))
    for seed in tqdm(seeds, desc="cases", file=sys.stderr):
        if not (folder / case_name(seed)).is_dir():
            write_case(make_case(seed, draw_options(seed, bodies), recipe), folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description="Make training cases from synthetic studies.")
    parser.add_argument("folder", type=Path, help="receives one folder for each case")
    parser.add_argument("--model", default="base_unet", choices=sorted(RECIPES), help="recipe whose grid is used")
    parser.add_argument("--first-seed", type=int, default=10000)
    parser.add_argument("--count", type=int, default=250)
    parser.add_argument("--anatomies", type=Path, help="folder of real organ label maps (.nii.gz)")
    parser.add_argument("--every", type=int, default=4, help="each such study uses a real anatomy")
    parser.add_argument("--materials", type=Path, help="folder of materials, see LiverTumorAILib.training.materials")
    chosen = parser.parse_args(arguments)
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.count)
    try:
        bodies = read_bodies(chosen.anatomies, chosen.materials, chosen.every)
        make_cases(chosen.folder, seeds, RECIPES[chosen.model], bodies)
    except LiverTumorAIError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

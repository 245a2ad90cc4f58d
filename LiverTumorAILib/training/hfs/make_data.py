"""Makes HFS-Net's training cases: python -m LiverTumorAILib.training.hfs.make_data FOLDER [--training 200 ...]."""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from tqdm import tqdm

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.evaluation.truth import liver_mask
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom import PhantomOptions, generate_phantom
from LiverTumorAILib.training.hfs.cases import HfsCase, on_slices, write_case
from LiverTumorAILib.training.make_data import Bodies, case_name, read_bodies, real_scan

PROTOCOL = "ct3"
SPLITS = {"training": 200, "fusion": 60, "validation": 20, "test": 40}
"""Number of cases. f_3D has cases of its own: on those that the 2D networks were trained on, their results are
better than on patients they never saw."""

FIRST_SEEDS = {"training": 40_000, "fusion": 50_000, "validation": 55_000, "test": 60_000}
HCC_SHARE = 0.6
"""Of the patients are drawn as patients with HCC; the others, normal livers among them, as they come."""

SINGLE_SHARE = 0.7
CYST_SHARE, HEMANGIOMA_SHARE = 0.3, 0.1
GREATEST_RESIDUAL_MM = 3.0
"""Inference sees registered phases, so only what registration leaves of the breathing displacement is put in."""

THICK_SHARE = 0.15
REAL_EVERY = 4
"""Of so many studies one has a real person's organ shapes, and one takes place in a real CT, where there are any."""

GENERATED = Bodies()
HELD_OUT = ("validation", "test")
"""Splits without real bodies, so that no body is on both sides."""


def draw_options(seed: int, bodies: Bodies = GENERATED) -> PhantomOptions:
    """How a seed's study is made: its lesions, residual displacement, slice thickness and body."""
    rng = np.random.default_rng([seed, 7])
    lesions = draw_hcc_patient(rng) if rng.random() < HCC_SHARE else None
    breathing = float(rng.uniform(0, GREATEST_RESIDUAL_MM))
    thickness = 5.0 if rng.random() < THICK_SHARE else None
    anatomy, scan = None, None
    if bodies.anatomies and seed % REAL_EVERY == 0:
        anatomy = bodies.anatomies[int(rng.integers(len(bodies.anatomies)))]
    if bodies.scans and seed % REAL_EVERY == 2:
        scan = real_scan(bodies.scans[int(rng.integers(len(bodies.scans)))])
    return PhantomOptions(
        breathing_mm=breathing, slice_thickness_mm=thickness, lesions=lesions, anatomy=anatomy, scan=scan
    )


def draw_hcc_patient(rng: np.random.Generator) -> tuple[LesionType, ...]:
    """Lesions of a patient with HCC: mostly one tumour, sometimes cysts or a hemangioma beside it."""
    lesions = [LesionType.HCC]
    if rng.random() >= SINGLE_SHARE:
        lesions += [LesionType.HCC] * int(rng.integers(1, 4))
    if rng.random() < CYST_SHARE:
        lesions += [LesionType.CYST] * int(rng.integers(1, 3))
    if rng.random() < HEMANGIOMA_SHARE:
        lesions.append(LesionType.HEMANGIOMA)
    return tuple(lesions)


def make_case(folder: Path, seed: int, options: PhantomOptions) -> HfsCase:
    """One synthetic study as a training case in a folder of its own."""
    phantom = generate_phantom(seed, PROTOCOL, options)
    instances = sitk.GetArrayFromImage(phantom.lesions)
    is_hcc = np.isin(instances, [lesion.label for lesion in phantom.lesion_truth if lesion.type is LesionType.HCC])

    def mask(voxels: np.ndarray) -> sitk.Image:
        image = sitk.GetImageFromArray(voxels.astype(np.uint8))
        image.CopyInformation(phantom.lesions)
        return image

    liver = liver_mask(phantom.organs, phantom.lesions)
    return write_case(folder, *on_slices(phantom.images, liver, mask(is_hcc), mask((instances > 0) & ~is_hcc)))


# Read in each process: bodies are too large to be sent with every seed.
_bodies = cache(read_bodies)


def _make(seed: int, data: Path, anatomies: Path | None, materials: Path | None) -> None:
    folder = data / case_name(seed)
    if not folder.is_dir():
        make_case(folder, seed, draw_options(seed, _bodies(anatomies, materials)))


def make_cases(
    data: Path,
    seeds: Sequence[int],
    anatomies: Path | None = None,
    materials: Path | None = None,
    workers: int = 1,
) -> None:
    """Make the cases of some seeds, some in real bodies (`read_bodies`); those that are there already are kept."""
    data.mkdir(parents=True, exist_ok=True)
    make = partial(_make, data=data, anatomies=anatomies, materials=materials)
    if workers == 1:
        for seed in tqdm(seeds, desc=data.name, file=sys.stderr):
            make(seed)
        return
    with ProcessPoolExecutor(workers) as pool:
        for _ in tqdm(pool.map(make, seeds), total=len(seeds), desc=data.name, file=sys.stderr):
            pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description="Make HFS-Net's training cases from synthetic studies.")
    parser.add_argument("folder", type=Path, help="receives training/, fusion/, validation/ and test/")
    for split, count in SPLITS.items():
        parser.add_argument(f"--{split}", type=int, default=count, metavar="N", help=f"cases (default: {count})")
    parser.add_argument("--anatomies", type=Path, help="folder of real organ label maps (.nii.gz)")
    parser.add_argument("--materials", type=Path, help="folder of materials, see LiverTumorAILib.training.materials")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    chosen = parser.parse_args(arguments)
    bodies = (chosen.anatomies, chosen.materials)
    try:
        for split, first in FIRST_SEEDS.items():
            seeds = range(first, first + getattr(chosen, split))
            if seeds:
                real = (None, None) if split in HELD_OUT else bodies
                make_cases(chosen.folder / split, seeds, *real, chosen.workers)
    except LiverTumorAIError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Whole bodies from which training samples of the liver networks are drawn.

A material is a label map of a body and, where there is one, the real CT that belongs to it. Makes them:
python -m LiverTumorAILib.training.materials FOLDER --anatomies MAPS --ct CT --labels LABELS.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from tqdm import tqdm

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.phantom.anatomy import Grid
from LiverTumorAILib.phantom.anatomy_generator import default_grid, generate_anatomy
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.lesions import liver_region
from LiverTumorAILib.phantom.random_fields import stream
from LiverTumorAILib.phantom.real_anatomy import anatomy_from_label_map
from LiverTumorAILib.training.cases import UNKNOWN
from LiverTumorAILib.training.transfer import VoxelMap, fit_organs, sample_donor

SPACING_MM = 2.0
MARGIN_MM = 50.0
"""How much of the donor's body is kept around a target's labels."""
LEAST_DICE = 0.85
"""Of a transferred liver; a worse fit is left out."""
LEAST_SLICES = 40
TRANSFERRED = "_as_"
"""In a material's name: the CT before it was warped onto the person behind it."""


@dataclass(frozen=True)
class Material:
    """A body on an isotropic grid of `SPACING_MM`, axes along LPS.

    Attributes
    ----------
    name: str
    labels: numpy.ndarray
        uint8 (z, y, x), values of `Tissue`.
    liver: numpy.ndarray
        uint8 (z, y, x), 1 in the liver and the vessels and ducts inside it.
    ct: numpy.ndarray
        int16 (z, y, x), HU, `UNKNOWN` where there is no image; all of it for a synthetic body.

    """

    name: str
    labels: np.ndarray
    liver: np.ndarray
    ct: np.ndarray

    @classmethod
    def of(cls, name: str, labels: np.ndarray, ct: np.ndarray) -> "Material":
        """A material from labels and image; the liver follows from the labels."""
        grid = Grid(labels.shape, (SPACING_MM,) * 3)
        return cls(name, labels, liver_region(labels, grid).astype(np.uint8), ct)

    @property
    def donor(self) -> str:
        """Name of the CT that this is or comes from."""
        return self.name.split(TRANSFERRED)[0]

    @property
    def is_real(self) -> bool:
        """Whether there is a CT."""
        return bool((self.ct[::8, ::8, ::8] != UNKNOWN).any())


def write_material(material: Material, folder: Path) -> None:
    """Write a material into a folder of materials; it appears by one rename."""
    partial = folder / f".{material.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    np.save(partial / "labels.npy", material.labels)
    np.save(partial / "liver.npy", material.liver)
    np.save(partial / "ct.npy", material.ct)
    partial.rename(folder / material.name)


def read_materials(folder: Path) -> tuple[Material, ...]:
    """All materials of a folder in the order of their names; their arrays stay on disk until they are used."""
    found = sorted(entry for entry in folder.glob("[!.]*") if (entry / "ct.npy").is_file())
    if not found:
        raise LiverTumorAIError(
            "No training materials were found", folder, "Make some with python -m LiverTumorAILib.training.materials"
        )
    return tuple(
        Material(entry.name, *(np.load(entry / f"{part}.npy", mmap_mode="r") for part in ("labels", "liver", "ct")))
        for entry in found
    )


def complete_labels(labels: np.ndarray, ct: np.ndarray) -> np.ndarray:
    """Label what a map leaves open by the CT's HU: air, fat, muscle (any soft tissue) and bone.

    Parameters
    ----------
    labels: numpy.ndarray
        (z, y, x), values of `Tissue`; 0 and `OTHER_BODY` are open.
    ct: numpy.ndarray
        (z, y, x), HU.

    """
    smooth = ndimage.uniform_filter(np.maximum(ct, -1100).astype(np.float32), 3)
    by_density = np.digitize(smooth, [-300, -25, 160])
    names = np.array([Tissue.AIR, Tissue.FAT, Tissue.MUSCLE, Tissue.BONES], np.uint8)
    open_voxels = (labels == 0) | (labels == Tissue.OTHER_BODY)
    completed = np.where(open_voxels, names[by_density], labels).astype(np.uint8)
    lungs_or_air = ndimage.binary_erosion(smooth < -300, iterations=1)
    completed[lungs_or_air & (completed == Tissue.LIVER)] = Tissue.AIR
    return completed


def scan_material(name: str, ct: VoxelMap, labels: VoxelMap) -> Material:
    """A CT with its own labels as a material; both on grids of their own."""
    grid = ct.resampled(SPACING_MM)
    axes = [o + np.arange(n) * SPACING_MM for o, n in zip(grid.origin_mm, grid.values.shape, strict=True)]
    image, organs = (_sampled_at(volume, axes, order) for volume, order in ((ct, 1), (labels, 0)))
    return _material(name, image, organs)


def transferred_material(name: str, ct: VoxelMap, labels: VoxelMap, target: VoxelMap) -> Material | None:
    """A CT warped onto another person's organs, with its own labels; None if they do not fit."""
    fit = fit_organs(labels, target)
    if fit.dice < LEAST_DICE:
        return None
    margin = int(MARGIN_MM / SPACING_MM)
    grid = target.resampled(SPACING_MM)
    axes = [
        o + np.arange(-margin, n + margin) * SPACING_MM for o, n in zip(grid.origin_mm, grid.values.shape, strict=True)
    ]
    points = fit.donor_points(axes)
    image = sample_donor(ct, points)
    organs = np.nan_to_num(sample_donor(labels, points, "nearest", 0.0)).astype(np.uint8)
    return _material(name, image, organs)


def synthetic_material(name: str, seed: int, anatomy: Path | None = None) -> Material:
    """A phantom's body; with the organs of a real person where a label map is given."""
    rng = stream(seed, "material")
    grid = default_grid(SPACING_MM, rng)
    cirrhosis = float(rng.uniform(0.2, 1)) if rng.random() < 0.25 else 0.0
    body = anatomy_from_label_map(anatomy, rng, grid, cirrhosis) if anatomy else generate_anatomy(rng, grid, cirrhosis)
    return Material.of(name, body.labels, np.full(body.labels.shape, UNKNOWN, np.int16))


def read_map(path: Path) -> VoxelMap:
    """An image file as an array with axes along LPS."""
    image = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
    return VoxelMap(sitk.GetArrayFromImage(image), image.GetSpacing()[::-1], image.GetOrigin()[::-1])


def _placed_on(labels: VoxelMap, ct: VoxelMap) -> VoxelMap:
    """Labels whose file starts at 0, brought to the CT whose extent they cover."""
    extents = [np.asarray(volume.values.shape) * volume.spacing_mm for volume in (labels, ct)]
    if any(labels.origin_mm) or np.abs(extents[0] - extents[1]).max() > max(ct.spacing_mm):
        return labels
    corner = np.asarray(ct.origin_mm) - np.asarray(ct.spacing_mm) / 2
    return replace(labels, origin_mm=tuple((corner + np.asarray(labels.spacing_mm) / 2).tolist()))


def _sampled_at(volume: VoxelMap, axes: Sequence[np.ndarray], order: int) -> np.ndarray:
    places = [(a - o) / s for a, o, s in zip(axes, volume.origin_mm, volume.spacing_mm, strict=True)]
    values = volume.values.astype(np.float32)
    for axis, place in enumerate(places):
        first = np.clip(np.floor(place), 0, values.shape[axis] - 1).astype(int)
        second = np.minimum(first + 1, values.shape[axis] - 1)
        share = np.clip(place - first, 0, 1).reshape([-1 if a == axis else 1 for a in range(3)])
        low, high = np.take(values, first, axis), np.take(values, second, axis)
        values = low + (high - low) * share if order else np.where(share < 0.5, low, high)
    return values.astype(np.float32)


def _material(name: str, image: np.ndarray, organs: np.ndarray) -> Material | None:
    known = np.isfinite(image)
    slices = np.flatnonzero(known.mean(axis=(1, 2)) > 0.2)
    if len(slices) < LEAST_SLICES:
        return None
    kept = slice(int(slices[0]), int(slices[-1]) + 1)
    image, organs, known = image[kept], organs[kept], known[kept]
    stored = np.where(known, np.clip(np.nan_to_num(image, nan=0.0), -1024, 3000), UNKNOWN).astype(np.int16)
    return Material.of(name, complete_labels(organs.astype(np.uint8), np.nan_to_num(image, nan=-1000.0)), stored)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of this module; what is there already is kept."""
    parser = argparse.ArgumentParser(description="Make materials for the training of the liver networks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--anatomies", type=Path, help="folder of organ label maps (.nii.gz)")
    parser.add_argument("--ct", type=Path, action="append", default=[], help="real CT; may be given several times")
    parser.add_argument("--labels", type=Path, action="append", default=[], help="organ labels of each CT, in order")
    parser.add_argument(
        "--transfers", type=int, nargs="+", default=[36], help="label maps onto which each CT is warped, in order"
    )
    parser.add_argument("--synthetic", type=int, default=30, help="phantom bodies, half of them after label maps")
    chosen = parser.parse_args(arguments)
    maps = sorted(chosen.anatomies.glob("*.nii.gz")) if chosen.anatomies else []
    # Neighbouring names are one hospital's, so that any few of them are mixed by a stride.
    maps = [maps[(7 * index) % len(maps)] for index in range(len(maps))] if len(maps) % 7 else maps
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for index in tqdm(range(chosen.synthetic), desc="synthetic bodies", file=sys.stderr):
        name = f"synthetic_{index:03d}"
        if not (chosen.folder / name).is_dir():
            anatomy = maps[-1 - index // 2 % len(maps)] if maps and index % 2 else None
            write_material(synthetic_material(name, 50_000 + index, anatomy), chosen.folder)
    for donor, (ct_path, labels_path) in enumerate(zip(chosen.ct, chosen.labels, strict=True)):
        ct = read_map(ct_path)
        labels = _placed_on(read_map(labels_path), ct)
        stem = ct_path.name.split(".")[0]
        if not (chosen.folder / stem).is_dir():
            write_material(scan_material(stem, ct, labels), chosen.folder)
        number = chosen.transfers[min(donor, len(chosen.transfers) - 1)]
        for target in tqdm(maps[:number], desc=f"transfers of {stem}", file=sys.stderr):
            name = f"{stem}{TRANSFERRED}{target.name.split('.')[0]}"
            if not (chosen.folder / name).is_dir():
                material = transferred_material(name, ct, labels, read_map(target))
                if material is not None:
                    write_material(material, chosen.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Pairs of synthetic phases with a known field for judging verdicts: good ones, and ones broken on purpose."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.phantom import PhantomOptions, generate_phantom
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.phantom import Phantom
from LiverTumorAILib.study import Phase

SPACING_MM = (3.0, 3.0, 3.0)
GREATEST_SHIFT_MM = 100.0
GREATEST_BREATHING_MM = 30.0
MOST_CUT_AWAY = 0.2
BROKEN = ("other patient", "flipped", "half the liver cut away", "40 mm off", "broken field")


@dataclass(frozen=True)
class Case:
    """Two phases, and what is true of them.

    Attributes
    ----------
    name: str
        Phantom, phase and what was done to it.
    fixed, moving: SimpleITK.Image
        float32, LPS, mm.
    liver: SimpleITK.Image
        uint8 on the fixed grid.
    truth: SimpleITK.Image or None
        Displacement field (LPS, mm) on the fixed grid; None for different patients.
    spoil: str
        What is done to the field after registration, '' for nothing.

    """

    name: str
    fixed: sitk.Image
    moving: sitk.Image
    liver: sitk.Image
    truth: sitk.Image | None
    spoil: str = ""


def _phantom(seed: int, anatomies: list[Path]) -> Phantom:
    random = np.random.default_rng(seed)
    anatomy = anatomies[int(random.integers(len(anatomies)))] if anatomies and random.random() < 0.3 else None
    breathing = float(random.uniform(0, GREATEST_BREATHING_MM))
    options = PhantomOptions(spacing_mm=SPACING_MM, breathing_mm=breathing, anatomy=anatomy)
    return generate_phantom(seed, "dce-mr" if random.random() < 0.2 else "ct4", options)


def _pairs(seed: int, anatomies: list[Path]) -> list[Case]:
    """Every phase of a phantom against its reference phase."""
    phantom = _phantom(seed, anatomies)
    fixed = phantom.images[phantom.reference_phase]
    liver = sitk.Cast(phantom.organs == Tissue.LIVER, sitk.sitkUInt8)
    return [
        Case(f"{phantom.modality} {seed} {phase}", fixed, phantom.images[phase], liver, phantom.fields[phase])
        for phase in Phase
        if phase in phantom.fields
    ]


def _shifted(case: Case, random: np.random.Generator) -> Case:
    """The moving image in a foreign position."""
    direction = random.normal(size=3)
    shift = direction / np.linalg.norm(direction) * random.uniform(0, GREATEST_SHIFT_MM)
    moving = sitk.Image(case.moving)
    moving.SetOrigin((np.array(moving.GetOrigin()) + shift).tolist())
    truth = case.truth and _plus(case.truth, shift)
    return replace(case, name=f"{case.name}, {np.linalg.norm(shift):.0f} mm away", moving=moving, truth=truth)


def _plus(field: sitk.Image, shift_mm: np.ndarray) -> sitk.Image:
    moved = sitk.GetImageFromArray(sitk.GetArrayFromImage(field) + shift_mm, isVector=True)
    moved.CopyInformation(field)
    return moved


def _liver_slices(case: Case) -> np.ndarray:
    """Height (mm, in the moving image) of every tenth liver voxel, from low to high."""
    index = np.argwhere(sitk.GetArrayViewFromImage(case.liver))[::10]
    vectors = sitk.GetArrayViewFromImage(case.truth)[tuple(index.T)]
    heights = index[:, 0] * case.fixed.GetSpacing()[2] + case.fixed.GetOrigin()[2]
    return np.sort(heights + vectors[:, 2])


def _cut(case: Case, share: float, from_above: bool) -> Case:
    """The moving image without the slices that show this share of the liver."""
    heights = _liver_slices(case)
    limit = np.quantile(heights, 1 - share if from_above else share)
    slices = round((limit - case.moving.GetOrigin()[2]) / case.moving.GetSpacing()[2])
    depth = case.moving.GetSize()[2]
    slices = min(max(slices, 4), depth - 4)
    moving = case.moving[:, :, :slices] if from_above else case.moving[:, :, slices:]
    return replace(case, name=f"{case.name}, {share:.0%} cut away", moving=moving)


def _flipped(case: Case, axis: int) -> Case:
    """The moving image mirrored, its header unchanged."""
    values = np.ascontiguousarray(np.flip(sitk.GetArrayFromImage(case.moving), 2 - axis))
    moving = sitk.GetImageFromArray(values)
    moving.CopyInformation(case.moving)
    return replace(case, name=f"{case.name}, flipped along {'xyz'[axis]}", moving=moving, truth=None)


def good_cases(seed: int, anatomies: list[Path]) -> list[Case]:
    """The three pairs of one phantom: motion up to 30 mm, shifts up to 100 mm, half of them cut at one end."""
    random = np.random.default_rng((seed, 1))
    cases = []
    for case in _pairs(seed, anatomies):
        is_cut = random.random() < 0.5
        kept = _cut(case, float(random.uniform(0, MOST_CUT_AWAY)), bool(random.random() < 0.5)) if is_cut else case
        cases.append(_shifted(kept, random))
    return cases


def broken_case(index: int, anatomies: list[Path]) -> Case:
    """One pair broken in the way `BROKEN[index % 5]`."""
    random = np.random.default_rng((index, 2))
    kind, seed = BROKEN[index % len(BROKEN)], 71000 + index
    pairs = _pairs(seed, anatomies)
    case = pairs[int(random.integers(len(pairs)))]
    if kind == "other patient":
        other = 72000 + index
        while not (strangers := [c for c in _pairs(other, anatomies) if c.name[:2] == case.name[:2]]):
            other += 1000
        case = replace(case, moving=strangers[0].moving, truth=None)
    elif kind == "flipped":
        case = _flipped(case, index // len(BROKEN) % 3)
    elif kind == "half the liver cut away":
        case = _cut(case, 0.5, bool(random.random() < 0.5))
    else:
        case = replace(case, spoil=kind)
    return replace(case, name=f"{kind}: {case.name}")


def spoiled(field: sitk.Image, spoil: str, seed: int) -> sitk.Image:
    """A field 40 mm off, or with a smooth random displacement of 15 mm added; the same if nothing is to be spoiled."""
    random = np.random.default_rng((seed, 3))
    if spoil == "40 mm off":
        direction = random.normal(size=3)
        return _plus(field, 40.0 * direction / np.linalg.norm(direction))
    if spoil == "broken field":
        noise = sitk.GetImageFromArray(random.normal(size=(*field.GetSize()[::-1], 3)), isVector=True)
        noise.CopyInformation(field)
        noise = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(noise, 25.0))
        return _plus(field, 15.0 * noise / np.sqrt((noise**2).sum(axis=-1).mean()))
    return field

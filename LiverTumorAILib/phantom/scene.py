"""A patient as the scanner would see them without noise, motion and blur."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.phantom.anatomy import Anatomy, Grid
from LiverTumorAILib.phantom.enhancement import Perfusion
from LiverTumorAILib.phantom.lesion_appearance import lesion_signature
from LiverTumorAILib.phantom.lesions import PlacedLesion
from LiverTumorAILib.phantom.random_fields import stream
from LiverTumorAILib.phantom.texture import EnhancementTexture, add_native_texture
from LiverTumorAILib.phantom.traps import Traps
from LiverTumorAILib.study import Phase


@dataclass(frozen=True)
class Scene:
    """Native intensity and contrast agent of every voxel.

    Attributes
    ----------
    grid: Grid
    perfusion: Perfusion
    native: numpy.ndarray
        float32 (z, y, x): HU, or MR signal relative to the liver.
    concentration: Mapping[Phase, numpy.ndarray]
        float32 (z, y, x): contrast agent in HU equivalents.
    trap_counts: Mapping[str, int]
        How many traps of each kind it holds.

    """

    grid: Grid
    perfusion: Perfusion
    native: np.ndarray
    concentration: Mapping[Phase, np.ndarray]
    trap_counts: Mapping[str, int]

    def signal(self, phase: Phase) -> np.ndarray:
        """The noise-free intensities of a phase, float32 (z, y, x)."""
        return self.perfusion.signal(self.native, self.concentration[phase])


def as_image(array: np.ndarray, grid: Grid) -> sitk.Image:
    """An array (z, y, x) with a grid's geometry."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(s) for s in grid.spacing_mm[::-1]])
    image.SetOrigin([float(o) for o in grid.origin_mm[::-1]])
    return image


def build_scene(
    key: tuple[int | str, ...],
    anatomy: Anatomy,
    perfusion: Perfusion,
    lesions: list[PlacedLesion],
    scanned: np.ndarray | None = None,
) -> Scene:
    """Paint tissues, textures, traps and lesions.

    Parameters
    ----------
    key: tuple of int or str
        Of the random streams.
    anatomy: Anatomy
    perfusion: Perfusion
    lesions: list of PlacedLesion
    scanned: numpy.ndarray, optional
        float32 (z, y, x), HU of a real unenhanced CT, NaN where it shows nothing.

    Returns
    -------
    Scene

    """
    native = perfusion.native[anatomy.labels]
    add_native_texture(stream(*key, "texture"), native, anatomy, perfusion)
    if scanned is not None:
        native = np.where(np.isfinite(scanned), scanned, native)
    texture = EnhancementTexture(stream(*key, "enhancement texture"), anatomy)
    concentration = {}
    for phase in perfusion.phases:
        concentration[phase] = perfusion.concentration[phase][anatomy.labels]
        if phase is not Phase.NON_CONTRAST:
            texture.apply(concentration[phase], phase, perfusion)
    traps = Traps(stream(*key, "traps"), anatomy, perfusion)
    traps.add(native, concentration)
    for lesion in lesions:
        rng = stream(*key, "lesion", lesion.label)
        signature = lesion_signature(lesion, perfusion, rng, anatomy.grid.spacing_mm)
        native[lesion.box] += lesion.opacity * (signature.native - native[lesion.box])
        for phase, level in signature.concentration.items():
            part = concentration[phase][lesion.box]
            part += lesion.opacity * (level - part)
    return Scene(anatomy.grid, perfusion, native, concentration, traps.counts)

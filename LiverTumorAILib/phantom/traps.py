"""What looks like a lesion and is none: focal fat, sparing, perfusion differences, regenerative nodules."""

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion

from LiverTumorAILib.phantom.anatomy import Anatomy
from LiverTumorAILib.phantom.enhancement import Perfusion
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.lesion_shape import (
    Box,
    Outline,
    box_around,
    box_shape,
    draw_shape,
    offsets_mm,
)
from LiverTumorAILib.phantom.random_fields import smooth_noise, smooth_step
from LiverTumorAILib.study import Phase

_GEOGRAPHIC = Outline(0.35, 0.35, 0.9, 4.0)
_NODULE = Outline(0.1, 0.08, 1.0, 1.5)
_LANDMARKS = (Tissue.FISSURE, Tissue.GALLBLADDER, Tissue.PORTAL_SPLENIC_VEIN)


class Traps:
    """Adds traps to a patient's native image and contrast agent.

    Parameters
    ----------
    rng: numpy.random.Generator
    anatomy: Anatomy
    perfusion: Perfusion

    """

    def __init__(self, rng: np.random.Generator, anatomy: Anatomy, perfusion: Perfusion) -> None:
        self._rng = rng
        self._anatomy = anatomy
        self._perfusion = perfusion
        self._liver = anatomy.labels == Tissue.LIVER
        self.counts = {"focal_fat": 0, "focal_sparing": 0, "perfusion_wedges": 0, "shunts": 0, "nodules": 0}

    def add(self, native: np.ndarray, concentration: Mapping[Phase, np.ndarray]) -> None:
        """Draw the patient's traps into the images (z, y, x) in place."""
        rng = self._rng
        if not self._liver.any():
            return
        steatosis = self._perfusion.steatosis
        if rng.random() < (0.35 if steatosis > 0.2 else 0.15):
            self._focal_fat(native, "focal_sparing" if steatosis > 0.3 else "focal_fat")
        cirrhosis = self._anatomy.cirrhosis
        for _ in range(rng.poisson(0.35 + 0.8 * cirrhosis)):
            self._perfusion_wedge(concentration)
        for _ in range(rng.poisson(0.15 + 2.0 * cirrhosis)):
            self._shunt(concentration)
        for _ in range(rng.poisson(9.0 * cirrhosis)):
            self._nodule(native)

    def _random_voxel(self, candidates: np.ndarray) -> tuple[int, int, int] | None:
        flat = np.flatnonzero(candidates)
        if not len(flat):
            return None
        return tuple(int(i) for i in np.unravel_index(flat[self._rng.integers(len(flat))], candidates.shape))

    def _blob(self, centre: tuple[int, int, int], diameter_mm: float, outline: Outline) -> tuple[Box, np.ndarray]:
        """Box and opacity of a blob that spares vessels and other organs."""
        shape = draw_shape(self._rng, self._anatomy.grid, centre, diameter_mm, outline)
        return shape.box, smooth_step(0.5 + shape.depth_mm / outline.softness_mm) * self._liver[shape.box]

    def _capsule(self) -> np.ndarray:
        return self._liver & ~binary_erosion(self._liver)

    def _focal_fat(self, native: np.ndarray, kind: str) -> None:
        rng = self._rng
        landmark = self._anatomy.labels == _LANDMARKS[rng.integers(len(_LANDMARKS))]
        centre = self._random_voxel(binary_dilation(landmark, iterations=2) & self._liver)
        if centre is None:
            return
        box, opacity = self._blob(centre, rng.uniform(12, 38), _GEOGRAPHIC)
        change = -rng.uniform(14, 38) if kind == "focal_fat" else rng.uniform(12, 26)
        native[box] += opacity * self._perfusion.choose(change, 0.006 * change)
        self.counts[kind] += 1

    def _perfusion_wedge(self, concentration: Mapping[Phase, np.ndarray]) -> None:
        """Wedge of arterial hyperperfusion: apex inside, base at the capsule."""
        rng, grid = self._rng, self._anatomy.grid
        base = self._random_voxel(self._capsule())
        centre = np.array([axis.mean() for axis in np.nonzero(self._liver)])
        inward = (centre - base) * grid.spacing_mm + rng.normal(0, 12, 3)
        length = rng.uniform(20, 55)
        spread = np.tan(np.radians(rng.uniform(14, 32)))
        box = box_around(grid, base, length * 1.1)
        offsets = offsets_mm(grid, box, base)
        inward /= np.linalg.norm(inward) + 1e-6
        along = sum(offset * part for offset, part in zip(offsets, inward, strict=True))
        across = np.sqrt(np.maximum(sum(offset**2 for offset in offsets) - along**2, 0))
        border = (length - along) * spread - across
        noise = smooth_noise(rng, box_shape(box), grid.spacing_mm, 8.0)
        opacity = smooth_step(0.5 + (border + 2.0 * noise) / 4.0) * self._liver[box]
        boost = rng.uniform(10, 32)
        for phase, share in ((Phase.ARTERIAL, 1.0), (Phase.PORTAL_VENOUS, 0.1)):
            if phase in concentration:
                concentration[phase][box] += share * boost * opacity
        self.counts["perfusion_wedges"] += 1

    def _shunt(self, concentration: Mapping[Phase, np.ndarray]) -> None:
        """Small arterioportal shunt under the capsule: bright in the arterial phase, nothing later."""
        centre = self._random_voxel(self._capsule())
        box, opacity = self._blob(centre, self._rng.uniform(5, 13), _NODULE)
        if Phase.ARTERIAL in concentration:
            concentration[Phase.ARTERIAL][box] += self._rng.uniform(15, 45) * opacity
        self.counts["shunts"] += 1

    def _nodule(self, native: np.ndarray) -> None:
        """Siderotic regenerative nodule: slightly dense before contrast agent, like liver in all phases."""
        centre = self._random_voxel(self._liver)
        box, opacity = self._blob(centre, self._rng.uniform(4, 12), _NODULE)
        change = self._rng.uniform(2, 9)
        native[box] += opacity * self._perfusion.choose(change, -0.015 * change)
        self.counts["nodules"] += 1

"""Texture of the tissues: what keeps an organ from being one flat value."""

import numpy as np

from LiverTumorAILib.phantom.anatomy import Anatomy
from LiverTumorAILib.phantom.enhancement import Perfusion
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.random_fields import smooth_noise, smooth_step
from LiverTumorAILib.study import Modality, Phase

T = Tissue

_TEXTURE_HU: dict[Tissue, tuple[float, float]] = {
    T.LIVER: (1.8, 1.5), T.SPLEEN: (1.5, 1.5), T.RIGHT_KIDNEY: (2, 2), T.LEFT_KIDNEY: (2, 2), T.STOMACH: (4, 5),
    T.PANCREAS: (13, 8), T.GALLBLADDER: (0.5, 1.5), T.OESOPHAGUS: (4, 4), T.DUODENUM: (6, 6), T.ADRENALS: (5, 5),
    T.LUNGS: (12, 20), T.BONES: (90, 60), T.COLON: (6, 6), T.SMALL_BOWEL: (8, 8), T.HEART: (3, 4),
    T.OTHER_BODY: (14, 22), T.FAT: (5, 4), T.MUSCLE: (9, 6), T.SKIN: (10, 10), T.STOMACH_CONTENT: (10, 14),
    T.BOWEL_CONTENT: (16, 16), T.MARROW: (38, 25), T.RENAL_MEDULLA: (2, 2), T.FISSURE: (6, 4), T.COUCH: (25, 10),
}  # fmt: skip
"""Standard deviation of fine (3 mm) and of broad (12 mm) texture, HU."""

_TEXTURE_MR = 0.0032
"""MR signal (relative to the liver) for one HU of texture."""


def _table(column: int) -> np.ndarray:
    table = np.zeros(256, np.float32)
    for tissue, deviations in _TEXTURE_HU.items():
        table[tissue] = deviations[column]
    return table


def add_native_texture(rng: np.random.Generator, native: np.ndarray, anatomy: Anatomy, perfusion: Perfusion) -> None:
    """Add texture to a native image in place: grain, lobules, lung vessels, patchy steatosis.

    Parameters
    ----------
    rng: numpy.random.Generator
    native: numpy.ndarray
        float32 (z, y, x), HU or MR signal relative to the liver.
    anatomy: Anatomy
    perfusion: Perfusion

    """
    labels, grid = anatomy.labels, anatomy.grid
    scale = 1.0 if perfusion.modality is Modality.CT else _TEXTURE_MR
    fine = smooth_noise(rng, grid.shape, grid.spacing_mm, 3.0)
    broad = smooth_noise(rng, grid.shape, grid.spacing_mm, 12.0)
    native += scale * _table(0)[labels] * fine
    native += scale * _table(1)[labels] * broad
    lungs = np.flatnonzero(labels == T.LUNGS)
    vessels = np.clip(0.8 * fine.ravel()[lungs] + broad.ravel()[lungs] - 1.7, 0, 1.5)
    native.ravel()[lungs] += (480 if scale == 1.0 else 0.25) * vessels
    patches = smooth_noise(rng, grid.shape, grid.spacing_mm, 40.0)
    liver = labels == T.LIVER
    native[liver] += scale * (1.0 + 6.0 * perfusion.steatosis) * patches[liver]
    # Septa in fat and gas bubbles in bowel content are what a reader sees there first.
    fat = labels == T.FAT
    native[fat] += scale * 45 * np.exp(-((broad[fat] / 0.05) ** 2)) * (patches[fat] > 0.3)
    content = labels == T.BOWEL_CONTENT
    bubbles = smooth_step((fine[content] + broad[content] - 2.0) * 1.5)
    native[content] += bubbles * (float(perfusion.native[T.GAS]) - native[content])


class EnhancementTexture:
    """Uneven distribution of contrast agent; the same structures in every phase.

    Parameters
    ----------
    rng: numpy.random.Generator
    anatomy: Anatomy

    """

    def __init__(self, rng: np.random.Generator, anatomy: Anatomy) -> None:
        labels, grid = anatomy.labels, anatomy.grid
        self._broad = smooth_noise(rng, grid.shape, grid.spacing_mm, 16.0)
        self._liver = labels == T.LIVER
        self._spleen = np.flatnonzero(labels == T.SPLEEN)
        self._solid = np.isin(labels, (T.PANCREAS, T.RIGHT_KIDNEY, T.LEFT_KIDNEY, T.STOMACH, T.SMALL_BOWEL))
        self._veins = np.isin(labels, (T.INFERIOR_VENA_CAVA,))
        fine = smooth_noise(rng, grid.shape, grid.spacing_mm, 4.5)
        # Vessels below the resolution of the generated trees.
        self._twigs = np.clip(fine[self._liver] - 1.0, 0, 1.2)
        self._heart = np.flatnonzero(labels == T.HEART)
        chambers = smooth_noise(rng, grid.shape, grid.spacing_mm, 28.0).ravel()[self._heart]
        self._chambers = smooth_step((chambers + 0.6) * 2.5)
        self._moire = np.sin(5.5 * self._broad + 1.5 * fine).ravel()[self._spleen]
        self._septa = None
        if anatomy.cirrhosis > 0:
            nodules = smooth_noise(rng, grid.shape, grid.spacing_mm, 6.0)[self._liver]
            self._septa = anatomy.cirrhosis * np.exp(-((nodules / 0.35) ** 2)) - 0.3 * anatomy.cirrhosis

    def apply(self, concentration: np.ndarray, phase: Phase, perfusion: Perfusion) -> None:
        """Modulate a phase's contrast agent (z, y, x) in place."""
        level = perfusion.concentration[phase]
        concentration[self._solid] *= 1 + 0.07 * self._broad[self._solid]
        # Blood in the chambers, less in the myocardium.
        concentration.ravel()[self._heart] *= 0.5 + 0.65 * self._chambers
        in_liver = concentration[self._liver] * (1 + 0.02 * self._broad[self._liver])
        portal_excess = max(float(level[T.PORTAL_SPLENIC_VEIN] - level[T.LIVER]), -40.0)
        in_liver += 0.16 * portal_excess * self._twigs
        if self._septa is not None:
            late = {Phase.ARTERIAL: -4.0, Phase.PORTAL_VENOUS: -9.0, Phase.DELAYED: 9.0, Phase.HEPATOBILIARY: -16.0}
            in_liver += late.get(phase, 0.0) * self._septa
        concentration[self._liver] = in_liver
        if phase is Phase.ARTERIAL:
            concentration.ravel()[self._spleen] *= 1 + 0.26 * self._moire
            # Enhanced renal and unenhanced iliac blood mix in the vena cava.
            concentration[self._veins] *= np.clip(1 + 0.45 * self._broad[self._veins], 0.2, 2)
        np.maximum(concentration, 0, out=concentration)

"""Intensity of every tissue by phase, with the variation between patients.

Each tissue has a native intensity and, for each phase, a concentration of contrast agent in HU equivalents
(what it would add on CT). The modality turns both into the signal, so that CT and MR share one physiology.
Magnitudes follow radiology textbooks (late arterial phase at 35 s, portal venous 70 s, delayed 3-5 min).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.study import Modality, Phase

T = Tissue

_NATIVE_CT: dict[Tissue, tuple[float, float]] = {
    T.AIR: (-1000, 0), T.LIVER: (57, 5), T.SPLEEN: (48, 3), T.RIGHT_KIDNEY: (34, 2), T.LEFT_KIDNEY: (34, 2),
    T.STOMACH: (40, 3), T.PANCREAS: (38, 6), T.GALLBLADDER: (9, 4), T.AORTA: (42, 4), T.INFERIOR_VENA_CAVA: (40, 3),
    T.PORTAL_SPLENIC_VEIN: (40, 3), T.OESOPHAGUS: (38, 3), T.DUODENUM: (38, 3), T.ADRENALS: (28, 8),
    T.LUNGS: (-855, 25), T.BONES: (480, 110), T.COLON: (36, 4), T.SMALL_BOWEL: (37, 4), T.HEART: (41, 3),
    T.OTHER_BODY: (15, 8), T.FAT: (-103, 5), T.MUSCLE: (54, 5), T.SKIN: (15, 15), T.HEPATIC_VEINS: (40, 3),
    T.HEPATIC_ARTERY: (42, 4), T.STOMACH_CONTENT: (22, 15), T.BOWEL_CONTENT: (28, 14), T.GAS: (-965, 12),
    T.MARROW: (170, 45), T.SPINAL_CANAL: (22, 6), T.RENAL_MEDULLA: (32, 2), T.RENAL_PELVIS: (6, 4),
    T.FISSURE: (-80, 15), T.COUCH: (-120, 60), T.BILE_DUCTS: (8, 4), T.ASCITES: (8, 5),
}  # fmt: skip
"""Mean and standard deviation between patients, HU."""

_NATIVE_MR: dict[Tissue, tuple[float, float]] = {
    T.AIR: (0.015, 0), T.LIVER: (1.0, 0.0), T.SPLEEN: (0.72, 0.07), T.RIGHT_KIDNEY: (0.80, 0.07),
    T.LEFT_KIDNEY: (0.80, 0.07), T.STOMACH: (0.72, 0.06), T.PANCREAS: (1.08, 0.09), T.GALLBLADDER: (0.55, 0.25),
    T.AORTA: (0.48, 0.08), T.INFERIOR_VENA_CAVA: (0.50, 0.07), T.PORTAL_SPLENIC_VEIN: (0.52, 0.06),
    T.OESOPHAGUS: (0.7, 0.05), T.DUODENUM: (0.7, 0.05), T.ADRENALS: (0.75, 0.05), T.LUNGS: (0.07, 0.02),
    T.BONES: (0.16, 0.04), T.COLON: (0.68, 0.06), T.SMALL_BOWEL: (0.7, 0.05), T.HEART: (0.62, 0.06),
    T.OTHER_BODY: (0.45, 0.06), T.FAT: (0.26, 0.06), T.MUSCLE: (0.72, 0.05), T.SKIN: (0.5, 0.08),
    T.HEPATIC_VEINS: (0.52, 0.06), T.HEPATIC_ARTERY: (0.5, 0.06), T.STOMACH_CONTENT: (0.45, 0.15),
    T.BOWEL_CONTENT: (0.65, 0.2), T.GAS: (0.03, 0.01), T.MARROW: (0.36, 0.07), T.SPINAL_CANAL: (0.33, 0.04),
    T.RENAL_MEDULLA: (0.62, 0.06), T.RENAL_PELVIS: (0.3, 0.04), T.FISSURE: (0.28, 0.05), T.COUCH: (0.015, 0.0),
    T.BILE_DUCTS: (0.4, 0.1), T.ASCITES: (0.3, 0.04),
}  # fmt: skip
"""Fat-suppressed T1-weighted gradient echo signal, liver = 1."""

_MR_GAIN, _MR_SATURATION = 0.0165, 230.0

_ARTERIAL: dict[Tissue, tuple[float, float]] = {
    T.LIVER: (3, 20), T.SPLEEN: (52, 84), T.RIGHT_KIDNEY: (110, 150), T.LEFT_KIDNEY: (110, 150),
    T.RENAL_MEDULLA: (8, 45), T.RENAL_PELVIS: (0, 2), T.STOMACH: (25, 42), T.PANCREAS: (38, 68), T.AORTA: (285, 262),
    T.HEPATIC_ARTERY: (150, 140), T.INFERIOR_VENA_CAVA: (8, 50), T.PORTAL_SPLENIC_VEIN: (12, 98),
    T.HEPATIC_VEINS: (0, 8), T.OESOPHAGUS: (15, 28), T.DUODENUM: (28, 50), T.ADRENALS: (28, 50), T.LUNGS: (8, 8),
    T.BONES: (3, 4), T.MARROW: (4, 8), T.COLON: (18, 34), T.SMALL_BOWEL: (35, 58), T.HEART: (190, 165),
    T.OTHER_BODY: (3, 6), T.MUSCLE: (5, 11), T.SKIN: (4, 8), T.SPINAL_CANAL: (2, 3), T.BILE_DUCTS: (0, 0),
}  # fmt: skip
"""Early and late arterial phase. Arteries in the liver are thinner than the voxels that show them."""

_PORTAL: dict[Tissue, tuple[float, float]] = {
    T.LIVER: (52, 58), T.SPLEEN: (82, 70), T.RIGHT_KIDNEY: (152, 138), T.LEFT_KIDNEY: (152, 138),
    T.RENAL_MEDULLA: (85, 128), T.RENAL_PELVIS: (0, 15), T.STOMACH: (48, 46), T.PANCREAS: (60, 48), T.AORTA: (125, 102),
    T.HEPATIC_ARTERY: (120, 100), T.INFERIOR_VENA_CAVA: (72, 95), T.PORTAL_SPLENIC_VEIN: (136, 114),
    T.HEPATIC_VEINS: (98, 116), T.OESOPHAGUS: (32, 34), T.DUODENUM: (52, 48), T.ADRENALS: (42, 38), T.LUNGS: (7, 6),
    T.BONES: (6, 6), T.MARROW: (12, 14), T.COLON: (42, 44), T.SMALL_BOWEL: (62, 56), T.HEART: (105, 92),
    T.OTHER_BODY: (9, 11), T.MUSCLE: (14, 19), T.SKIN: (12, 15), T.SPINAL_CANAL: (4, 5),
}  # fmt: skip
"""60 s and 85 s."""

_DELAYED: dict[Tissue, tuple[float, float]] = {
    T.LIVER: (39, 29), T.SPLEEN: (48, 37), T.RIGHT_KIDNEY: (112, 88), T.LEFT_KIDNEY: (112, 88),
    T.RENAL_MEDULLA: (122, 96), T.RENAL_PELVIS: (260, 620), T.STOMACH: (36, 30), T.PANCREAS: (34, 26),
    T.AORTA: (70, 53), T.HEPATIC_ARTERY: (68, 52), T.INFERIOR_VENA_CAVA: (70, 54), T.PORTAL_SPLENIC_VEIN: (69, 53),
    T.HEPATIC_VEINS: (68, 53), T.OESOPHAGUS: (30, 26), T.DUODENUM: (36, 30), T.ADRENALS: (28, 22), T.LUNGS: (5, 4),
    T.BONES: (5, 5), T.MARROW: (14, 14), T.COLON: (36, 30), T.SMALL_BOWEL: (40, 32), T.HEART: (68, 54),
    T.OTHER_BODY: (11, 12), T.MUSCLE: (20, 18), T.SKIN: (15, 15), T.SPINAL_CANAL: (6, 6), T.FAT: (1, 1),
}  # fmt: skip
"""3 min and 6 min."""

_HEPATOBILIARY: dict[Tissue, tuple[float, float]] = {
    T.LIVER: (70, 100), T.SPLEEN: (17, 12), T.RIGHT_KIDNEY: (55, 45), T.LEFT_KIDNEY: (55, 45),
    T.RENAL_MEDULLA: (60, 55), T.RENAL_PELVIS: (90, 90), T.STOMACH: (14, 12), T.PANCREAS: (12, 9), T.AORTA: (13, 9),
    T.HEPATIC_ARTERY: (13, 9), T.INFERIOR_VENA_CAVA: (13, 9), T.PORTAL_SPLENIC_VEIN: (13, 9), T.HEPATIC_VEINS: (13, 9),
    T.OESOPHAGUS: (12, 10), T.DUODENUM: (16, 14), T.ADRENALS: (12, 9), T.BONES: (3, 3), T.MARROW: (8, 8),
    T.COLON: (14, 12), T.SMALL_BOWEL: (16, 13), T.HEART: (14, 10), T.OTHER_BODY: (6, 5), T.MUSCLE: (10, 8),
    T.SKIN: (8, 7), T.SPINAL_CANAL: (4, 4), T.GALLBLADDER: (0, 130), T.BILE_DUCTS: (90, 200),
}  # fmt: skip
"""Weak and strong uptake, 20 min after gadoxetate."""

_COURSE = {
    Phase.NON_CONTRAST: {},
    Phase.ARTERIAL: _ARTERIAL,
    Phase.PORTAL_VENOUS: _PORTAL,
    Phase.DELAYED: _DELAYED,
    Phase.HEPATOBILIARY: _HEPATOBILIARY,
}

_TABLE_SIZE = 256


@dataclass(frozen=True)
class Perfusion:
    """Native intensities and contrast agent of one patient.

    Attributes
    ----------
    modality: Modality
    native: numpy.ndarray
        float32 (256,): by `Tissue`, HU or MR signal relative to the liver.
    concentration: Mapping[Phase, numpy.ndarray]
        float32 (256,): by `Tissue`, contrast agent in HU equivalents.
    steatosis: float
        0 none to 1 severe.
    description: Mapping[str, float]
        What was drawn, for the truth file.

    """

    modality: Modality
    native: np.ndarray
    concentration: Mapping[Phase, np.ndarray]
    steatosis: float
    description: Mapping[str, float]

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The study's phases."""
        return tuple(self.concentration)

    def choose(self, hu: float | np.ndarray, t1: float | np.ndarray) -> float | np.ndarray:
        """The native intensity that fits the modality."""
        return hu if self.modality is Modality.CT else t1

    def level(self, phase: Phase, tissue: Tissue) -> float:
        """Contrast agent of a tissue in a phase (HU equivalents)."""
        return float(self.concentration[phase][tissue])

    def signal(self, native: np.ndarray, concentration: np.ndarray) -> np.ndarray:
        """HU, or MR signal relative to the native liver."""
        if self.modality is Modality.CT:
            return native + concentration
        return native + _MR_GAIN * concentration / (1 + np.maximum(concentration, 0) / _MR_SATURATION)


def _draw_native(rng: np.random.Generator, modality: Modality, steatosis: float) -> np.ndarray:
    draws = {tissue: float(np.clip(rng.standard_normal(), -2, 2)) for tissue in Tissue}
    # Blood is one fluid: its native density (anaemia) is shared by all vessels.
    for vessel in (T.INFERIOR_VENA_CAVA, T.PORTAL_SPLENIC_VEIN, T.HEPATIC_VEINS, T.HEPATIC_ARTERY, T.HEART):
        draws[vessel] = draws[T.AORTA]
    draws[T.LEFT_KIDNEY] = draws[T.RIGHT_KIDNEY]
    table = np.zeros(_TABLE_SIZE, np.float32)
    for tissue, (mean, deviation) in (_NATIVE_CT if modality is Modality.CT else _NATIVE_MR).items():
        table[tissue] = mean + deviation * draws[tissue]
    oral_contrast = rng.random() < 0.15
    oral_level = rng.uniform(80, 260)
    if modality is Modality.CT:
        table[T.LIVER] -= 46 * steatosis
        if oral_contrast:
            table[T.STOMACH_CONTENT] = oral_level
            table[T.BOWEL_CONTENT] = 0.8 * oral_level
    else:
        table[T.LIVER] -= 0.2 * steatosis
    return table


def draw_perfusion(
    rng: np.random.Generator, modality: Modality, phases: tuple[Phase, ...], cirrhosis: float
) -> Perfusion:
    """Draw one patient's intensities.

    Parameters
    ----------
    rng: numpy.random.Generator
    modality: Modality
    phases: tuple of Phase
    cirrhosis: float
        0-1: late and weak portal venous enhancement, weak hepatobiliary uptake.

    Returns
    -------
    Perfusion

    """
    steatosis = float(rng.uniform(0.25, 1.0)) if rng.random() < 0.22 else float(rng.uniform(0, 0.08))
    native = _draw_native(rng, modality, steatosis)
    dose = float(np.clip(rng.normal(1.0, 0.13), 0.7, 1.35))
    early = rng.random() < 0.15
    timing = {
        Phase.ARTERIAL: float(rng.uniform(0.0, 0.25) if early else rng.uniform(0.45, 1.1)),
        Phase.PORTAL_VENOUS: float(rng.uniform(0, 1)),
        Phase.DELAYED: float(rng.beta(1.5, 3)),
        Phase.HEPATOBILIARY: float(rng.uniform(0, 1) * (1 - 0.7 * cirrhosis)),
    }
    variation = {(phase, tissue): rng.normal(1, 0.05) for phase in Phase for tissue in Tissue}
    concentration = {}
    for phase in phases:
        table = np.zeros(_TABLE_SIZE, np.float32)
        for tissue, (first, second) in _COURSE[phase].items():
            level = first + timing[phase] * (second - first)
            table[tissue] = max(0.0, level * dose * variation[phase, tissue])
        table[T.LEFT_KIDNEY] = table[T.RIGHT_KIDNEY]
        if phase in {Phase.PORTAL_VENOUS, Phase.HEPATOBILIARY}:
            table[T.LIVER] *= 1 - (0.18 if phase is Phase.PORTAL_VENOUS else 0.35) * cirrhosis
        concentration[phase] = table
    description = {"steatosis": steatosis, "dose": dose} | {f"timing_{phase}": timing[phase] for phase in timing}
    return Perfusion(modality, native, concentration, steatosis, description)

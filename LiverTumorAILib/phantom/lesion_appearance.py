"""How lesions of each type look in each phase.

Typical behaviour follows LI-RADS v2018 (ACR) and the radiology textbooks; the native intensity and the contrast
agent of a lesion are given relative to the patient's own liver and blood.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom.enhancement import Perfusion
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.lesion_shape import box_shape
from LiverTumorAILib.phantom.lesions import PlacedLesion
from LiverTumorAILib.phantom.random_fields import Spacing, smooth_noise, smooth_step
from LiverTumorAILib.study import Phase

NC, ART, PV, DEL, HBP = Phase


@dataclass(frozen=True)
class Signature:
    """Native intensity (array or number) and contrast agent by phase inside a lesion's box."""

    native: np.ndarray | float
    concentration: Mapping[Phase, np.ndarray | float]


class Tumor:
    """What the types' functions draw from: geometry, random fields and the patient's own levels."""

    def __init__(
        self, lesion: PlacedLesion, perfusion: Perfusion, rng: np.random.Generator, spacing_mm: Spacing
    ) -> None:
        self.rng = rng
        self.perfusion = perfusion
        self.depth = lesion.shape.depth_mm
        self.radius = lesion.shape.radius_mm
        self.diameter = 2 * self.radius
        self.atypical = lesion.plan.atypical
        self._shape = box_shape(lesion.box)
        self._spacing = spacing_mm

    def noise(self, correlation_mm: float) -> np.ndarray:
        """Unit noise of this correlation in the lesion's box."""
        return smooth_noise(self.rng, self._shape, self._spacing, max(correlation_mm, 2.0))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        """A number from low to high."""
        return float(self.rng.uniform(low, high))

    def liver(self, phase: Phase) -> float:
        """Contrast agent in the liver."""
        return self.perfusion.level(phase, Tissue.LIVER)

    def blood(self, phase: Phase) -> float:
        """Contrast agent of the blood pool that a cavernous lesion follows."""
        artery = self.perfusion.level(phase, Tissue.AORTA)
        return 0.62 * artery if phase is ART else 0.9 * artery

    @property
    def arterial_strength(self) -> float:
        """0.6-1: an early arterial phase has not filled hypervascular lesions yet."""
        return float(np.clip(self.liver(ART) / 12, 0.6, 1.0))

    def native(self, hu_below_liver: float, t1: float) -> float:
        """Native intensity: soft tissue does not share the liver's fat, so on CT it is bounded from below."""
        liver = float(self.perfusion.native[Tissue.LIVER])
        tissue = max(liver - hu_below_liver, min(50.0 - 0.6 * hu_below_liver, 40.0))
        return self.perfusion.choose(tissue, t1 * liver)

    def core(self, share: float, irregular: float = 0.25) -> np.ndarray:
        """Opacity 0-1 of an irregular core that takes up `share` of the radius."""
        rho = 1 - self.depth / self.radius
        return smooth_step((share + irregular * share * self.noise(0.5 * self.radius) - rho) * self.radius / 2.5 + 0.5)

    def rim(self, width_mm: float) -> np.ndarray:
        """Opacity 0-1 of a rim of this width at the border."""
        return smooth_step(1.5 - np.abs(self.depth - 0.3 * width_mm) / width_mm)


def hcc(t: Tumor) -> Signature:
    """Non-rim arterial hyperenhancement, washout, late capsule; mosaic and necrosis when large."""
    native = t.native(t.between(2, 12), t.between(0.72, 0.98)) * np.ones_like(t.depth)
    mosaic = t.noise(np.clip(0.35 * t.radius, 3, 12)) * np.interp(t.diameter, [15, 60], [0.06, 0.3])
    wash = t.between(12, 30)
    if t.atypical:
        boost, wash = t.between(-8, 4), t.between(8, 22)
    else:
        boost = t.between(32, 65) * t.arterial_strength
    relative = {
        ART: t.liver(ART) + boost * (1 + 1.2 * mosaic),
        PV: t.liver(PV) - 0.75 * wash * (1 + 0.6 * mosaic),
        DEL: t.liver(DEL) - 0.85 * wash * (1 + 0.6 * mosaic),
        HBP: t.liver(HBP) * t.between(0.02, 0.2) * (1 + mosaic),
    }
    if t.diameter > 14 and t.chance(0.6):
        capsule = t.rim(1.6) * t.between(0.6, 1.0)
        for phase, level in ((PV, t.liver(PV) + t.between(4, 14)), (DEL, t.liver(DEL) + t.between(12, 28))):
            relative[phase] = relative[phase] + capsule * (level - relative[phase])
    if t.diameter > 40 and t.chance(0.55):
        necrosis = t.core(t.between(0.25, 0.6), 0.5)
        native = native - necrosis * t.perfusion.choose(t.between(8, 16), 0.2)
        relative = {phase: level * (1 - 0.88 * necrosis) for phase, level in relative.items()}
    if t.diameter > 20 and t.chance(0.12):
        native = native - np.clip(t.noise(0.4 * t.radius), 0, 2) * t.perfusion.choose(22.0, 0.12)
    return Signature(native, relative)


def icc(t: Tumor) -> Signature:
    """Irregular rim in the arterial phase, late centripetal fill-in of a fibrous centre."""
    native = t.native(t.between(10, 20), t.between(0.55, 0.75)) + t.noise(5) * t.perfusion.choose(2.0, 0.03)
    centre = t.core(t.between(0.7, 0.85), 0.12)
    clouds = np.clip(1 + 0.35 * t.noise(0.4 * t.radius), 0.2, 1.8)
    rim_boost = t.between(4, 14) if t.atypical else t.between(18, 42)
    fill = 0.75 if t.atypical else t.between(1.15, 1.5)
    periphery = {
        ART: t.liver(ART) + rim_boost,
        PV: t.liver(PV) + t.between(-12, 6),
        DEL: t.liver(DEL) - t.between(4, 12),
        HBP: t.liver(HBP) * 0.08,
    }
    inner = {
        ART: (0.3 * t.liver(ART) + t.between(2, 8)) * clouds,
        PV: t.liver(PV) * t.between(0.4, 0.6) * clouds,
        DEL: t.liver(DEL) * fill * (0.55 + 0.45 * clouds),
        HBP: t.liver(HBP) * t.between(0.15, 0.35) * clouds,
    }
    return Signature(native, {p: periphery[p] + centre * (inner[p] - periphery[p]) for p in periphery})


def metastasis(t: Tumor) -> Signature:
    """Hypovascular with rim or target; hypervascular when atypical."""
    native = t.native(t.between(8, 20), t.between(0.55, 0.78)) * np.ones_like(t.depth)
    texture = 1 + 0.12 * t.noise(max(0.4 * t.radius, 3))
    if t.atypical:
        boost, wash = t.between(25, 60) * t.arterial_strength, t.between(4, 18)
        levels = {
            ART: (t.liver(ART) + boost) * texture,
            PV: t.liver(PV) - wash * texture,
            DEL: t.liver(DEL) - wash * texture,
            HBP: t.liver(HBP) * 0.08,
        }
    else:
        dark = t.between(0.3, 0.6)
        levels = {
            ART: (0.35 * t.liver(ART) + t.between(3, 9)) * texture,
            PV: t.liver(PV) * dark * texture,
            DEL: t.liver(DEL) * (dark + 0.18) * texture,
            HBP: t.liver(HBP) * t.between(0.05, 0.15) * texture,
        }
        if t.chance(0.6):
            rim = t.rim(np.clip(0.22 * t.radius, 1.5, 4.5)) * t.between(0.6, 1.0)
            rim_levels = {ART: t.liver(ART) + t.between(14, 34), PV: t.liver(PV) * t.between(0.85, 1.1)}
            for phase, level in rim_levels.items():
                levels[phase] = levels[phase] + rim * (level - levels[phase])
    if t.diameter > 18 and t.chance(0.45):
        necrosis = t.core(t.between(0.35, 0.65), 0.3)
        native = native - necrosis * t.perfusion.choose(t.between(6, 14), 0.15)
        levels = {phase: level * (1 - 0.75 * necrosis) for phase, level in levels.items()}
    return Signature(native, levels)


def hemangioma(t: Tumor) -> Signature:
    """Discontinuous peripheral nodules that follow the blood pool and fill in; small ones flash."""
    blood = float(t.perfusion.native[Tissue.AORTA])
    native = t.perfusion.choose(blood - t.between(0, 6), t.between(0.5, 0.65))
    if (t.diameter < 20 and t.chance(0.45)) or t.atypical:
        level = {ART: 0.85, PV: 0.95, DEL: 1.05}
        return Signature(native, {p: f * t.blood(p) for p, f in level.items()} | {HBP: 1.2 * t.blood(HBP)})
    # The front of contrast agent reaches a voxel at this time: 0 at the border, 1 at the centre.
    arrival = t.depth / t.radius + 0.33 * t.noise(np.clip(0.55 * t.radius, 2.5, 12))
    scar = t.core(t.between(0.25, 0.45), 0.4) if t.diameter > 45 and t.chance(0.6) else 0.0
    reach = {ART: t.between(0.02, 0.2), PV: t.between(0.4, 0.65), DEL: t.between(0.85, 1.3), HBP: 1.5}
    filled = {p: smooth_step((front - arrival) * 5 + 0.5) * (1 - 0.9 * scar) for p, front in reach.items()}
    ground = {ART: 4.0, PV: 8.0, DEL: 14.0, HBP: 6.0}
    strength = {ART: 1.0, PV: 1.05, DEL: 1.08, HBP: 1.1}
    return Signature(native, {p: ground[p] + filled[p] * (strength[p] * t.blood(p) - ground[p]) for p in reach})


def fnh(t: Tumor) -> Signature:
    """Bright and even in the arterial phase, like liver later; central scar enhances late; hepatobiliary uptake."""
    native = t.native(t.between(-2, 6), t.between(0.9, 1.0)) * np.ones_like(t.depth)
    texture = 1 + 0.06 * t.noise(4)
    uptake = t.between(0.5, 0.8) if t.atypical else t.between(0.95, 1.2)
    levels = {
        ART: (t.liver(ART) + t.between(45, 85) * t.arterial_strength) * texture,
        PV: t.liver(PV) + t.between(0, 13),
        DEL: t.liver(DEL) + t.between(-3, 6),
        HBP: t.liver(HBP) * uptake * texture,
    }
    if t.diameter > 26 and t.chance(0.7) and not t.atypical:
        arms = np.exp(-((t.noise(0.55 * t.radius) / 0.16) ** 2)) * t.core(0.62, 0.2)
        scar = np.maximum(arms, t.core(0.14, 0.3))
        native = native - scar * t.perfusion.choose(10.0, 0.15)
        target = {ART: 0.5 * t.liver(ART), PV: 0.65 * t.liver(PV), DEL: t.liver(DEL) + 26.0, HBP: 0.15 * t.liver(HBP)}
        levels = {p: levels[p] + scar * (target[p] - levels[p]) for p in levels}
    return Signature(native, levels)


def cyst(t: Tumor) -> Signature:
    """Water: sharp, never enhancing."""
    hu = t.between(16, 30) if t.atypical else t.between(-2, 13)
    return Signature(t.perfusion.choose(hu, t.between(0.28, 0.4)), dict.fromkeys((ART, PV, DEL, HBP), 0.0))


def calcification(t: Tumor) -> Signature:
    """Dense, clumpy, small."""
    density = t.between(220, 700) * np.clip(1 + 0.25 * t.noise(2.5), 0.6, 1.6)
    return Signature(t.perfusion.choose(density, 0.2), dict.fromkeys((ART, PV, DEL, HBP), 0.0))


def _abscess(t: Tumor) -> Signature:
    """Cluster of fluid cavities with enhancing walls and septa."""
    cavities = smooth_step((t.noise(np.clip(0.5 * t.radius, 3, 14)) + 0.9) * 2) * smooth_step(t.depth / 2.5 - 0.8)
    wall = t.native(t.between(8, 14), 0.7)
    fluid = t.perfusion.choose(t.between(12, 26), 0.38)
    boost = {ART: t.between(8, 26), PV: t.between(2, 16), DEL: t.between(6, 18)}
    levels = {p: (t.liver(p) + extra) * (1 - 0.97 * cavities) for p, extra in boost.items()}
    return Signature(wall + cavities * (fluid - wall), levels | {HBP: t.liver(HBP) * 0.1})


def _adenoma(t: Tumor) -> Signature:
    """Arterially bright, uneven with fat or blood, about like liver later, no uptake."""
    patches = t.noise(max(0.35 * t.radius, 3))
    sign = 1.0 if t.chance(0.35) else -1.0
    native = t.native(t.between(0, 8), 0.95) + sign * np.clip(patches, 0, 2) * t.perfusion.choose(
        t.between(4, 16), 0.12
    )
    levels = {
        ART: t.liver(ART) + t.between(18, 42) * (1 + 0.25 * patches),
        PV: t.liver(PV) + t.between(-8, 6),
        DEL: t.liver(DEL) + t.between(-9, 3),
        HBP: t.liver(HBP) * t.between(0.1, 0.35),
    }
    return Signature(native, levels)


def _fibrosis(t: Tumor) -> Signature:
    """Confluent fibrosis or scar: dark before, enhancing late."""
    native = t.native(t.between(10, 20), 0.75)
    cloud = 1 + 0.15 * t.noise(4)
    late = t.between(4, 16)
    return Signature(
        native,
        {
            ART: t.liver(ART) * 0.6 * cloud,
            PV: t.liver(PV) * 0.85 * cloud,
            DEL: (t.liver(DEL) + late + 8) * cloud,
            HBP: 0.3 * t.liver(HBP) * cloud,
        },
    )


def _hematoma(t: Tumor) -> Signature:
    """Blood that does not enhance."""
    native = t.perfusion.choose(t.between(45, 72), t.between(0.7, 1.5)) + t.noise(5) * t.perfusion.choose(4.0, 0.08)
    return Signature(native, dict.fromkeys((ART, PV, DEL, HBP), 1.0))


_OTHER_LOOKS: tuple[tuple[float, Callable[[Tumor], Signature]], ...] = (
    (0.4, _abscess), (0.3, _adenoma), (0.2, _fibrosis), (0.1, _hematoma),
)  # fmt: skip


def other(t: Tumor) -> Signature:
    """Abscess, adenoma, confluent fibrosis or hematoma."""
    look = t.rng.choice(len(_OTHER_LOOKS), p=[share for share, _ in _OTHER_LOOKS])
    return _OTHER_LOOKS[look][1](t)


_APPEARANCE: dict[LesionType, Callable[[Tumor], Signature]] = {
    LesionType.HCC: hcc, LesionType.ICC: icc, LesionType.METASTASIS: metastasis, LesionType.HEMANGIOMA: hemangioma,
    LesionType.FNH: fnh, LesionType.CYST: cyst, LesionType.CALCIFICATION: calcification, LesionType.OTHER: other,
}  # fmt: skip


def lesion_signature(
    lesion: PlacedLesion, perfusion: Perfusion, rng: np.random.Generator, spacing_mm: Spacing
) -> Signature:
    """Native intensity and contrast agent of one lesion in the phases of the study.

    Parameters
    ----------
    lesion: PlacedLesion
    perfusion: Perfusion
        The patient's levels; MR or CT.
    rng: numpy.random.Generator
    spacing_mm: tuple of three floats
        (z, y, x).

    Returns
    -------
    Signature
        Phases of the study only.

    """
    # All phases are drawn whichever the protocol has, so that protocols share a lesion.
    every = {phase: np.zeros(256, np.float32) for phase in Phase} | dict(perfusion.concentration)
    whole = Perfusion(perfusion.modality, perfusion.native, every, perfusion.steatosis, perfusion.description)
    signature = _APPEARANCE[lesion.plan.type](Tumor(lesion, whole, rng, spacing_mm))
    levels = {NC: 0.0} | dict(signature.concentration)
    return Signature(signature.native, {phase: np.maximum(levels[phase], 0.0) for phase in perfusion.phases})

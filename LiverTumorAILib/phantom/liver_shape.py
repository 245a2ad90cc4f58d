"""Shape of a phantom's liver: lobes, caudate lobe, fissures, cirrhosis."""

from dataclasses import dataclass

import numpy as np

from LiverTumorAILib.phantom.body import DIAPHRAGM_MM, Trunk, TrunkFields
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.space import Canvas, Coordinates, Profile, Space, ellipsoid, smooth_max, smooth_min

# Heights z of the lower edge in front and of the lower surface at the back, and the posterior limit y, by x in mm.
FRONT_EDGE = (
    (-140, -156), (-108, -158), (-84, -146), (-58, -120), (-32, -104), (-8, -96),
    (12, -88), (40, -68), (75, -36), (110, 20),
)  # fmt: skip
BACK_EDGE = (
    (-140, -156), (-108, -154), (-84, -138), (-58, -108), (-38, -92), (-18, -84),
    (0, -72), (30, -48), (60, -22), (110, 40),
)  # fmt: skip
BACK_LIMIT = ((-140, 110), (-60, 88), (-46, 52), (-36, 24), (-22, 10), (0, -8), (20, -22), (50, -34), (110, -46))


@dataclass(frozen=True)
class LiverTraits:
    """What distinguishes one liver, lengths in reference mm.

    Attributes
    ----------
    volume_ml: float
        In the reference, before the patient's own scale.
    left_reach_mm: float
        How much farther than average the left lobe reaches to the left.
    left_thickness_mm: float
        How much thicker than average the left lobe is.
    riedel_mm: float
        Length of a tongue of the right lobe.
    caudate: float
        Size of the caudate lobe, 1 average.
    retraction_mm: float
        Distance of a shrunken right lobe from the wall.
    fissure_mm: float
        Half the width of the fissures.
    nodules_mm: float
        Height of surface nodules.

    """

    volume_ml: float
    left_reach_mm: float
    left_thickness_mm: float
    riedel_mm: float
    caudate: float
    retraction_mm: float
    fissure_mm: float
    nodules_mm: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, cirrhosis: float, size: float) -> "LiverTraits":
        """Draw a liver, of this degree of cirrhosis (0-1), for a patient of `size` times the reference's volume."""
        volume = rng.normal(1650, 280) if rng.random() < 0.85 else rng.uniform(1050, 2900)
        volume = np.clip(volume * (1 - 0.18 * cirrhosis) * np.sqrt(size), 1060, 2750)
        return cls(
            volume_ml=float(volume / size),
            left_reach_mm=float(rng.normal(0, 18) + 15 * cirrhosis),
            left_thickness_mm=float(rng.normal(0, 5) + 10 * cirrhosis),
            riedel_mm=float(rng.uniform(25, 55) if rng.random() < 0.1 and cirrhosis < 0.3 else 0),
            caudate=float(rng.uniform(0.85, 1.15) + 0.4 * cirrhosis),
            retraction_mm=float(cirrhosis * rng.uniform(2, 12)),
            fissure_mm=float(rng.uniform(0.8, 1.6) + 2.2 * cirrhosis * rng.random()),
            nodules_mm=float(cirrhosis * rng.uniform(0.5, 1.3)),
        )


class LiverShape:
    """Implicit shape of a liver under a given diaphragm.

    Parameters
    ----------
    traits: LiverTraits
    trunk: Trunk

    """

    def __init__(self, traits: LiverTraits, trunk: Trunk) -> None:
        self.traits = traits
        self.trunk = trunk
        left = traits.left_reach_mm

        def stretched(points: tuple) -> list[float]:
            return [x + left * np.clip((x + 10) / 90, 0, 1) for x, _ in points]

        self._edge = Profile(stretched(FRONT_EDGE), [v for _, v in FRONT_EDGE])
        self._back = Profile(stretched(BACK_EDGE), [v for _, v in BACK_EDGE])
        thick = traits.left_thickness_mm
        self._limit = Profile(stretched(BACK_LIMIT), [y + thick * np.clip((x + 20) / 40, 0, 1) for x, y in BACK_LIMIT])
        self.drop_mm = 0.0
        self._fit_volume()

    def _fit_volume(self) -> None:
        step = 4.0
        z, y, x = np.meshgrid(
            np.arange(-260, 12, step), np.arange(-130, 110, step), np.arange(-150, 150, step), indexing="ij"
        )
        xyz = tuple(a.astype(np.float32) for a in (x, y, z))
        radius = self.trunk.radius(*xyz)
        wall = self.trunk.distance(radius, xyz[0], xyz[1])
        below = xyz[2] - self.trunk.diaphragm(radius, xyz[0], xyz[1])
        low, high = -60.0, 60.0
        for _ in range(9):
            self.drop_mm = (low + high) / 2
            volume = np.count_nonzero(self.distance(xyz, radius, wall, below) < 0) * step**3 / 1000
            low, high = (self.drop_mm, high) if volume < self.traits.volume_ml else (low, self.drop_mm)

    def distance(self, xyz: Coordinates, radius: np.ndarray, wall: np.ndarray, below: np.ndarray) -> np.ndarray:
        """Approximate signed distance (mm) to the liver's surface, fissures and vessels left out.

        Parameters
        ----------
        xyz: tuple of numpy.ndarray
            Reference coordinates.
        radius, wall, below: numpy.ndarray
            The trunk's surfaces there, as in `TrunkFields`.

        """
        x, y, z = xyz
        t = self.traits
        blend = np.clip((y + 70) / 90, 0, 1)
        blend = blend * blend * (3 - 2 * blend)
        edge = self._edge(x) * (1 - blend) + self._back(x) * blend
        right = 1 / (1 + np.exp((x + 10) / 22))
        edge -= self.drop_mm * (0.25 + 0.75 * right)
        if t.riedel_mm:
            edge -= t.riedel_mm * np.exp(-(((x + 122) / 26) ** 2))
        inferior = (edge - z) * self._edge.distance_factor(x)
        behind = (y - self._limit(x) - 0.22 * np.clip(z + 60, -30, 60)) * self._limit.distance_factor(x)
        inset = 1.5 + t.retraction_mm * np.clip((y + 40) / 60, 0, 1) * right
        main = smooth_max(wall + inset, below + DIAPHRAGM_MM / 2, radius=2.5)
        main = smooth_max(main, inferior, behind, radius=14.0)
        c = t.caudate
        caudate = ellipsoid(xyz, (-14, 0, -60), (21 * c, 13 * c, 27 * c))
        return smooth_min(main, np.maximum(caudate, below + 3), radius=5.0)


def paint_liver(
    canvas: Canvas, shape: LiverShape, fields: TrunkFields, keep_away: np.ndarray, rng: np.random.Generator
) -> None:
    """Paint the liver and its fissures.

    Parameters
    ----------
    canvas: Canvas
    shape: LiverShape
    fields: TrunkFields
    keep_away: numpy.ndarray
        bool, whole grid: where the liver must not be (kidney with its fat, gallbladder).
    rng: numpy.random.Generator

    """
    space, traits = canvas.space, shape.traits
    box = space.box((-160, -140, -250), (150, 120, 15))
    xyz = space.coordinates(box)
    distance = shape.distance(xyz, fields.radius[box], fields.wall[box], fields.below_diaphragm[box])
    # Less on the smooth surfaces under diaphragm and wall than on the visceral one.
    free = np.clip(-np.maximum(fields.wall[box], fields.below_diaphragm[box]) / 20, 0.08, 1)
    distance += free * (0.8 * space.noise(rng, box, 14.0) + 2.3 * space.noise(rng, box, 32.0))
    if traits.nodules_mm:
        distance += traits.nodules_mm * space.noise(rng, box, 6.0)
    liver = (distance < 0) & ~keep_away[box]
    canvas.paint(box, liver, Tissue.LIVER)
    canvas.paint(box, _fissures(space, box, traits, rng), Tissue.FISSURE, (Tissue.LIVER,))


def _fissures(space: Space, box: tuple, traits: LiverTraits, rng: np.random.Generator) -> np.ndarray:
    x, y, z = space.coordinates(box)
    waviness = 1.2 * space.noise(rng, box, 20.0)
    half = max(traits.fissure_mm, 0.4 * space.voxel_mm)
    place, slant = rng.uniform(-8, 8), rng.uniform(-0.25, 0.1)
    plane = x - place - slant * (y + 50) + waviness
    depth = rng.uniform(0.7, 1.0)
    # The falciform fissure opens downwards, and ends where the left portal vein turns.
    teres = (np.abs(plane) < half * (1 + np.clip((-70 - z) / 20, 0, 2.5))) & (z < -52 - 22 * (1 - depth)) & (y < -24)
    offset = (y + 13 + 0.55 * (x + 14) + waviness) * 0.87
    c = traits.caudate
    venosum = (np.abs(offset) < half) & (x > -24) & (x < 12) & (z < -30) & (z > -60 - 24 * c)
    return teres | venosum


def keep_largest(canvas: Canvas, tissue: Tissue, joined: tuple[Tissue, ...], filler: Tissue = Tissue.FAT) -> None:
    """Turn all but the largest connected part of a tissue (with what lies inside it) into the filler."""
    import cc3d

    everything = canvas.whole()
    parts = cc3d.connected_components(canvas.is_tissue(everything, tissue, *joined), connectivity=6)
    sizes = np.bincount(parts.ravel())
    if len(sizes) <= 2:
        return
    largest = 1 + int(np.argmax(sizes[1:]))
    stray = (parts > 0) & (parts != largest)
    canvas.paint(everything, stray, filler, (tissue,))

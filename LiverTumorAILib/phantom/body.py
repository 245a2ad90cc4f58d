"""Trunk of a phantom: wall of the cavity, diaphragm, lungs, heart, muscles, fat and skin."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.space import Canvas, Profile, ellipsoid, smooth_min

DIAPHRAGM_MM = 2.5


@dataclass(frozen=True)
class Habitus:
    """Build of a patient, lengths in reference mm.

    Attributes
    ----------
    fat_side_mm, fat_front_mm, fat_back_mm: float
        Thickness of the subcutaneous fat.
    visceral: float
        0 lean to 1 much fat between the organs.
    muscle: float
        Thickness of muscles, 1 average.
    half_width_mm, front_mm, back_mm: float
        Extent of the cavity from its middle, at the level of the liver.

    """

    fat_side_mm: float
    fat_front_mm: float
    fat_back_mm: float
    visceral: float
    muscle: float
    half_width_mm: float
    front_mm: float
    back_mm: float

    WALL_MM = 15.0

    @classmethod
    def drawn(cls, rng: np.random.Generator, room_mm: tuple[float, float]) -> "Habitus":
        """Draw a build that fits into a field of view.

        Parameters
        ----------
        rng: numpy.random.Generator
        room_mm: tuple of two floats
            Half the width and half the depth of the field, in reference mm; ignored where smaller than a thin trunk.

        """
        obesity = rng.beta(1.6, 2.4)
        visceral = float(np.clip(0.65 * obesity + 0.35 * rng.random() - 0.05, 0, 1))
        width = rng.normal(130, 5) + 10 * visceral
        front = rng.normal(80, 5) + 26 * visceral
        back = rng.normal(78, 3)
        fat = 5 + 38 * obesity * rng.uniform(0.6, 1.2)
        side = min(fat * rng.uniform(0.7, 1.2), max(4.0, room_mm[0] - width - cls.WALL_MM - 5))
        depth = max(10.0, 2 * room_mm[1] - front - back - 2 * cls.WALL_MM - 26)
        frontal, dorsal = fat * rng.uniform(0.6, 1.2), fat * rng.uniform(0.6, 1.1)
        shrink = min(1.0, depth / (frontal + dorsal))
        return cls(
            float(side), float(frontal * shrink), float(dorsal * shrink), visceral, float(rng.uniform(0.8, 1.2)),
            float(width), float(front), float(back),
        )  # fmt: skip


class Trunk:
    """Implicit surfaces of wall and diaphragm.

    Parameters
    ----------
    habitus: Habitus
    rng: numpy.random.Generator

    """

    def __init__(self, habitus: Habitus, rng: np.random.Generator) -> None:
        self.habitus = habitus
        waist = rng.uniform(0.9, 1.02) + 0.06 * habitus.visceral
        self._widen = Profile([-280, -170, -70, -20, 60, 120], [waist, waist, 1.0, 0.98, 0.86, 0.72])
        self._deepen = Profile(
            [-280, -190, -110, -40, 60, 120], [0.95 + 0.1 * habitus.visceral, 0.95, 1.0, 1.0, 0.9, 0.8]
        )
        # Set by `real_anatomy` so that wall and diaphragm follow given organs: mm, functions of (x, y, z) and (x, y).
        self.swelling: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None
        self.lifting: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
        self.power = rng.uniform(2.15, 2.6)
        self.left_dome_mm = rng.uniform(-28, -8)
        self.saddle_mm = rng.uniform(-30, -20)
        self.recess_mm = {"front": rng.uniform(45, 65), "side": rng.uniform(90, 115), "back": rng.uniform(100, 130)}
        self.dome_power = rng.uniform(4.2, 6.5)

    def radius(
        self, x: np.ndarray, y: np.ndarray, z: np.ndarray, *, wide: float = 0, front: float = 0, back: float = 0
    ) -> np.ndarray:
        """Position between the middle (0) and the inner wall (1) of the cavity, enlarged by some mm."""
        h = self.habitus
        if self.swelling is not None:
            swelling = self.swelling(x, y, z)
            wide, front, back = wide + swelling, front + swelling, back + swelling
        across = np.abs(x) / (self._widen(z) * h.half_width_mm + wide)
        deep = self._deepen(z)
        along = np.where(y < 0, -y / (deep * h.front_mm + front), y / (h.back_mm + back))
        power = np.float32(self.power)
        return (across**power + along**power) ** (1 / power)

    @staticmethod
    def distance(radius: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance (mm, negative inside) along the ray from the middle to the wall."""
        return np.hypot(x, y) * (1 - 1 / np.maximum(radius, np.float32(0.02)))

    def diaphragm(self, radius: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height z of the diaphragm."""
        saddle = self.saddle_mm
        top = saddle - saddle * np.exp(-(((x + 60) / 46) ** 2))
        top += (self.left_dome_mm - saddle) * np.exp(-(((x - 62) / 46) ** 2))
        ahead = np.clip(-y / self.habitus.front_mm, 0, 1) ** 2
        behind = np.clip(y / self.habitus.back_mm, 0, 1) ** 2
        r = self.recess_mm
        drop = r["side"] + (r["front"] - r["side"]) * ahead + (r["back"] - r["side"]) * behind
        height = top - drop * np.minimum(radius, 1.1) ** np.float32(self.dome_power)
        return height if self.lifting is None else height + self.lifting(x, y)


@dataclass
class TrunkFields:
    """What other organs need of the trunk, on the whole grid: distance to the wall (mm) and radius."""

    wall: np.ndarray
    radius: np.ndarray
    below_diaphragm: np.ndarray


def paint_trunk(canvas: Canvas, trunk: Trunk, rng: np.random.Generator) -> TrunkFields:
    """Paint skin, fat, muscles, lungs and heart; return the surfaces that abdominal organs lean on."""
    space, habitus = canvas.space, trunk.habitus
    everything = canvas.whole()
    x, y, z = space.x, space.y, space.z
    radius = trunk.radius(x, y, z)
    wall = trunk.distance(radius, x, y)
    shell = habitus.WALL_MM
    side, front, back = habitus.fat_side_mm, habitus.fat_front_mm, habitus.fat_back_mm
    outline = trunk.radius(x, y, z, wide=shell + side, front=shell + front - 4, back=shell + back - 1)
    surface = trunk.distance(outline, x, y)
    # Fat is thinner over the back's muscles, which bulge on both sides of the furrow over the spine.
    cover = 4 + 0.75 * back
    bulge = np.hypot(np.maximum(np.abs(x) - 26, 0) / 1.25, np.maximum(y - 84, 0)) - (21 * habitus.muscle + cover)
    surface = smooth_min(surface, np.where(y > 60, bulge, np.float32(50)), radius=20.0)
    surface += 6 * np.exp(-((x / 15) ** 2)) * (y > 40)
    canvas.paint(everything, surface < 0, Tissue.SKIN, ())
    canvas.paint(everything, surface < -max(2.0, space.voxel_mm), Tissue.FAT, ())
    _paint_muscles(canvas, trunk, wall, surface)
    drop = z - trunk.diaphragm(radius, x, y)
    _paint_chest(canvas, trunk, wall, drop, rng)
    return TrunkFields(wall, radius, drop)


def _paint_muscles(canvas: Canvas, trunk: Trunk, wall: np.ndarray, surface: np.ndarray) -> None:
    space, habitus = canvas.space, trunk.habitus
    everything = canvas.whole()
    x, y, z = space.x, space.y, space.z
    bulk = habitus.muscle
    deep = surface < -3.5
    midline = np.exp(-((x / 5) ** 2)) * (y < 0)
    thickness = 11.5 * bulk * (1 - 0.75 * midline)
    # Between rectus and the flat muscles the wall is thin.
    thickness *= 1 - 0.55 * np.exp(-(((np.abs(x) - 68) / 9) ** 2)) * ((y < 0) & (z < -60))
    canvas.paint(everything, (wall > 0) & (wall < thickness) & deep, Tissue.MUSCLE)
    # Thin layers of fat between the flat muscles of the flank.
    layer = (np.abs(wall - 4.2 * bulk) < 0.6) & (np.abs(x) > 75) & (z < -120)
    canvas.paint(everything, layer, Tissue.FAT, (Tissue.MUSCLE,))
    low, high = (-110, 20, -400), (110, 130, 200)
    box = space.box(low, high)
    bx, by, bz = space.coordinates(box)
    side = np.abs(bx)
    paraspinal = ellipsoid((side, by, np.zeros_like(side)), (33, 84, 0), (32 * bulk, 19 * bulk, 1e4))
    canvas.paint(box, (paraspinal < 0) & (surface[box] < -3.5), Tissue.MUSCLE)
    dorsi = (wall[box] > 9) & (wall[box] < 9 + 8 * bulk) & (by > 5) & (side > 60) & (bz > -170)
    canvas.paint(box, dorsi & (surface[box] < -5), Tissue.MUSCLE)
    grow = np.clip((-95 - bz) / 90, 0, 1)
    psoas = np.hypot((side - 31 - 10 * grow) / (4 + 17 * grow * bulk), (by - 46) / (6 + 16 * grow * bulk))
    canvas.paint(box, (psoas < 1) & (grow > 0.02), Tissue.MUSCLE)
    lumborum = np.hypot((side - 66) / (20 * bulk), (by - 70) / 9)
    canvas.paint(box, (lumborum < 1) & (bz < -110), Tissue.MUSCLE)


def _paint_chest(canvas: Canvas, trunk: Trunk, wall: np.ndarray, drop: np.ndarray, rng: np.random.Generator) -> None:
    space = canvas.space
    box = space.box((-150, -140, -190), (150, 120, 300))
    x, y, z = space.coordinates(box)
    wall, drop = wall[box], drop[box]
    inside = wall < 0
    half = DIAPHRAGM_MM / 2
    mediastinum = smooth_min(
        np.hypot(x - 2, np.maximum(np.abs(y - 45) - 15, 0)) - 31,
        np.hypot(x - 4, np.maximum(np.abs(y - 5) - 30, 0)) - 22,
        radius=10.0,
    )
    canvas.paint(box, inside & (np.abs(drop) < half) & (mediastinum > 0), Tissue.MUSCLE)
    shape = (np.array([62, 46, 46]) * rng.uniform(0.92, 1.1)).tolist()
    tilt = np.deg2rad(rng.uniform(15, 35), dtype=np.float32)
    centre = (18 + rng.normal(0, 4), -trunk.habitus.front_mm * 0.42, trunk.saddle_mm + 44 + rng.normal(0, 3))
    dx, dy = x - centre[0], y - centre[1]
    turned = (np.cos(tilt) * dx - np.sin(tilt) * dy, np.sin(tilt) * dx + np.cos(tilt) * dy, z - centre[2])
    heart = ellipsoid(turned, (0, 0, 0), shape) + 1.2 * space.noise(rng, box, 18.0)
    lung = inside & (wall < -1.5) & (drop > half) & (mediastinum > 0) & (heart > 2 + 5 * trunk.habitus.visceral)
    canvas.paint(box, lung, Tissue.LUNGS)
    canvas.paint(box, (heart < 0) & (drop > half + 1) & (wall < -4), Tissue.HEART)
    _paint_lung_vessels(canvas, rng)


def _paint_lung_vessels(canvas: Canvas, rng: np.random.Generator) -> None:
    starts, ends, radii = [], [], []
    for side in (-1, 1):
        for _ in range(45):
            start = np.array([side * 50, 5, 75]) + rng.normal(0, 8, 3)
            end = np.array([side * rng.uniform(45, 125), rng.uniform(-70, 75), rng.uniform(-75, 40)])
            bend = 0.5 * (start + end) + rng.normal(0, 12, 3)
            thick = rng.uniform(1.2, 2.6)
            starts += [start, bend]
            ends += [bend, end]
            radii += [(thick, 0.8 * thick), (0.8 * thick, 0.7)]
    radii = np.maximum(radii, 0.5 * canvas.space.voxel_mm)
    box, distance = canvas.space.tube_distance(np.asarray(starts), np.asarray(ends), radii)
    canvas.paint(box, distance < 0, Tissue.OTHER_BODY, (Tissue.LUNGS,))

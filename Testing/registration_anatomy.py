"""A small abdomen given by formulas, so that any image of it has an exact truth."""

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

Displacement = Callable[[np.ndarray], np.ndarray]

_ORGANS = (  # centre and half axes in mm (x, y, z), name
    ((0, 0, 0), (74, 58, 1000), "body"),
    ((-26, -6, 12), (40, 40, 46), "liver"),
    ((44, 18, 24), (15, 18, 24), "spleen"),
    ((-34, 30, -36), (12, 12, 22), "kidney"),
    ((36, 30, -34), (12, 12, 22), "kidney"),
    ((0, 38, 0), (13, 13, 1000), "bone"),
    ((4, 16, 0), (8, 8, 1000), "aorta"),
    ((28, -24, 12), (18, 16, 20), "stomach"),
    ((-22, -10, 85), (46, 44, 38), "lung"),
)
HU = {
    "portal": {"body": -20, "liver": 110, "spleen": 120, "kidney": 180, "bone": 260, "aorta": 160, "stomach": 20,
               "lung": -800, "vessel": 175},
    "arterial": {"body": -20, "liver": 65, "spleen": 150, "kidney": 200, "bone": 260, "aorta": 350, "stomach": 20,
                 "lung": -800, "vessel": 100},
    "plain": {"body": -20, "liver": 55, "spleen": 45, "kidney": 30, "bone": 250, "aorta": 40, "stomach": 15,
              "lung": -800, "vessel": 30},
    # Signal of a T1-weighted MR; air and lung give none.
    "mr": {"body": 320, "liver": 210, "spleen": 130, "kidney": 150, "bone": 60, "aorta": 90, "stomach": 70,
           "lung": 5, "vessel": 110, "air": 0},
}  # fmt: skip


def with_bias(image: sitk.Image, strength: float) -> sitk.Image:
    """The signal stronger at one end of the body and weaker at the other, by a factor of up to exp(+-strength)."""
    depth, height, width = image.GetSize()[::-1]
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, size) for size in (depth, height, width)), indexing="ij")
    factor = np.exp(strength * (0.5 * x - 0.4 * y + 0.1 * z))
    biased = sitk.GetImageFromArray((sitk.GetArrayFromImage(image) * factor).astype(np.float32))
    biased.CopyInformation(image)
    return biased


def _vessels() -> tuple[np.ndarray, np.ndarray]:
    """Centres and radii of spots inside the liver, in mm."""
    random = np.random.default_rng(7)
    centres = np.array([-26, -6, 12]) + random.uniform(-30, 30, (45, 3))
    return centres, random.uniform(2.5, 5.0, 45)


def _inside(points: np.ndarray, centre: np.ndarray, axes: np.ndarray, edge_mm: float = 1.5) -> np.ndarray:
    """About 1 inside an ellipsoid, 0 outside, smooth over its edge."""
    radius = np.sqrt((((points - centre) / axes) ** 2).sum(axis=-1))
    return 1 / (1 + np.exp(np.clip((radius - 1) * min(axes) / edge_mm, -30, 30)))


def density(points: np.ndarray, phase: str) -> np.ndarray:
    """HU at points (..., 3), LPS, mm."""
    values = np.full(points.shape[:-1], float(HU[phase].get("air", -1000)))
    for centre, axes, name in _ORGANS:
        share = _inside(points, np.array(centre), np.array(axes))
        values += share * (HU[phase][name] - values)
    liver = _inside(points, np.array(_ORGANS[1][0]), np.array(_ORGANS[1][1]))
    for centre, radius in zip(*_vessels(), strict=True):
        share = liver * _inside(points, centre, np.full(3, radius))
        values += share * (HU[phase]["vessel"] - values)
    return values


def breathing(points: np.ndarray) -> np.ndarray:
    """Displacement (mm) of points: down to the feet and forward below the dome, still at the wall."""
    wall = np.exp(-((points[..., 0] / 60) ** 4) - ((points[..., 1] / 50) ** 4))
    height = np.exp(-(((points[..., 2] - 25) / 60) ** 2))
    moved = np.zeros(points.shape)
    moved[..., 2] = 11 * wall * height
    moved[..., 1] = -4 * wall * height
    moved[..., 0] = 2 * np.sin(points[..., 2] / 30) * wall
    return moved


def still(points: np.ndarray) -> np.ndarray:
    """No displacement."""
    return np.zeros(points.shape)


def volume(
    phase: str,
    spacing: tuple[float, float, float] = (2.5, 2.5, 2.5),
    displacement: Displacement = still,
    size_mm: tuple[float, float, float] = (170.0, 140.0, 150.0),
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0),
    seed: int = 0,
) -> sitk.Image:
    """The abdomen as float32 image (LPS): voxel y shows what lies at y + displacement(y)."""
    size = np.maximum(np.round(np.array(size_mm) / spacing).astype(int), 1)
    origin = np.array(centre) - (size - 1) / 2 * spacing
    z, y, x = np.meshgrid(*(np.arange(n) for n in size[::-1]), indexing="ij")
    points = np.stack([x, y, z], axis=-1) * spacing + origin
    values = density(points + displacement(points), phase)
    values += np.random.default_rng(seed).normal(scale=10, size=values.shape)
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin(origin.tolist())
    return image


def liver_points(count: int = 400) -> np.ndarray:
    """Points (count, 3) inside the liver, LPS, mm."""
    directions = np.random.default_rng(3).normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = np.random.default_rng(4).uniform(0, 0.9, (count, 1)) ** (1 / 3)
    return np.array(_ORGANS[1][0]) + directions * radii * np.array(_ORGANS[1][1])

"""Which lesions a synthetic patient has, and where they lie."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom.anatomy import Anatomy, Grid
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.lesion_shape import Box, Outline, Shape, draw_shape

L = LesionType

_SIZE_MM: dict[LesionType, tuple[float, float]] = {
    L.HCC: (8, 110), L.ICC: (16, 110), L.METASTASIS: (5, 70), L.HEMANGIOMA: (5, 110), L.FNH: (9, 85),
    L.CYST: (4, 90), L.CALCIFICATION: (4, 22), L.OTHER: (7, 80),
}  # fmt: skip
"""Range of the mean diameter; drawn evenly on a logarithmic scale with small ones favoured."""

_OUTLINE: dict[LesionType, Outline] = {
    L.HCC: Outline(0.13, 0.10, 0.9, 1.6), L.ICC: Outline(0.20, 0.22, 0.6, 2.8),
    L.METASTASIS: Outline(0.13, 0.12, 0.8, 2.2), L.HEMANGIOMA: Outline(0.17, 0.17, 0.65, 1.0),
    L.FNH: Outline(0.13, 0.13, 0.6, 1.4), L.CYST: Outline(0.12, 0.05, 1.2, 0.4),
    L.CALCIFICATION: Outline(0.25, 0.25, 0.8, 0.4), L.OTHER: Outline(0.20, 0.20, 0.7, 2.2),
}  # fmt: skip

_ATYPICAL_SHARE = 0.12
_ALWAYS_TYPICAL = (L.CALCIFICATION, L.OTHER)
_GAP_MM = 3.0

_SCENARIOS: tuple[tuple[float, LesionType | None], ...] = (
    (0.27, None), (0.17, L.HCC), (0.07, L.ICC), (0.17, L.METASTASIS), (0.10, L.HEMANGIOMA), (0.07, L.FNH),
    (0.08, L.CYST), (0.06, L.OTHER), (0.01, L.CALCIFICATION),
)  # fmt: skip
"""Share of patients by leading lesion type; None is a normal liver."""

_COUNT: dict[LesionType, tuple[int, float]] = {
    L.HCC: (4, 0.55), L.ICC: (2, 0.75), L.METASTASIS: (10, 0.18), L.HEMANGIOMA: (4, 0.55), L.FNH: (3, 0.65),
    L.CYST: (7, 0.35), L.CALCIFICATION: (3, 0.6), L.OTHER: (3, 0.6),
}  # fmt: skip
"""Most lesions of a leading type and the chance to stop after each one."""

_INCIDENTAL: tuple[tuple[LesionType, float, float], ...] = (
    (L.CYST, 0.30, 25.0), (L.HEMANGIOMA, 0.10, 30.0), (L.CALCIFICATION, 0.08, 12.0), (L.OTHER, 0.04, 25.0),
    (L.FNH, 0.02, 25.0), (L.METASTASIS, 0.015, 20.0),
)  # fmt: skip
"""Lesions beside the leading type: type, share of patients, greatest diameter in mm."""


@dataclass(frozen=True)
class Plan:
    """A lesion to be placed."""

    type: LesionType
    diameter_mm: float
    atypical: bool


@dataclass(frozen=True)
class PlacedLesion:
    """A lesion in its place.

    Attributes
    ----------
    label: int
        Instance number.
    plan: Plan
    shape: Shape
    opacity: numpy.ndarray
        float32 0-1 inside the shape's box: how much of the voxel is lesion.

    """

    label: int
    plan: Plan
    shape: Shape
    opacity: np.ndarray

    @property
    def box(self) -> Box:
        """Part of the grid that the lesion covers."""
        return self.shape.box

    @property
    def mask(self) -> np.ndarray:
        """The lesion's voxels inside its box."""
        return self.opacity >= 0.5


def draw_leading_type(rng: np.random.Generator) -> LesionType | None:
    """The patient's leading lesion type, None for a normal liver."""
    shares = np.array([share for share, _ in _SCENARIOS])
    return _SCENARIOS[rng.choice(len(shares), p=shares / shares.sum())][1]


def draw_cirrhosis(rng: np.random.Generator, leading: LesionType | None) -> float:
    """Degree of cirrhosis (0-1): frequent with HCC, rare otherwise."""
    share = {L.HCC: 0.75, None: 0.15}.get(leading, 0.07)
    return float(rng.uniform(0.25, 1.0)) if rng.random() < share else 0.0


def _plan(rng: np.random.Generator, lesion_type: LesionType, largest_mm: float = np.inf) -> Plan:
    low, high = _SIZE_MM[lesion_type]
    high = min(high, largest_mm)
    diameter = low * (high / low) ** rng.beta(1.1, 1.6)
    atypical = rng.random() < _ATYPICAL_SHARE and lesion_type not in _ALWAYS_TYPICAL
    return Plan(lesion_type, float(diameter), bool(atypical))


def draw_plans(rng: np.random.Generator, leading: LesionType | None) -> list[Plan]:
    """The lesions of a patient whose leading type is given; none for a normal liver."""
    if leading is None:
        return []
    most, stop = _COUNT[leading]
    count = min(int(rng.geometric(stop)), most)
    plans = [_plan(rng, leading)]
    for _ in range(count - 1):
        # Satellites are smaller than the leading lesion as a rule.
        plans.append(_plan(rng, leading, max(_SIZE_MM[leading][0] * 1.5, 0.9 * plans[0].diameter_mm)))
    for lesion_type, share, largest in _INCIDENTAL:
        if lesion_type is not leading and rng.random() < share:
            plans += [_plan(rng, lesion_type, largest) for _ in range(min(int(rng.geometric(0.6)), 3))]
    return plans[:12]


def plans_of_types(rng: np.random.Generator, types: tuple[LesionType, ...]) -> list[Plan]:
    """One lesion of each given type, none of them atypical."""
    return [Plan(t, _plan(rng, t).diameter_mm, False) for t in types]


def liver_region(labels: np.ndarray, grid: Grid) -> np.ndarray:
    """Liver parenchyma and the vessels and ducts inside it, bool (z, y, x)."""
    liver = labels == Tissue.LIVER
    around = gaussian_filter(liver.astype(np.float32), [6.0 / s for s in grid.spacing_mm], truncate=2.0)
    inner = (Tissue.HEPATIC_VEINS, Tissue.PORTAL_SPLENIC_VEIN, Tissue.HEPATIC_ARTERY, Tissue.BILE_DUCTS)
    return liver | (np.isin(labels, inner) & (around > 0.5))


def place_lesions(
    rng: np.random.Generator, anatomy: Anatomy, region: np.ndarray, plans: list[Plan]
) -> list[PlacedLesion]:
    """Place lesions inside the liver without overlap, the largest first.

    Parameters
    ----------
    rng: numpy.random.Generator
    anatomy: Anatomy
    region: numpy.ndarray
        bool (z, y, x): where lesions may lie.
    plans: list of Plan
        A lesion for which there is no room is made smaller, at last left out.

    Returns
    -------
    list of PlacedLesion
        Labels 1, 2, ... by falling size.

    """
    grid = anatomy.grid
    if not plans or not region.any():
        return []
    corner, room = _room(region, grid)
    taken = np.zeros(region.shape, bool)
    placed: list[PlacedLesion] = []
    for plan in sorted(plans, key=lambda plan: -plan.diameter_mm):
        lesion = _place_one(rng, grid, region, taken, (corner, room), plan, len(placed) + 1)
        if lesion is not None:
            taken[lesion.box] |= lesion.shape.depth_mm > -_GAP_MM
            placed.append(lesion)
    return placed


def _room(region: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the liver's surface (mm) inside the liver's bounding box, and that box's corner."""
    boxes = [np.flatnonzero(region.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    corner = np.array([max(b[0] - 1, 0) for b in boxes])
    inside = region[tuple(slice(c, b[-1] + 2) for c, b in zip(corner, boxes, strict=True))]
    return corner, distance_transform_edt(inside, sampling=grid.spacing_mm).astype(np.float32)


def _place_one(  # noqa: PLR0917
    rng: np.random.Generator,
    grid: Grid,
    region: np.ndarray,
    taken: np.ndarray,
    room: tuple[np.ndarray, np.ndarray],
    plan: Plan,
    label: int,
) -> PlacedLesion | None:
    corner, distance = room
    outline = _OUTLINE[plan.type]
    for attempt in range(24):
        diameter = max(plan.diameter_mm * 0.93**attempt, 4.0)
        # A subcapsular lesion is cut by the capsule, others lie free in the parenchyma.
        share = rng.uniform(0.55, 0.9) if rng.random() < 0.3 else 1.05
        fitting = np.flatnonzero((distance > min(share * diameter / 2, 0.85 * distance.max())).ravel())
        centre = corner + np.unravel_index(fitting[rng.integers(len(fitting))], distance.shape)
        shape = draw_shape(rng, grid, tuple(int(c) for c in centre), diameter, outline)
        inside = region[shape.box]
        softness = max(outline.softness_mm, float(np.cbrt(np.prod(grid.spacing_mm))))
        opacity = np.clip(0.5 + shape.depth_mm / softness, 0, 1).astype(np.float32) * inside
        mask = opacity >= 0.5
        whole = np.count_nonzero(shape.depth_mm >= 0)
        if mask.sum() < 4 or mask.sum() < 0.6 * whole or (taken[shape.box] & mask).any():
            continue
        return PlacedLesion(label, Plan(plan.type, diameter, plan.atypical), shape, opacity)
    return None

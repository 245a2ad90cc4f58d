"""Coordinates in which a phantom's organs are drawn, and the canvas that they are painted on.

Organs are implicit functions of reference coordinates (x to the left, y to the back, z to the head, in mm): x = 0 is
the midline, y = 0 the middle of the abdominal cavity, z = 0 the top of the right dome of the diaphragm. Each patient
maps his voxels to them by scaling, rotating and bending smoothly, so that one set of shapes gives many anatomies.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np

from LiverTumorAILib.phantom.anatomy import Grid
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.tubes import distance_to_segments

Box = tuple[slice, slice, slice]
Coordinates = tuple[np.ndarray, np.ndarray, np.ndarray]


@numba.njit(cache=True)
def _expand(knots: np.ndarray, step: float, count: int) -> np.ndarray:
    """Values (count, m), step knots apart, of the cubic B-splines with these coefficients (knots, m)."""
    result = np.empty((count, knots.shape[1]), np.float32)
    for i in range(count):
        first = int(i * step)
        t = np.float32(i * step - first)
        u = np.float32(1) - t
        w0, w3 = u * u * u / np.float32(6), t * t * t / np.float32(6)
        w1 = np.float32(2 / 3) - t * t * (np.float32(1) - t / np.float32(2))
        w2 = np.float32(2 / 3) - u * u * (np.float32(1) - u / np.float32(2))
        for m in range(knots.shape[1]):
            result[i, m] = (
                w0 * knots[first, m] + w1 * knots[first + 1, m] + w2 * knots[first + 2, m] + w3 * knots[first + 3, m]
            )
    return result


def fork(rng: np.random.Generator) -> np.random.Generator:
    """A generator of its own for one organ, so that what it draws does not shift what others draw."""
    return np.random.default_rng(int(rng.integers(2**63)))


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], scale_mm: float
) -> np.ndarray:
    """Smooth random field of about unit variance.

    Parameters
    ----------
    rng: numpy.random.Generator
    shape, spacing_mm: tuple
        (z, y, x).
    scale_mm: float
        Distance of the B-spline's knots: bumps are about twice as wide.

    Returns
    -------
    numpy.ndarray
        float32 of that shape.

    """
    steps = [mm / scale_mm for mm in spacing_mm]
    knots = tuple(int(np.ceil(count * step - 1e-9)) + 3 for count, step in zip(shape, steps, strict=True))
    field = rng.standard_normal(knots, dtype=np.float32) * np.float32(3.0)
    for axis in (2, 1, 0):
        # The axis to expand comes first; the largest one, z, is expanded last, where that costs nothing.
        front = np.ascontiguousarray(np.moveaxis(field, axis, 0))
        wide = _expand(front.reshape(front.shape[0], -1), steps[axis], shape[axis])
        field = np.moveaxis(wide.reshape(shape[axis], *front.shape[1:]), 0, axis)
    return field


def smooth_max(*values: np.ndarray, radius: float) -> np.ndarray:
    """Intersection of implicit shapes whose edges are rounded by about `radius` mm."""
    result = values[0]
    for value in values[1:]:
        blend = np.clip(radius - np.abs(result - value), 0, None)
        result = np.maximum(result, value) + blend * blend * np.float32(0.25 / radius)
    return result


def smooth_min(*values: np.ndarray, radius: float) -> np.ndarray:
    """Union of implicit shapes whose grooves are filled by about `radius` mm."""
    return -smooth_max(*(-value for value in values), radius=radius)


def ellipsoid(xyz: Coordinates, centre: Iterable[float], radii: Iterable[float]) -> np.ndarray:
    """Approximate signed distance (mm, negative inside) to an ellipsoid with axes along the coordinates."""
    unit = steep = np.float32(0)
    for coordinate, middle, radius in zip(xyz, centre, radii, strict=True):
        square = (coordinate - np.float32(middle)) * np.float32(1 / radius)
        square *= square
        unit = unit + square
        square *= np.float32(1 / radius**2)
        steep = steep + square
    unit = np.sqrt(unit)
    return unit * (unit - 1) / np.sqrt(np.maximum(steep, np.float32(1e-8)))


def moved(point: np.ndarray, x: float, y: float, z: float) -> np.ndarray:
    """A point shifted by some mm."""
    return np.add(point, (x, y, z))


class Profile:
    """Smooth curve through points, evaluated fast on large arrays."""

    STEP = 0.5

    def __init__(self, at: Iterable[float], values: Iterable[float]) -> None:
        at, values = np.asarray(list(at), float), np.asarray(list(values), float)
        self.start = float(at[0])
        positions = np.arange(at[0], at[-1] + self.STEP, self.STEP)
        table = np.interp(positions, at, values)
        width = max(3, int(0.12 * (at[-1] - at[0]) / self.STEP) | 1)
        window = np.hanning(width + 2)[1:-1]
        padded = np.pad(table, width // 2, mode="reflect", reflect_type="odd")
        self.table = np.convolve(padded, window / window.sum(), mode="valid").astype(np.float32)
        self.slope = np.gradient(self.table, self.STEP).astype(np.float32)

    def _index(self, at: np.ndarray) -> np.ndarray:
        index = ((at - self.start) * (1 / self.STEP) + 0.5).astype(np.int32)
        return np.clip(index, 0, len(self.table) - 1, out=index)

    def __call__(self, at: np.ndarray) -> np.ndarray:
        """Values at these positions (float32); the end values are held beyond the ends."""
        return self.table[self._index(at)]

    def distance_factor(self, at: np.ndarray) -> np.ndarray:
        """What turns a difference of heights above the curve into a distance from it."""
        return 1 / np.sqrt(1 + self.slope[self._index(at)] ** 2)


@dataclass(frozen=True)
class Frame:
    """How a patient's mm map to reference mm: reference = (rotated patient - shift) / scale + bending.

    Attributes
    ----------
    scale: tuple of three floats
        Size of the patient along (x, y, z), 1 for an average one.
    shift_mm: tuple of three floats
        (x, y, z) in the patient of the reference's origin.
    rotation_deg: float
        About the long axis.
    bending_mm: float
        Standard deviation of the smooth random displacement.

    """

    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation_deg: float = 0.0
    bending_mm: float = 3.0


class Space:
    """Reference coordinates of every voxel of a grid.

    Parameters
    ----------
    grid: Grid
    frame: Frame
        The patient's x and y are 0 in the middle of the grid, his z is 0 at its top.
    rng: numpy.random.Generator

    """

    def __init__(self, grid: Grid, frame: Frame, rng: np.random.Generator) -> None:
        self.grid = grid
        self.frame = frame
        nz, ny, nx = grid.shape
        dz, dy, dx = grid.spacing_mm
        px = ((np.arange(nx) - (nx - 1) / 2) * dx).astype(np.float32)
        py = ((np.arange(ny) - (ny - 1) / 2) * dy).astype(np.float32)
        pz = ((np.arange(nz) - (nz - 1)) * dz).astype(np.float32)
        angle = np.deg2rad(frame.rotation_deg)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        sx, sy, sz = (np.float32(s) for s in frame.scale)
        tx, ty, tz = (np.float32(s) for s in frame.shift_mm)
        plane_x = (cos * px[None] + sin * py[:, None] - tx) / sx
        plane_y = (cos * py[:, None] - sin * px[None] - ty) / sy
        bend = [smooth_noise(rng, grid.shape, grid.spacing_mm, 55.0) * np.float32(frame.bending_mm) for _ in range(3)]
        self.x = bend[0] + plane_x[None]
        self.y = bend[1] + plane_y[None]
        self.z = bend[2] + ((pz - tz) / sz)[:, None, None]
        self._reach = [float(np.abs(b).max()) + 1 for b in bend]
        self._matrix = np.array([[cos / sx, sin / sx, 0], [-sin / sy, cos / sy, 0], [0, 0, 1 / sz]], float)
        self._inverse = np.linalg.inv(self._matrix)

    @property
    def voxel_mm(self) -> float:
        """Largest voxel size."""
        return float(max(self.grid.spacing_mm))

    def _voxels(self, reference: np.ndarray) -> np.ndarray:
        """Indices (z, y, x), float (n, 3), of reference points (x, y, z), (n, 3), the bending left out."""
        shift = np.asarray(self.frame.shift_mm) / np.asarray(self.frame.scale)
        patient = (np.asarray(reference, float) + shift) @ self._inverse.T
        nz, ny, nx = self.grid.shape
        dz, dy, dx = self.grid.spacing_mm
        return np.stack(
            [patient[:, 2] / dz + (nz - 1), patient[:, 1] / dy + (ny - 1) / 2, patient[:, 0] / dx + (nx - 1) / 2], 1
        )

    def _bounds(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Voxel bounds int64 (n, 3, 2) that hold the reference boxes low..high, (n, 3) as (x, y, z)."""
        low, high = np.asarray(low, float) - self._reach, np.asarray(high, float) + self._reach
        pick = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T
        corners = np.where(pick[None] == 0, low[:, None], high[:, None])
        voxels = self._voxels(corners.reshape(-1, 3)).reshape(len(low), 8, 3)
        shape = np.asarray(self.grid.shape)
        first = np.clip(np.floor(voxels.min(1)), 0, shape).astype(np.int64)
        last = np.clip(np.ceil(voxels.max(1)) + 1, 0, shape).astype(np.int64)
        return np.stack([first, np.maximum(first, last)], 2)

    def box(self, low: Iterable[float], high: Iterable[float]) -> Box:
        """Slices of the voxels that hold a box given by its corners (x, y, z) in reference mm."""
        bounds = self._bounds(np.asarray([list(low)]), np.asarray([list(high)]))[0]
        return tuple(slice(int(a), int(b)) for a, b in bounds)

    def coordinates(self, box: Box) -> Coordinates:
        """Reference (x, y, z) of the voxels of a box."""
        return self.x[box], self.y[box], self.z[box]

    def noise(self, rng: np.random.Generator, box: Box, scale_mm: float) -> np.ndarray:
        """Smooth noise of unit variance on a box."""
        shape = tuple(s.stop - s.start for s in box)
        if 0 in shape:
            return np.zeros(shape, np.float32)
        return smooth_noise(rng, shape, self.grid.spacing_mm, scale_mm)

    def tube_distance(self, starts: np.ndarray, ends: np.ndarray, radii: np.ndarray, margin_mm: float = 2.0) -> tuple:
        """Signed distance to a set of cones with round ends.

        Parameters
        ----------
        starts, ends: numpy.ndarray
            (n, 3) as (x, y, z) in reference mm.
        radii: numpy.ndarray
            (n, 2) in mm at start and end.
        margin_mm: float
            How far outside the surface the distance is known; beyond it is this large or larger.

        Returns
        -------
        tuple
            The box and the distance in it, float32, negative inside.

        """
        starts, ends, radii = np.asarray(starts), np.asarray(ends), np.asarray(radii)
        reach = radii.max(1, keepdims=True) + margin_mm
        bounds = self._bounds(np.minimum(starts, ends) - reach, np.maximum(starts, ends) + reach)
        box = tuple(slice(int(bounds[:, a, 0].min()), int(bounds[:, a, 1].max())) for a in range(3))
        offset = np.array([s.start for s in box], np.int64)
        x, y, z = self.coordinates(box)
        distance = np.full(x.shape, margin_mm, np.float32)
        if distance.size:
            segments = np.concatenate([starts, ends, radii], 1).astype(np.float32)
            distance_to_segments((x, y, z), segments, bounds - offset[None, :, None], distance)
        return box, distance


class Canvas:
    """Labels being painted; later organs take only the room that earlier ones left."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.labels = np.zeros(space.grid.shape, np.uint8)

    def paint(self, box: Box, inside: np.ndarray, tissue: Tissue, over: tuple[Tissue, ...] = (Tissue.FAT,)) -> None:
        """Label the voxels `inside` of a box where the canvas shows one of the tissues `over` (empty: anywhere)."""
        view = self.labels[box]
        if over:
            free = view == over[0]
            for other in over[1:]:
                free |= view == other
            inside = inside & free
        view[inside] = tissue

    def is_tissue(self, box: Box, *tissues: Tissue) -> np.ndarray:
        """Which voxels of a box show one of these tissues."""
        wanted = np.zeros(256, bool)
        wanted[list(tissues)] = True
        return wanted[self.labels[box]]

    def whole(self) -> Box:
        """The box of all voxels."""
        return tuple(slice(0, n) for n in self.labels.shape)

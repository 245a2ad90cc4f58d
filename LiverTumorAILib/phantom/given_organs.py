"""Organs of a real person in a phantom: the trunk follows them, and their inner structure is added."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from LiverTumorAILib.phantom.body import Habitus, Trunk, TrunkFields
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.space import Canvas, Profile, Space
from LiverTumorAILib.phantom.vessels import Landmarks

HUGGING_WALL = (Tissue.LIVER, Tissue.SPLEEN, Tissue.LUNGS)
UNDER_DIAPHRAGM = (Tissue.LIVER, Tissue.SPLEEN, Tissue.STOMACH)
CLEARANCE_MM = 3.0


class GivenOrgans:
    """Labels of real organs on the phantom's grid.

    Parameters
    ----------
    labels: numpy.ndarray
        uint8 (z, y, x), values of `Tissue` from 1 to 18, 0 where nothing is known.
    habitus: Habitus
        Build to which the reference was scaled.

    """

    def __init__(self, labels: np.ndarray, habitus: Habitus) -> None:
        self.labels = labels
        self.habitus = habitus
        self.present = {Tissue(int(v)) for v in np.unique(labels) if v}

    def _points(self, space: Space, tissues: tuple[Tissue, ...]) -> np.ndarray:
        """Reference coordinates (n, 3) of some voxels of these organs."""
        step = max(1, round(3.0 / space.voxel_mm))
        wanted = np.zeros(256, bool)
        wanted[list(tissues)] = True
        where = tuple(np.argwhere(wanted[self.labels[::step, ::step, ::step]]).T * step)
        return np.stack([space.x[where], space.y[where], space.z[where]], 1)

    def fit_landmarks(self, marks: Landmarks, space: Space) -> None:
        """Move landmarks onto the organs that are known."""
        if Tissue.SPLEEN in self.present:
            points = self._points(space, (Tissue.SPLEEN,))
            level = points[np.abs(points[:, 2] - points[:, 2].mean()) < 8]
            inner = level[level[:, 0] <= np.quantile(level[:, 0], 0.3)]
            marks.spleen_hilum = inner.mean(0).astype(float) - (4, 0, 0)
        if Tissue.INFERIOR_VENA_CAVA in self.present:
            points = self._points(space, (Tissue.INFERIOR_VENA_CAVA,))
            level = points[np.abs(points[:, 2] + 26) < 8]
            if len(level):
                marks.hepatic_confluence = level.mean(0).astype(float)
        if Tissue.PORTAL_SPLENIC_VEIN in self.present:
            points = self._points(space, (Tissue.PORTAL_SPLENIC_VEIN,))
            hilar = points[points[:, 0] <= np.quantile(points[:, 0], 0.1)]
            marks.bifurcation = hilar.mean(0).astype(float)

    def spine_bow(self, space: Space) -> Profile | None:
        """How far behind its usual place (mm) the spine lies, by height z, after the aorta; None without one."""
        points = self._points(space, (Tissue.AORTA,)) if Tissue.AORTA in self.present else np.zeros((0, 3))
        heights, shifts = [], []
        for z in range(-200, 80, 20):
            level = points[np.abs(points[:, 2] - z) < 10]
            if len(level) > 5:
                usual = np.interp(z, (-180, -100, -40, 120), (14, 14, 20, 26))
                heights.append(z)
                shifts.append(float(np.clip(level[:, 1].mean() - usual, -14, 20)))
        return Profile(heights, shifts) if len(heights) > 2 else None

    def fit_trunk(self, trunk: Trunk, space: Space) -> None:
        """Let wall and diaphragm of a trunk follow the organs."""
        trunk.swelling = self._wall_relief(trunk, space)
        trunk.lifting = self._diaphragm_relief(trunk, space)

    def _wall_relief(self, trunk: Trunk, space: Space) -> Callable:
        turns, rows, top, step = 48, 40, 60.0, 8.0

        def bins(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return (np.arctan2(y, x) / (2 * np.pi) + 0.5) * turns, np.clip((top - z) / step, 0, rows - 1)

        def excess(tissues: tuple[Tissue, ...]) -> np.ndarray:
            table = np.full((turns, rows), -999.0)
            points = self._points(space, tissues)
            if len(points):
                x, y, z = points.T
                beyond = trunk.distance(trunk.radius(x, y, z), x, y) + CLEARANCE_MM
                turn, row = bins(x, y, z)
                np.maximum.at(table, (turn.astype(int) % turns, np.round(row).astype(int)), beyond)
            return table

        behind = Tissue.BONES, Tissue.OTHER_BODY
        hugging = excess(tuple(set(HUGGING_WALL) & self.present))
        inner = excess(tuple(self.present - set(behind)))
        # Where an organ lies on the wall the wall follows it inwards too; elsewhere organs only push it out.
        known = (hugging > -14) | (inner > 0)
        value = np.where(hugging > -14, np.maximum(hugging, inner), np.clip(inner, 0, None))
        relief = _spread(value, known.astype(float), (1.2, 1.5), ("wrap", "nearest"))
        relief = np.maximum(relief, ndimage.gaussian_filter(np.clip(inner, 0, None), 0.7, mode=("wrap", "nearest")))
        relief = np.clip(relief, -14, 60).astype(np.float32)
        periodic = np.concatenate([relief[-1:], relief, relief[:1]])

        def swelling(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
            turn, row = bins(x, y, z)
            return ndimage.map_coordinates(periodic, [turn + 0.5, row], order=1, mode="nearest")

        return swelling

    def _diaphragm_relief(self, trunk: Trunk, space: Space) -> Callable:
        count, step = 64, 6.0

        def bins(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return y / step + count / 2, x / step + count / 2

        table = np.full((count, count), -999.0)
        points = self._points(space, UNDER_DIAPHRAGM)
        x, y, z = points.T
        row, column = (np.clip(np.round(b), 0, count - 1).astype(int) for b in bins(x, y))
        rise = z + 2.0 - trunk.diaphragm(trunk.radius(x, y, z), x, y)
        np.maximum.at(table, (row, column), rise)
        known = table > -45
        relief = _spread(np.where(known, table, 0), known.astype(float), (1.0, 1.0), ("nearest", "nearest"))
        relief = np.maximum(relief, np.where(known, table, -999))
        relief = np.clip(ndimage.gaussian_filter(relief, 0.6), -60, 160).astype(np.float32)

        def lifting(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return ndimage.map_coordinates(relief, bins(x, y), order=1, mode="nearest")

        return lifting

    def paint(self, canvas: Canvas, rng: np.random.Generator) -> None:
        """Paint the organs over the trunk, with wall, content, medulla and marrow."""
        known = self.labels > 0
        canvas.labels[known] = self.labels[known]
        shells = {
            Tissue.STOMACH: (3.5, Tissue.STOMACH_CONTENT),
            Tissue.COLON: (2.2, Tissue.BOWEL_CONTENT),
            Tissue.SMALL_BOWEL: (2.4, Tissue.BOWEL_CONTENT),
            Tissue.DUODENUM: (2.5, Tissue.BOWEL_CONTENT),
            Tissue.RIGHT_KIDNEY: (6.5, Tissue.RENAL_MEDULLA),
            Tissue.LEFT_KIDNEY: (6.5, Tissue.RENAL_MEDULLA),
            Tissue.BONES: (2.0, Tissue.MARROW),
        }
        boxes = ndimage.find_objects(self.labels, max_label=max(Tissue))
        for organ, (thickness, inside) in shells.items():
            box = boxes[organ - 1]
            if box is None:
                continue
            box = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in box)
            depth = ndimage.distance_transform_edt(self.labels[box] == organ, canvas.space.grid.spacing_mm)
            core = depth > max(thickness, 1.1 * canvas.space.voxel_mm)
            if inside is Tissue.RENAL_MEDULLA:
                core &= canvas.space.noise(rng, box, 7.0) < 0.7
            canvas.paint(box, core, inside, (organ,))
            if inside in (Tissue.STOMACH_CONTENT, Tissue.BOWEL_CONTENT):
                y = canvas.space.y[box]
                level = np.quantile(y[core], rng.uniform(0, 0.4)) if core.any() else -999.0
                canvas.paint(box, core & (y < level), Tissue.GAS, (inside,))
        if Tissue.BONES in self.present:
            self._paint_canal(canvas)

    def lower_right_lung(self, canvas: Canvas, fields: TrunkFields) -> None:
        """Fill the room over the liver's dome that the smooth diaphragm leaves with lung."""
        if Tissue.LUNGS in self.present:
            return
        liver = self.labels == Tissue.LIVER
        over = np.maximum.accumulate(liver, axis=0)
        reach = max(1, round(3.0 / canvas.space.voxel_mm))
        near = ndimage.binary_dilation(liver, iterations=reach)
        room = over & ~near & (fields.wall < -1.5) & (fields.below_diaphragm > -22) & (canvas.space.x < 15)
        canvas.paint(canvas.whole(), room, Tissue.LUNGS, (Tissue.FAT, Tissue.MUSCLE))

    def _paint_canal(self, canvas: Canvas) -> None:
        """Paint the spinal canal: what bones enclose in axial slices near the midline."""
        bones = self.labels == Tissue.BONES
        closed = ndimage.binary_closing(bones, np.ones((3, 3, 3), bool), iterations=2)
        hole = np.stack([ndimage.binary_fill_holes(s) for s in closed]) & ~bones
        hole &= (np.abs(canvas.space.x) < 25) & (canvas.space.y > 30)
        hole = ndimage.binary_opening(hole, iterations=1)
        canvas.paint(canvas.whole(), hole, Tissue.SPINAL_CANAL, (Tissue.FAT, Tissue.MUSCLE, Tissue.LUNGS))


def _spread(value: np.ndarray, weight: np.ndarray, sigma: tuple, mode: tuple) -> np.ndarray:
    """Smooth a table of which only some entries are known; it fades to 0 far from them."""
    total = ndimage.gaussian_filter(value * weight, sigma, mode=mode)
    return total / (ndimage.gaussian_filter(weight, sigma, mode=mode) + 0.02)

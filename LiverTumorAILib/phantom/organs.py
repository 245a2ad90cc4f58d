"""Solid organs of the upper abdomen beside the liver."""

import numpy as np

from LiverTumorAILib.phantom.body import TrunkFields
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.space import Canvas, ellipsoid, moved, smooth_max, smooth_min
from LiverTumorAILib.phantom.tubes import smooth_curve
from LiverTumorAILib.phantom.vessels import Landmarks, paint_curve


def tube(canvas: Canvas, points: list, margin_mm: float = 4.0) -> tuple:
    """Box and signed distance of a tube through points (x, y, z, radius)."""
    curve = smooth_curve(np.asarray(points, float))
    return canvas.space.tube_distance(
        curve[:-1, :3], curve[1:, :3], np.stack([curve[:-1, 3], curve[1:, 3]], 1), margin_mm
    )


def paint_kidney(canvas: Canvas, side: int, rng: np.random.Generator) -> tuple:
    """Paint a kidney with cortex, medulla, pelvis and sinus fat.

    Parameters
    ----------
    canvas: Canvas
    side: int
        -1 right, 1 left.
    rng: numpy.random.Generator

    Returns
    -------
    tuple
        Box, and the distance to the kidney's surface there, for the fat around it.

    """
    space = canvas.space
    centre = np.array([side * 60, 44, -146 if side < 0 else -138]) + rng.normal(0, (3, 3, 9))
    box = space.box(moved(centre, -55, -55, -80), moved(centre, 55, 55, 80))
    x, y, z = space.coordinates(box)
    size = rng.uniform(0.95, 1.18)
    yaw, lean = np.deg2rad(rng.uniform(25, 50), dtype=np.float32), rng.uniform(0.12, 0.25)
    dx, dy, dz = side * (x - float(centre[0])), y - float(centre[1]), z - float(centre[2])
    dx = dx + lean * dz
    dy = dy + 0.12 * dz
    # u points from the hilum, which looks forwards and to the middle, to the outer border.
    u, v = dx * np.cos(yaw) + dy * np.sin(yaw), -dx * np.sin(yaw) + dy * np.cos(yaw)
    zero = np.zeros(3)
    outer = ellipsoid((u, v, dz), zero, np.array((27, 25, 54)) * size)
    outer += 0.6 * space.noise(rng, box, 12.0)
    sinus = ellipsoid((u, v, dz), (-20 * size, 0, 0), np.array((22, 9, 25)) * size)
    kidney = smooth_max(outer, -sinus, radius=4.0)
    free = (Tissue.FAT, Tissue.MUSCLE)
    canvas.paint(box, kidney < 0, Tissue.RIGHT_KIDNEY if side < 0 else Tissue.LEFT_KIDNEY, free)
    cortex = rng.uniform(5.5, 7.5)
    columns = np.cos(np.arctan2(dz, u + 14 * size) * 7 + 2) + 0.7 * np.cos(v / 5 + 1)
    columns += 0.25 * space.noise(rng, box, 9.0)
    medulla = (kidney < -2.0) & (outer < -cortex) & (columns < 0.5)
    own = (Tissue.RIGHT_KIDNEY, Tissue.LEFT_KIDNEY)
    canvas.paint(box, medulla, Tissue.RENAL_MEDULLA, own)
    pelvis = ellipsoid((u, v, dz), (-19 * size, -1, -2), np.array((13, 4.5, 11)) * size)
    canvas.paint(box, (pelvis < 0) & (outer < 8), Tissue.RENAL_PELVIS, (Tissue.FAT, *own))
    return box, outer


def paint_adrenals(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the two adrenal glands as thin inverted Y."""
    thick = max(rng.uniform(1.8, 2.8), 0.6 * canvas.space.voxel_mm)
    for x, y, z, side in ((-34, 26, -82, -1), (34, 22, -86, 1)):
        apex = np.array([x, y, z]) + rng.normal(0, 2, 3)
        # Each limb is a sheet: parallel ridges, one under the other.
        for step in range(6):
            ridge = moved(apex, side * 0.8 * step, 1.2 * step, -4 * step)
            for away in ((0, -7, 1), (side * 9, 11, -4), (-side * 1, 13, -4)):
                tip = ridge + np.asarray(away) * min(1.0, 0.5 + 0.15 * step)
                paint_curve(canvas, [(*ridge, thick), (*tip, 0.8 * thick)], Tissue.ADRENALS)


def paint_crura(canvas: Canvas) -> None:
    """Paint the crura of the diaphragm beside the aorta."""
    for offset in (-9, 20):
        low = 0.8 * offset
        course = [(offset + 2, 12, -40, 4), (offset, 18, -80, 5.5), (0.9 * offset, 24, -120, 5), (low, 28, -165, 3)]
        paint_curve(canvas, course, Tissue.MUSCLE, (Tissue.FAT,))


def paint_gallbladder(canvas: Canvas, drop_mm: float, rng: np.random.Generator) -> tuple | None:
    """Paint the gallbladder under the liver (missing in some); return its box and distance."""
    if rng.random() < 0.1:
        return None
    size = rng.uniform(0.7, 1.25)
    neck = np.array([-48, -24, -94]) + rng.normal(0, 3, 3)
    fundus = np.array([-70, -58, -124 - 0.8 * drop_mm]) + rng.normal(0, 5, 3)
    middle = (neck + fundus) / 2 + rng.normal(0, 2, 3) + (0, 4, -3)
    points = [
        (*neck, 4),
        (*(0.75 * neck + 0.25 * middle), 6 * size),
        (*middle, 14 * size),
        (*(0.5 * middle + 0.5 * fundus), 13.5 * size),
        (*fundus, 10 * size),
    ]
    box, distance = tube(canvas, points)
    canvas.paint(box, distance < 0, Tissue.GALLBLADDER)
    return box, distance


def paint_spleen(canvas: Canvas, fields: TrunkFields, size: float, marks: Landmarks, rng: np.random.Generator) -> None:
    """Paint the spleen against the diaphragm, larger by the factor `size`."""
    space = canvas.space
    box = space.box((10, -90, -260), (160, 110, 10))
    x, y, z = space.coordinates(box)
    centre = np.array([100, 36, -72]) + rng.normal(0, 4, 3) - ((size - 1) * 14, (size - 1) * 26, (size - 1) * 34)
    grow = size**0.9
    dy, dz = y - float(centre[1]), z - float(centre[2])
    tilt = np.deg2rad(rng.uniform(15, 40), dtype=np.float32)
    along, across = np.cos(tilt) * dz + np.sin(tilt) * dy, np.cos(tilt) * dy - np.sin(tilt) * dz
    spleen = ellipsoid((x - float(centre[0]), across, along), np.zeros(3), np.array((38, 50, 62)) * grow)
    hilum = ellipsoid((x, y, z), marks.spleen_hilum - (20, 22, 0), np.array((22, 32, 50)) * grow**0.3)
    spleen = smooth_max(spleen, fields.wall[box] + 2.5, fields.below_diaphragm[box] + 3, -hilum, radius=7.0)
    spleen += 0.8 * space.noise(rng, box, 14.0)
    canvas.paint(box, spleen < 0, Tissue.SPLEEN)


def paint_pancreas(canvas: Canvas, marks: Landmarks, visceral: float, rng: np.random.Generator) -> None:
    """Paint the pancreas in front of the splenic vein, lobulated where there is much fat."""
    con = marks.confluence
    size = rng.uniform(0.95, 1.35)
    spine = [
        (*moved(con, -24, -2, -34), 10 * size),
        (*moved(con, -22, -8, -16), 13 * size),
        (*moved(con, -6, -13, -2), 8.5 * size),
        (*moved(con, 18, -15, 6), 8.5 * size),
        (*moved(con, 44, -4, 12), 9 * size),
        (*moved(marks.spleen_hilum, -10, -14, 2), 8 * size),
    ]
    box, distance = tube(canvas, spine, 6.0)
    distance = distance + (0.5 + 1.0 * visceral) * canvas.space.noise(rng, box, 5.5)
    canvas.paint(box, distance < 0, Tissue.PANCREAS)


def paint_ascites(canvas: Canvas, fields: TrunkFields, amount: float, rng: np.random.Generator) -> None:
    """Turn the fat along the walls of the peritoneal cavity and around liver and spleen into fluid.

    Parameters
    ----------
    canvas: Canvas
    fields: TrunkFields
    amount: float
        0 none to 1 much.
    rng: numpy.random.Generator

    """
    from scipy.ndimage import gaussian_filter

    space = canvas.space
    box = space.box((-160, -140, -260), (160, 70, 5))
    wall = fields.wall[box]
    sigma = [7.0 / step for step in space.grid.spacing_mm]
    around = gaussian_filter(canvas.is_tissue(box, Tissue.LIVER, Tissue.SPLEEN).astype(np.float32), sigma, truncate=2.5)
    y = space.y[box]
    reach = (4 + 22 * amount) + 3 * space.noise(rng, box, 25.0)
    gutter = smooth_min(
        -wall - reach * np.clip((y + 60) / 80, 0.15, 1), 30 * (0.42 - 0.25 * amount - around), radius=4.0
    )
    fluid = (gutter < 0) & (wall < -1) & (fields.below_diaphragm[box] < 0) & (y < 55) & (np.abs(space.x[box]) > 8)
    canvas.paint(box, fluid, Tissue.ASCITES)

"""Oesophagus, stomach, duodenum, small bowel and colon with wall, content and gas."""

import numpy as np

from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.organs import tube
from LiverTumorAILib.phantom.space import Canvas, moved
from LiverTumorAILib.phantom.tubes import smooth_curve
from LiverTumorAILib.phantom.vessels import Landmarks, paint_curve


def _fill(
    canvas: Canvas,
    box: tuple,
    distance: np.ndarray,
    wall: Tissue,
    *,
    content: Tissue = Tissue.BOWEL_CONTENT,
    thickness: float,
    gas_below_y: float,
) -> None:
    """Paint wall, content, and gas in front of the level y = gas_below_y (the patient lies on his back)."""
    thickness = max(thickness, 0.7 * canvas.space.voxel_mm)
    canvas.paint(box, distance < 0, wall)
    canvas.paint(box, distance < -thickness, content, (wall,))
    y = canvas.space.y[box]
    canvas.paint(box, (distance < -thickness) & (y < gas_below_y), Tissue.GAS, (content,))


def paint_oesophagus(canvas: Canvas) -> None:
    """Paint the oesophagus down to the cardia."""
    course = [(2, 14, 120, 8), (5, 10, 20, 8), (12, 6, -20, 8), (24, 4, -42, 8)]
    paint_curve(canvas, course, Tissue.OESOPHAGUS, (Tissue.FAT, Tissue.MUSCLE, Tissue.LUNGS))


def paint_stomach(canvas: Canvas, front_mm: float, rng: np.random.Generator) -> None:
    """Paint the stomach, anything from collapsed to distended."""
    full = rng.uniform(0.6, 1.25)
    shift = front_mm - 80
    low = -112 + rng.normal(0, 10)
    course = np.array([
        (64, 24, -36, 30), (66, 8, -46, 38), (64, -12, -66, 34), (58, -34 - 0.5 * shift, -88, 29),
        (36, -48 - 0.7 * shift, low + 2, 22), (8, -52 - 0.7 * shift, low, 18),
        (-16, -44 - 0.5 * shift, low + 2, 13), (-30, -36 - 0.3 * shift, -108, 8),
    ], float)  # fmt: skip
    course[:, :3] += rng.normal(0, 4, (len(course), 3))
    course[:, 3] = 7 + (course[:, 3] - 7) * full
    box, distance = tube(canvas, course)
    distance = distance + 0.9 * canvas.space.noise(rng, box, 9.0)
    level = rng.uniform(-60, -5) - 0.5 * shift
    wall = rng.uniform(2.5, 4.5)
    _fill(canvas, box, distance, Tissue.STOMACH, content=Tissue.STOMACH_CONTENT, thickness=wall, gas_below_y=level)


def paint_duodenum(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the duodenum from pylorus to jejunum."""
    low = -168 + rng.normal(0, 6)
    course = np.array([
        (-32, -36, -108, 8), (-46, -24, -106, 12), (-52, -6, -116, 12), (-50, 0, low + 22, 12),
        (-40, 2, low + 2, 11), (-12, -4, low, 10), (16, -4, low + 6, 10), (34, -4, low + 30, 10),
    ], float)  # fmt: skip
    course[:, :3] += rng.normal(0, 2, (len(course), 3))
    box, distance = tube(canvas, course)
    distance = distance + 0.6 * canvas.space.noise(rng, box, 7.0)
    _fill(canvas, box, distance, Tissue.DUODENUM, thickness=2.5, gas_below_y=rng.uniform(-60, -20))


def paint_colon(canvas: Canvas, front_mm: float, width_mm: float, rng: np.random.Generator) -> None:
    """Paint ascending, transverse and descending colon with haustra."""
    front, wide = front_mm - 22, width_mm - 26
    sag = rng.uniform(0, 50)
    course = np.array([
        (-wide + 4, 24, -300, 24), (-wide + 6, 22, -220, 22), (-wide + 10, 12, -176, 22), (-80, -18, -160, 20),
        (-55, -front + 4, -168, 18), (-10, -front, -172 - sag, 17), (40, -front, -150 - 0.7 * sag, 17),
        (76, -front + 26, -118, 17),
        (wide - 14, 4, -100, 17), (wide - 8, 30, -118, 15), (wide - 8, 36, -160, 13), (wide - 10, 34, -300, 12),
    ], float)  # fmt: skip
    course[:, :3] += rng.normal(0, 5, (len(course), 3))
    course[:, 3] *= rng.uniform(0.8, 1.2)
    curve = smooth_curve(course, 4.0)
    travelled = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve[:, :3], axis=0), axis=1))])
    curve[:, 3] *= 1 + 0.13 * np.sin(travelled / 4.6 + rng.normal(0, 0.5, len(curve)).cumsum() * 0.3)
    box, distance = canvas.space.tube_distance(
        curve[:-1, :3], curve[1:, :3], np.stack([curve[:-1, 3], curve[1:, 3]], 1), 4.0
    )
    distance = distance + 0.6 * canvas.space.noise(rng, box, 8.0)
    level = -front + rng.uniform(-12, 22)
    _fill(canvas, box, distance, Tissue.COLON, thickness=rng.uniform(1.5, 2.5), gas_below_y=level)


def paint_small_bowel(canvas: Canvas, front_mm: float, rng: np.random.Generator) -> None:
    """Fill the room in front of the spine below the stomach with loops."""
    pitch = rng.uniform(22, 26)
    front = front_mm - 20
    heights = np.arange(-104, -300, -pitch)
    grid = np.array(np.meshgrid(np.arange(-100, 105, pitch), np.arange(-front, 22, pitch), heights, indexing="ij"))
    cells = grid.reshape(3, -1).T
    x, y, z = cells.T
    # Jejunum in the left upper abdomen; the middle is left to the mesenteric root.
    room = np.where(x > 15, z < -95, z < -128 - 0.35 * np.abs(x)) & (np.abs(x) < 88) & ((y < -16) | (x > 45))
    cells = cells[room] + rng.normal(0, 4.5, (np.count_nonzero(room), 3))
    for loop in _random_walks(cells, 1.5 * pitch, rng):
        if len(loop) < 2:
            continue
        points = np.concatenate([cells[loop], 11.0 * rng.uniform(0.75, 1.2, (len(loop), 1))], 1)
        box, distance = tube(canvas, points, 3.0)
        distance = distance + 0.7 * canvas.space.noise(rng, box, 7.0)
        gas = rng.uniform(-30, 40) - front if rng.random() < 0.3 else -999
        _fill(canvas, box, distance, Tissue.SMALL_BOWEL, thickness=2.2, gas_below_y=gas)


def _random_walks(cells: np.ndarray, reach_mm: float, rng: np.random.Generator) -> list[list[int]]:
    """Chains of neighbouring cells that visit each cell once."""
    from scipy.spatial import cKDTree

    neighbours = cKDTree(cells).query_ball_point(cells, reach_mm)
    left = set(range(len(cells)))
    walks = []
    while left:
        here = min(left)
        walk = []
        while here is not None:
            left.discard(here)
            walk.append(here)
            free = [n for n in neighbours[here] if n in left]
            here = int(rng.choice(free)) if free and len(walk) < 14 else None
        walks.append(walk)
    return walks


def paint_mesentery(canvas: Canvas, marks: Landmarks, rng: np.random.Generator) -> None:
    """Paint small vessels in the mesenteric and subphrenic fat."""
    root = moved(marks.confluence, 2, -12, -40)
    for _ in range(26):
        end = root + rng.normal(0, (45, 18, 45))
        middle = (root + end) / 2 + rng.normal(0, 8, 3)
        paint_curve(canvas, [(*root, 1.6), (*middle, 1.2), (*end, 0.8)], Tissue.OTHER_BODY, (Tissue.FAT,))

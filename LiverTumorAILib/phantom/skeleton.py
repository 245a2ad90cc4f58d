"""Spine, ribs and breastbone of a phantom."""

from collections.abc import Callable

import numpy as np

from LiverTumorAILib.phantom.body import Trunk, TrunkFields
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.space import Canvas

SOFT = (Tissue.FAT, Tissue.MUSCLE, Tissue.LUNGS, Tissue.HEART)
CORTEX_MM = 1.6


def _paint_bone(canvas: Canvas, box: tuple, distance: np.ndarray, over: tuple = SOFT) -> None:
    cortex = max(CORTEX_MM, 0.8 * canvas.space.voxel_mm)
    canvas.paint(box, distance < 0, Tissue.BONES, over)
    canvas.paint(box, distance < -cortex, Tissue.MARROW, (Tissue.BONES,))


def paint_spine(
    canvas: Canvas, rng: np.random.Generator, bow: Callable[[np.ndarray], np.ndarray] | None = None
) -> None:
    """Paint vertebrae with discs, arches, processes and the canal; `bow` tells the shift along y (mm) at height z."""
    space = canvas.space
    box = space.box((-60, 15, -400), (60, 115, 300))
    x, y, z = space.coordinates(box)
    y = y if bow is None else y - bow(z)
    pitch, phase = rng.uniform(27, 31), rng.random()
    level = z / pitch + phase
    height = (level - np.round(level)) * pitch
    size = rng.uniform(0.93, 1.08) * (1 - 0.0012 * np.clip(z + 100, -80, 160))
    waist = 1 - 0.10 * np.clip(1 - np.abs(height) / (0.4 * pitch), 0, 1)
    across, along = x / (23 * size * waist), (y - 43) / (17 * size * waist)
    radius = (np.abs(across) ** 2.3 + np.abs(along) ** 2.3) ** (1 / 2.3)
    column = (radius - 1) * 19
    body = np.maximum(column, np.abs(height) - (0.5 * pitch - 2.6))
    canal = np.hypot(x / 10.5, (y - 67) / 8.5)
    canvas.paint(box, column < -0.5, Tissue.OTHER_BODY, SOFT)
    side = np.abs(x)
    upper = height - 4
    pedicle = np.maximum.reduce([np.abs(side - 14) - 4.5, np.abs(y - 64) - 12, np.abs(upper) - 7])
    lamina = np.maximum(np.abs(np.hypot(x, (y - 66) * 1.1) - 14.5) - 3, np.maximum(66 - y, np.abs(height + 2) - 10))
    slant = height + 0.35 * (y - 80)
    spinous = np.maximum.reduce([side - 3.2, np.abs(y - 90) - 13, np.abs(slant + 4) - 8])
    transverse = np.maximum.reduce([side - 38, 12 - side, np.abs(y - 70 - 0.15 * side) - 4, np.abs(upper) - 5])
    arch = np.minimum.reduce([pedicle, lamina, spinous, transverse])
    _paint_bone(canvas, box, np.where(canal < 1, 5, np.minimum(body, arch)), (*SOFT, Tissue.OTHER_BODY))
    canvas.paint(box, canal < 1, Tissue.SPINAL_CANAL, (*SOFT, Tissue.OTHER_BODY))


def paint_ribs(canvas: Canvas, trunk: Trunk, fields: TrunkFields, rng: np.random.Generator) -> None:
    """Paint ribs that run downwards to the front inside the wall, their cartilage and the breastbone."""
    space = canvas.space
    box = space.box((-190, -170, -230), (190, 130, 300))
    x, y, z = space.coordinates(box)
    wall = fields.wall[box]
    near = (wall > -2) & (wall < 14)
    x, y, z, depth = x[near], y[near], z[near], wall[near]
    # 0 at the spine, 1 at the breastbone.
    turn = np.arctan2(np.abs(x), y + 8) / np.float32(np.pi)
    pitch = rng.uniform(24, 28)
    fall = rng.uniform(105, 135)
    course = z + fall * (np.clip(turn, 0, 0.66) / 0.66) ** 1.15 - 60 * np.clip(turn - 0.7, 0, 1)
    lowest = rng.uniform(-112, -98)
    number = (course - lowest) / pitch
    index = np.round(number)
    across = (number - index) * pitch * 0.88
    distance = np.hypot(across / 6.2, (depth - 4.8) / 3.9)
    distance = (distance - 1) * 4.6
    end = np.select([index < 0, index == 0, index == 1], [0.0, 0.3, 0.5], 0.72)
    bone = np.full(wall.shape, 9, np.float32)
    bone[near] = np.maximum(distance, (turn - end) * 150)
    _paint_bone(canvas, box, bone)
    cartilage = np.zeros(wall.shape, bool)
    cartilage[near] = (distance < -0.5) & (turn >= end) & (index >= 2)
    canvas.paint(box, cartilage, Tissue.OTHER_BODY, SOFT)
    bx, by, bz = space.coordinates(box)
    sternum = np.maximum.reduce([np.abs(bx) - 15, np.abs(wall - 5.5) - 5, -30 - bz, by])
    _paint_bone(canvas, box, sternum, (*SOFT, Tissue.OTHER_BODY))

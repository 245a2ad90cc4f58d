"""Great vessels, hepatic and portal veins, hepatic artery and bile ducts of a phantom."""

import numpy as np

from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.space import Canvas, moved
from LiverTumorAILib.phantom.tubes import smooth_curve
from LiverTumorAILib.phantom.vessel_tree import VesselTree, grow, spread_points

INSIDE_LIVER = (Tissue.LIVER, Tissue.FISSURE, Tissue.FAT)
OUTSIDE_LIVER = (Tissue.FAT, Tissue.MUSCLE, Tissue.OTHER_BODY)


def paint_curve(
    canvas: Canvas, points: list, tissue: Tissue, over: tuple = OUTSIDE_LIVER, flatten: float = 0.0
) -> None:
    """Paint a tube through points (x, y, z, radius); `flatten` mm are taken off its radius."""
    curve = smooth_curve(np.asarray(points, float))
    radius = np.maximum(curve[:, 3] - flatten, 0.55 * canvas.space.voxel_mm)
    box, distance = canvas.space.tube_distance(curve[:-1, :3], curve[1:, :3], np.stack([radius[:-1], radius[1:]], 1))
    canvas.paint(box, distance < 0, tissue, over)


class Landmarks:
    """Points that several vessels and organs share, (x, y, z) in reference mm."""

    def __init__(self, rng: np.random.Generator) -> None:
        def near(x: float, y: float, z: float, sd: float = 2.5) -> np.ndarray:
            return np.array([x, y, z]) + rng.normal(0, sd, 3)

        self.confluence = near(-6, -4, -104)
        self.bifurcation = near(-42, -16, -76)
        self.celiac = near(6, 4, -88)
        self.mesenteric = moved(self.celiac, 0, 1, -13)
        self.hepatic_confluence = near(-24, 6, -24, 2)
        self.spleen_hilum = near(82, 28, -76, 4)
        self.aorta_radius = rng.uniform(8.5, 12.5)
        self.cava_radius = rng.uniform(9, 12)
        self.portal_radius = rng.uniform(5.5, 7.5)


def paint_great_vessels(
    canvas: Canvas, marks: Landmarks, rng: np.random.Generator, present: frozenset[Tissue] = frozenset()
) -> None:
    """Paint aorta with its branches and the inferior vena cava with the renal veins; trunks not if `present`."""
    a, c = marks.aorta_radius, marks.cava_radius
    bow = rng.normal(0, 4)
    aorta = [
        (14, 26, 120, a + 1.5),
        (12, 24, 40, a + 1),
        (9, 20, -40, a),
        (5, 14, -100, a - 0.5),
        (4 + bow, 14, -180, a - 1.5),
        (0, 16, -300, a - 2),
    ]
    cava = [
        (-22, -12, 28, c + 1.5),
        (-25, 2, -2, c + 1),
        (*marks.hepatic_confluence, c + 1),
        (-26, 12, -60, c),
        (-25, 14, -110, c),
        (-22, 17, -170, c - 0.5),
        (-16, 20, -300, c - 1),
    ]
    if Tissue.AORTA not in present:
        paint_curve(canvas, aorta, Tissue.AORTA, (*OUTSIDE_LIVER, Tissue.LUNGS))
    if Tissue.INFERIOR_VENA_CAVA not in present:
        over = (*OUTSIDE_LIVER, Tissue.LUNGS, Tissue.LIVER, Tissue.HEART)
        paint_curve(canvas, cava, Tissue.INFERIOR_VENA_CAVA, over)
    celiac = marks.celiac
    hepatic_turn = moved(celiac, -20, -16, -4)
    artery = [
        (*moved(celiac, 0, 8, 0), 4),
        (*moved(celiac, -1, -8, -2), 3.5),
        (*hepatic_turn, 2.8),
        (*moved(marks.bifurcation, 8, -6, -12), 2.4),
        (*moved(marks.bifurcation, 2, -7, -1), 2.0),
    ]
    paint_curve(canvas, artery, Tissue.HEPATIC_ARTERY)
    splenic = [
        (*moved(celiac, -1, -8, -2), 3),
        (*moved(celiac, 25, -6, 4), 2.6),
        (*moved(celiac, 48, 8, -2), 2.5),
        (*marks.spleen_hilum, 2.2),
    ]
    paint_curve(canvas, splenic, Tissue.AORTA)
    sma = marks.mesenteric
    paint_curve(
        canvas,
        [(*moved(sma, 0, 8, 0), 4), (*moved(sma, 0, -10, -8), 3.6), (4, -16, -150, 3.2), (0, -20, -230, 2.6)],
        Tissue.AORTA,
    )
    for side, usual in ((-1, -122), (1, -112)):
        level = usual + rng.normal(0, 3)
        paint_curve(
            canvas, [(5, 14, level, 3), (side * 25, 24, level - 3, 2.6), (side * 52, 32, level - 14, 2.2)], Tissue.AORTA
        )
        over = [(-24, 14, level - 4, 5), (4, 0, level - 4, 4.5), (26, 12, level - 5, 4.5), (52, 30, level - 16, 4)]
        short = [(-24, 14, level - 4, 5), (-38, 22, level - 7, 4.5), (-52, 28, level - 14, 4)]
        paint_curve(canvas, over if side > 0 else short, Tissue.INFERIOR_VENA_CAVA)


def paint_portal_trunk(canvas: Canvas, marks: Landmarks) -> None:
    """Paint portal vein, splenic vein and superior mesenteric vein outside the liver."""
    p = marks.portal_radius
    con, bif, spleen = marks.confluence, marks.bifurcation, marks.spleen_hilum
    middle = moved((con + bif) / 2, -2, -3, 0)
    tissue = Tissue.PORTAL_SPLENIC_VEIN
    paint_curve(canvas, [(*con, p), (*middle, p), (*bif, p)], tissue, INSIDE_LIVER)
    paint_curve(canvas, [(*con, p - 0.5), (18, -4, -96, p - 1.8), (45, 6, -90, p - 2), (*spleen, p - 2.6)], tissue)
    paint_curve(
        canvas, [(*con, p - 0.5), (-5, -14, -130, p - 1), (-4, -20, -170, p - 1.5), (0, -22, -240, p - 2)], tissue
    )


def _inside_points(canvas: Canvas) -> np.ndarray:
    """Some reference points (n, 3) of the liver, away from its surface."""
    from scipy.ndimage import binary_erosion

    step = max(1, round(4.0 / canvas.space.voxel_mm))
    coarse = canvas.labels[::step, ::step, ::step] == Tissue.LIVER
    where = np.argwhere(binary_erosion(coarse)) * step
    space = canvas.space
    index = tuple(where.T)
    return np.stack([space.x[index], space.y[index], space.z[index]], 1).astype(float)


def _paint_tree(
    canvas: Canvas, tree: VesselTree, tissue: Tissue, over: tuple, *, root_mm: float, tip_mm: float, finest_mm: float
) -> None:
    starts, ends, radii = tree.segments(tree.radii(root_mm, tip_mm))
    visible = radii[:, 1] >= finest_mm
    if not visible.any():
        return
    radii = np.maximum(radii, 0.5 * canvas.space.voxel_mm)
    box, distance = canvas.space.tube_distance(starts[visible], ends[visible], radii[visible])
    canvas.paint(box, distance < 0, tissue, over)


def paint_liver_vessels(canvas: Canvas, marks: Landmarks, rng: np.random.Generator) -> None:
    """Grow and paint hepatic veins, portal branches, arteries and bile ducts inside the liver."""
    inside = _inside_points(canvas)
    if len(inside) < 50:
        return
    veins = _hepatic_veins(inside, marks, rng)
    starts = [np.asarray(tree.points) for tree, _ in veins]
    portal = _portal_branches(inside, marks, np.concatenate(starts), rng)
    wall = (Tissue.LIVER, Tissue.FISSURE)
    artery = VesselTree([moved(p, 1.5, -4.5, 1.5) for p in portal.points], portal.parents)
    _paint_tree(canvas, artery, Tissue.HEPATIC_ARTERY, wall, root_mm=2.2, tip_mm=0.5, finest_mm=0.9)
    ducts = VesselTree([moved(p, -1.5, -5.0, -1.5) for p in portal.points], portal.parents)
    _paint_tree(canvas, ducts, Tissue.BILE_DUCTS, wall, root_mm=2.0, tip_mm=0.3, finest_mm=1.0)
    for tree, radius in veins:
        _paint_tree(canvas, tree, Tissue.HEPATIC_VEINS, wall, root_mm=radius, tip_mm=0.6, finest_mm=1.0)
    small = (Tissue.LIVER, Tissue.FISSURE, Tissue.HEPATIC_ARTERY, Tissue.BILE_DUCTS)
    _paint_tree(
        canvas, portal, Tissue.PORTAL_SPLENIC_VEIN, small, root_mm=marks.portal_radius, tip_mm=0.6, finest_mm=1.0
    )


def _hepatic_veins(inside: np.ndarray, marks: Landmarks, rng: np.random.Generator) -> list[tuple[VesselTree, float]]:
    root = marks.hepatic_confluence

    def jitter(point: tuple, sd: float = 4) -> np.ndarray:
        return np.asarray(point) + rng.normal(0, sd, 3)

    low, high = inside.min(0), inside.max(0)
    bottom = max(low[2], -150)
    left = min(high[0], 60)
    courses = [
        ([moved(root, -6, 2, 0), (-62, 18, -45), (-92, 22, -80), (-100, 15, bottom + 35)], 5.5, 60),
        ([moved(root, -3, -6, 1), (-40, -22, -38), (-52, -42, -70), (-58, -52, bottom + 52)], 5.0, 45),
        ([moved(root, 5, -7, 1), (0, -28, -32), (0.5 * left, -46, -46), (0.8 * left, -54, -58)], 4.5, 30),
    ]
    trunks = [smooth_curve(np.array([start, *map(jitter, rest)]), 6.0) for (start, *rest), _, _ in courses]
    targets = spread_points(inside, sum(c for _, _, c in courses), rng)
    nearest = np.argmin([[np.linalg.norm(t - p, axis=1).min() for p in targets] for t in trunks], 0)
    trees = []
    for i, (trunk, (_, radius, _)) in enumerate(zip(trunks, courses, strict=True)):
        tree = VesselTree()
        tree.add_path(trunk)
        others = np.concatenate([t[1:] for j, t in enumerate(trunks) if j != i])
        grow(tree, targets[nearest == i], rng, obstacles=others)
        trees.append((tree, radius * rng.uniform(0.85, 1.15)))
    return trees


def _portal_branches(inside: np.ndarray, marks: Landmarks, veins: np.ndarray, rng: np.random.Generator) -> VesselTree:
    bif = marks.bifurcation

    def jitter(point: tuple, sd: float = 3) -> np.ndarray:
        return np.asarray(point) + rng.normal(0, sd, 3)

    tree = VesselTree()

    def branch(parent: int, points: list[np.ndarray]) -> int:
        return tree.add_path(smooth_curve(np.array(points), 5.0)[1:], parent)

    root = tree.add_path(smooth_curve(np.array([moved(bif, 8, 2, -8), bif]), 5.0))
    right = branch(root, [bif, moved(bif, -14, 2, 3), jitter(moved(bif, -26, 4, 4))])
    fork = tree.points[right]
    # Anterior and posterior sectors, each with a superior and an inferior branch.
    sectors = (
        ((-15, -16, 8), (-26, -30, 22)),
        ((-14, -14, -14), (-22, -26, -38)),
        ((-18, 14, 12), (-36, 28, 30)),
        ((-18, 14, -12), (-36, 26, -36)),
    )
    for course in sectors:
        branch(right, [fork, *(jitter(fork + c) for c in course)])
    turn = jitter((-2, -28, -62))
    left = branch(root, [bif, moved(bif, 14, -6, 6), jitter((-16, -20, -64)), turn])
    umbilical = branch(left, [turn, moved(turn, 2, -14, -4), moved(turn, 0, -26, -12)])
    # Segments II, III and IV.
    segments = (
        (left, ((18, -4, 12), (38, -10, 18))),
        (umbilical, ((18, -6, 2), (34, -8, -2))),
        (umbilical, ((-14, -6, 6), (-24, -8, 14))),
    )
    for start, course in segments:
        at = tree.points[start]
        branch(start, [at, *(jitter(at + c) for c in course)])
    targets = spread_points(inside, 170, rng)
    return grow(tree, targets, rng, obstacles=veins, clearance_mm=4.5)

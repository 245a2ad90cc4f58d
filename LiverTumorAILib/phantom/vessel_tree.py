"""Vessel trees that fill a region, with radii after Murray's law (Murray 1926, doi 10.1073/pnas.12.3.207)."""

from dataclasses import dataclass, field

import numpy as np

MURRAY_EXPONENT = 2.7


@dataclass
class VesselTree:
    """Nodes of a tree; node 0 is the root.

    Attributes
    ----------
    points: list of numpy.ndarray
        (x, y, z), mm.
    parents: list of int
        -1 for the root.

    """

    points: list[np.ndarray] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)

    def add_path(self, path: np.ndarray, parent: int = -1) -> int:
        """Append a chain of points after a node; return its last node."""
        for point in np.asarray(path, float):
            self.points.append(point)
            self.parents.append(parent)
            parent = len(self.points) - 1
        return parent

    def radii(self, root_mm: float, tip_mm: float) -> np.ndarray:
        """Radius (mm) at each node: by Murray's law of the number of tips beyond it, root_mm at the root."""
        parents = np.asarray(self.parents)
        load = np.zeros(len(parents))
        has_child = np.zeros(len(parents), bool)
        has_child[parents[parents >= 0]] = True
        for node in range(len(parents) - 1, -1, -1):
            load[node] += 0 if has_child[node] else 1
            if parents[node] >= 0:
                load[parents[node]] += load[node]
        share = load / load[0]
        return tip_mm + (root_mm - tip_mm) * np.maximum(share ** (1 / MURRAY_EXPONENT) - 0.06, 0) / 0.94

    def segments(self, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Starts (n, 3), ends (n, 3), radii (n, 2) of all segments."""
        points, parents = np.asarray(self.points), np.asarray(self.parents)
        child = np.flatnonzero(parents >= 0)
        parent = parents[child]
        return points[parent], points[child], np.stack([np.minimum(radii[parent], radii[child] * 1.6), radii[child]], 1)


def grow(
    tree: VesselTree,
    targets: np.ndarray,
    rng: np.random.Generator,
    *,
    obstacles: np.ndarray | None = None,
    clearance_mm: float = 4.0,
    step_mm: float = 6.0,
) -> VesselTree:
    """Grow branches from a trunk to each target.

    Each target, nearest first, is joined to the node from which the way is short and does not turn back. Ways that
    pass nearer than `clearance_mm` to an obstacle are avoided where another is not much longer.

    Parameters
    ----------
    tree: VesselTree
        Holds the trunk; changed in place.
    targets: numpy.ndarray
        (n, 3), mm.
    rng: numpy.random.Generator
    obstacles: numpy.ndarray, optional
        (m, 3), mm: points of another tree.
    clearance_mm, step_mm: float

    Returns
    -------
    VesselTree
        The same tree.

    """
    from scipy.spatial import cKDTree

    blocked = cKDTree(obstacles) if obstacles is not None and len(obstacles) else None
    if not len(targets):
        return tree
    order = np.argsort(cKDTree(np.asarray(tree.points)).query(targets)[0])
    for target in np.asarray(targets)[order]:
        points = np.asarray(tree.points)
        parents = np.asarray(tree.parents)
        way = target - points
        length = np.linalg.norm(way, axis=1)
        before = points - points[np.maximum(parents, 0)]
        norm = np.linalg.norm(before, axis=1)
        turn = np.einsum("ij,ij->i", way, before) / np.maximum(norm * length, 1e-6)
        turn[parents < 0] = -0.5
        cost = length * (1.35 - 0.6 * turn) + (turn < 0) * 15
        candidates = np.argsort(cost)[:6]
        best, lowest = None, np.inf
        for node in candidates:
            path = _bent_path(points[node], target, before[node] / max(norm[node], 1e-6), step_mm, rng)
            penalty = 0.0
            if blocked is not None:
                near = blocked.query(path, distance_upper_bound=clearance_mm)[0]
                penalty = 12.0 * np.count_nonzero(np.isfinite(near))
            if cost[node] + penalty < lowest:
                best, lowest = (node, path), cost[node] + penalty
        tree.add_path(best[1], int(best[0]))
    return tree


def _bent_path(
    start: np.ndarray, end: np.ndarray, heading: np.ndarray, step_mm: float, rng: np.random.Generator
) -> np.ndarray:
    """Points after `start` up to `end` on a quadratic curve that leaves along `heading`."""
    length = np.linalg.norm(end - start)
    count = max(1, int(np.ceil(length / step_mm)))
    middle = (start + end) / 2 + 0.18 * length * heading + rng.normal(0, 0.05, 3) * length
    t = (np.arange(1, count + 1) / count)[:, None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end


def spread_points(candidates: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Choose points that keep apart from each other.

    Parameters
    ----------
    candidates: numpy.ndarray
        (n, 3).
    count: int
    rng: numpy.random.Generator

    Returns
    -------
    numpy.ndarray
        (count or fewer, 3): greedily the farthest of random candidates.

    """
    if len(candidates) == 0:
        return candidates
    pool = candidates[rng.integers(0, len(candidates), min(len(candidates), 12 * count))]
    chosen = [pool[0]]
    distance = np.linalg.norm(pool - pool[0], axis=1)
    for _ in range(min(count, len(pool)) - 1):
        farthest = int(np.argmax(distance * rng.uniform(0.8, 1, len(pool))))
        chosen.append(pool[farthest])
        distance = np.minimum(distance, np.linalg.norm(pool - pool[farthest], axis=1))
    return np.asarray(chosen)

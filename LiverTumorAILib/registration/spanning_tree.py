"""Regularisation on a minimum spanning tree: exact belief propagation with quadratic differences.

Sources: Heinrich et al., IEEE Transactions on Medical Imaging 32(7), 2013; Felzenszwalb and Huttenlocher,
"Distance transforms of sampled functions", Theory of Computing 8, 2012.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from LiverTumorAILib.progress import Progress


@dataclass(frozen=True)
class Tree:
    """A rooted spanning tree of the control points.

    Attributes
    ----------
    order: numpy.ndarray
        Control points, breadth first: the root, its children, their children ...
    parent: numpy.ndarray
        Parent of each control point, as a position in `order`; of the root: -1.
    first_child, last_child: numpy.ndarray
        Children of `order[i]` are `order[first_child[i]:last_child[i]]`.
    depth_starts: numpy.ndarray
        `order[depth_starts[d]:depth_starts[d + 1]]` have depth d.

    """

    order: np.ndarray
    parent: np.ndarray
    first_child: np.ndarray
    last_child: np.ndarray
    depth_starts: np.ndarray


@njit(parallel=True, cache=True)
def _edge_weights(image: np.ndarray, control_shape: tuple[int, int, int], spacing: int) -> np.ndarray:
    """Sum of absolute differences between the cells of neighbouring control points along z, y and x."""
    depth, height, width = image.shape
    nodes = control_shape[0] * control_shape[1] * control_shape[2]
    out = np.zeros((nodes, 3), np.float32)
    for node in prange(nodes):
        z0 = node // (control_shape[1] * control_shape[2]) * spacing - spacing // 2
        y0 = node // control_shape[2] % control_shape[1] * spacing - spacing // 2
        x0 = node % control_shape[2] * spacing - spacing // 2
        for z in range(z0, z0 + spacing):
            cz = min(max(z, 0), depth - 1)
            sz = min(max(z + spacing, 0), depth - 1)
            for y in range(y0, y0 + spacing):
                cy = min(max(y, 0), height - 1)
                sy = min(max(y + spacing, 0), height - 1)
                for x in range(x0, x0 + spacing):
                    cx = min(max(x, 0), width - 1)
                    sx = min(max(x + spacing, 0), width - 1)
                    value = image[cz, cy, cx]
                    out[node, 0] += abs(value - image[sz, cy, cx])
                    out[node, 1] += abs(value - image[cz, sy, cx])
                    out[node, 2] += abs(value - image[cz, cy, sx])
    return out


def spanning_tree(image: np.ndarray, control_shape: tuple[int, int, int], spacing: int) -> Tree:
    """Minimum spanning tree of the control points on the gradients of `image` (float32 (z, y, x), no NaN)."""
    weights = _edge_weights(image, control_shape, spacing)
    index = np.arange(int(np.prod(control_shape))).reshape(control_shape)
    starts, ends, values = [], [], []
    for axis in range(3):
        start = np.delete(index, -1, axis).ravel()
        starts.append(start)
        ends.append(np.delete(index, 0, axis).ravel())
        values.append(weights[start, axis])
    # Zero would mean "no edge" to scipy.
    smallest = max(float(weights.max()), 1.0) * 1e-6
    graph = coo_matrix(
        (np.concatenate(values) + smallest, (np.concatenate(starts), np.concatenate(ends))),
        shape=(index.size, index.size),
    )
    edges = minimum_spanning_tree(graph.tocsr())
    root = int(index[tuple(size // 2 for size in control_shape)])
    order, predecessors = breadth_first_order(edges, root, directed=False)
    return _rooted(order, predecessors)


def _rooted(order: np.ndarray, predecessors: np.ndarray) -> Tree:
    count = len(order)
    position = np.empty(count, np.int64)
    position[order] = np.arange(count)
    parent = np.full(count, -1, np.int64)
    parent[1:] = position[predecessors[order[1:]]]
    first_child = np.searchsorted(parent, np.arange(count), "left")
    last_child = np.searchsorted(parent, np.arange(count), "right")
    starts = [0, 1]
    while starts[-1] < count:
        starts.append(int(last_child[starts[-2] : starts[-1]].max()))
    return Tree(order.astype(np.int64), parent, first_child, last_child, np.array(starts))


@njit(cache=True, fastmath=True)
def _add_message(
    cost: np.ndarray, offset: np.ndarray, weight: float, side: int, work: np.ndarray, other: np.ndarray, out: np.ndarray
) -> None:
    """Add to `out` the lower envelope of `cost` and the quadratic penalties of a displacement difference.

    Exact and separable: three passes, each over the leading axis, which is then moved to the end.
    """
    plane = side * side
    for i in range(side * plane):
        work[i] = cost[i]
    for axis in range(3):
        for target in range(side):
            start = target * plane
            for i in range(plane):
                other[start + i] = np.float32(np.inf)
            for source in range(side):
                distance = target - source + offset[axis]
                penalty = np.float32(weight * distance * distance)
                base = source * plane
                for i in range(plane):
                    other[start + i] = min(other[start + i], work[base + i] + penalty)
        for target in range(side):
            for i in range(plane):
                work[i * side + target] = other[target * plane + i]
    lowest = np.float32(np.inf)
    for i in range(side * plane):
        lowest = min(lowest, work[i])
    for i in range(side * plane):
        out[i] += work[i] - lowest


@njit(parallel=True, cache=True)
def _collect(
    costs: np.ndarray,
    order: np.ndarray,
    first_child: np.ndarray,
    last_child: np.ndarray,
    prior: np.ndarray,
    weight: float,
    side: int,
    begin: int,
    end: int,
) -> None:
    """Add to the costs of `order[begin:end]` what their children say."""
    for i in prange(begin, end):
        if first_child[i] == last_child[i]:
            continue
        node = order[i]
        work = np.empty(side**3, np.float32)
        other = np.empty(side**3, np.float32)
        for c in range(first_child[i], last_child[i]):
            child = order[c]
            _add_message(costs[child], prior[node] - prior[child], weight, side, work, other, costs[node])


@njit(parallel=True, cache=True)
def _decide(
    costs: np.ndarray,
    order: np.ndarray,
    parent: np.ndarray,
    prior: np.ndarray,
    weight: float,
    side: int,
    begin: int,
    end: int,
    labels: np.ndarray,
    refined: np.ndarray,
) -> None:
    """Best displacement of `order[begin:end]`, given those of their parents."""
    radius = side // 2
    for i in prange(begin, end):
        node = order[i]
        target = np.zeros(3, np.float32)
        pull = weight
        if parent[i] >= 0:
            above = order[parent[i]]
            for axis in range(3):
                target[axis] = labels[above, axis] + prior[above, axis] - prior[node, axis] + radius
        else:
            pull = 0.0
        total = costs[node].copy()
        label = 0
        for z in range(side):
            for y in range(side):
                for x in range(side):
                    distance = (z - target[0]) ** 2 + (y - target[1]) ** 2 + (x - target[2]) ** 2
                    total[label] += pull * distance
                    label += 1
        best = np.argmin(total)
        place = (best // (side * side), best // side % side, best % side)
        strides = (side * side, side, 1)
        for axis in range(3):
            labels[node, axis] = place[axis] - radius
            shift = 0.0
            if 0 < place[axis] < side - 1:
                before = total[best - strides[axis]]
                after = total[best + strides[axis]]
                curvature = before + after - 2 * total[best]
                if curvature > 0:
                    shift = 0.5 * (before - after) / curvature
            refined[node, axis] = place[axis] - radius + shift


def regularise(costs: np.ndarray, tree: Tree, prior: np.ndarray, weight: float, progress: Progress) -> np.ndarray:
    """Displacements that minimise cost plus quadratic differences along the tree, exactly.

    Parameters
    ----------
    costs: numpy.ndarray
        float32 (control points, displacements); changed in place.
    tree: Tree
    prior: numpy.ndarray
        float32 (control points, 3), displacements so far in steps of this level; their differences are
        penalised together with those that are sought.
    weight: float
        Penalty of a difference of one step between neighbours.
    progress: Progress
        Polled for cancel.

    Returns
    -------
    numpy.ndarray
        float32 (control points, 3), displacements in steps in (z, y, x) order, refined below one step.

    """
    side = round(costs.shape[1] ** (1 / 3))
    labels = np.zeros((len(costs), 3), np.float32)
    refined = np.zeros((len(costs), 3), np.float32)
    starts = tree.depth_starts
    for depth in range(len(starts) - 2, -1, -1):
        progress.check()
        _collect(
            costs, tree.order, tree.first_child, tree.last_child, prior, weight, side, starts[depth], starts[depth + 1]
        )
    for depth in range(len(starts) - 1):
        progress.check()
        _decide(costs, tree.order, tree.parent, prior, weight, side, starts[depth], starts[depth + 1], labels, refined)
    return refined

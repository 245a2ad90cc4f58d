"""Regularisation on a minimum spanning tree: exact belief propagation with quadratic differences.

Sources: Heinrich et al., IEEE Transactions on Medical Imaging 32(7), 2013; Felzenszwalb and Huttenlocher,
"Distance transforms of sampled functions", Theory of Computing 8, 2012.
"""

import heapq
from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import depth_first_order, minimum_spanning_tree

from LiverTumorAILib.progress import Progress

_CHUNK = 4096
_BINS = 128


@dataclass(frozen=True)
class Tree:
    """A rooted spanning tree of the control points, cut into branches that do not need each other.

    Attributes
    ----------
    order: numpy.ndarray
        Control points, depth first: the part of the tree below `order[i]` follows it.
    parent: numpy.ndarray
        Parent of each control point, as a position in `order`; of the root: -1.
    branch_starts, branch_ends: numpy.ndarray
        Branches as ranges of `order`, sorted into bins of similar size.
    bin_starts: numpy.ndarray
        Bin b holds the branches `bin_starts[b]` to `bin_starts[b + 1]`.
    trunk: numpy.ndarray
        The other positions in `order`, and those of the branches' roots.

    """

    order: np.ndarray
    parent: np.ndarray
    branch_starts: np.ndarray
    branch_ends: np.ndarray
    bin_starts: np.ndarray
    trunk: np.ndarray


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
    order, predecessors = depth_first_order(edges, root, directed=False)
    return _rooted(order, predecessors)


@njit(cache=True)
def _subtree_sizes(parent: np.ndarray) -> np.ndarray:
    sizes = np.ones(len(parent), np.int64)
    for i in range(len(parent) - 1, 0, -1):
        sizes[parent[i]] += sizes[i]
    return sizes


def _rooted(order: np.ndarray, predecessors: np.ndarray) -> Tree:
    count = len(order)
    position = np.empty(count, np.int64)
    position[order] = np.arange(count)
    parent = np.full(count, -1, np.int64)
    parent[1:] = position[predecessors[order[1:]]]
    sizes = _subtree_sizes(parent)
    small = sizes <= max(count // _BINS, 1)
    roots = np.flatnonzero(small & ~small[parent] & (parent >= 0))
    bins = [[] for _ in range(_BINS)]
    loads = [(0, b) for b in range(_BINS)]
    for start in roots[np.argsort(-sizes[roots])].tolist():
        load, lightest = heapq.heappop(loads)
        bins[lightest].append(start)
        heapq.heappush(loads, (load + int(sizes[start]), lightest))
    starts = np.array([start for members in bins for start in members], np.int64)
    trunk = np.union1d(np.flatnonzero(~small), roots)
    bin_starts = np.cumsum([0] + [len(members) for members in bins])
    return Tree(order.astype(np.int64), parent, starts, starts + sizes[starts], bin_starts, trunk)


@njit(cache=True, fastmath=True)
def _add_message(  # noqa: PLR0917 (numba)
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


@njit(cache=True)
def _send(  # noqa: PLR0917 (numba)
    costs: np.ndarray,
    order: np.ndarray,
    parent: np.ndarray,
    prior: np.ndarray,
    weight: float,
    side: int,
    i: int,
    work: np.ndarray,
    other: np.ndarray,
) -> None:
    """Add to the costs of the parent of `order[i]` what `order[i]` says."""
    child, above = order[i], order[parent[i]]
    _add_message(costs[child], prior[above] - prior[child], weight, side, work, other, costs[above])


@njit(parallel=True, cache=True)
def _collect_branches(  # noqa: PLR0917 (numba)
    costs: np.ndarray,
    order: np.ndarray,
    parent: np.ndarray,
    prior: np.ndarray,
    weight: float,
    side: int,
    starts: np.ndarray,
    ends: np.ndarray,
    bin_starts: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Messages inside the branches of some bins, from the leaves to the branches' roots."""
    for b in prange(first, last):
        work = np.empty(side**3, np.float32)
        other = np.empty(side**3, np.float32)
        for branch in range(bin_starts[b], bin_starts[b + 1]):
            for i in range(ends[branch] - 1, starts[branch], -1):
                _send(costs, order, parent, prior, weight, side, i, work, other)


@njit(cache=True)
def _collect_trunk(  # noqa: PLR0917 (numba)
    costs: np.ndarray,
    order: np.ndarray,
    parent: np.ndarray,
    prior: np.ndarray,
    weight: float,
    side: int,
    trunk: np.ndarray,
) -> None:
    """Messages along the trunk, to the root."""
    work = np.empty(side**3, np.float32)
    other = np.empty(side**3, np.float32)
    for t in range(len(trunk) - 1, -1, -1):
        if parent[trunk[t]] >= 0:
            _send(costs, order, parent, prior, weight, side, trunk[t], work, other)


@njit(cache=True)
def _decide(  # noqa: PLR0917 (numba)
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
    total = np.empty(side**3, np.float32)
    target = np.zeros(3, np.float32)
    for i in range(begin, end):
        node = order[i]
        pull = weight if parent[i] >= 0 else 0.0
        if parent[i] >= 0:
            above = order[parent[i]]
            for axis in range(3):
                target[axis] = labels[above, axis] + prior[above, axis] - prior[node, axis] + radius
        best = 0
        for z in range(side):
            for y in range(side):
                plane = pull * ((z - target[0]) ** 2 + (y - target[1]) ** 2)
                for x in range(side):
                    label = (z * side + y) * side + x
                    total[label] = costs[node, label] + plane + pull * (x - target[2]) ** 2
                    if total[label] < total[best]:
                        best = label
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
    shared = (costs, tree.order, tree.parent, prior, weight, side)
    for first in range(0, _BINS, _BINS // 8):
        progress.check()
        branches = (tree.branch_starts, tree.branch_ends, tree.bin_starts)
        _collect_branches(*shared, *branches, first, first + _BINS // 8)
    progress.check()
    _collect_trunk(*shared, tree.trunk)
    for begin in range(0, len(costs), _CHUNK):
        progress.check()
        end = min(begin + _CHUNK, len(costs))
        _decide(*shared, begin, end, labels, refined)
    return refined

"""Diameters of voxel masks, measured between the boundaries of their voxels.

A voxel mask says of each voxel whether its centre lies inside, so the true surface runs somewhere between a voxel
inside and its neighbour outside. `contour_field` places it there by the voxels around (half-way on a flat surface),
and diameters are taken between points on that contour. Outer corners of voxels would overestimate oblique diameters by
up to a voxel's diagonal, centres of voxels would underestimate all of them.
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

Segment = tuple[np.ndarray, np.ndarray]
"""Two end points, each in voxel indices (axes in the order of the mask)."""

MARGIN = 1
"""Voxels that `contour_field` adds at each side."""


def contour_field(mask: np.ndarray) -> np.ndarray:
    """Field that is positive at voxels inside, negative outside, and zero on the contour in between.

    The smoothed mask tells where between two voxels the contour runs; every voxel keeps its side. Masks so small that
    smoothing leaves nothing of them keep the contour half-way between voxels.

    Parameters
    ----------
    mask: numpy.ndarray
        bool, any number of dimensions, not empty.

    Returns
    -------
    numpy.ndarray
        float64, with `MARGIN` voxels around the mask.

    """
    padded = np.pad(mask, MARGIN)
    # Figures against analytic ellipsoids chose 0.7 voxels, and 0.15 as the least distance from zero: the mean error
    # of diameters is then least from 3 to 100 voxels.
    smooth = ndimage.gaussian_filter(padded.astype(float), 0.7, mode="constant") - 0.5
    if smooth.max() <= 0:
        return padded - 0.5
    return np.where(padded, np.maximum(smooth, 0.15), np.minimum(smooth, -0.15))


def contour_points(field: np.ndarray) -> np.ndarray:
    """Contour points at both ends of every line of voxels.

    Parameters
    ----------
    field: numpy.ndarray
        From `contour_field`.

    Returns
    -------
    numpy.ndarray
        float64 (n, dimensions), voxel indices of the mask. Holds all vertices of the contour's convex hull.

    """
    inside = field > 0
    points = []
    for axis in range(field.ndim):
        occupied = inside.any(axis=axis)
        across = np.argwhere(occupied)
        lines, values = (np.moveaxis(array, axis, -1)[occupied] for array in (inside, field))
        rows, count = np.arange(len(lines)), lines.shape[1]
        for end, step in ((lines.argmax(axis=1), -1), (count - 1 - lines[:, ::-1].argmax(axis=1), 1)):
            within, beyond = values[rows, end], values[rows, end + step]
            points.append(np.insert(across.astype(float), axis, end + step * within / (within - beyond), axis=1))
    return np.concatenate(points) - MARGIN


def greatest_diameter(field: np.ndarray, spacing_mm: tuple[float, ...]) -> tuple[float, Segment]:
    """Greatest distance between two contour points in two or three dimensions.

    Parameters
    ----------
    field: numpy.ndarray
        From `contour_field`.
    spacing_mm: tuple of floats
        In the order of the field's axes.

    Returns
    -------
    tuple of float and Segment
        Length in mm and the end points in voxel indices of the mask.

    """
    points = contour_points(field)
    scaled = points * np.asarray(spacing_mm)
    vertices = ConvexHull(scaled).vertices
    distances = pdist(scaled[vertices])
    first, second = np.triu_indices(len(vertices), k=1)
    farthest = distances.argmax()
    ends = points[vertices[first[farthest]]], points[vertices[second[farthest]]]
    return float(distances[farthest]), ends


def contour_segments(field: np.ndarray) -> np.ndarray:
    """Contour of a slice by marching squares.

    Parameters
    ----------
    field: numpy.ndarray
        From `contour_field`, (rows, columns).

    Returns
    -------
    numpy.ndarray
        float64 (n, 2, 2): segments, their two ends, (row, column) in voxel indices of the mask.

    """
    # Corners of each cell in circular order; side i runs from corner i to corner i + 1.
    values = np.stack([field[:-1, :-1], field[:-1, 1:], field[1:, 1:], field[1:, :-1]])
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0)], dtype=float)
    inside = values > 0
    segments = []
    for side in range(4):
        # A segment enters a cell where the side turns from inside to outside, and leaves it at the next turn back.
        for steps in (1, 2, 3):
            outside = np.logical_and.reduce([~inside[(side + step) % 4] for step in range(1, steps + 1)])
            cells = np.argwhere(inside[side] & outside & inside[(side + steps + 1) % 4])
            ends = [_crossing(values, corners, cells, which) for which in (side, (side + steps) % 4)]
            segments.append(np.stack(ends, axis=1))
    return np.concatenate(segments) - MARGIN


def _crossing(values: np.ndarray, corners: np.ndarray, cells: np.ndarray, side: int) -> np.ndarray:
    """Zero crossing on one side of the given cells, (n, 2)."""
    start, stop = (values[corner % 4, cells[:, 0], cells[:, 1]] for corner in (side, side + 1))
    share = (start / (start - stop))[:, None]
    return cells + corners[side] + share * (corners[(side + 1) % 4] - corners[side])


def perpendicular_diameter(field: np.ndarray, spacing_mm: tuple[float, float], axis: Segment) -> tuple[float, Segment]:
    """Longest line across the contour perpendicular to `axis`.

    Parameters
    ----------
    field: numpy.ndarray
        From `contour_field`, (rows, columns).
    spacing_mm: tuple of two floats
        In the order of the field's axes.
    axis: Segment
        The diameter that the result is perpendicular to, in voxel indices of the mask.

    Returns
    -------
    tuple of float and Segment
        Length in mm and the end points in voxel indices of the mask.

    """
    spacing = np.asarray(spacing_mm)
    along = (axis[1] - axis[0]) * spacing
    along /= np.linalg.norm(along)
    across = np.array([-along[1], along[0]])
    segments = contour_segments(field) * spacing
    offset, height = segments @ along, segments @ across
    # Between two neighbouring contour points the length changes linearly, so one of them has the longest line.
    positions = np.unique(offset.round(6))
    lowest, highest = _extent(positions, offset, height)
    best = (highest - lowest).argmax()
    ends = [(positions[best] * along + end * across) / spacing for end in (lowest[best], highest[best])]
    return float(highest[best] - lowest[best]), (ends[0], ends[1])


def _extent(positions: np.ndarray, offset: np.ndarray, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest height (n) at which lines at these sorted positions (n) cross segments (m, 2)."""
    swapped = offset[:, 0] > offset[:, 1]
    offset, height = (np.where(swapped[:, None], ends[:, ::-1], ends) for ends in (offset, height))
    # Positions are rounded, so a segment's own ends may lie beyond it by a little.
    first = np.searchsorted(positions, offset[:, 0] - 1e-6)
    counts = np.searchsorted(positions, offset[:, 1] + 1e-6) - first
    segment = np.repeat(np.arange(len(offset)), counts)
    position = np.arange(len(segment)) - np.repeat(np.cumsum(counts) - counts, counts) + first[segment]
    length = np.maximum(offset[:, 1] - offset[:, 0], 1e-9)[segment]
    share = np.clip((positions[position] - offset[segment, 0]) / length, 0, 1)
    crossings = height[segment, 0] + share * (height[segment, 1] - height[segment, 0])
    lowest, highest = np.full(len(positions), np.inf), np.full(len(positions), -np.inf)
    np.minimum.at(lowest, position, crossings)
    np.maximum.at(highest, position, crossings)
    return lowest, highest

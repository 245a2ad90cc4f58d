"""What is true of a synthetic lesion: its sizes, from its mask."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist, squareform

from LiverTumorAILib.lesions import LesionType, Point


@dataclass(frozen=True)
class LesionTruth:
    """One lesion of a case with truth.

    Attributes
    ----------
    label: int
        Its value in `truth/lesions.nii.gz`.
    type: LesionType
    atypical: bool
        Whether it lacks its type's textbook behaviour.
    volume_mm3: float
        By voxel count on the reference grid.
    long_axis_mm, short_axis_mm: float
        Longest diameter in an axial slice and the longest one perpendicular to it in that slice (RECIST 1.1).
    max_3d_diameter_mm: float
        Longest distance between two points of the lesion.
    centroid_mm: Point
        LPS, mm.

    """

    label: int
    type: LesionType
    atypical: bool
    volume_mm3: float
    long_axis_mm: float
    short_axis_mm: float
    max_3d_diameter_mm: float
    centroid_mm: Point


def _hull(points: np.ndarray) -> np.ndarray:
    """Corners of the convex hull; all points where they lie in a line or a plane."""
    try:
        return points[ConvexHull(points).vertices]
    except (QhullError, ValueError):
        return points


def _faces(mask: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Centres of the voxel faces (mm) of a mask's outer voxels, any number of dimensions."""
    centres = np.argwhere(mask)
    steps = np.vstack([np.eye(mask.ndim), -np.eye(mask.ndim)]) / 2
    return np.unique((centres[:, None] + steps).reshape(-1, mask.ndim), axis=0) * spacing_mm


def _axes_in_slice(mask: np.ndarray, spacing_mm: np.ndarray) -> tuple[float, float]:
    """Longest diameter of a slice's convex hull and its longest chord perpendicular to that."""
    corners = _hull(_faces(mask, spacing_mm))
    distances = squareform(pdist(corners))
    first, second = np.unravel_index(distances.argmax(), distances.shape)
    along = (corners[second] - corners[first]) / distances[first, second]
    turned = corners @ np.array([[along[0], -along[1]], [along[1], along[0]]])
    # The width of a convex outline is greatest at one of its corners.
    width = max(_chord(turned, position) for position in turned[:, 0])
    return float(distances[first, second]), min(width, float(distances[first, second]))


def _chord(corners: np.ndarray, position: float) -> float:
    """Length of the cut through a convex polygon at this first coordinate."""
    start, end = corners, np.roll(corners, -1, axis=0)
    crossing = (np.minimum(start[:, 0], end[:, 0]) <= position) & (position <= np.maximum(start[:, 0], end[:, 0]))
    start, step = start[crossing], (end - start)[crossing]
    share = np.divide(position - start[:, 0], step[:, 0], out=np.zeros(len(step)), where=step[:, 0] != 0)
    return float(np.ptp(start[:, 1] + share * step[:, 1]))


def lesion_sizes(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> tuple[float, float, float]:
    """Long axis, short axis and greatest 3D diameter (mm) of a mask (z, y, x) that is not empty."""
    spacing = np.asarray(spacing_mm)
    in_slices = [_axes_in_slice(part, spacing[1:]) for part in mask if part.any()]
    long_axis, short_axis = max(in_slices)
    return long_axis, short_axis, float(pdist(_hull(_faces(mask, spacing))).max())


def measure_truth(
    instances: np.ndarray,
    types: dict[int, tuple[LesionType, bool]],
    spacing_mm: tuple[float, float, float],
    origin_mm: tuple[float, float, float],
) -> tuple[LesionTruth, ...]:
    """Truth of every lesion present in an instance map.

    Parameters
    ----------
    instances: numpy.ndarray
        uint16 (z, y, x).
    types: dict
        Label to type and whether it is atypical.
    spacing_mm, origin_mm: tuple of three floats
        (z, y, x).

    Returns
    -------
    tuple of LesionTruth

    """
    truth = []
    for label, box in enumerate(find_objects(instances), start=1):
        if box is None:
            continue
        mask = instances[box] == label
        sizes = lesion_sizes(mask, spacing_mm)
        corner = [part.start for part in box]
        centroid = (np.argwhere(mask).mean(axis=0) + corner) * spacing_mm + origin_mm
        volume = float(mask.sum() * np.prod(spacing_mm))
        kind, atypical = types[label]
        truth.append(LesionTruth(label, kind, atypical, volume, *sizes, tuple(float(c) for c in centroid[::-1])))
    return tuple(truth)

"""From a label map to individual lesions, slice by slice: "seg2det" (multi-sensitivity paper, Eq. 4-6)."""

import numpy as np
from scipy import ndimage

IN_PLANE_AND_STRAIGHT_UP = np.array(
    [[[0, 0, 0], [0, 1, 0], [0, 0, 0]], [[1, 1, 1], [1, 1, 1], [1, 1, 1]], [[0, 0, 0], [0, 1, 0], [0, 0, 0]]]
)
"""Neighbours of a voxel (z, y, x): the eight around it in its slice, and the ones right above and below."""


def seg2det(labels: np.ndarray) -> np.ndarray:
    """Separate individual lesions.

    Connected pixels of one label in an axial slice are a region (pixels are connected if they share an edge or a
    corner). Regions of the same label in neighbouring slices that share a pixel position belong to one lesion. That
    is the same as connecting each voxel with its eight neighbours in the slice and with the voxels right above and
    below, which is how it is computed.

    Parameters
    ----------
    labels: numpy.ndarray
        (z, y, x), z across the axial slices: 0 for no lesion, else any label, such as a lesion type. A bool mask
        separates lesions whatever their types.

    Returns
    -------
    numpy.ndarray
        int32 (z, y, x): 0, and 1, 2, ... for the lesions.

    """
    result = np.zeros(labels.shape, np.int32)
    found = 0
    boxes = ndimage.find_objects(labels.view(np.uint8) if labels.dtype == bool else labels)
    for value, box in enumerate(boxes, start=1):
        if box is not None:
            lesions, count = ndimage.label(labels[box] == value, IN_PLANE_AND_STRAIGHT_UP)
            result[box] += np.where(lesions > 0, lesions + found, 0)
            found += count
    return result

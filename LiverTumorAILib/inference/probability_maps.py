"""Class probabilities on a network's grid, and the way back to the reference grid."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numba
import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.inference.grid import NetworkGrid

_SLAB_VOXELS = 4_000_000
_ONE_AT_A_TIME = threading.Lock()
"""The threading layer that numba has everywhere ends the process when two threads start parallel loops."""


@dataclass(frozen=True)
class ProbabilityMaps:
    """Class probabilities of a study.

    Attributes
    ----------
    classes: tuple of str
        Of the card; the first is 'background'.
    probabilities: numpy.ndarray
        float16 (classes, z, y, x); adds up to 1 over the classes.
    grid: NetworkGrid
        Where the voxels lie.

    """

    classes: tuple[str, ...]
    probabilities: np.ndarray
    grid: NetworkGrid

    def labels_on(self, reference: sitk.Image) -> sitk.Image:
        """The most probable class of each voxel of a reference grid.

        Probabilities are interpolated linearly class by class and then compared, slab by slab, so that memory
        stays small whatever the reference grid's size.

        Returns
        -------
        SimpleITK.Image
            uint8, index into `classes`, on the grid of `reference`; 0 outside the maps.

        """
        labels = np.zeros(reference.GetSize()[::-1], np.uint8)
        for slab, part, matrix, offset in self._slabs(labels.shape, reference):
            with _ONE_AT_A_TIME:
                _most_probable(np.ascontiguousarray(np.moveaxis(part, 0, -1)), matrix, offset, labels[slab])
        image = sitk.GetImageFromArray(labels)
        image.CopyInformation(reference)
        return image

    def joined(self, class_names: Sequence[str]) -> "ProbabilityMaps":
        """The same maps with the probabilities of some classes summed up in the first of them, 0 in the others."""
        indices = [self.classes.index(name) for name in class_names]
        summed = self.probabilities.copy()
        if indices:
            summed[indices[0]] = self.probabilities[indices].sum(axis=0, dtype=np.float32)
            summed[indices[1:]] = 0
        return ProbabilityMaps(self.classes, summed, self.grid)

    def probability_on(self, reference: sitk.Image, class_name: str) -> sitk.Image:
        """Probability of one class on a reference grid.

        Returns
        -------
        SimpleITK.Image
            float32 (0-1) on the grid of `reference`; outside the maps 0 (1 for 'background').

        """
        index = self.classes.index(class_name)
        outside = 1.0 if index == 0 else 0.0
        values = np.full(reference.GetSize()[::-1], outside, np.float32)
        for slab, part, matrix, offset in self._slabs(values.shape, reference, slice(index, index + 1)):
            with _ONE_AT_A_TIME:
                _interpolate(part[0], matrix, offset, values[slab])
        image = sitk.GetImageFromArray(values)
        image.CopyInformation(reference)
        return image

    def sample(self, reference: sitk.Image, voxels: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
        """Probabilities of some classes at some voxels of a reference grid.

        Parameters
        ----------
        reference: SimpleITK.Image
            Gives the grid (LPS, mm).
        voxels: numpy.ndarray
            (voxels, 3), indices (z, y, x).
        class_names: sequence of str
            Some of `classes`.

        Returns
        -------
        numpy.ndarray
            float32 (voxels, classes), interpolated linearly; 0 outside the maps.

        """
        matrix, offset = self.grid.index_transform(reference)
        result = np.zeros((len(voxels), len(class_names)), np.float32)
        if len(voxels) == 0:
            return result
        ends = np.array(list(product(*zip(voxels.min(axis=0), voxels.max(axis=0), strict=True)))) @ matrix.T + offset
        low = np.clip(np.floor(ends.min(axis=0)).astype(int) - 1, 0, None)
        high = np.minimum(np.ceil(ends.max(axis=0)).astype(int) + 2, self.grid.shape)
        box = tuple(slice(first, last) for first, last in zip(low, np.maximum(low, high), strict=True))
        part = self.probabilities[([self.classes.index(name) for name in class_names], *box)].astype(np.float32)
        if part.size:
            with _ONE_AT_A_TIME:
                _interpolate_at(np.ascontiguousarray(np.moveaxis(part, 0, -1)), matrix, offset - low, voxels, result)
        return result

    def _slabs(self, shape: tuple[int, int, int], reference: sitk.Image, classes: slice = slice(None)):  # noqa: ANN202
        """Slabs of the reference grid, each with the part of the maps (float32) that it needs and the way to it."""
        matrix, offset = self.grid.index_transform(reference)
        planes = max(_SLAB_VOXELS // (shape[1] * shape[2]), 1)
        for start in range(0, shape[0], planes):
            stop = min(start + planes, shape[0])
            ends = np.array(list(np.ndindex(2, 2, 2))) * [stop - start - 1, shape[1] - 1, shape[2] - 1]
            begin = offset + matrix[:, 0] * start
            reached = ends @ matrix.T + begin
            low = np.clip(np.floor(reached.min(axis=0)).astype(int) - 1, 0, None)
            high = np.minimum(np.ceil(reached.max(axis=0)).astype(int) + 2, self.grid.shape)
            if (low >= high).any():
                continue
            box = tuple(slice(first, last) for first, last in zip(low, high, strict=True))
            part = self.probabilities[(classes, *box)].astype(np.float32)
            yield slice(start, stop), part, matrix, begin - low


@numba.njit(inline="always")
def _corner(position: float, length: int) -> tuple[int, int, float]:
    """Both neighbours along one axis and the weight of the second; the first is -1 outside the grid's voxels."""
    if position < -0.5 or position >= length - 0.5:
        return -1, -1, 0.0
    held = min(max(position, 0.0), length - 1.0)
    first = min(int(held), max(length - 2, 0))
    return first, min(first + 1, length - 1), held - first


@numba.njit(parallel=True, cache=True)
def _most_probable(maps: np.ndarray, matrix: np.ndarray, offset: np.ndarray, labels: np.ndarray) -> None:
    """Index of the greatest linearly interpolated map; maps are (z, y, x, classes)."""
    depth, height, width, classes = maps.shape
    for row in numba.prange(labels.shape[0] * labels.shape[1]):
        z, y = row // labels.shape[1], row % labels.shape[1]
        for x in range(labels.shape[2]):
            z0, z1, fz = _corner(matrix[0, 0] * z + matrix[0, 1] * y + matrix[0, 2] * x + offset[0], depth)
            y0, y1, fy = _corner(matrix[1, 0] * z + matrix[1, 1] * y + matrix[1, 2] * x + offset[1], height)
            x0, x1, fx = _corner(matrix[2, 0] * z + matrix[2, 1] * y + matrix[2, 2] * x + offset[2], width)
            if z0 < 0 or y0 < 0 or x0 < 0:
                continue
            best, winner = -1.0, 0
            for c in range(classes):
                near = (maps[z0, y0, x0, c] * (1 - fx) + maps[z0, y0, x1, c] * fx) * (1 - fy)
                near += (maps[z0, y1, x0, c] * (1 - fx) + maps[z0, y1, x1, c] * fx) * fy
                far = (maps[z1, y0, x0, c] * (1 - fx) + maps[z1, y0, x1, c] * fx) * (1 - fy)
                far += (maps[z1, y1, x0, c] * (1 - fx) + maps[z1, y1, x1, c] * fx) * fy
                value = near * (1 - fz) + far * fz
                if value > best:
                    best, winner = value, c
            labels[z, y, x] = winner


@numba.njit(parallel=True, cache=True)
def _interpolate(values: np.ndarray, matrix: np.ndarray, offset: np.ndarray, result: np.ndarray) -> None:
    """Linear interpolation of one map (z, y, x); voxels outside it keep what `result` holds."""
    depth, height, width = values.shape
    for row in numba.prange(result.shape[0] * result.shape[1]):
        z, y = row // result.shape[1], row % result.shape[1]
        for x in range(result.shape[2]):
            z0, z1, fz = _corner(matrix[0, 0] * z + matrix[0, 1] * y + matrix[0, 2] * x + offset[0], depth)
            y0, y1, fy = _corner(matrix[1, 0] * z + matrix[1, 1] * y + matrix[1, 2] * x + offset[1], height)
            x0, x1, fx = _corner(matrix[2, 0] * z + matrix[2, 1] * y + matrix[2, 2] * x + offset[2], width)
            if z0 < 0 or y0 < 0 or x0 < 0:
                continue
            near = (values[z0, y0, x0] * (1 - fx) + values[z0, y0, x1] * fx) * (1 - fy)
            near += (values[z0, y1, x0] * (1 - fx) + values[z0, y1, x1] * fx) * fy
            far = (values[z1, y0, x0] * (1 - fx) + values[z1, y0, x1] * fx) * (1 - fy)
            far += (values[z1, y1, x0] * (1 - fx) + values[z1, y1, x1] * fx) * fy
            result[z, y, x] = near * (1 - fz) + far * fz


@numba.njit(parallel=True, cache=True)
def _interpolate_at(
    maps: np.ndarray, matrix: np.ndarray, offset: np.ndarray, voxels: np.ndarray, result: np.ndarray
) -> None:
    """Linear interpolation of maps (z, y, x, classes) at voxels (rows of z, y, x); those outside keep their result."""
    depth, height, width, classes = maps.shape
    for row in numba.prange(len(voxels)):
        z, y, x = voxels[row, 0], voxels[row, 1], voxels[row, 2]
        z0, z1, fz = _corner(matrix[0, 0] * z + matrix[0, 1] * y + matrix[0, 2] * x + offset[0], depth)
        y0, y1, fy = _corner(matrix[1, 0] * z + matrix[1, 1] * y + matrix[1, 2] * x + offset[1], height)
        x0, x1, fx = _corner(matrix[2, 0] * z + matrix[2, 1] * y + matrix[2, 2] * x + offset[2], width)
        if z0 < 0 or y0 < 0 or x0 < 0:
            continue
        for c in range(classes):
            near = (maps[z0, y0, x0, c] * (1 - fx) + maps[z0, y0, x1, c] * fx) * (1 - fy)
            near += (maps[z0, y1, x0, c] * (1 - fx) + maps[z0, y1, x1, c] * fx) * fy
            far = (maps[z1, y0, x0, c] * (1 - fx) + maps[z1, y0, x1, c] * fx) * (1 - fy)
            far += (maps[z1, y1, x0, c] * (1 - fx) + maps[z1, y1, x1, c] * fx) * fy
            result[row, c] = near * (1 - fz) + far * fz

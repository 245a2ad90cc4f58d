"""Geometry between SimpleITK (LPS) and MRML (RAS)."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util import numpy_support

from LiverTumorAILib.lesions import Point

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def ras_from_lps(point: Point) -> Point:
    """A point of LPS (mm) in RAS (mm), and the other way round."""
    return (-point[0], -point[1], point[2])


def index_to_ras(image: sitk.Image) -> np.ndarray:
    """4x4 matrix from voxel index (i, j, k) of a 3D image to RAS (mm)."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ matrix


def vtk_matrix(matrix: np.ndarray) -> vtk.vtkMatrix4x4:
    """A 4x4 array as vtkMatrix4x4."""
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, dtype=float).ravel().tolist())
    return result


def array_from_vtk_matrix(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """A vtkMatrix4x4 as 4x4 array."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def image_data(voxels: np.ndarray, target: vtk.vtkImageData | None = None) -> vtk.vtkImageData:
    """A copy of an array (z, y, x) or (z, y, x, component) as vtkImageData without geometry."""
    result = vtk.vtkImageData() if target is None else target
    result.SetDimensions(*reversed(voxels.shape[:3]))
    flat = np.ascontiguousarray(voxels).reshape(-1, *voxels.shape[3:])
    scalars = numpy_support.numpy_to_vtk(flat, deep=True)
    scalars.SetName("ImageScalars")
    result.GetPointData().SetScalars(scalars)
    return result


def oriented_image_data(voxels: np.ndarray, to_ras: np.ndarray) -> slicer.vtkOrientedImageData:
    """A copy of an array (z, y, x) as vtkOrientedImageData whose index to RAS (mm) matrix is `to_ras`."""
    result = slicer.vtkOrientedImageData()
    image_data(voxels, result)
    result.SetGeometryFromImageToWorldMatrix(vtk_matrix(to_ras))
    return result


def image_from_oriented(data: slicer.vtkOrientedImageData) -> sitk.Image:
    """A vtkOrientedImageData as SimpleITK image (LPS, mm); its extent may begin anywhere."""
    columns, rows, slices = data.GetDimensions()
    voxels = numpy_support.vtk_to_numpy(data.GetPointData().GetScalars()).reshape(slices, rows, columns)
    return image_at(voxels, data, data.GetExtent()[::2])


def image_at(voxels: np.ndarray, data: slicer.vtkOrientedImageData, first: Sequence[int]) -> sitk.Image:
    """Voxels (z, y, x) whose first one has the index `first` (i, j, k) of `data`, as SimpleITK image (LPS, mm)."""
    matrix = vtk.vtkMatrix4x4()
    data.GetImageToWorldMatrix(matrix)
    to_lps = LPS_TO_RAS @ array_from_vtk_matrix(matrix)
    spacing = np.linalg.norm(to_lps[:3, :3], axis=0)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((to_lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin((to_lps[:3, :3] @ first + to_lps[:3, 3]).tolist())
    return image

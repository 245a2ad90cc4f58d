"""Surfaces of segments for 3D views, made soon enough for a window that stays alive."""

from collections.abc import Iterator

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from LiverTumorAILib.mrml.geometry import array_from_vtk_matrix, image_data, vtk_matrix
from LiverTumorAILib.mrml.segmentation import BINARY_LABELMAP

CLOSED_SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
MOST_VOXELS = 400_000
"""Voxels are left out of larger segments: a liver's surface needs no finer steps."""

QUICK_CONVERSION = {
    slicer.vtkBinaryLabelmapToClosedSurfaceConversionRule.GetConversionMethodParameterName(): "1",
    slicer.vtkBinaryLabelmapToClosedSurfaceConversionRule.GetSurfaceNetInternalSmoothingParameterName(): "1",
}
"""Surface nets that smooth while they are made: after each stroke Slicer makes the edited segment's surface anew."""

SMOOTHING_STEPS = 15
PASS_BAND = 0.05
"""Of a windowed sinc filter: voxel steps go, a lesion's shape stays."""


def showing_surfaces(node: slicer.vtkMRMLSegmentationNode) -> Iterator[None]:
    """Show all segments in 3D views, making the surface of one after another.

    They are added together: where one segment has a surface, Slicer makes those of the others in its own time.
    """
    segmentation = node.GetSegmentation()
    for name, value in QUICK_CONVERSION.items():
        segmentation.SetConversionParameter(name, value)
    made = {}
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        if segment is not None and not segment.GetRepresentation(CLOSED_SURFACE):
            made[segment_id] = _time_of(segment), segment_surface(segment)
            yield
    # All views would follow each of them else.
    with slicer.util.NodeModify(node):
        for segment_id in segmentation.GetSegmentIDs():
            segment = segmentation.GetSegment(segment_id)
            time, surface = made.get(segment_id, (None, None))
            if time is not None and time == _time_of(segment):
                segment.AddRepresentation(CLOSED_SURFACE, surface)
    _set_visible(node, True)


def show_surfaces(node: slicer.vtkMRMLSegmentationNode, visible: bool) -> None:
    """Show or hide the segments in 3D views; surfaces are made when they are first shown."""
    if visible:
        for _part in showing_surfaces(node):
            pass
    _set_visible(node, visible)


def _set_visible(node: slicer.vtkMRMLSegmentationNode, visible: bool) -> None:
    display = node.GetDisplayNode()
    # The user may delete it any time.
    if display is not None:
        display.SetVisibility3D(visible)


def segment_surface(segment: slicer.vtkSegment) -> vtk.vtkPolyData:
    """The smooth surface (RAS, mm) of a segment's labelmap; empty for an empty segment."""
    layer = segment.GetRepresentation(BINARY_LABELMAP)
    if layer is None or not layer.GetPointData().GetScalars() or 0 in layer.GetDimensions():
        return vtk.vtkPolyData()
    columns, rows, slices = layer.GetDimensions()
    voxels = numpy_support.vtk_to_numpy(layer.GetPointData().GetScalars()).reshape(slices, rows, columns)
    step = max(1, round((voxels.size / MOST_VOXELS) ** 0.5))
    # Slices lie apart already.
    voxels = voxels[:, ::step, ::step] == segment.GetLabelValue()
    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(image_data(np.pad(voxels, 1).astype(np.uint8)))
    contour.SetValue(0, 0.5)
    smooth = vtk.vtkWindowedSincPolyDataFilter()
    smooth.SetInputConnection(contour.GetOutputPort())
    smooth.SetNumberOfIterations(SMOOTHING_STEPS)
    smooth.SetPassBand(PASS_BAND)
    smooth.NormalizeCoordinatesOn()
    smooth.BoundarySmoothingOff()
    to_ras = vtk.vtkTransform()
    to_ras.SetMatrix(_to_ras(layer, step))
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetInputConnection(smooth.GetOutputPort())
    placed.SetTransform(to_ras)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(placed.GetOutputPort())
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    return normals.GetOutput()


def _time_of(segment: slicer.vtkSegment) -> int:
    """When the segment's labelmap was changed last, in VTK's time."""
    layer = segment.GetRepresentation(BINARY_LABELMAP)
    return layer.GetMTime() if layer is not None else 0


def _to_ras(layer: slicer.vtkOrientedImageData, step: int) -> vtk.vtkMatrix4x4:
    """From the index in every `step`th column and row, padded by one, to RAS (mm)."""
    to_world = vtk.vtkMatrix4x4()
    layer.GetImageToWorldMatrix(to_world)
    steps = np.array([step, step, 1])
    shift = np.eye(4)
    shift[:3, :3] = np.diag(steps)
    shift[:3, 3] = np.array(layer.GetExtent()[::2]) - steps
    return vtk_matrix(array_from_vtk_matrix(to_world) @ shift)

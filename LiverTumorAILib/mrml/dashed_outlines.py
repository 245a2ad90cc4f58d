"""Dashed outlines in slice views, which Slicer's segmentation display cannot draw."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util import numpy_support

from LiverTumorAILib.mrml.geometry import image_data, index_to_ras, vtk_matrix

DASH_PIXELS, GAP_PIXELS = 6.0, 5.0
LINE_WIDTH = 2.0
USUAL_DPI = 72
"""Where screens show pixels half as large, Slicer's views have twice as many dots per inch."""


class Outlined(NamedTuple):
    """A surface (RAS, mm) whose cut with each slice is outlined in a colour (0-1), with an opacity (0-1)."""

    surface: vtk.vtkPolyData
    colour: tuple[float, float, float]
    opacity: float = 1.0


class DashedOutlines:
    """Draws the cuts of surfaces with a slice view's plane as dashed lines.

    Parameters
    ----------
    slice_node: vtkMRMLSliceNode
    renderer: vtkRenderer
        Of the same view.
    on_changed: callable
        Called when the view must be drawn again.

    """

    def __init__(
        self, slice_node: slicer.vtkMRMLSliceNode, renderer: vtk.vtkRenderer, on_changed: Callable[[], None]
    ) -> None:
        self._slice_node, self._renderer, self._on_changed = slice_node, renderer, on_changed
        self._pairs: list[tuple[Outlined, vtk.vtkActor2D]] = []
        self._tag = slice_node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._follow)

    @property
    def dashes(self) -> list[np.ndarray]:
        """Ends of the dashes of each surface, pixels of the view (dash, 2, 2)."""
        return [_ends(actor.GetMapper().GetInput()) for _outlined, actor in self._pairs]

    def show(self, outlined: Sequence[Outlined]) -> None:
        """Outline these surfaces and no others."""
        before = {id(known.surface): actor for known, actor in self._pairs}
        self._pairs = []
        for each in outlined:
            actor = before.pop(id(each.surface), None)
            if actor is None:
                actor = _actor()
                self._renderer.AddViewProp(actor)
                self._draw(each.surface, actor)
            actor.GetProperty().SetColor(*each.colour)
            actor.GetProperty().SetOpacity(each.opacity)
            self._pairs.append((each, actor))
        for actor in before.values():
            self._renderer.RemoveViewProp(actor)
        self._on_changed()

    def remove(self) -> None:
        """Draw nothing any more."""
        self.show([])
        self._slice_node.RemoveObserver(self._tag)

    def _follow(self, *_event: object) -> None:
        for each, actor in self._pairs:
            self._draw(each.surface, actor)

    def _draw(self, surface: vtk.vtkPolyData, actor: vtk.vtkActor2D) -> None:
        # Most surfaces lie in other slices.
        met = _meets(surface, self._slice_node)
        scale = self._renderer.GetRenderWindow().GetDPI() / USUAL_DPI if self._renderer.GetRenderWindow() else 1.0
        actor.GetProperty().SetLineWidth(LINE_WIDTH * scale)
        lines = _dashed(_cut(surface, self._slice_node), scale) if met else vtk.vtkPolyData()
        actor.GetMapper().SetInputData(lines)


def surface_of(mask: sitk.Image) -> vtk.vtkPolyData:
    """The surface (RAS, mm) of a mask (0 or 1; LPS, mm)."""
    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(image_data(np.pad(sitk.GetArrayViewFromImage(mask), 1)))
    contour.SetValue(0, 0.5)
    contour.ComputeNormalsOff()
    to_ras = index_to_ras(mask)
    to_ras[:3, 3] -= to_ras[:3, :3].sum(axis=1)
    return _transformed(contour.GetOutputPort(), vtk_matrix(to_ras))


def _meets(surface: vtk.vtkPolyData, slice_node: slicer.vtkMRMLSliceNode) -> bool:
    """Whether the box around a surface meets a slice's plane."""
    to_ras = slice_node.GetSliceToRAS()
    origin, normal = (np.array([to_ras.GetElement(row, column) for row in range(3)]) for column in (3, 2))
    low, high = np.reshape(surface.GetBounds(), (3, 2)).T
    return abs(((low + high) / 2 - origin) @ normal) <= (high - low) / 2 @ abs(normal)


def _cut(surface: vtk.vtkPolyData, slice_node: slicer.vtkMRMLSliceNode) -> vtk.vtkPolyData:
    """Lines where a surface meets a slice's plane, in the view's pixels."""
    to_ras = slice_node.GetSliceToRAS()
    plane = vtk.vtkPlane()
    plane.SetOrigin(*(to_ras.GetElement(row, 3) for row in range(3)))
    plane.SetNormal(*(to_ras.GetElement(row, 2) for row in range(3)))
    cutter = vtk.vtkCutter()
    cutter.SetInputData(surface)
    cutter.SetCutFunction(plane)
    stripper = vtk.vtkStripper()
    stripper.SetInputConnection(cutter.GetOutputPort())
    stripper.JoinContiguousSegmentsOn()
    to_view = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(slice_node.GetXYToRAS(), to_view)
    return _transformed(stripper.GetOutputPort(), to_view)


def _dashed(lines: vtk.vtkPolyData, scale: float) -> vtk.vtkPolyData:
    """The same lines, broken into dashes of so many times the usual length."""
    points, cells = vtk.vtkPoints(), vtk.vtkCellArray()
    indices = vtk.vtkIdList()
    stored = lines.GetLines()
    stored.InitTraversal()
    while stored.GetNextCell(indices):
        line = np.array([lines.GetPoint(indices.GetId(index))[:2] for index in range(indices.GetNumberOfIds())])
        for dash in _dashes(line, scale):
            cells.InsertNextCell(len(dash))
            for x, y in dash:
                cells.InsertCellPoint(points.InsertNextPoint(x, y, 0.0))
    result = vtk.vtkPolyData()
    result.SetPoints(points)
    result.SetLines(cells)
    return result


def _dashes(line: np.ndarray, scale: float) -> list[np.ndarray]:
    """Pieces of a line (points, 2) between gaps, of equal lengths, so that a closed one shows no seam."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    count = max(round(along[-1] / scale / (DASH_PIXELS + GAP_PIXELS)), 1)
    period = along[-1] / count
    pieces = []
    for start in np.arange(count) * period:
        stop = start + period * DASH_PIXELS / (DASH_PIXELS + GAP_PIXELS)
        at = np.concatenate([[start], along[(along > start) & (along < stop)], [stop]])
        pieces.append(np.stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)], axis=1))
    return pieces


def _ends(lines: vtk.vtkPolyData) -> np.ndarray:
    if not lines.GetNumberOfLines():
        return np.zeros((0, 2, 2))
    points = numpy_support.vtk_to_numpy(lines.GetPoints().GetData())[:, :2]
    offsets = numpy_support.vtk_to_numpy(lines.GetLines().GetOffsetsArray())
    return np.stack([points[offsets[:-1]], points[offsets[1:] - 1]], axis=1)


def _transformed(port: vtk.vtkAlgorithmOutput, matrix: vtk.vtkMatrix4x4) -> vtk.vtkPolyData:
    transform = vtk.vtkTransform()
    transform.SetMatrix(matrix)
    transformed = vtk.vtkTransformPolyDataFilter()
    transformed.SetInputConnection(port)
    transformed.SetTransform(transform)
    transformed.Update()
    return transformed.GetOutput()


def _actor() -> vtk.vtkActor2D:
    actor = vtk.vtkActor2D()
    actor.SetMapper(vtk.vtkPolyDataMapper2D())
    actor.GetMapper().SetInputData(vtk.vtkPolyData())
    return actor

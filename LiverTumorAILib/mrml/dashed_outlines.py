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
        self._pairs, new = [], []
        for each in outlined:
            actor = before.pop(id(each.surface), None)
            if actor is None:
                actor = _actor()
                self._renderer.AddViewProp(actor)
                new.append((each, actor))
            actor.GetProperty().SetColor(*each.colour)
            actor.GetProperty().SetOpacity(each.opacity)
            self._pairs.append((each, actor))
        for actor in before.values():
            self._renderer.RemoveViewProp(actor)
        self._draw(new)
        self._on_changed()

    def remove(self) -> None:
        """Draw nothing any more."""
        self.show([])
        self._slice_node.RemoveObserver(self._tag)

    def _follow(self, *_event: object) -> None:
        self._draw(self._pairs)

    def _draw(self, pairs: Sequence[tuple[Outlined, vtk.vtkActor2D]]) -> None:
        to_ras = self._slice_node.GetSliceToRAS()
        origin, normal = ([to_ras.GetElement(row, column) for row in range(3)] for column in (3, 2))
        scale = self._renderer.GetRenderWindow().GetDPI() / USUAL_DPI if self._renderer.GetRenderWindow() else 1.0
        for each, actor in pairs:
            # Most surfaces lie in other slices.
            if _meets(each.surface, origin, normal):
                actor.GetProperty().SetLineWidth(LINE_WIDTH * scale)
                actor.GetMapper().SetInputData(_dashed(_cut(each.surface, self._slice_node), scale))
            elif actor.GetMapper().GetInput().GetNumberOfPoints():
                actor.GetMapper().SetInputData(vtk.vtkPolyData())


def surface_of(mask: sitk.Image) -> vtk.vtkPolyData:
    """The surface (RAS, mm) of a mask (0 or 1; LPS, mm)."""
    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(image_data(np.pad(sitk.GetArrayViewFromImage(mask), 1)))
    contour.SetValue(0, 0.5)
    contour.ComputeNormalsOff()
    to_ras = index_to_ras(mask)
    to_ras[:3, 3] -= to_ras[:3, :3].sum(axis=1)
    return _transformed(contour.GetOutputPort(), vtk_matrix(to_ras))


def _meets(surface: vtk.vtkPolyData, origin: Sequence[float], normal: Sequence[float]) -> bool:
    """Whether the box around a surface meets a slice's plane (RAS, mm)."""
    bounds = surface.GetBounds()
    sides = list(zip(bounds[::2], bounds[1::2], origin, normal, strict=True))
    away = sum(((low + high) / 2 - at) * along for low, high, at, along in sides)
    return abs(away) <= sum((high - low) / 2 * abs(along) for low, high, _at, along in sides)


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
    result = vtk.vtkPolyData()
    if not lines.GetNumberOfLines():
        return result
    places = numpy_support.vtk_to_numpy(lines.GetPoints().GetData())[:, :2].astype(float)
    stored = lines.GetLines()
    ends = numpy_support.vtk_to_numpy(stored.GetOffsetsArray())[1:-1]
    indices = np.split(numpy_support.vtk_to_numpy(stored.GetConnectivityArray()), ends)
    drawn, lengths = zip(*(_dashes(places[line], scale) for line in indices), strict=True)
    flat = np.concatenate(drawn)
    points, cells = vtk.vtkPoints(), vtk.vtkCellArray()
    points.SetData(numpy_support.numpy_to_vtk(np.pad(flat, ((0, 0), (0, 1))), deep=True))
    starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    cells.SetData(*(numpy_support.numpy_to_vtkIdTypeArray(each, deep=True) for each in (starts, np.arange(len(flat)))))
    result.SetPoints(points)
    result.SetLines(cells)
    return result


def _dashes(line: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of a line (points, 2) between gaps, of equal lengths, so that a closed one shows no seam.

    Returns
    -------
    tuple of two ndarrays
        Points (n, 2) of all dashes after one another, and how many each of them has.

    """
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    count = max(round(along[-1] / scale / (DASH_PIXELS + GAP_PIXELS)), 1)
    starts = np.arange(count) * along[-1] / count
    stops = starts + along[-1] / count * DASH_PIXELS / (DASH_PIXELS + GAP_PIXELS)
    dash = np.searchsorted(starts, along, side="left") - 1
    corners = (dash >= 0) & (along < stops[dash])
    number = np.concatenate([np.arange(count), np.arange(count), dash[corners]])
    at = np.concatenate([starts, stops, along[corners]])
    at = at[np.lexsort((at, number))]
    points = np.stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)], axis=1)
    return points, np.bincount(number, minlength=count)


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

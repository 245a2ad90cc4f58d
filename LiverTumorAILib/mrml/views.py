"""What slice views show and where they stand."""

from collections.abc import Mapping

import slicer
import vtk

from LiverTumorAILib.lesions import Lesion, Point
from LiverTumorAILib.mrml.geometry import ras_from_lps
from LiverTumorAILib.mrml.layouts import COMPARE_PREFIX, Layout, compare_view
from LiverTumorAILib.study import Phase

MARGIN = 0.1
"""Share of a view's width and height at each side where a lesion is not well seen."""

LESION_SHARE = 1 / 3
LEAST_FIELD_MM = 100.0
"""Of a view's shorter side when it is zoomed to a lesion: what the lesion fills, and the least that is shown."""

MAXIMUM_PROJECTION = 1
"""Of vtkMRMLSliceNode's slab reconstruction types: VTK_IMAGE_SLAB_MAX."""


def show_in_slice_views(scene: slicer.vtkMRMLScene, volume: slicer.vtkMRMLVolumeNode | None) -> None:
    """Show a volume as background of all slice views but those that each show one phase."""
    for node in _nodes(scene, "vtkMRMLSliceCompositeNode"):
        if not node.GetLayoutName().startswith(COMPARE_PREFIX):
            node.SetBackgroundVolumeID(volume.GetID() if volume else None)


def show_side_by_side(scene: slicer.vtkMRMLScene, volumes: Mapping[Phase, slicer.vtkMRMLVolumeNode]) -> None:
    """Show each phase in its own view of the compare layout; those views scroll, zoom and pan together."""
    names = {compare_view(phase): volume for phase, volume in volumes.items()}
    for node in _nodes(scene, "vtkMRMLSliceCompositeNode"):
        if node.GetLayoutName().startswith(COMPARE_PREFIX):
            volume = names.get(node.GetLayoutName())
            node.SetBackgroundVolumeID(volume.GetID() if volume else None)
            node.SetLinkedControl(True)
            node.SetHotLinkedControl(True)


def align_axial_views(scene: slicer.vtkMRMLScene, layout: Layout) -> None:
    """Give the axial views of a layout slice, centre and zoom of those that were seen before.

    Slicer keeps the millimetres along a view's shorter side when it resizes the view, so these are taken over.
    """
    red, side_by_side = scene.GetNodeByID("vtkMRMLSliceNodeRed"), compare_slice_nodes(scene)
    if not side_by_side:
        return
    source, targets = (red, side_by_side) if layout is Layout.COMPARE else (side_by_side[0], [red])
    *sides, depth = source.GetFieldOfView()
    for node in targets:
        columns, rows, _ = node.GetDimensions()
        mm = min(sides) / min(columns, rows)
        node.GetSliceToRAS().DeepCopy(source.GetSliceToRAS())
        node.SetXYZOrigin(source.GetXYZOrigin())
        node.SetFieldOfView(mm * columns, mm * rows, depth)
        node.UpdateMatrices()


def compare_slice_nodes(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLSliceNode]:
    """The nodes of the views that each show one phase."""
    nodes = _nodes(scene, "vtkMRMLSliceNode")
    return [node for node in nodes if node.GetLayoutName().startswith(COMPARE_PREFIX)]


def set_slab(scene: slicer.vtkMRMLScene, thickness_mm: float) -> None:
    """Show the maximum of a slab of this thickness in all slice views; 0 shows plain slices."""
    for node in _nodes(scene, "vtkMRMLSliceNode"):
        node.SetSlabReconstructionType(MAXIMUM_PROJECTION)
        node.SetSlabReconstructionThickness(max(thickness_mm, 1.0))
        node.SetSlabReconstructionEnabled(thickness_mm > 0)


class CursorCrosshair:
    """A crosshair that marks in all slice views the place that the mouse points at in one of them."""

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self._node = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        self._tag: int | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the crosshair follows the mouse."""
        return self._tag is not None

    def show(self) -> None:
        """Let the crosshair follow the mouse; it appears once the mouse points at a place."""
        if self._tag is None:
            self._tag = self._node.AddObserver(slicer.vtkMRMLCrosshairNode.CursorPositionModifiedEvent, self._follow)

    def hide(self) -> None:
        """Show no crosshair."""
        if self._tag is not None:
            self._node.RemoveObserver(self._tag)
            self._node.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.NoCrosshair)
            self._tag = None

    def _follow(self, _caller: vtk.vtkObject, _event: str) -> None:
        position = [0.0, 0.0, 0.0]
        if self._node.GetCursorPositionRAS(position):
            self._node.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.ShowSmallBasic)
            self._node.SetCrosshairRAS(position)


def jump_to_lesion(scene: slicer.vtkMRMLScene, lesion: Lesion) -> None:
    """Move all slice views to the middle of the lesion's long axis, so that the axial one shows its slice.

    Views keep their place unless the lesion would lie outside or at their margin; they are centred on it then.
    """
    middle = _middle(lesion)
    for node in _nodes(scene, "vtkMRMLSliceNode"):
        jump = node.JumpSliceByOffsetting if _shows(node, middle) else node.JumpSliceByCentering
        jump(*middle)


def zoom_to_lesion(scene: slicer.vtkMRMLScene, lesion: Lesion) -> None:
    """Move all slice views to the lesion, centred, so near that it fills a third of them; small ones less."""
    middle = _middle(lesion)
    sides = [high - low for low, high in zip(*lesion.bounding_box_mm, strict=True)]
    field_mm = max(LEAST_FIELD_MM, max(sides) / LESION_SHARE)
    for node in _nodes(scene, "vtkMRMLSliceNode"):
        columns, rows, _ = node.GetDimensions()
        mm = field_mm / max(min(columns, rows), 1)
        node.SetFieldOfView(mm * columns, mm * rows, node.GetFieldOfView()[2])
        node.JumpSliceByCentering(*middle)


def _middle(lesion: Lesion) -> Point:
    """Of its long axis (RAS, mm)."""
    axis = lesion.measurement.long_axis
    return ras_from_lps(tuple((start + end) / 2 for start, end in zip(axis.start_mm, axis.end_mm, strict=True)))


def _shows(node: slicer.vtkMRMLSliceNode, point: Point) -> bool:
    """Whether a point (RAS, mm), moved into the view's plane, lies in the view but for its margin."""
    from_ras = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(node.GetSliceToRAS(), from_ras)
    place = from_ras.MultiplyPoint((*point, 1.0))
    sizes = node.GetFieldOfView()
    return all(abs(place[axis]) < (0.5 - MARGIN) * sizes[axis] for axis in (0, 1))


def _nodes(scene: slicer.vtkMRMLScene, class_name: str) -> list[slicer.vtkMRMLNode]:
    return [scene.GetNthNodeByClass(index, class_name) for index in range(scene.GetNumberOfNodesByClass(class_name))]

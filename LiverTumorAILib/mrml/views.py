"""What slice views show and where they stand."""

import slicer
import vtk

from LiverTumorAILib.lesions import Lesion, Point
from LiverTumorAILib.mrml.geometry import ras_from_lps

MARGIN = 0.1
"""Share of a view's width and height at each side where a lesion is not well seen."""


def show_in_slice_views(scene: slicer.vtkMRMLScene, volume: slicer.vtkMRMLVolumeNode | None) -> None:
    """Show a volume as background of all slice views, nothing in front of it."""
    for node in _nodes(scene, "vtkMRMLSliceCompositeNode"):
        node.SetBackgroundVolumeID(volume.GetID() if volume else None)
        node.SetForegroundVolumeID(None)


def jump_to_lesion(scene: slicer.vtkMRMLScene, lesion: Lesion) -> None:
    """Move all slice views to the middle of the lesion's long axis, so that the axial one shows its slice.

    Views keep their place unless the lesion would lie outside or at their margin; they are centred on it then.
    """
    axis = lesion.measurement.long_axis
    middle = ras_from_lps(tuple((start + end) / 2 for start, end in zip(axis.start_mm, axis.end_mm, strict=True)))
    for node in _nodes(scene, "vtkMRMLSliceNode"):
        jump = node.JumpSliceByOffsetting if _shows(node, middle) else node.JumpSliceByCentering
        jump(*middle)


def _shows(node: slicer.vtkMRMLSliceNode, point: Point) -> bool:
    """Whether a point (RAS, mm), moved into the view's plane, lies in the view but for its margin."""
    from_ras = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(node.GetSliceToRAS(), from_ras)
    place = from_ras.MultiplyPoint((*point, 1.0))
    sizes = node.GetFieldOfView()
    return all(abs(place[axis]) < (0.5 - MARGIN) * sizes[axis] for axis in (0, 1))


def _nodes(scene: slicer.vtkMRMLScene, class_name: str) -> list[slicer.vtkMRMLNode]:
    return [scene.GetNthNodeByClass(index, class_name) for index in range(scene.GetNumberOfNodesByClass(class_name))]

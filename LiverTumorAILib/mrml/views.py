"""What slice views show and where they stand."""

import slicer

from LiverTumorAILib.lesions import Lesion
from LiverTumorAILib.mrml.geometry import ras_from_lps


def show_in_slice_views(scene: slicer.vtkMRMLScene, volume: slicer.vtkMRMLVolumeNode | None) -> None:
    """Show a volume as background of all slice views, nothing in front of it."""
    for node in _nodes(scene, "vtkMRMLSliceCompositeNode"):
        node.SetBackgroundVolumeID(volume.GetID() if volume else None)
        node.SetForegroundVolumeID(None)


def jump_to_lesion(scene: slicer.vtkMRMLScene, lesion: Lesion) -> None:
    """Move all slice views to the middle of the lesion's long axis, so that the axial one shows its slice."""
    axis = lesion.measurement.long_axis
    middle = tuple((start + end) / 2 for start, end in zip(axis.start_mm, axis.end_mm, strict=True))
    for node in _nodes(scene, "vtkMRMLSliceNode"):
        node.JumpSliceByCentering(*ras_from_lps(middle))


def _nodes(scene: slicer.vtkMRMLScene, class_name: str) -> list[slicer.vtkMRMLNode]:
    return [scene.GetNthNodeByClass(index, class_name) for index in range(scene.GetNumberOfNodesByClass(class_name))]

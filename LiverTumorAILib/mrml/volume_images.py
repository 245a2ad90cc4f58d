"""Volume nodes as images."""

import SimpleITK as sitk
import slicer
import vtk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.mrml.geometry import image_at
from LiverTumorAILib.mrml.nodes import ROLE


def volume_image(node: slicer.vtkMRMLScalarVolumeNode) -> sitk.Image:
    """A volume node as image (LPS, mm), without transforms that lie above it."""
    data = slicer.vtkOrientedImageData()
    data.ShallowCopy(node.GetImageData())
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    data.SetGeometryFromImageToWorldMatrix(matrix)
    return image_at(slicer.util.arrayFromVolume(node), data, (0, 0, 0))


def foreign_volumes(scene: slicer.vtkMRMLScene) -> dict[str, sitk.Image]:
    """The scalar volumes of a scene that are not this extension's, as images (LPS, mm) by node name.

    Raises
    ------
    LiverTumorAIError
        If there is none, or one lies under a transform.

    """
    count = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    nodes = [scene.GetNthNodeByClass(index, "vtkMRMLScalarVolumeNode") for index in range(count)]
    own_kind = [node for node in nodes if node.GetClassName() == "vtkMRMLScalarVolumeNode"]
    found = [node for node in own_kind if node.GetImageData() and not node.GetAttribute(ROLE)]
    if not found:
        raise LiverTumorAIError("The scene holds no volumes", advice="Load a study first, or choose its folder")
    for node in found:
        if node.GetParentTransformNode() is not None:
            raise LiverTumorAIError("A volume lies under a transform", node.GetName(), "Harden the transform first")
    return {node.GetName(): volume_image(node) for node in found}

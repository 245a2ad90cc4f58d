"""Phases as volume nodes."""

import numpy as np
import SimpleITK as sitk
import slicer

from LiverTumorAILib.mrml.geometry import image_data, index_to_ras, vtk_matrix
from LiverTumorAILib.mrml.nodes import owned_node
from LiverTumorAILib.mrml.windows import set_window
from LiverTumorAILib.review.remeasure import AIR_HU
from LiverTumorAILib.study import Modality, Phase


def show_volume(
    scene: slicer.vtkMRMLScene, image: sitk.Image, modality: Modality, *, phase: Phase | None, name: str, role: str
) -> slicer.vtkMRMLScalarVolumeNode:
    """Show an image (LPS, mm) as the volume node with this role, made or updated.

    CT becomes int16 HU with air where the image is NaN; MR stays float32 with 0 there.
    """
    node = owned_node(scene, "vtkMRMLScalarVolumeNode", role, name)
    voxels = displayable(sitk.GetArrayViewFromImage(image), modality)
    # Slicer would look for a window of its own in all voxels.
    node.GetDisplayNode().AutoWindowLevelOff()
    # The matrix first: observers of the image data must not see it with another image's geometry.
    node.SetIJKToRASMatrix(vtk_matrix(index_to_ras(image)))
    node.SetAndObserveImageData(image_data(voxels))
    set_window(node, modality, phase)
    return node


def displayable(voxels: np.ndarray, modality: Modality) -> np.ndarray:
    """Voxels (z, y, x) in the form that a volume node holds: without NaN, int16 for CT, float32 for MR."""
    if modality is Modality.CT:
        if voxels.dtype == np.int16:
            return voxels
        limits = np.iinfo(np.int16)
        clean = np.nan_to_num(voxels, nan=AIR_HU, posinf=limits.max, neginf=AIR_HU)
        return np.clip(np.rint(clean), limits.min, limits.max).astype(np.int16)
    return np.nan_to_num(voxels, nan=0, posinf=0, neginf=0).astype(np.float32)

"""Phases as volume nodes."""

import numpy as np
import SimpleITK as sitk
import slicer

from LiverTumorAILib.mrml.geometry import image_data, index_to_ras, vtk_matrix
from LiverTumorAILib.mrml.nodes import owned_node
from LiverTumorAILib.review.remeasure import AIR_HU
from LiverTumorAILib.study import Modality, Phase

CT_WINDOWS = {
    Phase.NON_CONTRAST: (350, 40),
    Phase.ARTERIAL: (400, 70),
    Phase.PORTAL_VENOUS: (400, 80),
    Phase.DELAYED: (400, 60),
}
"""(window, level) in HU for looking at the liver; fat stays visible."""

DEFAULT_CT_WINDOW = (400, 50)


def show_volume(
    scene: slicer.vtkMRMLScene, image: sitk.Image, modality: Modality, *, phase: Phase | None, name: str, role: str
) -> slicer.vtkMRMLScalarVolumeNode:
    """Show an image (LPS, mm) as the volume node with this role, made or updated.

    CT becomes int16 HU with air where the image is NaN; MR stays float32 with 0 there.
    """
    node = owned_node(scene, "vtkMRMLScalarVolumeNode", role, name)
    voxels = displayable(sitk.GetArrayViewFromImage(image), modality)
    # The matrix first: observers of the image data must not see it with another image's geometry.
    node.SetIJKToRASMatrix(vtk_matrix(index_to_ras(image)))
    node.SetAndObserveImageData(image_data(voxels))
    set_window(node, voxels, modality, phase)
    return node


def displayable(voxels: np.ndarray, modality: Modality) -> np.ndarray:
    """A copy of voxels (z, y, x) in the form that a volume node holds: without NaN, int16 for CT, float32 for MR."""
    if modality is Modality.CT:
        limits = np.iinfo(np.int16)
        clean = np.nan_to_num(voxels, nan=AIR_HU, posinf=limits.max, neginf=AIR_HU)
        return np.clip(np.rint(clean), limits.min, limits.max).astype(np.int16)
    return np.nan_to_num(voxels, nan=0, posinf=0, neginf=0).astype(np.float32)


def set_window(
    node: slicer.vtkMRMLScalarVolumeNode, voxels: np.ndarray, modality: Modality, phase: Phase | None
) -> None:
    """Set the display's window and level: fixed for CT by phase, from percentiles of the body for MR."""
    if modality is Modality.CT:
        window, level = CT_WINDOWS.get(phase, DEFAULT_CT_WINDOW)
    else:
        low, high = mr_range(voxels)
        window, level = max(high - low, 1e-6), (high + low) / 2
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(window, level)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")


def mr_range(voxels: np.ndarray) -> tuple[float, float]:
    """Signal range that shows MR voxels (z, y, x) well: 1st to 99.5th percentile of what is not background."""
    sample = voxels[:: max(1, voxels.shape[0] // 40), ::4, ::4]
    # Half the mean lies between the noise outside the body and the tissue inside.
    body = sample[sample > sample.mean() / 2]
    if not body.size:
        return 0.0, 1.0
    low, high = np.percentile(body, (1, 99.5))
    return float(low), float(high)

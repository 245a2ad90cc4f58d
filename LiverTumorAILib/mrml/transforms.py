"""Registration fields as transform nodes."""

from collections.abc import Iterator, Mapping

import numpy as np
import SimpleITK as sitk
import slicer

from LiverTumorAILib.mrml.geometry import LPS_TO_RAS, image_data, vtk_matrix
from LiverTumorAILib.mrml.nodes import owned_node, put_in_folder, remove_owned
from LiverTumorAILib.study import Phase

FIELD_PREFIX = "field:"
FOLDER = "Liver study"


def showing_fields(scene: slicer.vtkMRMLScene, fields: Mapping[Phase, sitk.Image]) -> Iterator[None]:
    """Show the registration field of each phase, one after another; those of an earlier study are removed."""
    remove_owned(scene, keep=frozenset(FIELD_PREFIX + phase for phase in fields), prefix=FIELD_PREFIX)
    for phase, field in fields.items():
        node = show_field(scene, field, name=f"{phase.title} onto the reference", role=FIELD_PREFIX + phase)
        put_in_folder(scene, node, FOLDER)
        yield


def show_field(
    scene: slicer.vtkMRMLScene, field: sitk.Image, *, name: str, role: str
) -> slicer.vtkMRMLGridTransformNode:
    """Show a registration field as the transform node with this role, made or updated.

    A phase as it was acquired, put under this node, lies on the reference phase. From parent to node, points go
    where `warp_points` takes them; beyond the field's grid they stay.

    Parameters
    ----------
    scene: vtkMRMLScene
    field: SimpleITK.Image
        Displacement field (LPS, mm): what the reference shows at x, the phase shows at x + field(x).
    name, role: str
        Of the node.

    """
    node = owned_node(scene, "vtkMRMLGridTransformNode", role, name)
    transform = slicer.vtkOrientedGridTransform()
    to_ras = LPS_TO_RAS[:3, :3]
    displacements = image_data((sitk.GetArrayViewFromImage(field) @ to_ras).astype(np.float64))
    displacements.SetOrigin(to_ras @ field.GetOrigin())
    displacements.SetSpacing(field.GetSpacing())
    direction = np.eye(4)
    direction[:3, :3] = to_ras @ np.reshape(field.GetDirection(), (3, 3))
    transform.SetGridDirectionMatrix(vtk_matrix(direction))
    transform.SetDisplacementGridData(displacements)
    transform.SetInterpolationModeToLinear()
    # What moves a volume goes from the node to its parent, the field from the reference to the phase.
    node.SetAndObserveTransformFromParent(transform)
    return node

"""Registration fields as transform nodes."""

from collections.abc import Iterator, Mapping

import numpy as np
import SimpleITK as sitk
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from LiverTumorAILib.mrml.geometry import LPS_TO_RAS, image_data, vtk_matrix
from LiverTumorAILib.mrml.nodes import owned_node, owned_nodes, put_in_folder, remove_owned
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


def read_fields(scene: slicer.vtkMRMLScene) -> dict[Phase, sitk.Image]:
    """The registration fields (as `show_field` takes them) that a scene holds and that are such fields still."""
    nodes = owned_nodes(scene)
    fields = {phase: _field_of(nodes[role]) for phase in Phase if (role := FIELD_PREFIX + phase) in nodes}
    return {phase: field for phase, field in fields.items() if field is not None}


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


def _field_of(node: slicer.vtkMRMLTransformNode) -> sitk.Image | None:
    """What `show_field` put into a node; None where the user put another kind of transform in its place."""
    transform = node.GetTransformFromParentAs("vtkOrientedGridTransform", False)
    grid = transform.GetDisplacementGrid() if transform is not None else None
    if grid is None:
        return None
    to_lps, shape = LPS_TO_RAS[:3, :3], (*grid.GetDimensions()[::-1], 3)
    stored = vtk_to_numpy(grid.GetPointData().GetScalars()).reshape(shape)
    displacements = stored * transform.GetDisplacementScale() + transform.GetDisplacementShift()
    field = sitk.GetImageFromArray(displacements @ to_lps, isVector=True)
    direction = transform.GetGridDirectionMatrix()
    axes = np.array([[direction.GetElement(row, column) for column in range(3)] for row in range(3)])
    field.SetDirection((to_lps @ axes).ravel().tolist())
    field.SetOrigin((to_lps @ grid.GetOrigin()).tolist())
    field.SetSpacing(grid.GetSpacing())
    return field

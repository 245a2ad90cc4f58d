"""Registration fields in a real MRML scene."""

import numpy as np
import pytest
import SimpleITK as sitk

vtk = pytest.importorskip("vtk", reason="needs slicer-core (extra 'window')")
slicer = pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")

from LiverTumorAILib.mrml.geometry import ras_from_lps  # noqa: E402
from LiverTumorAILib.mrml.nodes import owned_nodes  # noqa: E402
from LiverTumorAILib.mrml.transforms import FIELD_PREFIX, read_fields, show_field, showing_fields  # noqa: E402
from LiverTumorAILib.registration import warp_points  # noqa: E402
from LiverTumorAILib.study import Phase  # noqa: E402

ANGLE = np.radians(25)
OBLIQUE = (np.cos(ANGLE), -np.sin(ANGLE), 0, np.sin(ANGLE), np.cos(ANGLE), 0, 0, 0, 1)


@pytest.fixture
def scene():
    return slicer.vtkMRMLScene()


def breathing_field(direction=OBLIQUE) -> sitk.Image:
    """A few mm in every direction on an oblique grid."""
    z, y, x = np.meshgrid(*(np.linspace(0, np.pi, n) for n in (16, 20, 24)), indexing="ij")
    bump = np.sin(z) * np.sin(y) * np.sin(x)
    field = sitk.GetImageFromArray(np.stack([2 * bump, -3 * bump * np.cos(z), 9 * bump], axis=-1), isVector=True)
    field.SetSpacing((4.0, 4.5, 5.0))
    field.SetOrigin((-30.0, 12.0, 300.0))
    field.SetDirection(direction)
    return field


def points_in(field: sitk.Image) -> np.ndarray:
    index = np.random.default_rng(0).uniform(1, np.array(field.GetSize()) - 2, (60, 3))
    return np.array([field.TransformContinuousIndexToPhysicalPoint(i) for i in index.tolist()])


def through(transform, points: np.ndarray) -> np.ndarray:
    """Points (LPS) through a VTK transform, which works in RAS."""
    return np.array([ras_from_lps(transform.TransformPoint(ras_from_lps(point))) for point in points.tolist()])


def test_a_point_goes_through_the_node_as_warp_points_takes_it(scene):
    field = breathing_field()
    node = show_field(scene, field, name="arterial", role="field:test")
    points = points_in(field)
    to_node = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, node, to_node)
    warped = warp_points(points, field)
    assert np.linalg.norm(warped - points, axis=1).max() > 5
    np.testing.assert_allclose(through(to_node, points), warped, atol=1e-3)


def test_a_phase_put_under_the_node_comes_back_onto_the_reference(scene):
    field = breathing_field()
    node = show_field(scene, field, name="arterial", role="field:test")
    landmark = points_in(field)
    fiducials = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    for point in warp_points(landmark, field).tolist():
        fiducials.AddControlPoint(ras_from_lps(point))
    fiducials.SetAndObserveTransformNodeID(node.GetID())
    shown = [ras_from_lps(fiducials.GetNthControlPointPositionWorld(i)) for i in range(len(landmark))]
    np.testing.assert_allclose(shown, landmark, atol=0.02)


def test_another_study_replaces_the_fields(scene):
    list(showing_fields(scene, {Phase.ARTERIAL: breathing_field(), Phase.DELAYED: breathing_field()}))
    first = owned_nodes(scene)[FIELD_PREFIX + Phase.ARTERIAL]
    straight = breathing_field((1, 0, 0, 0, 1, 0, 0, 0, 1))
    list(showing_fields(scene, {Phase.ARTERIAL: straight}))
    nodes = {role: node for role, node in owned_nodes(scene).items() if role.startswith(FIELD_PREFIX)}
    assert nodes == {FIELD_PREFIX + Phase.ARTERIAL: first}
    points = points_in(straight)
    np.testing.assert_allclose(
        through(first.GetTransformFromParent(), points), warp_points(points, straight), atol=1e-3
    )


def test_fields_are_read_back_from_the_scene(scene):
    fields = {Phase.ARTERIAL: breathing_field(), Phase.DELAYED: breathing_field((1, 0, 0, 0, 1, 0, 0, 0, 1))}
    list(showing_fields(scene, fields))
    found = read_fields(scene)
    assert found.keys() == fields.keys()
    for phase, field in fields.items():
        np.testing.assert_allclose(*map(sitk.GetArrayFromImage, (found[phase], field)), atol=1e-5)
        for get in ("GetOrigin", "GetSpacing", "GetDirection"):
            assert getattr(found[phase], get)() == pytest.approx(getattr(field, get)())


def test_what_is_no_field_any_more_is_not_read(scene):
    list(showing_fields(scene, {Phase.ARTERIAL: breathing_field()}))
    owned_nodes(scene)[FIELD_PREFIX + Phase.ARTERIAL].SetAndObserveTransformFromParent(vtk.vtkTransform())
    assert read_fields(scene) == {}

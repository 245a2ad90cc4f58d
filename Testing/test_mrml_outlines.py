"""Dashed outlines of a ball of known place and size, in real slice nodes."""

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")

import vtk  # noqa: E402
from analytic_findings import TILT, grid, inside  # noqa: E402

from LiverTumorAILib.mrml.dashed_outlines import DashedOutlines, Outlined, surface_of  # noqa: E402
from LiverTumorAILib.review.reading import box_image  # noqa: E402

CENTRE, RADIUS = np.array((-40.0, 15.0, 8.0)), 20.0
MM_PER_PIXEL = 0.5


@pytest.fixture
def scene():
    return slicer.vtkMRMLScene()


@pytest.fixture(params=[(1, 0, 0, 0, 1, 0, 0, 0, 1), TILT], ids=["straight", "tilted"])
def ball(request):
    like = grid((1.25, 1.25, 2.5), request.param)
    voxels = inside(like, CENTRE, (RADIUS,) * 3)
    box = tuple(slice(int(side.min()), int(side.max()) + 1) for side in np.nonzero(voxels))
    return Outlined(surface_of(box_image(voxels[box], box, like)), (1.0, 0.5, 0.0))


@pytest.fixture
def view(scene):
    """An axial view of .5 mm a pixel."""
    node = slicer.vtkMRMLSliceNode()
    node.SetLayoutName("Red")
    node.SetOrientationToAxial()
    scene.AddNode(node)
    node.SetDimensions(400, 300, 1)
    node.SetFieldOfView(400 * MM_PER_PIXEL, 300 * MM_PER_PIXEL, 1)
    node.UpdateMatrices()
    return node


@pytest.fixture
def drawn(view):
    outlines = DashedOutlines(view, vtk.vtkRenderer(), lambda: None)
    yield outlines
    outlines.remove()


def distances_mm(dashes, view):
    """How far the ends of dashes lie from the ball's centre (mm)."""
    matrix = np.array([[view.GetXYToRAS().GetElement(row, column) for column in range(4)] for row in range(4)])
    ends = dashes.reshape(-1, 2)
    points = np.column_stack([ends, np.zeros(len(ends)), np.ones(len(ends))]) @ matrix.T
    return np.linalg.norm(points[:, :3] - CENTRE * (-1, -1, 1), axis=1)


@pytest.mark.parametrize("offset", [0.0, 6.0, -12.0])
def test_dashes_lie_on_the_surface_in_the_slice(ball, view, drawn, offset):
    view.SetSliceOffset(CENTRE[2] + offset)
    drawn.show([ball])
    (dashes,) = drawn.dashes
    assert distances_mm(dashes, view) == pytest.approx(RADIUS, abs=1.5)


def test_about_half_of_the_outline_is_drawn_in_dashes_of_one_length(ball, view, drawn):
    view.SetSliceOffset(CENTRE[2])
    drawn.show([ball])
    (dashes,) = drawn.dashes
    lengths = np.linalg.norm(dashes[:, 0] - dashes[:, 1], axis=1)
    around = 2 * np.pi * RADIUS / MM_PER_PIXEL
    assert len(dashes) == pytest.approx(around / 11, rel=0.1)
    assert lengths.sum() / around == pytest.approx(6 / 11, abs=0.06)


def test_the_dashes_follow_the_view(ball, view, drawn):
    view.SetSliceOffset(CENTRE[2])
    drawn.show([ball])
    before = len(drawn.dashes[0])
    view.SetFieldOfView(400 * MM_PER_PIXEL / 2, 300 * MM_PER_PIXEL / 2, 1)
    view.UpdateMatrices()
    assert len(drawn.dashes[0]) == pytest.approx(2 * before, abs=2), "as long on the screen at any zoom"
    view.SetSliceOffset(CENTRE[2] + RADIUS + 5)
    assert len(drawn.dashes[0]) == 0
    view.SetOrientationToCoronal()
    view.SetSliceOffset(-CENTRE[1])
    assert distances_mm(drawn.dashes[0], view) == pytest.approx(RADIUS, abs=1.5)


def test_nothing_stays_in_the_view(ball, view):
    renderer = vtk.vtkRenderer()
    outlines = DashedOutlines(view, renderer, lambda: None)
    outlines.show([ball])
    assert renderer.GetViewProps().GetNumberOfItems() == 1
    outlines.show([])
    assert renderer.GetViewProps().GetNumberOfItems() == 0
    outlines.show([ball])
    outlines.remove()
    assert renderer.GetViewProps().GetNumberOfItems() == 0

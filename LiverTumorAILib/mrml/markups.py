"""Long and short axis of each lesion as line markups."""

from collections.abc import Callable, Collection, Iterator

import slicer
import vtk

from LiverTumorAILib.lesions import Axis, Lesion, Point
from LiverTumorAILib.mrml.geometry import ras_from_lps
from LiverTumorAILib.mrml.nodes import find_owned, owned_node, owned_nodes, put_in_folder, remove_owned, removing_owned

AXES_FOLDER = "Lesion axes"
AXIS_PREFIX = "axis:"
AXIS_COLORS = {"long": (1.0, 0.9, 0.2), "short": (0.3, 0.9, 1.0)}


def axis_role(lesion: Lesion, kind: str) -> str:
    """Role of the node of a lesion's 'long' or 'short' axis."""
    return f"{AXIS_PREFIX}{kind}:{lesion.uid}"


def removing_axes(scene: slicer.vtkMRMLScene, but: Collection[Lesion]) -> Iterator[None]:
    """Hide all axes and remove those of other lesions, some at a time."""
    select_axes(scene, None)
    roles = frozenset(axis_role(lesion, kind) for lesion in but for kind in AXIS_COLORS)
    yield from removing_owned(scene, keep=roles, prefix=AXIS_PREFIX)


def update_axes(scene: slicer.vtkMRMLScene, lesion: Lesion) -> None:
    """Make or update the two lines of one lesion; the long one bears both lengths in mm."""
    measurement = lesion.measurement
    both = f"{measurement.long_axis.length_mm:.0f} × {measurement.short_axis.length_mm:.0f} mm"
    if measurement.long_axis.by_hand or measurement.short_axis.by_hand:
        both += " by hand"
    for kind, axis, text in (("long", measurement.long_axis, both), ("short", measurement.short_axis, "")):
        role = axis_role(lesion, kind)
        is_new = find_owned(scene, role) is None
        node = owned_node(scene, "vtkMRMLMarkupsLineNode", role, f"{lesion.label} {kind} axis")
        if is_new:
            _style(node, kind)
            put_in_folder(scene, node, AXES_FOLDER)
        _set_points(node, axis, text)


def remove_axes(scene: slicer.vtkMRMLScene, lesion: Lesion) -> None:
    """Remove the axes of a lesion."""
    for kind in AXIS_COLORS:
        remove_owned(scene, prefix=axis_role(lesion, kind))


def _set_points(node: slicer.vtkMRMLMarkupsLineNode, axis: Axis, text: str) -> None:
    with slicer.util.NodeModify(node):
        node.RemoveAllControlPoints()
        # The text hangs on one end, so that it does not cover the lesion.
        for point, label in ((axis.start_mm, text), (axis.end_mm, "")):
            node.SetNthControlPointLabel(node.AddControlPointWorld(ras_from_lps(point)), label)


class AxisObserver:
    """Calls back when the user has dragged an end of a lesion's axis.

    Parameters
    ----------
    scene: vtkMRMLScene
    lesions: collection of Lesion
        Those whose axes are observed.
    on_dragged: callable
        Receives the lesion's UID, 'long' or 'short', and both ends (LPS, mm).

    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        lesions: Collection[Lesion],
        on_dragged: Callable[[str, str, Point, Point], None],
    ) -> None:
        self._on_dragged = on_dragged
        self._observed = [
            (node, self._observe(node, lesion.uid, kind))
            for lesion in lesions
            for kind in AXIS_COLORS
            if (node := find_owned(scene, axis_role(lesion, kind))) is not None
        ]

    def stop(self) -> None:
        """Call back no more."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = []

    def _observe(self, node: slicer.vtkMRMLMarkupsLineNode, uid: str, kind: str) -> int:
        def notice(_caller: vtk.vtkObject, _event: str) -> None:
            if node.GetNumberOfControlPoints() == 2:
                ends = (ras_from_lps(node.GetNthControlPointPositionWorld(index)) for index in (0, 1))
                self._on_dragged(uid, kind, *ends)

        return node.AddObserver(slicer.vtkMRMLMarkupsNode.PointEndInteractionEvent, notice)


def _style(node: slicer.vtkMRMLMarkupsLineNode, kind: str) -> None:
    display = node.GetDisplayNode()
    display.SetSelectedColor(*AXIS_COLORS[kind])
    display.SetColor(*AXIS_COLORS[kind])
    display.SetPointLabelsVisibility(True)
    # They are measured in a slice, and 3D views would be drawn anew for each lesion.
    display.SetVisibility3D(False)
    display.SetPropertiesLabelVisibility(False)
    display.SetTextScale(2.5)
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(1.5)
    display.SetCurveLineSizeMode(slicer.vtkMRMLMarkupsDisplayNode.UseLineDiameter)
    display.SetLineDiameter(0.7)


def select_axes(scene: slicer.vtkMRMLScene, selected: Lesion | None) -> None:
    """Show the axes of the selected lesion only; None hides all."""
    shown = {axis_role(selected, kind) for kind in AXIS_COLORS} if selected else set()
    for role, node in owned_nodes(scene).items():
        if role.startswith(AXIS_PREFIX):
            node.SetDisplayVisibility(role in shown)

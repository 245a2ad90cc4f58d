"""One point that the user clicks in a slice view."""

from collections.abc import Callable

import slicer
import vtk

from LiverTumorAILib.lesions import Point
from LiverTumorAILib.mrml.geometry import ras_from_lps
from LiverTumorAILib.mrml.nodes import owned_node, remove_owned

POINT_ROLE = "clicked point"


class PointPicker:
    """Waits for a click with Slicer's place mode; Escape or a right click ends it.

    Parameters
    ----------
    scene: vtkMRMLScene
    on_point: callable
        Receives the point (LPS, mm); called within the click, so it should only take note.
    on_end: callable
        Called when the waiting ended, with or without a point.

    """

    def __init__(
        self, scene: slicer.vtkMRMLScene, on_point: Callable[[Point], None], on_end: Callable[[], None]
    ) -> None:
        self._scene, self._on_point, self._on_end = scene, on_point, on_end
        self._observed: list[tuple[vtk.vtkObject, int]] = []

    @property
    def is_waiting(self) -> bool:
        """Whether the next click gives a point."""
        return bool(self._observed)

    def start(self) -> None:
        """Wait for a click."""
        self.stop()
        interaction = self._scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        selection = self._scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
        node = owned_node(self._scene, "vtkMRMLMarkupsFiducialNode", POINT_ROLE, "Missed lesion")
        node.GetDisplayNode().SetPointLabelsVisibility(False)
        selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
        selection.SetActivePlaceNodeID(node.GetID())
        interaction.SetPlaceModePersistence(0)
        interaction.SetCurrentInteractionMode(interaction.Place)
        self._observe(node, node.PointPositionDefinedEvent, self._notice)
        self._observe(interaction, interaction.InteractionModeChangedEvent, self._end)

    def stop(self) -> None:
        """Wait no more and leave nothing in the scene."""
        if not self._observed:
            return
        for caller, tag in self._observed:
            caller.RemoveObserver(tag)
        self._observed = []
        interaction = self._scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        if interaction is not None and interaction.GetCurrentInteractionMode() == interaction.Place:
            interaction.SwitchToViewTransformMode()
        remove_owned(self._scene, prefix=POINT_ROLE)

    def _observe(self, caller: vtk.vtkObject, event: int, callback: Callable) -> None:
        self._observed.append((caller, caller.AddObserver(event, callback)))

    def _notice(self, node: slicer.vtkMRMLMarkupsFiducialNode, _event: str) -> None:
        place = [0.0, 0.0, 0.0]
        node.GetNthControlPointPositionWorld(node.GetNumberOfDefinedControlPoints() - 1, place)
        self._on_point(ras_from_lps(tuple(place)))

    def _end(self, interaction: slicer.vtkMRMLInteractionNode, _event: str) -> None:
        if interaction.GetCurrentInteractionMode() != interaction.Place:
            self._on_end()

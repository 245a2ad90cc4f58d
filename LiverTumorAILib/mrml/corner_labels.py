"""The phase's name, and what else the eye must know of the picture, in the corner of each slice view."""

from collections.abc import Callable

import slicer
import vtk

from LiverTumorAILib.mrml.nodes import ROLE

VOLUME_PREFIX = "volume:"
PLACE = (0.02, 0.97)
"""Of the text's upper left, as share of the view."""

FONT_SIZE = 17


class CornerLabel:
    """Names the phase that a slice view shows and the slab that it is seen through.

    It follows the view's nodes, so that it is right whoever changes what is shown.

    Parameters
    ----------
    slice_node: vtkMRMLSliceNode
    composite_node: vtkMRMLSliceCompositeNode
        Of the same view.
    renderer: vtkRenderer
        Of the same view.
    on_changed: callable
        Called when the view must be drawn again.

    """

    def __init__(
        self,
        slice_node: slicer.vtkMRMLSliceNode,
        composite_node: slicer.vtkMRMLSliceCompositeNode,
        renderer: vtk.vtkRenderer,
        on_changed: Callable[[], None],
    ) -> None:
        self._slice_node, self._composite_node = slice_node, composite_node
        self._renderer, self._on_changed = renderer, on_changed
        self._actor = _text_actor()
        renderer.AddViewProp(self._actor)
        self._tags = [
            (node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._follow))
            for node in (slice_node, composite_node)
        ]
        self._follow()

    @property
    def text(self) -> str:
        """What the corner says."""
        return self._actor.GetInput() or ""

    def remove(self) -> None:
        """Take the text out of the view."""
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags = []
        self._renderer.RemoveViewProp(self._actor)

    def _follow(self, *_event: object) -> None:
        text = self._describe()
        if text != self.text:
            self._actor.SetInput(text)
            self._on_changed()

    def _describe(self) -> str:
        scene = self._composite_node.GetScene()
        identifier = self._composite_node.GetBackgroundVolumeID()
        volume = scene.GetNodeByID(identifier) if scene and identifier else None
        if volume is None or not (volume.GetAttribute(ROLE) or "").startswith(VOLUME_PREFIX):
            return ""
        lines = [volume.GetName()]
        if self._slice_node.GetSlabReconstructionEnabled():
            lines.append(f"MIP {self._slice_node.GetSlabReconstructionThickness():.0f} mm")
        return "\n".join(lines)


def _text_actor() -> vtk.vtkTextActor:
    actor = vtk.vtkTextActor()
    actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
    actor.SetPosition(*PLACE)
    text = actor.GetTextProperty()
    text.SetFontSize(FONT_SIZE)
    text.SetVerticalJustificationToTop()
    text.SetColor(1.0, 1.0, 1.0)
    text.SetShadow(True)
    text.BoldOn()
    return actor

"""Noticing edits of segments."""

from collections.abc import Callable

import slicer
import vtk


class EditObserver:
    """Calls back with the ID of each segment whose voxels change, or that is removed.

    Parameters
    ----------
    node: vtkMRMLSegmentationNode
    on_edited: callable
        Receives a segment ID; called during the edit, so it should only take note.

    """

    EVENTS = (slicer.vtkSegmentation.SourceRepresentationModified, slicer.vtkSegmentation.SegmentRemoved)

    def __init__(self, node: slicer.vtkMRMLSegmentationNode, on_edited: Callable[[str], None]) -> None:
        self._node = node

        @vtk.calldata_type(vtk.VTK_STRING)
        def notice(_caller: vtk.vtkObject, _event: str, segment_id: str | None) -> None:
            if segment_id:
                on_edited(segment_id)

        self._tags = [node.AddObserver(event, notice) for event in self.EVENTS]

    def stop(self) -> None:
        """Call back no more."""
        for tag in self._tags:
            self._node.RemoveObserver(tag)
        self._tags = []

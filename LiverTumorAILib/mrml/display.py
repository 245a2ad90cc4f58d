"""Which segments are seen, and how strongly."""

from enum import StrEnum

import slicer

from LiverTumorAILib.lesions import Organ
from LiverTumorAILib.mrml.segmentation import LESION_UID_TAG, OTHER_ORGANS, organ_segment_id
from LiverTumorAILib.review.organs import VESSELS


class Group(StrEnum):
    """Segments that are shown and hidden together."""

    LIVER = "liver"
    VESSELS = "vessels"
    ORGANS = "organs"
    LESIONS = "lesions"


ORGANS_OF = {Group.LIVER: (Organ.LIVER,), Group.VESSELS: VESSELS, Group.ORGANS: OTHER_ORGANS}


def segments_of(node: slicer.vtkMRMLSegmentationNode, group: Group) -> list[str]:
    """IDs of the segments of a group that the node has."""
    segmentation = node.GetSegmentation()
    if group is Group.LESIONS:
        ids = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
        return [segment_id for segment_id in ids if segmentation.GetSegment(segment_id).HasTag(LESION_UID_TAG)]
    return [name for organ in ORGANS_OF[group] if segmentation.GetSegment(name := organ_segment_id(organ))]


def set_group_visible(node: slicer.vtkMRMLSegmentationNode, group: Group, visible: bool) -> None:
    """Show or hide the segments of a group in all views; vessels in the slice views only.

    Vessels cover what is to be judged in a slice, but tell where a lesion lies in 3D.
    """
    display = node.GetDisplayNode()
    for segment_id in segments_of(node, group):
        if group is Group.VESSELS:
            display.SetSegmentVisibility(segment_id, True)
            display.SetSegmentVisibility2DFill(segment_id, visible)
            display.SetSegmentVisibility2DOutline(segment_id, visible)
        else:
            display.SetSegmentVisibility(segment_id, visible)


def set_opacity(node: slicer.vtkMRMLSegmentationNode, opacity: float) -> None:
    """Opacity (0-1) of all segments in the slice views; each keeps its own share of it."""
    display = node.GetDisplayNode()
    display.SetOpacity2DFill(opacity)
    display.SetOpacity2DOutline(opacity)

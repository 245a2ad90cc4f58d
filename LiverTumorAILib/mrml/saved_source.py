"""Which DICOM images findings belong to, kept with the scene so that it can be exported as DICOM again."""

import slicer

from LiverTumorAILib.mrml.nodes import find_owned, owned_node

SOURCE_ROLE = "dicom source"


def keep_source(scene: slicer.vtkMRMLScene, source: str) -> None:
    """Keep what `source_of_segmentation` gave, in place of that of other findings."""
    node = owned_node(scene, "vtkMRMLTextNode", SOURCE_ROLE, "Liver DICOM source")
    node.SetHideFromEditors(True)
    node.SetText(source)


def read_source(scene: slicer.vtkMRMLScene) -> str:
    """What `keep_source` kept; empty if nothing."""
    node = find_owned(scene, SOURCE_ROLE)
    return (node.GetText() or "") if node is not None else ""

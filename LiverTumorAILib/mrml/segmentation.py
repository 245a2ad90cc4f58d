"""Findings as one segmentation node, and edited segments back to masks."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from scipy import ndimage
from vtk.util import numpy_support

from LiverTumorAILib.lesions import Certainty, Findings, Lesion, Organ
from LiverTumorAILib.lesions.organs import whole_liver
from LiverTumorAILib.lesions.terminology import LESION_TERMS, ORGAN_TERMS, Code, Term
from LiverTumorAILib.mrml.geometry import image_at, index_to_ras, oriented_image_data
from LiverTumorAILib.mrml.nodes import owned_node
from LiverTumorAILib.review.reading import Reading, ReviewState, begin_reading, labels_of

SEGMENTATION_ROLE = "segmentation"
BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
LESION_UID_TAG = "LiverTumorAI.LesionUID"
VESSELS = (Organ.HEPATIC_VESSELS, Organ.PORTAL_SPLENIC_VEIN)
OTHER_ORGANS = (Organ.GALLBLADDER, Organ.SPLEEN, Organ.PANCREAS, Organ.STOMACH)

LIVER_FILL = 0.0
ORGAN_FILL = 0.25
LESION_FILL = 0.3
UNCERTAIN_FILL = 0.08
LIVER_OPACITY_3D = 0.3
"""Opacity of fills in slice views, and of the liver's surface.

The liver is an outline, so that its tissue can be judged; an uncertain lesion is hardly filled, so that it is seen to
be uncertain.
"""


class Voxels(NamedTuple):
    """The voxels of a layer that have this value."""

    layer: slicer.vtkOrientedImageData
    value: int


def lesion_name(lesion: Lesion, typed_by_hand: bool = False) -> str:
    """Segment name of a lesion, such as '1 HCC 92%'; a question mark after the type says uncertain."""
    if typed_by_hand:
        return f"{lesion.label} {lesion.type.title}"
    doubt = "?" if lesion.certainty is Certainty.UNCERTAIN else ""
    return f"{lesion.label} {lesion.type.title}{doubt} {lesion.type_probabilities.get(lesion.type, 0.0):.0%}"


def lesion_segment_id(lesion: Lesion) -> str:
    """Segment ID of a lesion."""
    return f"lesion-{lesion.label}"


def organ_segment_id(organ: Organ) -> str:
    """Segment ID of an organ."""
    return organ.name.lower().replace("_", "-")


def terminology_entry(term: Term) -> str:
    """A term in the form that Slicer's segments store."""
    region = _code(term.region) if term.region else "^^"
    parts = (
        "Segmentation category and type - DICOM master list",
        _code(term.category),
        _code(term.type),
        "^^",
        "Anatomic codes - DICOM master list",
        region,
        "^^",
    )
    return "~".join(parts)


def _code(code: Code) -> str:
    return f"{code.scheme}^{code.value}^{code.meaning}"


def show_segmentation(
    scene: slicer.vtkMRMLScene,
    findings: Findings,
    volume: slicer.vtkMRMLScalarVolumeNode,
    reading: Reading | None = None,
) -> slicer.vtkMRMLSegmentationNode:
    """Show liver, vessels, organs and each lesion as segments of one node on the grid of `volume`.

    Lesions are shown as a reading has them; as the cascade left them where none is given.

    The liver's segment is the whole liver, with its lesions and vessels.
    """
    node = owned_node(scene, "vtkMRMLSegmentationNode", SEGMENTATION_ROLE, "Liver findings")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentation = node.GetSegmentation()
    segmentation.RemoveAllSegments()
    segmentation.SetSourceRepresentationName(BINARY_LABELMAP)
    _add_organs(node, findings)
    _add_lesions(node, reading or begin_reading(findings), findings.lesion_labels)
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(True)
    display.SetVisibility2DOutline(True)
    display.SetVisibility3D(False)
    # What each segment sets for itself counts in full.
    display.SetOpacity2DFill(1.0)
    return node


def _add_organs(node: slicer.vtkMRMLSegmentationNode, findings: Findings) -> None:
    voxels = sitk.GetArrayViewFromImage(findings.organ_labels)
    to_ras = index_to_ras(findings.organ_labels)
    present = set(np.unique(voxels).tolist())
    layer = oriented_image_data(_only(voxels, present - {Organ.LIVER}), to_ras)
    for organ in Organ:
        if organ not in present:
            continue
        segment_id = organ_segment_id(organ)
        if organ is Organ.LIVER:
            liver = whole_liver(voxels, sitk.GetArrayViewFromImage(findings.lesion_labels)).view(np.uint8)
            found, fill, opacity_3d = Voxels(oriented_image_data(liver, to_ras), 1), LIVER_FILL, LIVER_OPACITY_3D
        else:
            found, fill, opacity_3d = Voxels(layer, organ), ORGAN_FILL, 1.0
        _add_segment(node, segment_id, organ.title, ORGAN_TERMS[organ], found)
        _set_display(node, segment_id, fill, opacity_3d)
        node.GetDisplayNode().SetSegmentVisibility(segment_id, organ is Organ.LIVER)


def _add_lesions(node: slicer.vtkMRMLSegmentationNode, reading: Reading, grid: sitk.Image) -> None:
    """Add all lesions; those that were not rejected overlap nowhere and share their voxels."""
    labels = labels_of(reading, grid)
    voxels = sitk.GetArrayViewFromImage(labels)
    if voxels.max(initial=0) <= np.iinfo(np.uint8).max:
        voxels = voxels.astype(np.uint8)
    layer = oriented_image_data(voxels, index_to_ras(grid))
    shared = {lesion.uid: Voxels(layer, lesion.label) for lesion in reading.present}
    for lesion in sorted(reading.lesions, key=lambda lesion: lesion.label):
        add_lesion_segment(node, lesion, reading, shared.get(lesion.uid))


def add_lesion_segment(
    node: slicer.vtkMRMLSegmentationNode, lesion: Lesion, reading: Reading, voxels: Voxels | None = None
) -> None:
    """Add a lesion's segment as the reading has it, with voxels of its own unless some are given."""
    mask = reading.masks[lesion.uid]
    voxels = voxels or Voxels(oriented_image_data(sitk.GetArrayViewFromImage(mask), index_to_ras(mask)), 1)
    segment_id = lesion_segment_id(lesion)
    segment = _add_segment(node, segment_id, lesion_name(lesion), LESION_TERMS[lesion.type], voxels)
    segment.SetTag(LESION_UID_TAG, lesion.uid)
    style_lesion_segment(node, lesion, reading)


def style_lesion_segment(node: slicer.vtkMRMLSegmentationNode, lesion: Lesion, reading: Reading) -> None:
    """Give a lesion's segment name, term, colour and fill that fit its type and what the reader made of it."""
    segment_id, state = lesion_segment_id(lesion), reading.state(lesion.uid)
    segment = node.GetSegmentation().GetSegment(segment_id)
    segment.SetName(lesion_name(lesion, lesion.uid in reading.typed_by_hand))
    _set_term(segment, LESION_TERMS[lesion.type])
    doubtful = lesion.certainty is Certainty.UNCERTAIN and state is not ReviewState.ACCEPTED
    _set_display(node, segment_id, UNCERTAIN_FILL if doubtful else LESION_FILL)
    node.GetDisplayNode().SetSegmentVisibility(segment_id, state is not ReviewState.REJECTED)


def _only(voxels: np.ndarray, values: Collection[int]) -> np.ndarray:
    """A copy with 0 in place of all other values: views would show a value without segment in any colour."""
    return np.where(np.isin(voxels, sorted(values)), voxels, 0).astype(voxels.dtype)


def _add_segment(
    node: slicer.vtkMRMLSegmentationNode, segment_id: str, name: str, term: Term, voxels: Voxels
) -> slicer.vtkSegment:
    """Add a segment; those of one layer share its voxels."""
    segment = slicer.vtkSegment()
    segment.SetName(name)
    _set_term(segment, term)
    segment.AddRepresentation(BINARY_LABELMAP, voxels.layer)
    segment.SetLabelValue(int(voxels.value))
    node.GetSegmentation().AddSegment(segment, segment_id)
    return segment


def _set_term(segment: slicer.vtkSegment, term: Term) -> None:
    segment.SetColor(*(component / 255 for component in term.colour))
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology_entry(term))


def _set_display(node: slicer.vtkMRMLSegmentationNode, segment_id: str, fill: float, opacity_3d: float = 1.0) -> None:
    display = node.GetDisplayNode()
    display.SetSegmentOpacity2DFill(segment_id, fill)
    display.SetSegmentOpacity2DOutline(segment_id, 1.0)
    display.SetSegmentOpacity3D(segment_id, opacity_3d)


def lesion_uid_of_segment(node: slicer.vtkMRMLSegmentationNode, segment_id: str) -> str | None:
    """UID of the lesion that a segment shows; None for organs and segments that the user added."""
    segment = node.GetSegmentation().GetSegment(segment_id)
    if segment is None or not segment.HasTag(LESION_UID_TAG):
        return None
    return _tag(segment, LESION_UID_TAG)


def _tag(segment: slicer.vtkSegment, name: str) -> str:
    value = vtk.reference("")
    segment.GetTag(name, value)
    return value.get()


def segment_mask(node: slicer.vtkMRMLSegmentationNode, segment_id: str) -> sitk.Image | None:
    """A segment as uint8 mask (0 or 1; LPS, mm) on the part of the segmentation's grid that it fills.

    None where the segment is missing or empty.
    """
    segment = node.GetSegmentation().GetSegment(segment_id)
    layer = segment.GetRepresentation(BINARY_LABELMAP) if segment else None
    if layer is None or not layer.GetPointData().GetScalars() or 0 in layer.GetDimensions():
        return None
    columns, rows, slices = layer.GetDimensions()
    voxels = numpy_support.vtk_to_numpy(layer.GetPointData().GetScalars()).reshape(slices, rows, columns)
    # Slices first: a look at the whole grid along each axis would be felt while painting.
    filled = voxels == segment.GetLabelValue()
    occupied = np.flatnonzero(filled.any(axis=(1, 2)))
    if not occupied.size:
        return None
    part = filled[occupied[0] : occupied[-1] + 1]
    (box,) = ndimage.find_objects(part.any(axis=0).view(np.uint8))
    first = layer.GetExtent()[::2] + np.array([box[1].start, box[0].start, occupied[0]])
    return image_at(part[:, *box].astype(np.uint8), layer, first)


def set_segment_mask(node: slicer.vtkMRMLSegmentationNode, segment_id: str, mask: sitk.Image) -> None:
    """Replace a segment's voxels by a mask (LPS, mm), leaving all other segments as they are."""
    voxels = (sitk.GetArrayViewFromImage(mask) > 0).astype(np.uint8)
    data = oriented_image_data(voxels, index_to_ras(mask))
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
        data, node, segment_id, slicer.vtkSlicerSegmentationsModuleLogic.MODE_REPLACE, data.GetExtent()
    )

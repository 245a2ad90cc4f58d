"""Findings as one segmentation node, and edited segments back to masks."""

from collections.abc import Generator, Iterable, Iterator, Mapping

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from scipy import ndimage
from vtk.util import numpy_support

from LiverTumorAILib.lesions import Certainty, Findings, Lesion, Organ
from LiverTumorAILib.lesions.terminology import LESION_TERMS, ORGAN_TERMS, STANDARD_PALETTE, Code, Palette, Term
from LiverTumorAILib.mrml.geometry import image_at, index_to_ras, oriented_image_data
from LiverTumorAILib.mrml.nodes import owned_node
from LiverTumorAILib.review.organs import organ_masks
from LiverTumorAILib.review.reading import Reading, ReviewState, begin_reading

SEGMENTATION_ROLE = "segmentation"
BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
LESION_UID_TAG = "LiverTumorAI.LesionUID"
OTHER_ORGANS = (Organ.GALLBLADDER, Organ.SPLEEN, Organ.PANCREAS, Organ.STOMACH)

AT_A_TIME = 4
"""Segments that are added or removed before the window lives on."""

LIVER_FILL = 0.0
ORGAN_FILL = 0.25
LESION_FILL = 0.3
UNCERTAIN_FILL = 0.08
UNCERTAIN_OUTLINE = 0.35
LIVER_OPACITY_3D = 0.3
"""Opacity of fills in slice views, and of the liver's surface.

The liver is an outline, so that its tissue can be judged; an uncertain lesion is hardly filled and faintly outlined, so
that it is seen to be uncertain.
"""


def lesion_name(lesion: Lesion, typed_by_hand: bool = False) -> str:
    """Segment name of a lesion, as in files; without probability where the reader set the type."""
    return f"{lesion.label} {lesion.type.title}" if typed_by_hand else lesion.segment_name


def lesion_segment_id(lesion: Lesion) -> str:
    """Segment ID of a lesion."""
    return f"lesion-{lesion.label}"


def organ_segment_id(organ: Organ) -> str:
    """Segment ID of an organ."""
    return organ.name.lower().replace("_", "-")


def organ_of_segment(segment_id: str) -> Organ | None:
    """The organ that a segment shows; None for lesions and segments that the user added."""
    return next((organ for organ in Organ if organ_segment_id(organ) == segment_id), None)


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


def showing_segmentation(
    scene: slicer.vtkMRMLScene,
    findings: Findings,
    volume: slicer.vtkMRMLScalarVolumeNode,
    reading: Reading | None = None,
    organs: Mapping[Organ, sitk.Image] | None = None,
    *,
    palette: Palette = STANDARD_PALETTE,
) -> Generator[None, None, slicer.vtkMRMLSegmentationNode]:
    """Show liver, vessels, organs and each lesion as segments of one node on the grid of `volume`, some at a time.

    Each segment has a labelmap of its own, no larger than itself: drawing in one that all share would be felt.

    Parameters
    ----------
    scene: vtkMRMLScene
    findings: Findings
    volume: vtkMRMLScalarVolumeNode
    reading: Reading, optional
        Lesions are shown as it has them; as the cascade left them where none is given.
    organs: Mapping[Organ, SimpleITK.Image], optional
        Their `organ_masks`, if they are at hand.
    palette: Palette

    """
    node = owned_node(scene, "vtkMRMLSegmentationNode", SEGMENTATION_ROLE, "Liver findings")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentation = node.GetSegmentation()
    yield from _removing_segments(node)
    segmentation.SetSourceRepresentationName(BINARY_LABELMAP)
    reading = reading or begin_reading(findings)
    for organ, mask in {**(organs or organ_masks(findings)), **reading.organs}.items():
        _add_organ(node, organ, mask)
    yield
    for count, lesion in enumerate(sorted(reading.lesions, key=lambda lesion: lesion.label), start=1):
        add_lesion_segment(node, lesion, reading)
        if count % AT_A_TIME == 0:
            paint(node, reading.lesions, palette)
            yield
    paint(node, reading.lesions, palette)
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(True)
    display.SetVisibility2DOutline(True)
    display.SetVisibility3D(False)
    # What each segment sets for itself counts in full.
    display.SetOpacity2DFill(1.0)
    return node


def _removing_segments(node: slicer.vtkMRMLSegmentationNode) -> Iterator[None]:
    """Remove all segments, some at a time."""
    if node.GetDisplayNode() is not None:
        node.GetDisplayNode().SetVisibility3D(False)
    for count, segment_id in enumerate(node.GetSegmentation().GetSegmentIDs(), start=1):
        node.GetSegmentation().RemoveSegment(segment_id)
        if count % AT_A_TIME == 0:
            yield


def paint(node: slicer.vtkMRMLSegmentationNode, lesions: Iterable[Lesion], palette: Palette) -> None:
    """Give the segments of organs and of these lesions the colours of a palette."""
    kinds = {organ_segment_id(organ): organ for organ in Organ}
    kinds |= {lesion_segment_id(lesion): lesion.type for lesion in lesions}
    for segment_id, kind in kinds.items():
        segment, colour = node.GetSegmentation().GetSegment(segment_id), [value / 255 for value in palette[kind]]
        # Each change is drawn in all views.
        if segment is not None and not np.allclose(segment.GetColor(), colour):
            segment.SetColor(*colour)


def _add_organ(node: slicer.vtkMRMLSegmentationNode, organ: Organ, mask: sitk.Image) -> None:
    segment_id, is_liver = organ_segment_id(organ), organ is Organ.LIVER
    _add_segment(node, segment_id, organ.title, ORGAN_TERMS[organ], mask)
    _set_display(node, segment_id, *((LIVER_FILL, LIVER_OPACITY_3D) if is_liver else (ORGAN_FILL, 1.0)))
    node.GetDisplayNode().SetSegmentVisibility(segment_id, is_liver)


def add_lesion_segment(node: slicer.vtkMRMLSegmentationNode, lesion: Lesion, reading: Reading) -> None:
    """Add a lesion's segment as the reading has it."""
    segment_id, mask = lesion_segment_id(lesion), reading.masks[lesion.uid]
    _add_segment(node, segment_id, lesion_name(lesion), LESION_TERMS[lesion.type], mask, lesion_uid=lesion.uid)
    style_lesion_segment(node, lesion, reading)


def is_doubtful(lesion: Lesion, reading: Reading) -> bool:
    """Whether a lesion is to look uncertain: the reader's word leaves no doubt."""
    return lesion.certainty is Certainty.UNCERTAIN and reading.state(lesion.uid) is not ReviewState.ACCEPTED


def style_lesion_segment(node: slicer.vtkMRMLSegmentationNode, lesion: Lesion, reading: Reading) -> None:
    """Give a lesion's segment name, term, colour and fill that fit its type and what the reader made of it."""
    segment_id, state = lesion_segment_id(lesion), reading.state(lesion.uid)
    segment = node.GetSegmentation().GetSegment(segment_id)
    segment.SetName(lesion_name(lesion, lesion.uid in reading.typed_by_hand))
    _set_term(segment, LESION_TERMS[lesion.type])
    doubtful = is_doubtful(lesion, reading)
    _set_display(node, segment_id, UNCERTAIN_FILL if doubtful else LESION_FILL)
    node.GetDisplayNode().SetSegmentOpacity2DOutline(segment_id, UNCERTAIN_OUTLINE if doubtful else 1.0)
    node.GetDisplayNode().SetSegmentVisibility(segment_id, state is not ReviewState.REJECTED)


def _add_segment(
    node: slicer.vtkMRMLSegmentationNode,
    segment_id: str,
    name: str,
    term: Term,
    mask: sitk.Image,
    *,
    lesion_uid: str = "",
) -> None:
    """Add a segment with the voxels of a mask (uint8, 0 or 1; LPS, mm); a lesion's bears its UID."""
    segment = slicer.vtkSegment()
    segment.SetName(name)
    _set_term(segment, term)
    segment.AddRepresentation(
        BINARY_LABELMAP, oriented_image_data(sitk.GetArrayViewFromImage(mask), index_to_ras(mask))
    )
    segment.SetLabelValue(1)
    # Of what is set later all views are told.
    if lesion_uid:
        segment.SetTag(LESION_UID_TAG, lesion_uid)
    node.GetSegmentation().AddSegment(segment, segment_id)


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

"""Findings as a segmentation file of 3D Slicer (.seg.nrrd)."""

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import nrrd
import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions.findings import Findings, Organ
from LiverTumorAILib.lesions.lesion import Lesion
from LiverTumorAILib.lesions.organs import whole_liver
from LiverTumorAILib.lesions.terminology import LESION_TERMS, ORGAN_TERMS, Code, Term

LIVER_LAYER, ORGAN_LAYER, LESION_LAYER = range(3)
"""Segments of one layer cannot overlap: the liver holds lesions and vessels, and lesions may invade vessels."""

UID_TAG = "LiverTumorAI.LesionUID"


def write_segmentation(findings: Findings, path: Path) -> None:
    """Write liver (its lesions and vessels included), organs and each lesion as segments.

    Segment IDs are 'liver', 'hepatic-vessels' ..., 'lesion-1' ...; every segment carries name, colour and terminology.
    """
    organs, lesions = (sitk.GetArrayViewFromImage(image) for image in (findings.organ_labels, findings.lesion_labels))
    liver = whole_liver(organs, lesions)
    other_organs = np.where(organs == Organ.LIVER, 0, organs)
    smallest = np.uint8 if lesions.max(initial=0) < 256 else np.uint16
    layers = np.stack([liver, other_organs, lesions]).astype(smallest)
    header = _geometry(findings.organ_labels)
    header |= {"Segmentation_ContainedRepresentationNames": "Binary labelmap|"}
    header |= {"Segmentation_MasterRepresentation": "Binary labelmap"}
    header |= {"Segmentation_ReferenceImageExtentOffset": "0 0 0"}
    segments = [_organ_segment(organ) for organ in Organ if organ in np.unique(organs)]
    segments += [_lesion_segment(lesion) for lesion in findings.lesions]
    for number, segment in enumerate(segments):
        voxels = layers[segment["Layer"]] == segment["LabelValue"]
        fields = segment | {"Extent": _extent(voxels)}
        header |= {f"Segment{number}_{name}": str(value) for name, value in fields.items()}
    nrrd.write(str(path), layers.transpose(0, 3, 2, 1), header, compression_level=2)


def read_segmentation(path: Path) -> tuple[sitk.Image, sitk.Image]:
    """Organ and lesion labels from a file by `write_segmentation`, or by Slicer after editing it.

    Returns
    -------
    organ_labels: SimpleITK.Image
        uint8 (LPS, mm), values of `Organ`.
    lesion_labels: SimpleITK.Image
        uint16.

    Raises
    ------
    LiverTumorAIError
        If the file is not such a segmentation.

    """
    try:
        voxels, header = nrrd.read(str(path))
    except (nrrd.NRRDError, ValueError, OSError, EOFError) as error:
        raise LiverTumorAIError("The segmentation file cannot be read", path.name, "Run the analysis again") from error
    if voxels.ndim == 3:
        voxels = voxels[None]
    layers = voxels.transpose(0, 3, 2, 1)
    segments = {header[key]: key.removesuffix("_ID") for key in header if key.endswith("_ID")}

    def place(name: str) -> tuple[int, int]:
        return tuple(int(header[f"{segments[name]}_{field}"]) for field in ("Layer", "LabelValue"))

    organs = {place(name): organ for organ in Organ if (name := organ_segment_id(organ)) in segments}
    lesions = {place(name): int(name.removeprefix("lesion-")) for name in segments if name.startswith("lesion-")}
    organ_labels, lesion_labels = _relabelled(layers, organs, np.uint8), _relabelled(layers, lesions, np.uint16)
    return _image(organ_labels, header), _image(lesion_labels, header)


def _relabelled(layers: np.ndarray, labels: Mapping[tuple[int, int], int], dtype: type) -> np.ndarray:
    """Layers (layer, z, y, x) as one label image; labels by layer and value, a later one lies over an earlier one."""
    image = np.zeros(layers.shape[1:], dtype)
    for layer, group in groupby(labels.items(), key=lambda item: item[0][0]):
        voxels = np.ascontiguousarray(layers[layer], layers.dtype if layers.dtype.kind == "u" else np.uint16)
        # A look at all voxels for each of many segments would take seconds.
        boxes = dict(enumerate(ndimage.find_objects(voxels), start=1))
        for (_layer, value), label in group:
            if boxes.get(value):
                image[boxes[value]][voxels[boxes[value]] == value] = label
    return image


def organ_segment_id(organ: Organ) -> str:
    """Segment ID of an organ, such as 'hepatic-vessels'."""
    return organ.name.lower().replace("_", "-")


def lesion_segment_id(label: int) -> str:
    """Segment ID of a lesion, such as 'lesion-1'."""
    return f"lesion-{label}"


def terminology_entry(term: Term) -> str:
    """A term in the form that Slicer's segments store."""

    def code(concept: Code | None) -> str:
        return f"{concept.scheme}^{concept.value}^{concept.meaning}" if concept else "^^"

    return "~".join(
        [
            "Segmentation category and type - DICOM master list",
            code(term.category),
            code(term.type),
            "^^",
            "Anatomic codes - DICOM master list",
            code(term.region),
            "^^",
        ]
    )


def _organ_segment(organ: Organ) -> dict[str, object]:
    layer, value = (LIVER_LAYER, 1) if organ is Organ.LIVER else (ORGAN_LAYER, int(organ))
    return _segment(organ_segment_id(organ), organ.title, ORGAN_TERMS[organ], layer, value)


def _lesion_segment(lesion: Lesion) -> dict[str, object]:
    term = LESION_TERMS[lesion.type]
    return _segment(
        lesion_segment_id(lesion.label),
        lesion.segment_name,
        term,
        LESION_LAYER,
        lesion.label,
        tags=f"{UID_TAG}:{lesion.uid}|",
    )


def _segment(identifier: str, name: str, term: Term, layer: int, value: int, *, tags: str = "") -> dict[str, object]:
    return {
        "ID": identifier,
        "Name": name,
        "NameAutoGenerated": 0,
        "Color": " ".join(f"{component / 255:.6g}" for component in term.colour),
        "ColorAutoGenerated": 0,
        "LabelValue": value,
        "Layer": layer,
        "Tags": f"Segmentation.Status:inprogress|TerminologyEntry:{terminology_entry(term)}|{tags}",
    }


def _extent(voxels: np.ndarray) -> str:
    """First and last voxel along x, y and z; '0 -1 ...' where there is none."""
    ends = []
    for axis in (2, 1, 0):
        filled = np.flatnonzero(voxels.any(axis=tuple(other for other in range(3) if other != axis)))
        ends += [filled[0], filled[-1]] if filled.size else [0, -1]
    return " ".join(str(end) for end in ends)


def _geometry(image: sitk.Image) -> dict[str, object]:
    directions = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    return {
        "space": "left-posterior-superior",
        "kinds": ["list", "domain", "domain", "domain"],
        "space directions": np.vstack([np.full(3, np.nan), directions.T]),
        "space origin": np.array(image.GetOrigin()),
        "encoding": "gzip",
    }


def _image(array: np.ndarray, header: dict) -> sitk.Image:
    """An array (z, y, x) with the geometry of a header, LPS whatever the header's space is."""
    directions = np.asarray(header["space directions"], dtype=float)[-3:]
    flip = np.array([-1, -1, 1]) if header["space"] == "right-anterior-superior" else np.ones(3)
    spacing = np.linalg.norm(directions, axis=1)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin((np.asarray(header["space origin"]) * flip).tolist())
    image.SetDirection((directions / spacing[:, None] * flip).T.ravel().tolist())
    return image

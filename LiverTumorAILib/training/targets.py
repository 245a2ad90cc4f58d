"""What a network learns to tell apart: classes, and label maps made from truth."""

from collections.abc import Mapping, Sequence

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.inference import NetworkGrid
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom.labels import Tissue

LESION_CLASSES = tuple(
    lesion.value
    for lesion in (
        LesionType.HCC,
        LesionType.ICC,
        LesionType.METASTASIS,
        LesionType.HEMANGIOMA,
        LesionType.OTHER,
        LesionType.CYST,
    )
)
"""The six lesion types of the multi-sensitivity paper; FNH and calcification fall into OTHER."""

BASE_CLASSES = (
    "background",
    *LESION_CLASSES,
    "liver",
    "hepatic_vessels",
    "portal_splenic_vein",
    "gallbladder",
    "spleen",
    "pancreas",
    "stomach",
)

LIVER_CLASSES = ("background", "liver")
"""Of the networks that find the whole liver: its lesions, vessels and ducts are liver."""

UNLABELLED, UNSPLIT_LIVER = 255, 254
"""Values of partial label maps: anything but a lesion; liver or one of its vessels, without a lesion."""

VEIN_CLASSES = ("hepatic_vessels", "portal_splenic_vein")

_LIVER_TISSUE = ("liver", *VEIN_CLASSES)

_CLASS_OF_TISSUE = {
    Tissue.LIVER: "liver",
    Tissue.BILE_DUCTS: "liver",
    Tissue.HEPATIC_VEINS: "hepatic_vessels",
    Tissue.HEPATIC_ARTERY: "hepatic_vessels",
    Tissue.PORTAL_SPLENIC_VEIN: "portal_splenic_vein",
    Tissue.GALLBLADDER: "gallbladder",
    Tissue.SPLEEN: "spleen",
    Tissue.PANCREAS: "pancreas",
    Tissue.STOMACH: "stomach",
    Tissue.STOMACH_CONTENT: "stomach",
}


def label_sets(classes: Sequence[str]) -> dict[int, tuple[int, ...]]:
    """Classes, as indices, that each value of a partial label map leaves open."""
    indices = {name: index for index, name in enumerate(classes)}
    return {
        UNLABELLED: tuple(index for name, index in indices.items() if name not in LESION_CLASSES),
        UNSPLIT_LIVER: tuple(indices[name] for name in _LIVER_TISSUE if name in indices),
    }


def lesion_class(lesion: LesionType) -> int:
    """Index into `BASE_CLASSES` of a lesion type."""
    name = lesion.value if lesion.value in LESION_CLASSES else LesionType.OTHER.value
    return BASE_CLASSES.index(name)


def class_map(organs: np.ndarray, lesions: np.ndarray, types: Mapping[int, LesionType]) -> np.ndarray:
    """Truth as classes.

    Parameters
    ----------
    organs: numpy.ndarray
        (z, y, x), values of `Tissue`.
    lesions: numpy.ndarray
        (z, y, x), instance numbers, 0 elsewhere.
    types: Mapping[int, LesionType]
        Of each instance number.

    Returns
    -------
    numpy.ndarray
        uint8 (z, y, x), index into `BASE_CLASSES`.

    """
    organ_class = np.zeros(256, np.uint8)
    for tissue, name in _CLASS_OF_TISSUE.items():
        organ_class[tissue] = BASE_CLASSES.index(name)
    lesion_classes = np.zeros(max([*types, int(lesions.max())]) + 1, np.uint8)
    for instance, kind in types.items():
        lesion_classes[instance] = lesion_class(kind)
    classes = lesion_classes[lesions]
    return np.where(classes > 0, classes, organ_class[organs])


def sample_labels(labels: sitk.Image, grid: NetworkGrid) -> np.ndarray:
    """Labels on a network's grid by linear interpolation of each label; 0 outside. uint8 (z, y, x)."""
    return grid.sample(sitk.Cast(labels, sitk.sitkUInt8), sitk.sitkLabelLinear)

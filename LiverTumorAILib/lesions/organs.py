"""Organs and liver from a network's class labels."""

from collections.abc import Sequence

import cc3d
import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions.findings import Organ
from LiverTumorAILib.lesions.lesion import LesionType

AIR_LIMIT_HU = -300.0

SMALLEST_LIVER_ML = 150.0
"""Less than the smallest adult livers by far; a wrong guess in a chest or head is smaller still."""

LARGEST_LIVER_ML = 8000.0
MIDLINE_MM = 15.0
"""A liver's centre lies farther from the body's middle; on the left in situs inversus."""

DOUBTFUL_PROBABILITY = 0.8
"""Mean liver probability that the base network reaches in real livers, but not in a pelvis."""

LEAST_AGREEMENT = 0.3
"""Share of a liver that another network takes for liver too: at least .9 in real livers, at most .2 in other parts of
real CT that liver networks took for one."""

SMALLEST_PART = 0.15
"""Share of the largest part below which a separate part is no liver."""

_IN_SLICE = np.zeros((3, 3, 3), bool)
_IN_SLICE[1] = ndimage.generate_binary_structure(2, 1)

VESSELS = (Organ.HEPATIC_VESSELS, Organ.PORTAL_SPLENIC_VEIN)


def lesion_type_of_class(name: str) -> LesionType | None:
    """Lesion type that a network's class stands for."""
    plain = _plain(name)
    return LesionType(plain) if plain in set(LesionType) else None


def organ_of_class(name: str) -> Organ | None:
    """Organ that a network's class stands for."""
    plain = _plain(name)
    return next((organ for organ in Organ if plain in {organ.name, _plain(organ.title)}), None)


def _plain(name: str) -> str:
    return name.upper().replace(" ", "_").replace("-", "_")


def separate_organs(class_labels: np.ndarray, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Organs, and lesions inside the liver, from class labels.

    The liver is the largest connected part of liver, hepatic vessel and lesion voxels, and every other part with at
    least 15 % of its liver voxels. What is called liver or lesion elsewhere is dropped.

    Parameters
    ----------
    class_labels: numpy.ndarray
        uint8 (z, y, x), index into `classes`.
    classes: sequence of str
        Names of organs and lesion types; others count as background.

    Returns
    -------
    organs: numpy.ndarray
        uint8 (z, y, x), values of `Organ`; lesion voxels and enclosed holes are LIVER.
    lesions: numpy.ndarray
        bool (z, y, x).

    """
    organs, lesions = _organs_and_lesions(class_labels, classes)
    tissue = lesions | (organs == Organ.LIVER) | (organs == Organ.HEPATIC_VESSELS)
    box = _bounding_box(tissue)
    if box is not None:
        kept = _liver_parts(tissue[box], organs[box] == Organ.LIVER)
        lesions[box] &= kept
        organs[box][(organs[box] == Organ.LIVER) & ~kept] = 0
        organs[box][lesions[box]] = Organ.LIVER
        holes = ndimage.binary_fill_holes(kept) & (organs[box] == 0)
        organs[box][holes] = Organ.LIVER
    return organs, lesions


def organs_around(class_labels: np.ndarray, classes: Sequence[str], liver: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Organs, and lesions inside a liver that is known, from class labels.

    Parameters
    ----------
    class_labels: numpy.ndarray
        uint8 (z, y, x), index into `classes`.
    classes: sequence of str
        Names of organs and lesion types; others count as background.
    liver: numpy.ndarray
        bool (z, y, x); holds its lesions and vessels.

    Returns
    -------
    organs: numpy.ndarray
        uint8 (z, y, x), values of `Organ`; in the liver there are LIVER and vessels only, outside it no LIVER.
    lesions: numpy.ndarray
        bool (z, y, x); what a lesion encloses in an axial slice belongs to it.

    """
    organs, lesions = _organs_and_lesions(class_labels, classes)
    lesions &= liver
    box = _bounding_box(lesions)
    if box is not None:
        lesions[box] = ndimage.binary_fill_holes(lesions[box], _IN_SLICE) & liver[box]
    organs[(organs == Organ.LIVER) & ~liver] = 0
    organs[liver & ~(np.isin(organs, VESSELS) & ~lesions)] = Organ.LIVER
    return organs, lesions


def whole_liver(organs: np.ndarray, lesions: np.ndarray) -> np.ndarray:
    """Liver with its lesions and with the vessels inside it.

    A vessel voxel lies inside if liver surrounds it in a slice of any of the three orientations.

    Parameters
    ----------
    organs: numpy.ndarray
        uint8 (z, y, x), values of `Organ`.
    lesions: numpy.ndarray
        (z, y, x), not 0 in lesions.

    Returns
    -------
    numpy.ndarray
        bool (z, y, x).

    """
    liver = (organs == Organ.LIVER) | (lesions > 0)
    box = _bounding_box(liver)
    if box is None:
        return liver
    part, vessels = liver[box], np.isin(organs[box], VESSELS)
    if not vessels.any():
        return liver
    liver[box] |= vessels & np.logical_or.reduce([_holes(part, axis) for axis in range(3)])
    return liver


def _holes(mask: np.ndarray, axis: int) -> np.ndarray:
    """What a mask (z, y, x) surrounds in the slices across an axis, bool.

    Like `binary_fill_holes` with such a structure, in a part of the time.
    """
    in_plane = ndimage.generate_binary_structure(3, 1)
    in_plane[tuple(slice(None, None, 2) if other == axis else slice(None) for other in range(3))] = False
    parts, count = ndimage.label(~mask, in_plane)
    closed = np.ones(count + 1, bool)
    closed[0] = False
    for other in {0, 1, 2} - {axis}:
        for end in (0, -1):
            closed[parts.take(end, axis=other)] = False
    return closed[parts]


def require_liver(liver_ml: float) -> None:
    """Raise LiverTumorAIError if there is too little liver to be one."""
    if liver_ml < SMALLEST_LIVER_ML:
        raise LiverTumorAIError(
            f"No liver found in the field of view ({liver_ml:.0f} ml of liver tissue)",
            advice="Choose a study of the upper abdomen, and check that its phases show the same region",
        )


def require_plausible_liver(liver: np.ndarray, probability: np.ndarray, image: sitk.Image) -> None:
    """Raise LiverTumorAIError if what was found cannot be a liver.

    It cannot if it is larger than any liver, or if it lies in the middle of the body and the network itself doubts
    it. Muscle and bladder of a pelvis look so.

    Parameters
    ----------
    liver: numpy.ndarray
        bool (z, y, x) on the image's grid.
    probability: numpy.ndarray
        (z, y, x), the network's probability of liver.
    image: SimpleITK.Image
        The reference phase (CT, HU; LPS, mm).

    """
    volume_ml = float(liver.sum() * np.prod(image.GetSpacing()) / 1000)
    body = sitk.GetArrayViewFromImage(image)[:, ::2, ::2] > AIR_LIMIT_HU
    columns = 2 * np.nonzero(body)[2]
    centre = np.nonzero(liver.any(axis=(0, 1)))[0]
    weights = liver.sum(axis=(0, 1))[centre]
    offset_mm = abs(np.average(centre, weights=weights) - np.median(columns)) * image.GetSpacing()[0]
    doubtful = offset_mm < MIDLINE_MM and probability[liver].mean() < DOUBTFUL_PROBABILITY
    if volume_ml > LARGEST_LIVER_ML or doubtful:
        raise LiverTumorAIError(
            f"No liver found in the field of view: what looks like one ({volume_ml:.0f} ml) lies or measures wrongly",
            advice="Choose a study of the upper abdomen",
        )


def require_agreement(liver: np.ndarray, class_labels: np.ndarray, classes: Sequence[str]) -> None:
    """Raise LiverTumorAIError if the network that looks for lesions knows nearly nothing of a liver as liver.

    Parameters
    ----------
    liver: numpy.ndarray
        bool (z, y, x), not empty.
    class_labels: numpy.ndarray
        uint8 (z, y, x), index into `classes`.
    classes: sequence of str
        Names of organs and lesion types.

    """
    organs, lesions = _organs_and_lesions(class_labels[liver], classes)
    share = (lesions | np.isin(organs, (Organ.LIVER, *VESSELS))).mean()
    if share < LEAST_AGREEMENT:
        raise LiverTumorAIError(
            f"No liver found in the field of view: a second network takes {share:.0%} of what looks like one for liver",
            advice="Choose a study of the upper abdomen",
        )


def _organs_and_lesions(class_labels: np.ndarray, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Values of `Organ` (0 where there is none) and where there are lesions, in the shape of the class labels."""
    organ_values = np.array([organ_of_class(name) or 0 for name in classes], np.uint8)
    lesion_values = np.array([lesion_type_of_class(name) is not None for name in classes])
    return organ_values[class_labels], lesion_values[class_labels]


def _liver_parts(tissue: np.ndarray, liver: np.ndarray) -> np.ndarray:
    parts = cc3d.connected_components(tissue, connectivity=26)
    sizes = np.bincount(parts[liver], minlength=int(parts.max()) + 1)
    keep = (sizes > 0) & (sizes >= SMALLEST_PART * sizes.max(initial=0))
    keep[0] = False
    return keep[parts]


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...] | None:
    if not mask.any():
        return None
    filled = (np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    return tuple(slice(int(index[0]), int(index[-1]) + 1) for index in filled)

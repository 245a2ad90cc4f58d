"""Parts of what is called liver that do not look like it, and that no lesion explains."""

import cc3d
import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.lesions.findings import Organ

DARKER_HU, BRIGHTER_HU = 30.0, 50.0
"""Than the liver's median; vessels may be brighter by less, fat between the lobes is told by its partial volume."""
LEAST_ML = 12.0
"""Real livers that were drawn rightly had at most 7 ml of such parts, two that were not 15 to 195 ml."""
DETAIL_MM = 6.0
"""Over which the image is averaged, so that noise does not tell."""
BORDER_MM = 4.0
"""Of the liver, left aside: there it mixes with its neighbours."""


def uneven_liver_warnings(organs: sitk.Image, lesions: sitk.Image, image: sitk.Image) -> tuple[str, ...]:
    """Say where the liver may hold something else: fluid beside it, a kidney, a tumour that was not marked.

    Parameters
    ----------
    organs: SimpleITK.Image
        uint8, values of `Organ`.
    lesions: SimpleITK.Image
        Instance numbers on the same grid.
    image: SimpleITK.Image
        The reference phase on the same grid (CT, HU).

    Returns
    -------
    tuple of str
        One for much darker and one for much brighter parts; empty as a rule.

    """
    tissue = sitk.GetArrayViewFromImage(organs)
    liver = tissue == Organ.LIVER
    boxes = ndimage.find_objects(liver.astype(np.uint8))
    if not boxes:
        return ()
    liver, marked = liver[boxes[0]], sitk.GetArrayViewFromImage(lesions)[boxes[0]] > 0
    values = sitk.GetArrayViewFromImage(image)[boxes[0]].astype(np.float32)
    known = np.isfinite(values)
    plain = liver & known & ~marked
    if not plain.any():
        return ()
    spacing = np.asarray(image.GetSpacing()[::-1])
    median = float(np.median(values[plain]))
    window = np.maximum(np.rint(DETAIL_MM / spacing), 1).astype(int)
    smooth = ndimage.uniform_filter(np.where(known, values, median), window.tolist())
    # Vessels lie in the liver; marked lesions and their borders are explained.
    whole = liver | np.isin(tissue[boxes[0]], (Organ.HEPATIC_VESSELS, Organ.PORTAL_SPLENIC_VEIN))
    depth = ndimage.distance_transform_edt(np.pad(whole & ~marked, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    inner = plain & (depth > BORDER_MM)
    voxel_ml = float(np.prod(spacing)) / 1000
    warnings = []
    for word, unlike, guess in (
        ("darker", smooth < median - DARKER_HU, "fluid beside the liver, or a lesion that was not marked"),
        ("brighter", smooth > median + BRIGHTER_HU, "another organ, or a lesion that was not marked"),
    ):
        parts = cc3d.connected_components(unlike & inner, connectivity=6)
        largest_ml = float(np.bincount(parts.ravel())[1:].max(initial=0)) * voxel_ml
        if largest_ml >= LEAST_ML:
            warnings.append(f"A part of what is called liver ({largest_ml:.0f} ml) is much {word} than it: {guess}")
    return tuple(warnings)

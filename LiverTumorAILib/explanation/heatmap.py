"""Where a network sees a lesion's type."""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.inference import ProbabilityMaps

MARGIN_MM = 15.0


def probability_heatmap(
    maps: ProbabilityMaps,
    class_name: str,
    lesion_labels: sitk.Image,
    label: int,
    margin_mm: float = MARGIN_MM,
    *,
    box: tuple[slice, ...] | None = None,
) -> sitk.Image:
    """The network's probability of one class in and around a lesion.

    This shows where the network sees the class. It does not show which image features made it do so, as a class
    activation map would.

    Parameters
    ----------
    maps: ProbabilityMaps
        Class probabilities.
    class_name: str
        One of `maps.classes`.
    lesion_labels: SimpleITK.Image
        The reference grid (LPS, mm).
    label: int
        The lesion's value.
    margin_mm: float
        Shown around the lesion's bounding box.
    box: tuple of slices, optional
        The bounding box (z, y, x); found if not given.

    Returns
    -------
    SimpleITK.Image
        float32, 0-1, on a part of the reference grid.

    """
    return maps.probability_on(lesion_surroundings(lesion_labels, label, margin_mm, box), class_name)


def lesion_surroundings(
    lesion_labels: sitk.Image, label: int, margin_mm: float = MARGIN_MM, box: tuple[slice, ...] | None = None
) -> sitk.Image:
    """The part of a label image around one label's bounding box (z, y, x), which is found if not given."""
    if box is None:
        (box,) = ndimage.find_objects((sitk.GetArrayViewFromImage(lesion_labels) == label).view(np.uint8))
    margin = np.ceil(margin_mm / np.array(lesion_labels.GetSpacing())).astype(int)
    first = np.maximum([side.start for side in reversed(box)] - margin, 0).tolist()
    last = np.minimum([side.stop for side in reversed(box)] + margin, lesion_labels.GetSize()).tolist()
    return lesion_labels[tuple(slice(low, high) for low, high in zip(first, last, strict=True))]

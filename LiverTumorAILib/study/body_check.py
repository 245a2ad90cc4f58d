"""Says what a volume shows instead of an adult's trunk."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.study.study import Modality

_SAMPLES = 128
_TISSUE_HU = -300.0
_NARROWEST_HUMAN_MM = 60.0
_NARROWEST_ADULT_MM = 200.0
_COUCH_DEPTH_MM = 100.0
_EVEN_HU = 60.0


def why_no_adult_trunk(image: sitk.Image, modality: Modality, where: str) -> str | None:
    """What else the volume shows, a clause for the user; None where it may be a trunk.

    A body that reaches the edges of the field of view is taken to be as wide as a trunk. MR is judged by its field of
    view only, since its background is no measure.

    Parameters
    ----------
    image: SimpleITK.Image
        3D, LPS, mm; HU for CT.
    modality: Modality
    where: str
        Name of the volume for errors.

    Raises
    ------
    LiverTumorAIError
        If the body is narrower than 60 mm: a small animal, or a wrong spacing.

    """
    # No body is wider than the field of view.
    width = image.GetSize()[0] * image.GetSpacing()[0]
    if modality is Modality.MR:
        return _about_width(width, where)
    small = sitk.BinShrink(image, [max(1, size // _SAMPLES) for size in image.GetSize()])
    values = sitk.GetArrayViewFromImage(small)
    body = _largest_object(values > _TISSUE_HU)
    if body is None:
        return "no body is seen, only air"
    columns, depth = (_extent(body, axis) for axis in (2, 1))
    if columns < body.shape[2]:
        width = columns * small.GetSpacing()[0]
    depth_mm = depth * small.GetSpacing()[1]
    if depth < body.shape[1] and depth_mm < min(_COUCH_DEPTH_MM, 0.3 * width):
        return f"no body is seen, only something flat ({width:.0f} x {depth_mm:.0f} mm) such as a couch"
    inside = values[ndimage.binary_erosion(body, np.ones((1, 3, 3)), iterations=2)]
    if inside.size and np.subtract(*np.percentile(inside, (90, 10))) < _EVEN_HU:
        return f"no body is seen, only an object of even density (about {np.median(inside):.0f} HU) such as a phantom"
    return _about_width(width, where)


def warn_of_odd_bodies(images: Sequence[tuple[str, sitk.Image]], modality: Modality) -> list[str]:
    """One warning for each reason why volumes, given as (source, image), show no adult's trunk."""
    reasons: dict[str, list[str]] = {}
    for source, image in images:
        reason = why_no_adult_trunk(image, modality, source)
        if reason:
            reasons.setdefault(reason, []).append(source)
    return [f"{', '.join(sources)}: {reason}" for reason, sources in reasons.items()]


def _about_width(width: float, where: str) -> str | None:
    if width < _NARROWEST_HUMAN_MM:
        raise LiverTumorAIError(
            f"The body would be {width:.0f} mm wide: no human trunk, or a wrong voxel spacing",
            where,
            "Choose a human liver study, or mend the spacing in the header",
        )
    if width < _NARROWEST_ADULT_MM:
        return (
            f"the body is only about {round(width, -1):.0f} mm wide, too narrow for an adult's trunk: an animal, a "
            "child, a head or a limb, or a wrong voxel spacing; the models know adults only"
        )
    return None


def _largest_object(mask: np.ndarray) -> np.ndarray | None:
    """The largest object that is no thin sheet; the body without a couch that it does not touch."""
    labels, count = ndimage.label(ndimage.binary_opening(mask, np.ones((1, 3, 3))))
    return labels == 1 + np.bincount(labels.ravel())[1:].argmax() if count else None


def _extent(body: np.ndarray, axis: int) -> int:
    """Samples along an axis that the object spans in nearly its widest slice."""
    other = 1 if axis == 2 else 2
    spans = [np.ptp(np.flatnonzero(plane)) + 1 for plane in body.any(axis=other) if plane.any()]
    return int(np.percentile(spans, 90))

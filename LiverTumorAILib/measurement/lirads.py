"""Major features of LI-RADS as evidence with its numbers; no category is claimed.

CT/MRI LI-RADS v2018 (American College of Radiology) defines the features for the eye of a radiologist, in patients at
high risk of HCC only. What counts as a clear difference here is this software's choice: 10 HU, or for MR a tenth of the
liver's signal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.lesions import Lesion
from LiverTumorAILib.study import Modality, Phase

CLEAR_HU = 10.0
CLEAR_SHARE = 0.1
RIM_MM = 3.0
"""Thickness of the outer part of a lesion, and of the layer at its border that a capsule would fill."""

LATE = (Phase.PORTAL_VENOUS, Phase.DELAYED)
AIR_HU = -1000


@dataclass(frozen=True)
class MajorFeature:
    """One feature: whether it is seen (None: cannot be judged), and the numbers behind that in words."""

    name: str
    seen: bool | None
    numbers: str


class _Layers(NamedTuple):
    """Mean intensities of one phase: the lesion's core, its outer part, and the layer around its border."""

    core: float
    rim: float
    border: float


def major_features(
    lesion: Lesion, mask: sitk.Image, images: Mapping[Phase, sitk.Image], modality: Modality
) -> tuple[MajorFeature, ...]:
    """Arterial phase hyperenhancement, washout, capsule and size of a lesion.

    Parameters
    ----------
    lesion: Lesion
        With its measurement's enhancement.
    mask: SimpleITK.Image
        Its voxels, a box of the images' grid (LPS, mm).
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases (LPS, mm), NaN or air where one shows nothing.
    modality: Modality

    """
    layers = _layers(images, mask)
    size = lesion.measurement.long_axis.length_mm
    group = "below 10 mm" if size < 10 else "10-19 mm" if size < 20 else "20 mm or more"
    return (
        _hyperenhancement(lesion, layers, modality),
        _washout(lesion, modality),
        _capsule(lesion, layers, modality),
        MajorFeature("Size", None, f"{size:.0f} mm ({group})"),
    )


def _clear(liver: float, modality: Modality) -> float:
    return CLEAR_HU if modality is Modality.CT else CLEAR_SHARE * abs(liver)


def _hyperenhancement(lesion: Lesion, layers: Mapping[Phase, _Layers], modality: Modality) -> MajorFeature:
    name = "Arterial hyperenhancement, nonrim"
    means = lesion.measurement.enhancement.get(Phase.ARTERIAL)
    if means is None or not np.isfinite(means.liver):
        return MajorFeature(name, None, "no arterial phase of lesion and liver")
    clear, parts = _clear(means.liver, modality), layers[Phase.ARTERIAL]
    is_rim = parts.rim - parts.core >= clear and parts.core - means.liver < clear
    numbers = f"lesion {means.lesion:.0f}, liver {means.liver:.0f}; rim {parts.rim:.0f}, core {parts.core:.0f}"
    return MajorFeature(name, means.lesion - means.liver >= clear and not is_rim, numbers)


def _washout(lesion: Lesion, modality: Modality) -> MajorFeature:
    name = "Washout"
    enhancement = lesion.measurement.enhancement
    late = {
        phase: enhancement[phase] for phase in LATE if phase in enhancement and np.isfinite(enhancement[phase].liver)
    }
    arterial = enhancement.get(Phase.ARTERIAL)
    if not late or arterial is None or not np.isfinite(arterial.liver):
        return MajorFeature(name, None, "arterial and a later phase are needed")
    plain = enhancement.get(Phase.NON_CONTRAST)
    clear = _clear(arterial.liver, modality)
    enhanced = arterial.lesion - plain.lesion >= 2 * clear if plain else arterial.liver - arterial.lesion < clear
    seen = enhanced and any(
        means.liver - means.lesion >= _clear(means.liver, modality)
        and arterial.lesion - arterial.liver > means.lesion - means.liver
        for means in late.values()
    )
    numbers = "; ".join(f"{phase.title}: lesion {m.lesion:.0f}, liver {m.liver:.0f}" for phase, m in late.items())
    return MajorFeature(name, seen, numbers)


def _capsule(lesion: Lesion, layers: Mapping[Phase, _Layers], modality: Modality) -> MajorFeature:
    name = "Enhancing capsule"
    enhancement = lesion.measurement.enhancement
    late = [phase for phase in LATE if phase in enhancement and np.isfinite(layers[phase].border)]
    if not late:
        return MajorFeature(name, None, "no portal venous or delayed phase")
    seen = any(
        layers[phase].border - max(layers[phase].core, enhancement[phase].liver)
        >= _clear(enhancement[phase].liver, modality)
        for phase in late
    )
    numbers = "; ".join(
        f"{phase.title}: border {layers[phase].border:.0f}, core {layers[phase].core:.0f}, "
        f"liver {enhancement[phase].liver:.0f}"
        for phase in late
    )
    return MajorFeature(name, seen, numbers)


def _layers(images: Mapping[Phase, sitk.Image], mask: sitk.Image) -> dict[Phase, _Layers]:
    """Means of each phase in the lesion's layers; the phases have one grid."""
    any_image = next(iter(images.values()))
    first, size = _with_margin(mask, any_image, RIM_MM)
    parts = {phase: sitk.RegionOfInterest(image, size, first) for phase, image in images.items()}
    grid = next(iter(parts.values()))
    inside = sitk.GetArrayFromImage(sitk.Resample(mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)) > 0
    spacing = grid.GetSpacing()[::-1]
    depth = ndimage.distance_transform_edt(np.pad(inside, 1), spacing)[1:-1, 1:-1, 1:-1]
    height = ndimage.distance_transform_edt(~inside, spacing)
    core = depth > min(RIM_MM, depth.max() / 2)
    # At least the voxels on both sides of the border, whose distances are those to the next voxel's centre.
    border = np.where(inside, depth, height) <= max(RIM_MM / 2, 1.01 * min(spacing))
    layers = (core, inside & ~core, border)
    return {
        phase: _Layers(*(_mean(sitk.GetArrayViewFromImage(part)[layer]) for layer in layers))
        for phase, part in parts.items()
    }


def _with_margin(mask: sitk.Image, image: sitk.Image, margin_mm: float) -> tuple[list[int], list[int]]:
    """First voxel and size (x, y, z) of an image's part around a mask on a box of its grid."""
    corner = np.array(image.TransformPhysicalPointToIndex(mask.TransformIndexToPhysicalPoint((0, 0, 0))))
    margin = np.ceil(margin_mm / np.array(image.GetSpacing())).astype(int)
    first = np.maximum(corner - margin, 0)
    last = np.minimum(corner + np.array(mask.GetSize()) + margin, image.GetSize())
    return first.tolist(), (last - first).tolist()


def _mean(values: np.ndarray) -> float:
    """Mean of what a phase shows."""
    known = values[np.isfinite(values) & (values > AIR_HU)]
    return float(known.mean()) if known.size else float("nan")

"""Recognises CT whose grey values are no HU any more, and brings them back as far as they tell.

What tells is the histogram of a trunk: air far below, and two narrow peaks, fat near -100 HU and soft tissue near
50 HU (non-contrast muscle) to 100 HU (enhanced liver). Bounds were set on 17 real CT volumes of seven collections and
held against synthetic and real MR at any gain: fat at -106 to -82 HU, soft tissue at 28 to 94 HU.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.study.sanity import modality_of_values
from LiverTumorAILib.study.study import Modality

AIR_HU = -1000.0
_LOWEST_HU = -1024.0
_LOST_INTERCEPTS = (-1024.0, -1000.0, -8192.0)
"""What scanners and converters use; the last one with an extended CT scale."""
_SOFT_TISSUE_WINDOWS = ((400, 40), (350, 40), (350, 50), (400, 50), (300, 40), (450, 50), (500, 50), (600, 50))
"""Width and level, HU, of the abdomen's usual display windows."""
_SAMPLE_MM = (4.0, 3.0, 3.0)
_BIN_HU = 4.0
_FAT_HU, _FAT_SPREAD_HU = -98.0, 8.0
_SOFT_HU, _SOFT_SPREAD_HU = 55.0, 22.0
_LARGEST_MISFIT = 6.0
_LEAST_SATURATED = {"lower": 0.05, "upper": 0.002}
_GAS_MM, _GAS_BESIDE_FAT_MM = 9.0, 15.0
"""Least size of what is air at a window's lower end; larger where fat too can lie at that end."""
_DARKEST_FAT_HU = -140.0


@dataclass(frozen=True)
class GreyValues:
    """A volume with the values it is to be read with.

    Attributes
    ----------
    image: SimpleITK.Image
        HU for CT.
    modality: Modality
    note: str
        What was seen and done, a sentence for the user; empty where nothing was.
    are_approximate: bool
        Whether the values come from a display window, so that enhancement is doubtful.

    """

    image: sitk.Image
    modality: Modality
    note: str = ""
    are_approximate: bool = False


@dataclass(frozen=True)
class _Mapping:
    """HU = slope * value + intercept, and where that puts fat and soft tissue."""

    slope: float
    intercept: float
    fat: float
    soft: float

    @property
    def misfit(self) -> float:
        """Squared deviation from what is typical, in spreads."""
        return ((self.fat - _FAT_HU) / _FAT_SPREAD_HU) ** 2 + ((self.soft - _SOFT_HU) / _SOFT_SPREAD_HU) ** 2


def read_grey_values(image: sitk.Image, modality: Modality | None, where: str) -> GreyValues:
    """Decide what the values mean, and give HU for CT.

    Parameters
    ----------
    image: SimpleITK.Image
        3D float32, LPS, mm.
    modality: Modality or None
        Of the header; None where the file does not say.
    where: str
        Name of the volume for errors.

    Raises
    ------
    LiverTumorAIError
        If the header says CT and a display window was burned in that cannot be undone.

    """
    if modality is Modality.MR:
        return GreyValues(image, Modality.MR)
    image, note = _without_wrap(image)
    values = _sample(image)
    lost = _lost_intercept(values, is_ct=modality is Modality.CT)
    if lost:
        return GreyValues(_apply(image, lost), Modality.CT, _lost_note(lost))
    if _is_windowed(values):
        return _from_window(image, values, modality, where)
    return GreyValues(image, modality or modality_of_values(image), note)


def _sample(image: sitk.Image) -> np.ndarray:
    steps = (max(1, round(mm / own)) for mm, own in zip(_SAMPLE_MM, image.GetSpacing()[::-1], strict=True))
    return sitk.GetArrayViewFromImage(image)[tuple(slice(None, None, step) for step in steps)]


def _with_values(image: sitk.Image, values: np.ndarray) -> sitk.Image:
    result = sitk.GetImageFromArray(values.astype(np.float32, copy=False))
    result.CopyInformation(image)
    return result


def _without_wrap(image: sitk.Image) -> tuple[sitk.Image, str]:
    """Undo reading signed 16-bit values as unsigned, which makes -1000 to 64536."""
    values = _sample(image)
    if values.max() > 65535 or np.mean(values > 60000) < 0.05 or np.mean((values > 5000) & (values <= 60000)) > 1e-3:
        return image, ""
    whole = sitk.GetArrayViewFromImage(image)
    note = "negative values had been stored as unsigned numbers (above 60000): 65536 was subtracted from them"
    return _with_values(image, np.where(whole > 32767, whole - 65536, whole)), note


def _lost_intercept(values: np.ndarray, is_ct: bool) -> _Mapping | None:
    if np.mean((values > -1100) & (values < -30)) > 1e-3:
        return None
    found = _best(values, ((1.0, intercept) for intercept in _LOST_INTERCEPTS))
    if found is None:
        return None
    # Without a header only the air around the body tells CT from MR.
    has_air = np.mean(values + found.intercept < -700) > 0.05
    return found if is_ct or has_air else None


def _lost_note(found: _Mapping) -> str:
    return (
        f"the values start at 0, the rescale intercept was lost: {-found.intercept:.0f} was subtracted, "
        f"which puts fat at {found.fat:.0f} HU and soft tissue at {found.soft:.0f} HU"
    )


def _is_windowed(values: np.ndarray) -> bool:
    """Whether 256 grey levels, or HU cut to a soft-tissue window, are saturated at both ends."""
    lowest, highest = values.min(), values.max()
    is_range = highest - lowest == 255 or (-400 <= lowest <= -100 and 100 <= highest <= 500)
    lower, upper = np.mean(values == lowest), np.mean(values == highest)
    return bool(is_range and lower > _LEAST_SATURATED["lower"] and upper > _LEAST_SATURATED["upper"])


def _from_window(image: sitk.Image, values: np.ndarray, modality: Modality | None, where: str) -> GreyValues:
    lowest, highest = float(values.min()), float(values.max())
    seen = f"the values end at {lowest:.0f} and {highest:.0f} and are saturated there"
    slopes = ((width / (highest - lowest), level - width / 2) for width, level in _SOFT_TISSUE_WINDOWS)
    mappings = [(slope, start - slope * lowest) for slope, start in slopes] if highest - lowest == 255 else [(1.0, 0.0)]
    found = _best(values[(values > lowest) & (values < highest)], mappings)
    if found is None and modality is Modality.CT:
        raise LiverTumorAIError(
            f"{seen[0].upper()}{seen[1:]}: an export with a display window that hides fat or soft tissue",
            where,
            "Load the original series",
        )
    if found is None or (modality is None and lowest >= 0 and not _has_spine(values)):
        note = f"{seen}: an export with a display window, read as MR; values beyond the window are lost"
        return GreyValues(image, modality or modality_of_values(image), note)
    first, last = (round(found.slope * value + found.intercept) for value in (lowest, highest))
    note = (
        f"{seen}: a CT exported with a display window (about W {last - first} L {(first + last) // 2}). The values "
        "were mapped back to approximate HU (to about 30); enhancement and types of lesions are doubtful, load the "
        "original series"
    )
    return GreyValues(_with_gas(_apply(image, found), first), Modality.CT, note, are_approximate=True)


def _apply(image: sitk.Image, mapping: _Mapping) -> sitk.Image:
    values = sitk.GetArrayViewFromImage(image) * np.float32(mapping.slope) + np.float32(mapping.intercept)
    return _with_values(image, np.maximum(values, _LOWEST_HU))


def _with_gas(image: sitk.Image, lower_end: float) -> sitk.Image:
    """Make air of what lies at the window's lower end, except for small spots, which are fat."""
    values = sitk.GetArrayFromImage(image)
    dark = values <= lower_end + 0.5
    least_mm = _GAS_MM if lower_end < _DARKEST_FAT_HU else _GAS_BESIDE_FAT_MM
    sizes = (1, *(max(3, round(least_mm / spacing)) for spacing in image.GetSpacing()[1::-1]))
    core = ndimage.minimum_filter(dark, sizes, mode="nearest")
    values[dark & ndimage.maximum_filter(core, sizes, mode="nearest")] = AIR_HU
    return _with_values(image, values)


def _has_spine(values: np.ndarray) -> bool:
    """Whether what is brightest gathers in the middle of the back, as bone does in CT and nothing does in MR.

    Values: float (z, y, x) along LPS, on the sampling grid.
    """
    lowest, highest = values.min(), values.max()
    labels, count = ndimage.label(ndimage.binary_opening(values > lowest, np.ones((1, 3, 3))))
    if not count:
        return False
    body = labels == 1 + np.bincount(labels.ravel())[1:].argmax()
    back = np.zeros_like(body)
    for index, plane in enumerate(body):
        if plane.any():
            (top, bottom), (left, right) = (np.flatnonzero(plane.any(axis=axis))[[0, -1]] for axis in (1, 0))
            at, reach = (left + right) / 2, 0.13 * (right - left)
            rows = slice(int(top + 0.6 * (bottom - top)), int(top + 0.95 * (bottom - top)) + 1)
            back[index, rows, int(at - reach) : int(at + reach) + 1] = True
    bright = values == highest
    middle, rest = bright[back], bright[body & ~back]
    return bool(middle.size and rest.size and middle.mean() > max(0.04, 1.8 * rest.mean()))


def _best(values: np.ndarray, mappings: Iterable[tuple[float, float]]) -> _Mapping | None:
    """The mapping (slope, intercept) to HU under which the histogram looks most like that of a trunk, if any does."""
    candidates = [found for slope, intercept in mappings if (found := _peaks(values, slope, intercept))]
    best = min(candidates, key=lambda found: found.misfit, default=None)
    return best if best and best.misfit < _LARGEST_MISFIT else None


def _peaks(values: np.ndarray, slope: float, intercept: float) -> _Mapping | None:
    """Peaks of fat and soft tissue; None unless two peaks stand out and little lies beside them."""
    counts, edges = np.histogram(slope * values + intercept, np.arange(-300, 300 + _BIN_HU, _BIN_HU))
    smooth = ndimage.gaussian_filter1d(counts.astype(float), 2.5, mode="constant")
    centres = (edges[:-1] + edges[1:]) / 2
    fat, soft = _peak(smooth, centres, -150, -50), _peak(smooth, centres, -10, 140)
    if fat is None or soft is None:
        return None
    heights = smooth[[fat, soft]]
    beside = max(smooth[centres > 180].mean(), smooth[centres < -170].mean())
    stand_out = smooth[fat:soft].min() < 0.85 * heights.min() and heights.min() > 0.15 * heights.max()
    if not stand_out or beside > 0.3 * heights.max():
        return None
    return _Mapping(slope, intercept, float(centres[fat]), float(centres[soft]))


def _peak(heights: np.ndarray, positions: np.ndarray, low: float, high: float) -> int | None:
    """Index of the highest value between two positions, None where it lies at their edge."""
    within = np.flatnonzero((positions > low) & (positions < high))
    highest = within[heights[within].argmax()]
    return None if highest in (within[0], within[-1]) else int(highest)

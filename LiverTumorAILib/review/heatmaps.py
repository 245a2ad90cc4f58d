"""Heatmaps of lesions as the reader left them."""

from collections.abc import Callable, Sequence
from functools import partial

import SimpleITK as sitk

from LiverTumorAILib.explanation import probability_heatmap
from LiverTumorAILib.explanation.titles import heatmap_titles, probability_title
from LiverTumorAILib.inference import ProbabilityMaps
from LiverTumorAILib.lesions import Findings, Lesion, LesionType
from LiverTumorAILib.lesions.organs import lesion_type_of_class
from LiverTumorAILib.review.boxes import box_of


def heatmaps_of(lesion: Lesion, mask: sitk.Image, findings: Findings) -> dict[str, Callable[[], sitk.Image]]:
    """What can be shown of a lesion, by title; empty if nothing.

    A lesion that the analysis found, and the parts that it was cut into, have the analysis's maps of it, which are of
    the types that the networks saw. One that the reader added has the probability of its type, where that was cached.

    Parameters
    ----------
    lesion: Lesion
    mask: SimpleITK.Image
        Its voxels: uint8 (LPS, mm), a box of the reference grid.
    findings: Findings
        As the cascade left them.

    Returns
    -------
    dict
        Functions that give a heatmap (float32, 0-1; a part of the reference grid).

    """
    analyzed = _analyzed(lesion, findings)
    if analyzed is not None:
        titles = heatmap_titles(analyzed, findings.heatmaps)
        known = {name: title for name, title in titles.items() if name in findings.heatmaps}
        return {title: partial(findings.heatmaps.__getitem__, name) for name, title in known.items()}
    maps = findings.sensitivity.probabilities.maps if findings.sensitivity else None
    if maps is None or class_of(lesion.type, maps.classes) is None:
        return {}
    return {probability_title(lesion.type): partial(seen_type, lesion.type, mask, maps, findings.lesion_labels)}


def seen_type(kind: LesionType, mask: sitk.Image, maps: ProbabilityMaps, grid: sitk.Image) -> sitk.Image:
    """Where a network sees a type that it knows, in and around a mask (a box of the grid)."""
    return probability_heatmap(maps, class_of(kind, maps.classes), grid, 1, box=box_of(mask, grid))


def class_of(kind: LesionType, classes: Sequence[str]) -> str | None:
    """A network's class of a lesion type; None if it does not know the type."""
    return next((name for name in classes if lesion_type_of_class(name) is kind), None)


def _analyzed(lesion: Lesion, findings: Findings) -> Lesion | None:
    """The lesion as the analysis found it, or the one that it was cut from."""
    same = [each for each in findings.lesions if each.uid == lesion.uid]
    whole = [each for each in findings.lesions if each.heatmap and each.heatmap == lesion.heatmap]
    return next(iter((*same, *whole)), None)

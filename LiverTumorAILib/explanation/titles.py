"""What heatmaps show, in words."""

from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.explanation.colours import FAINTEST
from LiverTumorAILib.lesions import Lesion, LesionType

SECOND_NETWORK = "Second network: "
"""Begins the titles of the reclassification network's maps."""


def heatmap_titles(lesion: Lesion, heatmaps: Mapping[str, sitk.Image] | None = None) -> dict[str, str]:
    """What each heatmap of a lesion shows, by file name; empty where it has none.

    With the heatmaps themselves, one that is too faint to be seen is said to be so.
    """
    known = heatmaps or {}
    return _own_titles(lesion, known) | _second_titles(lesion, known)


def evidence_titles(
    first: LesionType, second: LesionType | None, opposing: sitk.Image | None, *, is_second_network: bool = False
) -> tuple[str, str]:
    """What the evidence for a type and that for the second one show; a map too faint to be seen is said to be so."""
    against = f"for {second.title} instead" if second else f"against {first.title}"
    faint = opposing is not None and np.max(sitk.GetArrayViewFromImage(opposing)) < FAINTEST
    whose = SECOND_NETWORK if is_second_network else ""
    return f"{whose}Spoke for {first.title}", f"{whose}{'Nothing spoke' if faint else 'Spoke'} {against}"


def _own_titles(lesion: Lesion, heatmaps: Mapping[str, sitk.Image]) -> dict[str, str]:
    if not lesion.heatmap:
        return {}
    first, second = heatmap_types(lesion)
    if not lesion.opposing_heatmap:
        return {lesion.heatmap: probability_title(first)}
    titles = evidence_titles(first, second, heatmaps.get(lesion.opposing_heatmap))
    return dict(zip((lesion.heatmap, lesion.opposing_heatmap), titles, strict=True))


def _second_titles(lesion: Lesion, heatmaps: Mapping[str, sitk.Image]) -> dict[str, str]:
    second = lesion.second_heatmaps
    if second is None:
        return {}
    titles = evidence_titles(*second.types, heatmaps.get(second.opposing), is_second_network=True)
    return dict(zip((second.supporting, second.opposing), titles, strict=True))


def heatmap_types(lesion: Lesion) -> tuple[LesionType, LesionType | None]:
    """What a lesion's heatmaps are of: a type, and the one against it; None where a network knows one type only."""
    first, second, *_ = (*lesion.heatmap_types, None, None)
    return (first, second) if first else (lesion.type, second_type(lesion))


def second_type(lesion: Lesion) -> LesionType | None:
    """The most probable type beside a lesion's own; None where a network knows one type only."""
    others = {kind: share for kind, share in lesion.type_probabilities.items() if kind is not lesion.type}
    return max(others, key=others.get, default=None)


def probability_title(kind: LesionType) -> str:
    """What a heatmap shows that tells where a network sees a type."""
    return f"Probability of {kind.title}"

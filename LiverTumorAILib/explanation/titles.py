"""What heatmaps show, in words."""

from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.explanation.colours import FAINTEST
from LiverTumorAILib.lesions import Lesion, LesionType


def heatmap_titles(lesion: Lesion, heatmaps: Mapping[str, sitk.Image] | None = None) -> dict[str, str]:
    """What each heatmap of a lesion shows, by file name; empty where it has none.

    With the heatmaps themselves, one that is too faint to be seen is said to be so.
    """
    if not lesion.heatmap:
        return {}
    first, second = heatmap_types(lesion)
    if not lesion.opposing_heatmap:
        return {lesion.heatmap: probability_title(first)}
    titles = evidence_titles(first, second, (heatmaps or {}).get(lesion.opposing_heatmap))
    return dict(zip((lesion.heatmap, lesion.opposing_heatmap), titles, strict=True))


def evidence_titles(first: LesionType, second: LesionType | None, opposing: sitk.Image | None) -> tuple[str, str]:
    """What the evidence for a type and that for the second one show; a map too faint to be seen is said to be so."""
    against = f"for {second.title} instead" if second else f"against {first.title}"
    faint = opposing is not None and np.max(sitk.GetArrayViewFromImage(opposing)) < FAINTEST
    return f"Spoke for {first.title}", f"Nothing spoke {against}" if faint else f"Spoke {against}"


def heatmap_names(lesion: Lesion) -> tuple[str, ...]:
    """The files of a lesion's heatmaps."""
    return tuple(filter(None, (lesion.heatmap, lesion.opposing_heatmap)))


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

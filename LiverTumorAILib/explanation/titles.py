"""What heatmaps show, in words."""

from LiverTumorAILib.lesions import Lesion


def heatmap_titles(lesion: Lesion) -> dict[str, str]:
    """What each heatmap of a lesion shows, by file name; empty where it has none."""
    if not lesion.heatmap:
        return {}
    if not lesion.opposing_heatmap:
        return {lesion.heatmap: f"Probability of {lesion.type.title}"}
    others = {kind: share for kind, share in lesion.type_probabilities.items() if kind is not lesion.type}
    second = max(others, key=others.get)
    return {
        lesion.heatmap: f"Spoke for {lesion.type.title}",
        lesion.opposing_heatmap: f"Spoke for {second.title} instead",
    }

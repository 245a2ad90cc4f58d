"""What spoke for the types of lesions that the analysis did not explain: those of the slider, and the reader's own."""

from collections.abc import Mapping
from functools import partial

import SimpleITK as sitk

from LiverTumorAILib.cascades import get_cascade
from LiverTumorAILib.cascades.multi_sensitivity import known_hu
from LiverTumorAILib.explanation.evidence import BLUR_MM, can_explain, class_shares, lesion_evidence
from LiverTumorAILib.explanation.heatmap import lesion_surroundings
from LiverTumorAILib.explanation.titles import evidence_titles
from LiverTumorAILib.inference import Model, ModelCard, ModelStore
from LiverTumorAILib.lesions import Findings, Lesion
from LiverTumorAILib.lesions.organs import lesion_type_of_class
from LiverTumorAILib.review.boxes import box_of
from LiverTumorAILib.review.heatmaps import class_of
from LiverTumorAILib.study import Phase


def explaining_network(findings: Findings, models: ModelStore, device: str = "cpu") -> Model | None:
    """The network with which a cascade looks for lesions of all types, if the findings came from it and it can explain.

    Raises
    ------
    LiverTumorAIError
        If the cascade or its network is missing or broken.

    """
    provenance = findings.provenance
    name = get_cascade(provenance.cascade).required_models[0]
    if name not in models.names() or models.card(name).sha256 != provenance.models.get(name):
        return None
    model = models.load(name, device)
    return model if can_explain(model) else None


def late_evidence(
    lesion: Lesion, mask: sitk.Image, grid: sitk.Image, images: Mapping[Phase, sitk.Image], model: Model
) -> dict[str, sitk.Image]:
    """What spoke for a lesion's type, and what for the type that the network finds next probable there.

    Parameters
    ----------
    lesion: Lesion
    mask: SimpleITK.Image
        Its voxels: uint8 (LPS, mm), a box of the reference grid.
    grid: SimpleITK.Image
        Any image on the reference grid (LPS, mm).
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases as a results folder holds them.
    model: Model
        See `explaining_network`.

    Returns
    -------
    dict of str to SimpleITK.Image
        Both maps (float32, 0-1; a part of the reference grid) by title; empty if the network does not know the type.

    """
    first = class_of(lesion.type, model.card.classes)
    if first is None:
        return {}
    near = partial(lesion_surroundings, label=1, margin_mm=_seen_mm(model.card), box=box_of(mask, grid))
    empty = sitk.Cast(near(grid) * 0, sitk.sitkUInt8)
    labels = sitk.Paste(empty, mask, mask.GetSize(), [0] * 3, empty.TransformPhysicalPointToIndex(mask.GetOrigin()))
    phases = {phase: known_hu(near(images[phase])) for phase in map(Phase, model.card.inputs) if phase in images}
    shares = class_shares(model, phases, labels, 1)
    others = {name: share for name, share in shares.items() if name != first and lesion_type_of_class(name)}
    second = max(others, key=others.get)
    evidence = lesion_evidence(model, phases, labels, 1, (first, second))
    titles = evidence_titles(lesion.type, lesion_type_of_class(second), evidence.opposing)
    return dict(zip(titles, (evidence.supporting, evidence.opposing), strict=True))


def _seen_mm(card: ModelCard) -> float:
    """How far from a lesion a network's patch, and what is smoothed for it, reaches at most."""
    return max(n * s for n, s in zip(card.patch, card.spacing_mm, strict=True)) / 2 + BLUR_MM

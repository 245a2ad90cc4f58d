"""Evidence that the analysis did not make: for lesions that the slider or the reader found, and by a second network."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.cascades.multi_sensitivity import RECLASSIFICATION, SCREENING_NETWORKS, known_hu
from LiverTumorAILib.explanation.evidence import BLUR_MM, can_explain, class_shares, lesion_evidence
from LiverTumorAILib.explanation.heatmap import lesion_surroundings
from LiverTumorAILib.explanation.titles import evidence_titles
from LiverTumorAILib.inference import Model, ModelCard, ModelStore
from LiverTumorAILib.lesions import Findings, Lesion
from LiverTumorAILib.lesions.organs import lesion_type_of_class, whole_liver
from LiverTumorAILib.review.boxes import box_of
from LiverTumorAILib.review.heatmaps import class_of
from LiverTumorAILib.study import Phase

SECOND_NETWORK = "Second network: "
"""Begins the titles of the reclassification network's maps."""


def explaining_networks(findings: Findings, models: ModelStore, device: str = "cpu") -> tuple[Model, ...]:
    """The networks that the findings came from which tell lesion types apart.

    Networks that see what other networks said are left out; so are those whose file cannot explain.

    Raises
    ------
    LiverTumorAIError
        If one of the networks is broken.

    """
    provenance = findings.provenance
    known = models.names()
    cards = [models.card(name) for name in provenance.models if name in known]
    suitable = [
        card.name
        for card in cards
        if not card.priors
        and sum(lesion_type_of_class(name) is not None for name in card.classes) > 1
        and card.sha256 == provenance.models.get(card.name)
    ]
    return tuple(model for model in (models.load(name, device) for name in suitable) if can_explain(model))


def late_evidence(
    lesion: Lesion, mask: sitk.Image, findings: Findings, images: Mapping[Phase, sitk.Image], model: Model
) -> dict[str, sitk.Image]:
    """What spoke for a lesion's type, and what for the type that the network finds next probable there.

    The reclassification network sees the lesion where it is, in the liver alone.

    Parameters
    ----------
    lesion: Lesion
    mask: SimpleITK.Image
        Its voxels: uint8 (LPS, mm), a box of the reference grid.
    findings: Findings
        Give the reference grid and the liver.
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases as a results folder holds them.
    model: Model
        One of `explaining_networks`.

    Returns
    -------
    dict of str to SimpleITK.Image
        Both maps (float32, 0-1; a part of the reference grid) by title; empty if the network does not know the type.

    """
    first = class_of(lesion.type, model.card.classes)
    if first is None:
        return {}
    grid = findings.organ_labels
    near = partial(lesion_surroundings, label=1, margin_mm=_seen_mm(model.card), box=box_of(mask, grid))
    organs = near(grid)
    empty = sitk.Cast(organs * 0, sitk.sitkUInt8)
    labels = sitk.Paste(empty, mask, mask.GetSize(), [0] * 3, empty.TransformPhysicalPointToIndex(mask.GetOrigin()))
    phases = {phase: known_hu(near(images[phase])) for phase in map(Phase, model.card.inputs) if phase in images}
    is_second = model.card.name in (RECLASSIFICATION, SCREENING_NETWORKS[RECLASSIFICATION])
    inside = _liver(organs, labels) if is_second else None
    shares = class_shares(model, phases, labels, 1, inside)
    others = {name: share for name, share in shares.items() if name != first and lesion_type_of_class(name)}
    second = max(others, key=others.get)
    evidence = lesion_evidence(model, phases, labels, 1, (first, second), inside=inside)
    titles = evidence_titles(lesion.type, lesion_type_of_class(second), evidence.opposing)
    prefix = SECOND_NETWORK if is_second else ""
    return {
        prefix + title: image for title, image in zip(titles, (evidence.supporting, evidence.opposing), strict=True)
    }


def _liver(organs: sitk.Image, lesion: sitk.Image) -> sitk.Image:
    """The liver with its vessels and a lesion, uint8."""
    arrays = (sitk.GetArrayViewFromImage(image) for image in (organs, lesion))
    liver = sitk.GetImageFromArray(whole_liver(*arrays).astype(np.uint8))
    liver.CopyInformation(organs)
    return liver


def _seen_mm(card: ModelCard) -> float:
    """How far from a lesion a network's patch, and what is smoothed for it, reaches at most."""
    return max(n * s for n, s in zip(card.patch, card.spacing_mm, strict=True)) / 2 + BLUR_MM

"""Evidence that the analysis did not make: for lesions that the slider or the reader found, and by a second network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.cascades.multi_sensitivity import RECLASSIFICATION, SCREENING_NETWORKS, known_hu
from LiverTumorAILib.explanation.evidence import BLUR_MM, Evidence, can_explain, class_shares, lesion_evidence
from LiverTumorAILib.explanation.heatmap import lesion_surroundings
from LiverTumorAILib.explanation.titles import evidence_titles, heatmap_names
from LiverTumorAILib.inference import Model, ModelCard, ModelStore
from LiverTumorAILib.lesions import Findings, Lesion, LesionType
from LiverTumorAILib.lesions.organs import lesion_type_of_class, whole_liver
from LiverTumorAILib.review.boxes import box_of
from LiverTumorAILib.review.heatmaps import class_of
from LiverTumorAILib.study import Phase

SECOND_NETWORK = "Second network: "
"""Begins the titles of the reclassification network's maps."""
_SECOND_NETWORKS = (RECLASSIFICATION, SCREENING_NETWORKS[RECLASSIFICATION])


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
    made = _evidence(lesion, mask, findings, images, model)
    if made is None:
        return {}
    evidence, second = made
    titles = evidence_titles(lesion.type, second, evidence.opposing)
    prefix = SECOND_NETWORK if model.card.name in _SECOND_NETWORKS else ""
    return {
        prefix + title: image for title, image in zip(titles, (evidence.supporting, evidence.opposing), strict=True)
    }


def with_late_evidence(
    findings: Findings, masks: Mapping[str, sitk.Image], images: Mapping[Phase, sitk.Image], networks: Sequence[Model]
) -> Findings:
    """Findings as a reader left them, in which lesions that no analysis explained have evidence, too.

    Parameters
    ----------
    findings: Findings
    masks: Mapping[str, SimpleITK.Image]
        Of its lesions, by UID; see `late_evidence`.
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases as a results folder holds them.
    networks: Sequence of Model
        From `explaining_networks`; that of the segmentation is asked.

    """
    model = next((network for network in networks if network.card.name not in _SECOND_NETWORKS), None)
    lesions, heatmaps = [], dict(findings.heatmaps)
    for lesion in findings.lesions:
        wanted = model is not None and not lesion.opposing_heatmap
        made = _evidence(lesion, masks[lesion.uid], findings, images, model) if wanted else None
        if made is None:
            lesions.append(lesion)
            continue
        evidence, second = made
        names = [f"lesion-{lesion.label}-{kind}.nii.gz" for kind in ("supporting", "opposing")]
        heatmaps |= zip(names, (evidence.supporting, evidence.opposing), strict=True)
        lesions.append(
            replace(lesion, heatmap=names[0], opposing_heatmap=names[1], heatmap_types=(lesion.type, second))
        )
    used = {name for lesion in lesions for name in heatmap_names(lesion)}
    return replace(
        findings, lesions=tuple(lesions), heatmaps={name: heatmaps[name] for name in heatmaps if name in used}
    )


def _evidence(
    lesion: Lesion, mask: sitk.Image, findings: Findings, images: Mapping[Phase, sitk.Image], model: Model
) -> tuple[Evidence, LesionType] | None:
    """The evidence of `late_evidence`, and the second type; None if the network does not know the lesion's type."""
    first = class_of(lesion.type, model.card.classes)
    if first is None:
        return None
    grid = findings.organ_labels
    near = partial(lesion_surroundings, label=1, margin_mm=_seen_mm(model.card), box=box_of(mask, grid))
    organs = near(grid)
    empty = sitk.Cast(organs * 0, sitk.sitkUInt8)
    labels = sitk.Paste(empty, mask, mask.GetSize(), [0] * 3, empty.TransformPhysicalPointToIndex(mask.GetOrigin()))
    phases = {phase: known_hu(near(images[phase])) for phase in map(Phase, model.card.inputs) if phase in images}
    inside = _liver(organs, labels) if model.card.name in _SECOND_NETWORKS else None
    shares = class_shares(model, phases, labels, 1, inside)
    others = {name: share for name, share in shares.items() if name != first and lesion_type_of_class(name)}
    second = max(others, key=others.get)
    return lesion_evidence(model, phases, labels, 1, (first, second), inside=inside), lesion_type_of_class(second)


def _liver(organs: sitk.Image, lesion: sitk.Image) -> sitk.Image:
    """The liver with its vessels and a lesion, uint8."""
    arrays = (sitk.GetArrayViewFromImage(image) for image in (organs, lesion))
    liver = sitk.GetImageFromArray(whole_liver(*arrays).astype(np.uint8))
    liver.CopyInformation(organs)
    return liver


def _seen_mm(card: ModelCard) -> float:
    """How far from a lesion a network's patch, and what is smoothed for it, reaches at most."""
    return max(n * s for n, s in zip(card.patch, card.spacing_mm, strict=True)) / 2 + BLUR_MM

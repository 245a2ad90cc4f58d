"""Evidence that the analysis did not make: for lesions that the slider or the reader found, and by a second network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import SimpleITK as sitk

from LiverTumorAILib.cascades.multi_sensitivity import known_hu
from LiverTumorAILib.explanation.heatmap import lesion_surroundings
from LiverTumorAILib.explanation.titles import evidence_titles, heatmap_names
from LiverTumorAILib.lesions import Findings, Lesion
from LiverTumorAILib.review.boxes import box_of
from LiverTumorAILib.review.explaining_networks import Explained, ExplainingNetwork, SeenLesion
from LiverTumorAILib.study import Phase

SECOND_NETWORK = "Second network: "
"""Begins the titles of the reclassification network's maps."""


def late_evidence(
    lesion: Lesion, mask: sitk.Image, findings: Findings, images: Mapping[Phase, sitk.Image], network: ExplainingNetwork
) -> dict[str, sitk.Image]:
    """What spoke for a lesion's type, and what for the type that the network finds next probable there.

    The reclassification network sees the lesion where it is, in the liver alone. HFS-Net's networks know HCC only:
    their maps are what spoke for it and against it.

    Parameters
    ----------
    lesion: Lesion
    mask: SimpleITK.Image
        Its voxels: uint8 (LPS, mm), a box of the reference grid.
    findings: Findings
        Give the reference grid and the liver.
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases as a results folder holds them.
    network: ExplainingNetwork
        One of `explaining_networks`.

    Returns
    -------
    dict of str to SimpleITK.Image
        Both maps (float32, 0-1; a part of the reference grid) by title; empty if the network cannot explain it.

    """
    made = _explained(lesion, mask, findings, images, network)
    if made is None:
        return {}
    evidence, (first, *second) = made
    titles = evidence_titles(first, next(iter(second), None), evidence.opposing)
    prefix = SECOND_NETWORK if network.is_second else ""
    return {
        prefix + title: image for title, image in zip(titles, (evidence.supporting, evidence.opposing), strict=True)
    }


def with_late_evidence(
    findings: Findings,
    masks: Mapping[str, sitk.Image],
    images: Mapping[Phase, sitk.Image],
    networks: Sequence[ExplainingNetwork],
) -> Findings:
    """Findings as a reader left them, in which lesions that no analysis explained have evidence, too.

    Parameters
    ----------
    findings: Findings
    masks: Mapping[str, SimpleITK.Image]
        Of its lesions, by UID; see `late_evidence`.
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases as a results folder holds them.
    networks: Sequence of ExplainingNetwork
        From `explaining_networks`; that of the segmentation is asked.

    """
    network = next((network for network in networks if not network.is_second), None)
    lesions, heatmaps = [], dict(findings.heatmaps)
    for lesion in findings.lesions:
        wanted = network is not None and not lesion.opposing_heatmap
        made = _explained(lesion, masks[lesion.uid], findings, images, network) if wanted else None
        if made is None:
            lesions.append(lesion)
            continue
        names = [f"lesion-{lesion.label}-{kind}.nii.gz" for kind in ("supporting", "opposing")]
        heatmaps |= zip(names, (made.evidence.supporting, made.evidence.opposing), strict=True)
        lesions.append(replace(lesion, heatmap=names[0], opposing_heatmap=names[1], heatmap_types=made.types))
    used = {name for lesion in lesions for name in heatmap_names(lesion)}
    return replace(
        findings, lesions=tuple(lesions), heatmaps={name: heatmaps[name] for name in heatmaps if name in used}
    )


def _explained(
    lesion: Lesion, mask: sitk.Image, findings: Findings, images: Mapping[Phase, sitk.Image], network: ExplainingNetwork
) -> Explained | None:
    grid = findings.organ_labels
    near = partial(lesion_surroundings, label=1, margin_mm=network.reach_mm, box=box_of(mask, grid))
    organs = near(grid)
    empty = sitk.Cast(organs * 0, sitk.sitkUInt8)
    labels = sitk.Paste(empty, mask, mask.GetSize(), [0] * 3, empty.TransformPhysicalPointToIndex(mask.GetOrigin()))
    phases = {phase: known_hu(near(images[phase])) for phase in network.inputs if phase in images}
    return network.explain(SeenLesion(lesion.type, labels, organs, phases))

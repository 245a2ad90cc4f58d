"""Evidence that the analysis did not make: for lesions that the slider or the reader found, and by a second network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import SimpleITK as sitk

from LiverTumorAILib.cascades.multi_sensitivity import known_hu
from LiverTumorAILib.explanation.heatmap import lesion_surroundings
from LiverTumorAILib.explanation.titles import evidence_titles
from LiverTumorAILib.lesions import Findings, Lesion, SecondHeatmaps
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.review.boxes import box_of
from LiverTumorAILib.review.explaining_networks import Explained, ExplainingNetwork, SeenLesion
from LiverTumorAILib.study import Phase


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
    other = next(iter(second), None)
    titles = evidence_titles(first, other, evidence.opposing, is_second_network=network.is_second)
    return dict(zip(titles, (evidence.supporting, evidence.opposing), strict=True))


def with_late_evidence(
    findings: Findings,
    masks: Mapping[str, sitk.Image],
    images: Mapping[Phase, sitk.Image],
    networks: Sequence[ExplainingNetwork],
    progress: Progress = Progress(),
) -> Findings:
    """Findings as a reader left them, in which lesions have the evidence that they lack of each network.

    Parameters
    ----------
    findings: Findings
    masks: Mapping[str, SimpleITK.Image]
        Of its lesions, by UID; see `late_evidence`.
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases as a results folder holds them.
    networks: Sequence of ExplainingNetwork
        From `explaining_networks`.
    progress: Progress
        Updated, and polled for cancel, before each lesion and each network's look at it.

    """
    lesions, heatmaps = [], dict(findings.heatmaps)
    for number, lesion in enumerate(findings.lesions, start=1):
        progress.update((number - 1) / len(findings.lesions), f"lesion {number} of {len(findings.lesions)}")
        explained = lesion
        for network in networks:
            if lesion.second_heatmaps if network.is_second else lesion.opposing_heatmap:
                continue
            progress.check()
            made = _explained(lesion, masks[lesion.uid], findings, images, network)
            if made is not None:
                explained, added = _with_maps(explained, made, is_second=network.is_second)
                heatmaps |= added
        lesions.append(explained)
    progress.update(1.0)
    used = {name for lesion in lesions for name in lesion.heatmap_files}
    return replace(
        findings, lesions=tuple(lesions), heatmaps={name: heatmaps[name] for name in heatmaps if name in used}
    )


def _with_maps(lesion: Lesion, made: Explained, *, is_second: bool) -> tuple[Lesion, dict[str, sitk.Image]]:
    """A lesion that names maps which were made of it, and these by file name."""
    whose = "second-" if is_second else ""
    supporting, opposing = (f"lesion-{lesion.label}-late-{whose}{kind}.nii.gz" for kind in ("supporting", "opposing"))
    maps = {supporting: made.evidence.supporting, opposing: made.evidence.opposing}
    if is_second:
        return replace(lesion, second_heatmaps=SecondHeatmaps(supporting, opposing, made.types)), maps
    return replace(lesion, heatmap=supporting, opposing_heatmap=opposing, heatmap_types=made.types), maps


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

"""Findings and reading kept with the scene, so that a saved scene brings them back."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import SimpleITK as sitk
import slicer

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import Findings, Organ
from LiverTumorAILib.lesions.findings_io import findings_from_json, findings_to_json
from LiverTumorAILib.mrml.nodes import owned_node, owned_nodes
from LiverTumorAILib.mrml.saved_evidence import read_evidence
from LiverTumorAILib.mrml.segmentation import SEGMENTATION_ROLE, organ_segment_id, segment_mask
from LiverTumorAILib.mrml.volume_images import volume_image
from LiverTumorAILib.review.files import reading_from_json, reading_to_json
from LiverTumorAILib.review.organs import organ_labels
from LiverTumorAILib.review.reading import Reading, labels_of
from LiverTumorAILib.study import Phase

READING_ROLE = "reading"
VOLUME_PREFIX = "volume:"


class SavedReading(NamedTuple):
    """What a saved scene brings back; images on the reference grid (LPS, mm)."""

    findings: Findings
    images: Mapping[Phase, sitk.Image]
    reading: Reading
    organs: Mapping[Organ, sitk.Image]


def save_reading(scene: slicer.vtkMRMLScene, findings: Findings, reading: Reading) -> None:
    """Keep what segments and volumes do not hold in a text node; see `saved_evidence` for heatmaps."""
    node = owned_node(scene, "vtkMRMLTextNode", READING_ROLE, "Liver reading")
    node.SetHideFromEditors(True)
    content = {"findings": findings_to_json(replace(findings, lesions=())), "reading": reading_to_json(reading)}
    node.SetText(json.dumps(content, allow_nan=False))


def read_scene(scene: slicer.vtkMRMLScene) -> SavedReading | None:
    """What `save_reading` kept, with lesions and organs as the segments are; None where the scene holds no reading.

    Raises
    ------
    LiverTumorAIError
        If the scene holds a reading that is broken or whose segmentation or reference phase was removed.

    """
    nodes = owned_nodes(scene)
    text = nodes.get(READING_ROLE)
    if text is None:
        return None
    try:
        content = json.loads(text.GetText())
        images = {phase: volume_image(nodes[role]) for phase in Phase if (role := VOLUME_PREFIX + phase) in nodes}
        grid = images[Phase(content["findings"]["reference_phase"])]
        node = nodes[SEGMENTATION_ROLE]
        reading = _reading(content["reading"], node)
        masks = {organ: segment_mask(node, organ_segment_id(organ)) for organ in Organ}
        organs = {organ: mask for organ, mask in masks.items() if mask is not None}
        heatmaps, sensitivity = read_evidence(scene)
        labels = organ_labels(organs, grid), labels_of(reading, grid)
        findings = findings_from_json(content["findings"], *labels, heatmaps)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise LiverTumorAIError(
            "The liver reading in this scene is not complete", advice="Analyze the study again, or open its results"
        ) from error
    return SavedReading(replace(findings, lesions=reading.lesions, sensitivity=sensitivity), images, reading, organs)


def _reading(content: Mapping, node: slicer.vtkMRMLSegmentationNode) -> Reading:
    lesions = content["lesions"]
    masks = {lesion["id"]: segment_mask(node, f"lesion-{lesion['label']}") for lesion in lesions}
    masks |= {name: segment_mask(node, organ_segment_id(Organ[name])) for name in content.get("organs", ())}
    return reading_from_json(content, {key: mask for key, mask in masks.items() if mask is not None})

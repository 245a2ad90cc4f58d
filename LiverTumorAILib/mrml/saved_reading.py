"""Findings and reading kept with the scene, so that a saved scene brings them back."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
import slicer

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import Findings, Organ
from LiverTumorAILib.lesions.findings_io import findings_from_json, findings_to_json
from LiverTumorAILib.mrml.nodes import owned_node, owned_nodes
from LiverTumorAILib.mrml.segmentation import SEGMENTATION_ROLE, organ_segment_id, segment_mask
from LiverTumorAILib.mrml.volume_images import volume_image
from LiverTumorAILib.review.files import reading_from_json, reading_to_json
from LiverTumorAILib.review.reading import Reading, box_of, labels_of
from LiverTumorAILib.study import Phase

READING_ROLE = "reading"
VOLUME_PREFIX = "volume:"


class SavedReading(NamedTuple):
    """What a saved scene brings back; images on the reference grid (LPS, mm)."""

    findings: Findings
    images: Mapping[Phase, sitk.Image]
    reading: Reading


def save_reading(scene: slicer.vtkMRMLScene, findings: Findings, reading: Reading) -> None:
    """Keep all that segments and volumes do not hold in a text node."""
    node = owned_node(scene, "vtkMRMLTextNode", READING_ROLE, "Liver reading")
    node.SetHideFromEditors(True)
    content = {"findings": findings_to_json(replace(findings, lesions=())), "reading": reading_to_json(reading)}
    node.SetText(json.dumps(content, allow_nan=False))


def read_scene(scene: slicer.vtkMRMLScene) -> SavedReading | None:
    """What `save_reading` kept, with lesions and organs as the segments are; None where the scene holds no reading.

    Heatmaps stay with the results folder.

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
        organs, lesions = _organ_labels(node, grid), labels_of(reading, grid)
        findings = findings_from_json(content["findings"], organs, lesions, {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LiverTumorAIError(
            "The liver reading in this scene is not complete", advice="Analyze the study again, or open its results"
        ) from error
    return SavedReading(replace(findings, lesions=reading.lesions), images, reading)


def _reading(content: Mapping, node: slicer.vtkMRMLSegmentationNode) -> Reading:
    lesions = content["lesions"]
    masks = {lesion["id"]: segment_mask(node, f"lesion-{lesion['label']}") for lesion in lesions}
    without_heatmaps = [{**lesion, "heatmap": ""} for lesion in lesions]
    there = {uid: mask for uid, mask in masks.items() if mask is not None}
    return reading_from_json({**content, "lesions": without_heatmaps}, there)


def _organ_labels(node: slicer.vtkMRMLSegmentationNode, grid: sitk.Image) -> sitk.Image:
    """Organs as `Findings` has them; vessels and others lie over the whole liver."""
    labels = np.zeros(grid.GetSize()[::-1], np.uint8)
    for organ in Organ:
        mask = segment_mask(node, organ_segment_id(organ))
        if mask is not None:
            labels[box_of(mask, grid)][sitk.GetArrayViewFromImage(mask) > 0] = organ
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(grid)
    return image

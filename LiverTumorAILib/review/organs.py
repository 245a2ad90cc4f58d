"""Organs as masks of their own, as the reader sees and corrects them, and as one label image again."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.lesions import Findings, Organ
from LiverTumorAILib.lesions.organs import whole_liver
from LiverTumorAILib.review.boxes import box_image, box_of

VESSELS = (Organ.HEPATIC_VESSELS, Organ.PORTAL_SPLENIC_VEIN)


def organ_masks(findings: Findings) -> dict[Organ, sitk.Image]:
    """Organs that were found, each as uint8 mask (LPS, mm) on its box of the reference grid.

    The liver is the whole liver, with its lesions and vessels.
    """
    grid = findings.organ_labels
    voxels = sitk.GetArrayViewFromImage(grid)
    liver = whole_liver(voxels, sitk.GetArrayViewFromImage(findings.lesion_labels))
    boxes = dict(zip(Organ, ndimage.find_objects(voxels, max(Organ)), strict=True))
    boxes[Organ.LIVER] = next(iter(ndimage.find_objects(liver.view(np.uint8))), None)
    return {
        organ: box_image(liver[box] if organ is Organ.LIVER else voxels[box] == organ, box, grid)
        for organ, box in boxes.items()
        if box is not None
    }


def organ_labels(masks: Mapping[Organ, sitk.Image], grid: sitk.Image) -> sitk.Image:
    """Masks (boxes of the grid) as one label image (uint8, values of `Organ`): vessels lie over the whole liver."""
    labels = np.zeros(grid.GetSize()[::-1], np.uint8)
    for organ in sorted(masks, key=lambda organ: (organ in VESSELS, organ is Organ.LIVER)):
        labels[box_of(masks[organ], grid)][sitk.GetArrayViewFromImage(masks[organ]) > 0] = organ
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(grid)
    return image


def volume_mm3(mask: sitk.Image) -> float:
    """Volume (mm³) of a mask's voxels that are not 0."""
    return float(np.count_nonzero(sitk.GetArrayViewFromImage(mask)) * np.prod(mask.GetSpacing()))


def with_organs(findings: Findings, edited: Mapping[Organ, sitk.Image]) -> Findings:
    """The findings with organs as the reader drew them, label image and liver volume included."""
    if not edited:
        return findings
    labels = organ_labels({**organ_masks(findings), **edited}, findings.organ_labels)
    volume = volume_mm3(edited[Organ.LIVER]) if Organ.LIVER in edited else findings.liver_volume_mm3
    return replace(findings, organ_labels=labels, liver_volume_mm3=volume)

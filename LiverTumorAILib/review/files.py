"""A reading as JSON and, with its masks, in a results folder."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import Organ
from LiverTumorAILib.lesions.findings_io import lesion_from_json, lesion_to_json
from LiverTumorAILib.review.reading import Reading, ReviewState

REVIEW_FILE = "review.json"
MASKS_FOLDER = "review"
FORMAT = 1


def reading_to_json(reading: Reading) -> dict[str, Any]:
    """All of a reading but its masks."""
    return {
        "format": FORMAT,
        "lesions": [lesion_to_json(lesion) for lesion in reading.lesions],
        "states": dict(reading.states),
        "typed_by_hand": sorted(reading.typed_by_hand),
        "targets": list(reading.targets),
        "factor": reading.factor,
        "organs": [organ.name for organ in reading.organs],
    }


def reading_from_json(content: Mapping[str, Any], masks: Mapping[str, sitk.Image]) -> Reading:
    """What `reading_to_json` wrote, without what has lost its mask; ValueError or KeyError if it is none.

    Masks are those of lesions by UID, and of edited organs by name.
    """
    lesions = tuple(lesion_from_json(lesion) for lesion in content["lesions"])
    reading = Reading(
        lesions,
        {lesion.uid: masks[lesion.uid] for lesion in lesions if lesion.uid in masks},
        {uid: ReviewState(state) for uid, state in content["states"].items()},
        frozenset(content["typed_by_hand"]),
        tuple(content["targets"]),
        content.get("factor"),
        {Organ[name]: masks[name] for name in content.get("organs", ()) if name in masks},
    )
    for lesion in lesions:
        if lesion.uid not in masks:
            reading = reading.without(lesion.uid)
    return reading


def write_reading(reading: Reading, folder: Path) -> None:
    """Write a reading into a results folder in place of an earlier one.

    Masks are named by what they hold and are never written over; `review.json`, which names them, is replaced by
    one rename at the end. So whatever ends the process leaves the earlier reading or this one.
    """
    masks = folder / MASKS_FOLDER
    masks.mkdir(exist_ok=True)
    images = dict(reading.masks) | {organ.name: mask for organ, mask in reading.organs.items()}
    names = {key: _mask_name(image) for key, image in images.items()}
    for key, name in names.items():
        if not (masks / name).is_file():
            partial = masks / f".partial-{name}"
            sitk.WriteImage(images[key], partial, useCompression=True)
            partial.replace(masks / name)
    content = reading_to_json(reading) | {"masks": names}
    partial = folder / f".{REVIEW_FILE}.partial"
    with partial.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / REVIEW_FILE)
    for old in masks.iterdir():
        if old.name not in names.values():
            old.unlink(missing_ok=True)


def read_reading(folder: Path) -> Reading | None:
    """The reading in a results folder; None if nobody has read these results yet.

    Raises
    ------
    LiverTumorAIError
        If it is broken.

    """
    file = folder / REVIEW_FILE
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        masks = {uid: sitk.ReadImage(folder / MASKS_FOLDER / Path(name).name) for uid, name in content["masks"].items()}
        return reading_from_json(content, masks)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise LiverTumorAIError(
            "The saved review cannot be read", REVIEW_FILE, "Remove this file to begin the review anew"
        ) from error


def _mask_name(mask: sitk.Image) -> str:
    corner = "_".join(f"{value:.3f}" for value in mask.GetOrigin())
    size = "_".join(map(str, mask.GetSize()))
    return f"{sitk.Hash(mask)}_{size}_{corner}.nrrd"

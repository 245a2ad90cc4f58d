"""Training cases of HFS-Net on disk: slices of three phases, their labels, and the first stages' results."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.cascades.hfs_net import PHASES
from LiverTumorAILib.cascades.hierarchy import longest_axes_px
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import slice_grid
from LiverTumorAILib.inference.preprocess import sample_phase
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training.hfs.recipe import NORMALISATION, SIDE, SPACING_MM

UNKNOWN = -32768
"""Stands for NaN in the stored int16 HU."""


class Label(IntEnum):
    """Values of a case's labels."""

    BACKGROUND = 0
    LIVER = 1
    HCC = 2
    OTHER_LESION = 3


@dataclass(frozen=True)
class SliceContent:
    """What one slice shows: pixels of liver (lesions included), HCC and other lesions; HCC's longest axes in pixels."""

    liver: int
    hcc: int
    other: int
    axes_px: tuple[float, ...]


@dataclass(frozen=True)
class HfsCase:
    """One patient as slices, on disk.

    Attributes
    ----------
    folder: Path
        Of the case.
    slices: tuple of SliceContent
        Of each slice.

    """

    folder: Path
    slices: tuple[SliceContent, ...] = field(repr=False)

    # Opened anew each time: hundreds of open cases would use up the process's file handles.
    @property
    def images(self) -> np.ndarray:
        """int16 (3, z, y, x), HU in the order of `PHASES`, `UNKNOWN` where a phase shows nothing."""
        return np.load(self.folder / "images.npy", mmap_mode="r")

    @property
    def labels(self) -> np.ndarray:
        """uint8 (z, y, x), values of `Label`."""
        return np.load(self.folder / "labels.npy", mmap_mode="r")

    def phases(self) -> dict[Phase, np.ndarray]:
        """Float32 HU (z, y, x) by phase, NaN where unknown."""
        return {phase: known_hu(image) for phase, image in zip(PHASES, self.images, strict=True)}

    def target(self, name: str) -> np.ndarray:
        """Bool (z, y, x): 'liver' with all its lesions, or 'HCC'."""
        return target_mask(np.asarray(self.labels), name)


def known_hu(stored: np.ndarray) -> np.ndarray:
    """Float32 HU of stored values, NaN where unknown."""
    return np.where(stored == UNKNOWN, np.float32(np.nan), stored.astype(np.float32))


def target_mask(labels: np.ndarray, name: str) -> np.ndarray:
    """bool: where labels are what a recipe's target names."""
    return labels > 0 if name == "liver" else labels == Label.HCC


def on_slices(
    images: Mapping[Phase, sitk.Image], liver: sitk.Image, hcc: sitk.Image, others: sitk.Image
) -> tuple[np.ndarray, np.ndarray]:
    """Bring a patient onto the grid of slices.

    Parameters
    ----------
    images: Mapping[Phase, SimpleITK.Image]
        The three phases, HU (LPS, mm), registered to each other.
    liver, hcc, others: SimpleITK.Image
        uint8 masks (LPS, mm) on one grid: liver with its lesions, HCC, lesions of other types.

    Returns
    -------
    tuple of numpy.ndarray
        Images and labels as in `HfsCase`.

    """
    grid = slice_grid(images[Phase.PORTAL_VENOUS], SPACING_MM, SIDE, NORMALISATION)
    stored = np.full((len(PHASES), *grid.shape), UNKNOWN, np.int16)
    for channel, phase in enumerate(PHASES):
        values = sample_phase(images[phase], grid)
        known = np.isfinite(values)
        stored[channel][known] = np.clip(np.rint(values[known]), -1024, 3000)
    labels = grid.sample(liver, sitk.sitkLabelLinear).astype(np.uint8)
    for mask, value in ((others, Label.OTHER_LESION), (hcc, Label.HCC)):
        labels[grid.sample(mask, sitk.sitkLabelLinear) > 0] = value
    return stored, labels


def _content(labels: np.ndarray) -> SliceContent:
    liver, hcc, other = (int(np.count_nonzero(labels == value)) for value in list(Label)[1:])
    axes = tuple(longest_axes_px(labels == Label.HCC)[1].round(2).tolist()) if hcc else ()
    return SliceContent(liver + hcc + other, hcc, other, axes)


def write_case(folder: Path, images: np.ndarray, labels: np.ndarray) -> HfsCase:
    """Write a case with arrays as in `HfsCase`; its folder appears by one rename."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    np.save(partial / "images.npy", images)
    np.save(partial / "labels.npy", labels)
    slices = tuple(map(_content, labels))
    rows = [[row.liver, row.hcc, row.other, row.axes_px] for row in slices]
    (partial / "slices.json").write_text(json.dumps(rows), encoding="utf-8")
    partial.rename(folder)
    return HfsCase(folder, slices)


def read_case(folder: Path) -> HfsCase:
    """A case on disk; LiverTumorAIError if it is damaged."""
    try:
        rows = json.loads((folder / "slices.json").read_text(encoding="utf-8"))
        case = HfsCase(folder, tuple(SliceContent(*row[:3], tuple(row[3])) for row in rows))
        if case.images.shape[1:] != case.labels.shape or len(case.labels) != len(case.slices):
            raise ValueError("images, labels and slices differ in size")
    except (OSError, ValueError, TypeError, IndexError) as error:
        raise LiverTumorAIError(
            f"The training case cannot be read: {error}", folder, "Delete it and start make_data again"
        ) from error
    return case


def read_cases(data: Path) -> tuple[HfsCase, ...]:
    """All cases of a folder, by name."""
    cases = tuple(read_case(entry.parent) for entry in sorted(data.glob("[!.]*/slices.json")))
    if not cases:
        raise LiverTumorAIError(
            "No training cases were found", data, "Make some with python -m LiverTumorAILib.training.hfs.make_data"
        )
    return cases

"""The card that describes a model file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class IntensityNormalisation:
    """Maps intensities to the network's input.

    `kind` is 'window' (clip to `low`-`high` HU, scale to -1..1) or 'percentile' (clip to the `low`-`high`
    percentiles of the body, scale to -1..1; for MR).
    """

    kind: str
    low: float
    high: float


@dataclass(frozen=True)
class ModelCard:
    """`card.json` beside `model.onnx`.

    Attributes
    ----------
    name, version: str
    title: str
    sha256: str
        Of `model.onnx`; loading verifies it.
    inputs: tuple of str
        `Phase` values in channel order. After the phase channels comes one presence channel for each phase
        (1 where the phase shows something, else 0) if `presence_channels`; an absent phase's channel is 0.
    presence_channels: bool
    spacing_mm: tuple of three floats
        (z, y, x) of the grid that the network works on, axes along LPS.
    patch: tuple of three ints
        (z, y, x) voxels.
    normalisation: IntensityNormalisation
    classes: tuple of str
        Of the output channels in order; the first is 'background'.
    training: str
        How and on what it was trained.
    figures: Mapping[str, Any]
        Measured on held-out cases; says on what.
    licence, intended_use: str

    """

    name: str
    version: str
    title: str
    sha256: str
    inputs: tuple[str, ...]
    presence_channels: bool
    spacing_mm: tuple[float, float, float]
    patch: tuple[int, int, int]
    normalisation: IntensityNormalisation
    classes: tuple[str, ...]
    training: str
    licence: str
    intended_use: str
    figures: Mapping[str, Any] = field(default_factory=dict)

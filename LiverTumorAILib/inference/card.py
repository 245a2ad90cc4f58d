"""The card that describes a model file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.study import Phase

ANY_PHASE = "any_phase"
"""Input of a network that takes one phase, whichever it is."""


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
        Networks for one phase of any kind take `ANY_PHASE` instead.
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
    priors: tuple of str
        Models whose results (probabilities, 0-1) are further input channels, after all others.
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
    priors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = {phase.value for phase in Phase} | {ANY_PHASE}
        if not self.inputs or not set(self.inputs) <= known:
            raise ValueError(f"inputs are {list(self.inputs)}, known phases are {sorted(known)}")
        if len(self.spacing_mm) != 3 or min(self.spacing_mm) <= 0:
            raise ValueError(f"spacing_mm is {list(self.spacing_mm)}, it takes three positive numbers")
        if len(self.patch) != 3 or min(self.patch) < 1:
            raise ValueError(f"patch is {list(self.patch)}, it takes three whole numbers above 0")
        if len(self.classes) < 2 or self.classes[0] != "background" or len(set(self.classes)) != len(self.classes):
            raise ValueError("classes takes different names, the first of them 'background'")
        if self.normalisation.kind not in {"window", "percentile"}:
            raise ValueError(f"normalisation is '{self.normalisation.kind}', known are 'window' and 'percentile'")
        if self.normalisation.low >= self.normalisation.high:
            raise ValueError("normalisation takes a low below its high")

    @property
    def channels(self) -> int:
        """Number of input channels of the network."""
        return len(self.inputs) * (2 if self.presence_channels else 1) + len(self.priors)


def read_card(path: Path) -> ModelCard:
    """Read a `card.json`; LiverTumorAIError where it is missing or broken."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
        wanted = {entry.name for entry in fields(ModelCard)}
        missing = sorted(wanted - {"figures", "priors"} - set(content))
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        return ModelCard(
            **{key: str(content[key]) for key in _TEXTS},
            inputs=tuple(str(name) for name in content["inputs"]),
            presence_channels=bool(content["presence_channels"]),
            spacing_mm=tuple(float(value) for value in content["spacing_mm"]),
            patch=tuple(int(value) for value in content["patch"]),
            normalisation=IntensityNormalisation(**content["normalisation"]),
            classes=tuple(str(name) for name in content["classes"]),
            figures=dict(content.get("figures", {})),
            priors=tuple(str(name) for name in content.get("priors", ())),
        )
    except FileNotFoundError:
        raise LiverTumorAIError("The model card is missing", path, "Copy the whole model folder again") from None
    except OSError as error:
        raise LiverTumorAIError(f"The model card cannot be read: {error.strerror}", path) from error
    except (ValueError, TypeError) as error:
        raise LiverTumorAIError(
            f"The model card is broken: {error}", path, "Copy the whole model folder again"
        ) from error


def write_card(card: ModelCard, path: Path) -> None:
    """Write a `card.json`, in one rename so that no half card is ever seen."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(asdict(card), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


_TEXTS = ("name", "version", "title", "sha256", "training", "licence", "intended_use")

"""Events of the worker: one JSON object a line on its standard output."""

import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """Base of all events; `name` is the value of the key 'event'."""

    name: ClassVar[str] = ""

    def to_line(self) -> str:
        """One line of JSON without line feed."""
        return json.dumps({"event": self.name, **asdict(self)}, ensure_ascii=True)


@dataclass(frozen=True)
class ProgressReported(Event):
    """Stage in words, fraction of the whole (0-1), seconds left (None while unknown)."""

    name: ClassVar[str] = "progress"
    stage: str
    fraction: float
    message: str = ""
    remaining_seconds: float | None = None


@dataclass(frozen=True)
class FoundVolume:
    """One volume of the study as the phases table shows it; spacing (x, y, z) in mm."""

    index: int
    source: str
    phase: str | None
    probability: float
    reason: str
    sure: bool
    slices: int
    spacing_mm: tuple[float, float, float]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class PhasesFound(Event):
    """The volumes of a loaded study."""

    name: ClassVar[str] = "phases"
    modality: str
    volumes: tuple[FoundVolume, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finished(Event):
    """The results are complete in this folder."""

    name: ClassVar[str] = "finished"
    results: str
    seconds: float


@dataclass(frozen=True)
class Failed(Event):
    """The job failed: what, where, what to do, and the three as one line."""

    name: ClassVar[str] = "failed"
    what: str
    where: str
    advice: str
    text: str


@dataclass(frozen=True)
class CancelledByUser(Event):
    """The job was cancelled; nothing of it was left."""

    name: ClassVar[str] = "cancelled"


EVENTS = {event.name: event for event in (ProgressReported, PhasesFound, Finished, Failed, CancelledByUser)}


def parse_event(line: str) -> Event:
    """The event of one line; ValueError if the line is none."""
    content: dict[str, Any] = json.loads(line)
    if not isinstance(content, dict) or content.get("event") not in EVENTS:
        raise ValueError(f"not an event: {line[:80]!r}")
    kind = EVENTS[content.pop("event")]
    if kind is PhasesFound:
        volumes = tuple(
            FoundVolume(**{**volume, "spacing_mm": tuple(volume["spacing_mm"]), "warnings": tuple(volume["warnings"])})
            for volume in content["volumes"]
        )
        content = {**content, "volumes": volumes, "warnings": tuple(content["warnings"])}
    return kind(**content)

"""Progress and cancel: the one small object that every stage receives."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


class Cancelled(Exception):
    """The user cancelled; whoever catches this removes what it had begun to write."""


@dataclass(frozen=True)
class ProgressEvent:
    """State of a run: stage in words, fraction of the whole (0-1), seconds left (None while unknown)."""

    stage: str
    fraction: float
    message: str = ""
    remaining_seconds: float | None = None


def _ignore(_event: ProgressEvent) -> None:
    pass


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Progress:
    """Reports progress to one listener and raises `Cancelled` when the user wants to stop.

    Parameters
    ----------
    listener: callable
        Receives each `ProgressEvent`.
    is_cancelled: callable
        Polled at each `update` and `check`.
    stage: str
        Name of the current stage, shown to the user.
    start, end: float
        The part of the whole run (0-1) that this object covers.

    """

    listener: Callable[[ProgressEvent], None] = _ignore
    is_cancelled: Callable[[], bool] = _never
    stage: str = ""
    start: float = 0.0
    end: float = 1.0
    started_at: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Raise `Cancelled` if the user cancelled."""
        if self.is_cancelled():
            raise Cancelled(self.stage)

    def update(self, fraction: float, message: str = "") -> None:
        """Report that `fraction` (0-1) of this part is done; raise `Cancelled` if the user cancelled."""
        self.check()
        whole = self.start + (self.end - self.start) * min(max(fraction, 0.0), 1.0)
        elapsed = time.monotonic() - self.started_at
        remaining = elapsed / whole * (1 - whole) if whole > 0.02 else None
        self.listener(ProgressEvent(self.stage, whole, message, remaining))

    def part(self, start: float, end: float, stage: str | None = None) -> "Progress":
        """Progress of a part of this part: fractions 0-1 there are `start`-`end` here."""
        span = self.end - self.start
        return Progress(
            self.listener,
            self.is_cancelled,
            self.stage if stage is None else stage,
            self.start + span * start,
            self.start + span * end,
            self.started_at,
        )

"""Keeps the details of lesions up with a reading, beside the GUI's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from LiverTumorAIModule.background import BackgroundTask
from LiverTumorAIModule.wording import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from LiverTumorAILib.review.reading import Reading
    from LiverTumorAIModule.lesion_details import LesionDetails

AT_A_TIME = 4
"""Lesions whose details are made before the table shows them."""


class DetailsFollower:
    """Makes what details a reading lacks, some lesions at a time.

    Parameters
    ----------
    on_made: callable
        Called after each time.
    on_problem: callable
        Receives in words why details could not be made.

    """

    def __init__(self, on_made: Callable[[], None], on_problem: Callable[[str], None]) -> None:
        self._on_made, self._on_problem = on_made, on_problem
        self._task: BackgroundTask | None = None
        self._latest: tuple[LesionDetails, Reading] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether details are on their way."""
        return self._task is not None

    def follow(self, details: LesionDetails, reading: Reading) -> None:
        """Make what this reading lacks; a later reading takes its place."""
        self._latest = (details, reading)
        missing = details.missing(reading)[:AT_A_TIME]
        if missing and self._task is None:
            self._task = BackgroundTask(
                lambda: [details.make(lesion, reading.masks[lesion.uid]) for lesion in missing],
                self._made,
                self._failed,
            )

    def stop(self) -> None:
        """Make none any more."""
        if self._task is not None:
            self._task.forget()
        self._task = self._latest = None

    def _made(self, _result: object) -> None:
        self._task = None
        self._on_made()
        if self._latest is not None:
            self.follow(*self._latest)

    def _failed(self, error: Exception) -> None:
        self._task = None
        self._on_problem(_("Places and pictures of the lesions are missing: {error}").format(error=problem(error)))

"""Saving the reading beside the GUI's thread, soon after each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _

from LiverTumorAIModule.background import BackgroundTask
from LiverTumorAIModule.wording import problem

if TYPE_CHECKING:
    from LiverTumorAILib.review.reading import Reading
    from LiverTumorAIModule.sessions import Session

PAUSE_MS = 1000


class Autosave:
    """Keeps a session's reading up to date on disk.

    Parameters
    ----------
    on_problem: callable
        Receives in words why a reading could not be saved.

    """

    def __init__(self, on_problem: Callable[[str], None]) -> None:
        self.problem = ""
        self._on_problem = on_problem
        self._session: Session | None = None
        self._reading: Reading | None = None
        self._saved: Reading | None = None
        self._task: BackgroundTask | None = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.interval = PAUSE_MS
        self._timer.timeout.connect(self._save)

    def begin(self, session: Session | None, reading: Reading | None) -> None:
        """Save into this session from now on; what is not saved of an earlier one is saved first."""
        self.settle()
        if self._session is not None:
            self._session.close()
        self._session, self._reading, self._saved = session, reading, reading
        if session is not None:
            session.open()

    @property
    def is_saved(self) -> bool:
        """Whether nothing waits to be saved."""
        return self._reading is self._saved

    def note(self, reading: Reading) -> None:
        """Save a reading soon."""
        self._reading = reading
        if self._session is not None and reading is not self._saved:
            self._timer.start()

    def settle(self) -> None:
        """Save at once what is not saved yet."""
        self._timer.stop()
        if self._task is not None:
            self._task.finish()
        if self._session is not None and not self.is_saved:
            try:
                self._write(self._reading)
            except (OSError, RuntimeError) as error:
                self._failed(error)

    def _save(self) -> None:
        if self._task is not None:
            self._timer.start()
            return
        reading = self._reading
        self._task = BackgroundTask(lambda: self._write(reading), self._done, self._failed)

    def _write(self, reading: Reading) -> Reading:
        from LiverTumorAILib.review.files import write_reading

        write_reading(reading, self._session.folder)
        return reading

    def _done(self, reading: Reading) -> None:
        self._task, self._saved, self.problem = None, reading, ""

    def _failed(self, error: Exception) -> None:
        self._task = None
        self.problem = _("The review could not be saved: {error}").format(error=problem(error))
        self._on_problem(self.problem)

"""What the module is doing now, and how the user is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from LiverTumorAIModule.background import BackgroundTask, InTurns, WorkerRunner
from LiverTumorAIModule.wording import problem

if TYPE_CHECKING:
    from types import SimpleNamespace

    from LiverTumorAILib.worker.events import Event
    from LiverTumorAILib.worker.job import Job


class Activity:
    """Runs one thing at a time, a job of the worker process or a task in a thread, and shows its state.

    Parameters
    ----------
    ui: SimpleNamespace
        The form's widgets by name.
    on_changed: callable
        Called whenever something began or ended.

    """

    def __init__(self, ui: SimpleNamespace, on_changed: Callable[[], None]) -> None:
        self.ui = ui
        self.on_changed = on_changed
        self._runner = WorkerRunner(self._receive)
        self._on_event: Callable[[Event], None] | None = None
        self._task: BackgroundTask | InTurns | None = None
        self._next: list[Callable[[], None]] = []
        ui.progressBar.visible = False

    @property
    def is_busy(self) -> bool:
        """Whether something is under way or waits."""
        return self.is_cancellable or self._task is not None or bool(self._next)

    @property
    def is_cancellable(self) -> bool:
        """Whether a job of the worker process is under way."""
        return self._runner.is_running

    def say(self, text: str) -> None:
        """Tell the user what is going on."""
        self.ui.statusLabel.text = text

    def complain(self, text: str) -> None:
        """Tell the user what went wrong, in the panel and in a dialog."""
        self.ui.progressBar.visible = False
        self.say(text)
        # The panel behind the dialog shows what can be done now.
        self.on_changed()
        slicer.util.errorDisplay(text)

    def start(self, job: Job, on_event: Callable[[Event], None]) -> None:
        """Start a job of the worker process."""
        self._on_event = on_event
        self._runner.start(job)
        self.ui.progressBar.value = 0
        self.ui.progressBar.visible = True
        self.say(_("Starting…"))
        self.on_changed()

    def cancel(self) -> None:
        """End the job."""
        self.say(_("Cancelling…"))
        self._runner.cancel()

    def run(self, function: Callable[[], Any], on_done: Callable[[Any], Iterator[None] | None]) -> None:
        """Run a function in a thread, then `on_done` with its result; waits for what is under way.

        What `on_done` has to do on the GUI's thread it may do in parts: the window lives on after each yield.
        """

        def done(result: object) -> None:
            self._task = InTurns(_parts(on_done, result), ended, failed)
            self._task.start()

        def ended() -> None:
            self._task = None
            self._settled()

        def failed(error: Exception) -> None:
            self._task = None
            self.complain(problem(error))
            self._settled()

        def begin() -> None:
            self._task = BackgroundTask(function, done, failed)
            self.on_changed()

        if self.is_cancellable or self._task is not None:
            self._next.append(begin)
        else:
            begin()

    def stop(self) -> None:
        """End everything without a word."""
        self._next.clear()
        self._runner.stop()
        if self._task is not None:
            self._task.forget()
            self._task = None
        self.ui.progressBar.visible = False

    def _receive(self, event: Event) -> None:
        if not self._runner.is_running:
            self.ui.progressBar.visible = False
        self._on_event(event)
        self._settled()

    def _settled(self) -> None:
        if self._next and not self.is_cancellable and self._task is None:
            self._next.pop(0)()
        self.on_changed()


def _parts(on_done: Callable[[Any], Iterator[None] | None], result: object) -> Iterator[None]:
    parts = on_done(result)
    if parts is not None:
        yield from parts

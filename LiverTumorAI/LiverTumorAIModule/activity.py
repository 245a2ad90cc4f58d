"""What the module is doing now, and how the user is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from LiverTumorAIModule.background import BackgroundTask, InTurns, Watch, WorkerRunner
from LiverTumorAIModule.wording import problem, progress_line

if TYPE_CHECKING:
    from types import SimpleNamespace

    from LiverTumorAILib.progress import Progress
    from LiverTumorAILib.worker.events import Event
    from LiverTumorAILib.worker.job import Job


CANCELLED = _("Cancelled. Nothing was left behind.")

GRACE_MS = 500
"""How long a cancelled thread may take to end before the user can go on without it."""


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
        self._watch: Watch | None = None
        self._abandoned: BackgroundTask | None = None
        self._next: list[Callable[[], None]] = []
        ui.progressBar.visible = False

    @property
    def is_busy(self) -> bool:
        """Whether something is under way or waits."""
        return self._is_under_way or bool(self._next)

    @property
    def is_cancellable(self) -> bool:
        """Whether a job of the worker process is under way, or a watched thread."""
        return self._runner.is_running or self._watch is not None

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
        """End the job, or the watched thread."""
        self.say(_("Cancelling…"))
        self._runner.cancel()
        if self._watch is not None:
            self._watch.cancel()
            watch = self._watch
            qt.QTimer.singleShot(GRACE_MS, lambda: self._abandon(watch))

    def runWatched(
        self, stage: str, function: Callable[[Progress], Any], on_done: Callable[[Any], Iterator[None] | None]
    ) -> None:
        """`run` a function that tells its progress in a stage (in words), and that the user can cancel."""
        watch = Watch(stage)
        self.run(lambda: function(watch.progress()), on_done, watch)

    def run(
        self,
        function: Callable[[], Any],
        on_done: Callable[[Any], Iterator[None] | None],
        watch: Watch | None = None,
    ) -> None:
        """Run a function in a thread, then `on_done` with its result; waits for what is under way.

        What `on_done` has to do on the GUI's thread it may do in parts: the window lives on after each yield.
        """

        def done(result: object) -> None:
            self._unwatch()
            self._task = InTurns(_parts(on_done, result), ended, failed)
            self._task.start()

        def ended() -> None:
            self._task = None
            self._settled()

        def failed(error: Exception) -> None:
            self._task = None
            self._unwatch()
            self._tellFailure(error)
            self._settled()

        def begin() -> None:
            before, self._abandoned = self._abandoned, None
            self._task = BackgroundTask(lambda: _after(before, function), done, failed, self._showProgress)
            self._watch = watch
            if watch is not None:
                self.ui.progressBar.value = 0
                self.ui.progressBar.visible = True
            self.on_changed()

        if self._is_under_way:
            self._next.append(begin)
        else:
            begin()

    def stop(self) -> None:
        """End everything without a word."""
        self._next.clear()
        self._runner.stop()
        if self._watch is not None:
            self._watch.cancel()
            self._abandoned = self._task
        if self._task is not None:
            self._task.forget()
            self._task = None
        self._watch = None
        self.ui.progressBar.visible = False

    @property
    def _is_under_way(self) -> bool:
        return self._runner.is_running or self._task is not None

    def _abandon(self, watch: Watch) -> None:
        """Let the user go on while a cancelled thread does a last step that cannot be interrupted."""
        if self._watch is watch:
            self._task.forget()
            self._abandoned, self._task = self._task, None
            self._unwatch()
            self.say(CANCELLED)
            self._settled()

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch = None
            self.ui.progressBar.visible = False

    def _showProgress(self) -> None:
        event = self._watch.event if self._watch is not None and not self._watch.is_cancelled else None
        if event is not None:
            self.ui.progressBar.value = round(100 * event.fraction)
            self.say(progress_line(event))

    def _tellFailure(self, error: Exception) -> None:
        from LiverTumorAILib.progress import Cancelled

        if isinstance(error, Cancelled):
            self.say(CANCELLED)
        else:
            self.complain(problem(error))

    def _receive(self, event: Event) -> None:
        if not self._runner.is_running:
            self.ui.progressBar.visible = False
        self._on_event(event)
        self._settled()

    def _settled(self) -> None:
        if self._next and not self._is_under_way:
            self._next.pop(0)()
        self.on_changed()


def _parts(on_done: Callable[[Any], Iterator[None] | None], result: object) -> Iterator[None]:
    parts = on_done(result)
    if parts is not None:
        yield from parts


def _after(before: BackgroundTask | None, function: Callable[[], Any]) -> object:
    """What a function gives once an abandoned thread has ended, so that both never write at the same time."""
    if before is not None:
        before.join()
    return function()

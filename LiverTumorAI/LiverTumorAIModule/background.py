"""Work beside the GUI's thread, watched by a timer, and work on it in short parts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

if TYPE_CHECKING:
    from LiverTumorAILib.progress import Progress, ProgressEvent
    from LiverTumorAILib.worker.events import Event
    from LiverTumorAILib.worker.job import Job

POLL_MS = 80
YIELD_SECONDS = 0.002


class WorkerRunner:
    """Runs one job at a time in the worker process and hands its events to the GUI's thread.

    Parameters
    ----------
    on_event: callable
        Receives each event.

    """

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._worker = None
        self._timer = qt.QTimer()
        self._timer.interval = POLL_MS
        self._timer.timeout.connect(self._poll)

    @property
    def is_running(self) -> bool:
        """Whether a job is under way."""
        return self._worker is not None

    def start(self, job: Job) -> None:
        """Start a job; RuntimeError while another one runs."""
        from LiverTumorAILib.worker.client import WorkerProcess

        if self._worker is not None:
            raise RuntimeError(_("Another job is still running"))
        self._worker = WorkerProcess(job)
        self._timer.start()

    def cancel(self) -> None:
        """End the job and all its processes; its last event follows at once."""
        if self._worker is not None:
            self._worker.cancel()
            self._poll()

    def stop(self) -> None:
        """End the job without further events."""
        self._timer.stop()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()

    def _poll(self) -> None:
        # Lets the thread that reads the worker's output run even where Qt's event loop holds Python's lock.
        time.sleep(YIELD_SECONDS)
        worker = self._worker
        if worker is None:
            return
        events = worker.poll()
        if not worker.is_running:
            self._timer.stop()
        for event in events:
            # The job is over once its last event is handed over, not before.
            if event is events[-1] and not worker.is_running:
                self._worker = None
            self._on_event(event)


class Watch:
    """What a thread last told of its progress, and whether the user wants it to stop.

    Parameters
    ----------
    stage: str
        What the thread does, in words.

    """

    def __init__(self, stage: str) -> None:
        self.event: ProgressEvent | None = None
        self._stage = stage
        self._cancelled = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        """Whether the thread is to stop."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Let the thread end with `Cancelled` where it looks next."""
        self._cancelled.set()

    def progress(self) -> Progress:
        """What the thread is to tell its progress to."""
        from LiverTumorAILib.progress import Progress

        return Progress(self._note, self._cancelled.is_set, self._stage)

    def _note(self, event: ProgressEvent) -> None:
        self.event = event


class BackgroundTask:
    """Runs one function in a thread and hands its result, or its exception, to the GUI's thread.

    Parameters
    ----------
    function: callable
        Must not touch the scene or any widget.
    on_done: callable
        Receives the result.
    on_error: callable
        Receives the exception.
    on_wait: callable, optional
        Called again and again until then.

    """

    def __init__(
        self,
        function: Callable[[], Any],
        on_done: Callable[[Any], None],
        on_error: Callable[[Exception], None],
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        self._on_done, self._on_error, self._on_wait = on_done, on_error, on_wait
        self._result: Any = None
        self._is_forgotten = False
        self._error: Exception | None = None
        # Not a daemon: the program waits for its end, so that no native code is torn and no file left half-written.
        self._thread = threading.Thread(target=self._run, args=(function,))
        self._timer = qt.QTimer()
        self._timer.interval = POLL_MS
        self._timer.timeout.connect(self._poll)
        self._thread.start()
        self._timer.start()

    @property
    def is_running(self) -> bool:
        """Whether the result was not handed over yet."""
        return self._timer.active

    def finish(self) -> None:
        """Wait for the end and hand the result over now."""
        self._thread.join()
        if self.is_running:
            self._poll()

    def join(self) -> None:
        """Wait for the function's end, and hand nothing over."""
        self._thread.join()

    def forget(self) -> None:
        """Hand nothing over any more."""
        self._timer.stop()
        self._is_forgotten, self._result, self._error = True, None, None

    def _run(self, function: Callable[[], Any]) -> None:
        try:
            result = function()
        except Exception as error:
            self._error = None if self._is_forgotten else error
        else:
            # A whole study must not live on with an object that nobody waits for.
            self._result = None if self._is_forgotten else result

    def _poll(self) -> None:
        self._thread.join(YIELD_SECONDS)
        if self._thread.is_alive():
            if self._on_wait is not None:
                self._on_wait()
            return
        self._timer.stop()
        # An error's traceback holds the function's variables, a whole study perhaps, and this object too.
        result, error = self._result, self._error
        self._result = self._error = None
        if error is not None:
            self._on_error(error)
        else:
            self._on_done(result)


class InTurns:
    """Does work on the GUI's thread part by part, so that the window lives on in between.

    Parameters
    ----------
    parts: iterator
        Each step of it does a part.
    on_done: callable
        Called after the last part.
    on_error: callable
        Receives the exception of a part that fails, which is then raised as well.

    """

    def __init__(
        self, parts: Iterator[None], on_done: Callable[[], None], on_error: Callable[[Exception], None]
    ) -> None:
        self._parts: Iterator[None] | None = parts
        self._on_done, self._on_error = on_done, on_error

    def start(self) -> None:
        """Do the first part now, each other one in a further turn of the event loop."""
        try:
            if self._parts is not None:
                next(self._parts)
                qt.QTimer.singleShot(0, self.start)
        except StopIteration:
            self._parts = None
            self._on_done()
        except Exception as error:
            self._parts = None
            self._on_error(error)
            raise

    def forget(self) -> None:
        """Do no further part."""
        self._parts = None

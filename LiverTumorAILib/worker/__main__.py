"""`python -m LiverTumorAILib.worker JOB.json`: one job in a process of its own.

Events go to standard output, one JSON object a line. The end of standard input (the window closed it, or died)
cancels the job. Exit status: 0 finished, 1 failed or cancelled.
"""

import os
import signal
import sys
import threading
from pathlib import Path

GRACE_SECONDS = 0.4
"""How long a cancelled job may take to stop by itself."""


def main(job_file: str) -> int:
    """Run the job of a job file."""
    cancelled = threading.Event()
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    # Whatever a library prints must not mix with the events.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    signal.signal(signal.SIGTERM, lambda *_: cancelled.set())
    threading.Thread(target=_watch_input, args=(cancelled,), daemon=True).start()
    threading.Thread(target=_end_when_cancelled, args=(cancelled, job_file), daemon=True).start()
    _restore_priority()

    from LiverTumorAILib.errors import LiverTumorAIError
    from LiverTumorAILib.worker.events import Event, Failed
    from LiverTumorAILib.worker.job import read_job
    from LiverTumorAILib.worker.run import run_job

    def emit(event: Event) -> None:
        print(event.to_line(), file=events, flush=True)

    try:
        job = read_job(Path(job_file))
    except LiverTumorAIError as error:
        emit(Failed(error.what, error.where, error.advice, str(error)))
        return 1
    return 0 if run_job(job, emit, cancelled.is_set) else 1


def _watch_input(cancelled: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    cancelled.set()


def _end_when_cancelled(cancelled: threading.Event, job_file: str) -> None:
    """End this process and its children even when a library call does not return."""
    cancelled.wait()
    threading.Event().wait(GRACE_SECONDS)
    from LiverTumorAILib.worker.client import end_tree, remove_partial

    remove_partial(Path(job_file))
    end_tree(os.getpid(), include_root=False)
    os._exit(1)


def _restore_priority() -> None:
    """Slicer on Linux runs at low priority, which its children inherit."""
    if hasattr(os, "setpriority"):
        try:
            os.setpriority(os.PRIO_PROCESS, 0, 0)
        except PermissionError:
            return


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: python -m LiverTumorAILib.worker JOB.json", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1]))

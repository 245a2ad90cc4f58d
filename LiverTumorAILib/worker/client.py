"""Starting, watching and ending the worker process; pure Python, so that any event loop can poll it."""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.folders import partial_folder
from LiverTumorAILib.worker.events import CancelledByUser, Event, Failed, Finished, parse_event
from LiverTumorAILib.worker.job import Job, read_job, write_job

LIBRARY_PARENT = Path(__file__).resolve().parents[2]
ENDINGS = (Finished, Failed, CancelledByUser)


class WorkerProcess:
    """One job running in a process of its own.

    Parameters
    ----------
    job: Job
    python: str, optional
        Interpreter to run; inside Slicer this is PythonSlicer, which `sys.executable` names.

    """

    def __init__(self, job: Job, python: str = sys.executable) -> None:
        self._job = job
        self._events: queue.Queue[Event] = queue.Queue()
        self._ended = False
        self._folder = Path(tempfile.mkdtemp(prefix="livertumorai-job-"))
        job_file = self._folder / "job.json"
        write_job(job, job_file)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(LIBRARY_PARENT), os.environ.get("PYTHONPATH", "")))),
            "PYTHONUNBUFFERED": "1",
        }
        self._errors = (self._folder / "errors.log").open("wb")
        flags = {"creationflags": subprocess.CREATE_NO_WINDOW} if os.name == "nt" else {}
        self._process = subprocess.Popen(
            [python, "-m", "LiverTumorAILib.worker", str(job_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            **flags,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process ID of the worker."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the last event has not been polled yet."""
        return not self._ended

    def poll(self) -> list[Event]:
        """Events since the last poll, never waiting; after Finished, Failed or CancelledByUser none follows."""
        events: list[Event] = []
        while not self._ended:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                break
            events.append(event)
            self._ended = isinstance(event, ENDINGS)
        return events

    def cancel(self, wait_seconds: float = 0.7) -> None:
        """Ask the worker to stop, end its process tree if it does not, and remove what it had begun to write."""
        if self._process.poll() is None:
            self._process.stdin.close()
            try:
                self._process.wait(wait_seconds)
            except subprocess.TimeoutExpired:
                end_tree(self._process.pid)
        self._reader.join(1)

    def _read(self) -> None:
        """Queue the worker's events; a worker that ends without a last word has crashed or was cancelled."""
        last: Event | None = None
        with self._process.stdout:
            for line in self._process.stdout:
                try:
                    last = parse_event(line.decode("utf-8", "replace"))
                except (ValueError, TypeError):
                    continue
                self._events.put(last)
        code = self._process.wait()
        self._errors.close()
        if not isinstance(last, ENDINGS):
            shutil.rmtree(partial_folder(Path(self._job.out).absolute()), ignore_errors=True)
            self._events.put(CancelledByUser() if self._process.stdin.closed else _crashed(code))
        shutil.rmtree(self._folder, ignore_errors=True)


def _crashed(code: int) -> Failed:
    cause = "was ended from outside or ran out of memory" if code < 0 else "stopped unexpectedly"
    what, advice = f"The analysis process {cause} (status {code})", "Nothing was lost; start it again"
    return Failed(what, "", advice, str(LiverTumorAIError(what, advice=advice)))


def end_tree(pid: int, include_root: bool = True) -> None:
    """Kill a process and all its descendants."""
    try:
        root = psutil.Process(pid)
        processes = root.children(recursive=True) + ([root] if include_root else [])
    except psutil.NoSuchProcess:
        return
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=1)


def remove_partial(job_file: Path) -> None:
    """Remove what the job of this file had begun to write."""
    try:
        job = read_job(job_file)
    except LiverTumorAIError:
        return
    shutil.rmtree(partial_folder(Path(job.out).absolute()), ignore_errors=True)

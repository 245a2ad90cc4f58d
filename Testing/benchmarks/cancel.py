"""Seconds from cancel until the worker's process tree is gone: python Testing/benchmarks/cancel.py [STUDY]."""

import sys
import tempfile
import time
from pathlib import Path

import psutil

from LiverTumorAILib.phantom import generate_phantom, write_case
from LiverTumorAILib.worker.client import WorkerProcess
from LiverTumorAILib.worker.events import ProgressReported
from LiverTumorAILib.worker.job import Job

MOMENTS = ("Loading the study", "Registering non-contrast", "Registering delayed", "Finding liver and lesions")


def seconds_to_end(study: Path, out: Path, stage: str) -> float:
    """Cancel an analysis half a second into a stage."""
    worker = WorkerProcess(Job("analyze", str(study), str(out)))
    while not any(isinstance(event, ProgressReported) and event.stage == stage for event in worker.poll()):
        time.sleep(0.01)
        if not worker.is_running:
            raise SystemExit(f"the analysis ended before '{stage}'")
    time.sleep(0.5)
    tree = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
    started = time.monotonic()
    worker.cancel()
    psutil.wait_procs(tree, timeout=10)
    return time.monotonic() - started


def main() -> None:
    """Print one line a moment."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "study"
        if len(sys.argv) == 1:
            write_case(generate_phantom(50_001, "ct4"), study, dicom=True)
        for stage in MOMENTS:
            print(f"{stage}: {seconds_to_end(study, Path(folder) / 'out', stage):.2f} s", flush=True)
            left = sorted(path.name for path in Path(folder).iterdir() if path.name != "study")
            assert not left, left


if __name__ == "__main__":
    main()

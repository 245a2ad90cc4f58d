"""The worker process: events out, results by one rename, cancel ends the process tree."""

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.study import Phase
from LiverTumorAILib.worker.client import LIBRARY_PARENT, WorkerProcess
from LiverTumorAILib.worker.events import (
    CancelledByUser,
    Failed,
    Finished,
    FoundVolume,
    PhasesFound,
    ProgressReported,
    parse_event,
)
from LiverTumorAILib.worker.job import Job, read_job, write_job

PATIENCE_SECONDS = 300
SEEN: dict[int, list] = {}


def events_until(worker: WorkerProcess, stop: tuple[type, ...]) -> list:
    """All events so far, once one of these types or the last event has come."""
    events = SEEN.setdefault(worker.pid, [])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        events += worker.poll()
        if any(isinstance(event, stop) for event in events):
            return events
        assert not any(isinstance(event, ENDINGS) for event in events), f"ended before {stop}: {events}"
        time.sleep(0.02)
    raise AssertionError(f"no {stop} within {PATIENCE_SECONDS} s: {events}")


ENDINGS = (Finished, Failed, CancelledByUser)


@given(
    st.builds(
        Job,
        command=st.sampled_from(["load", "analyze"]),
        study=st.text(),
        out=st.text(),
        phases=st.dictionaries(st.integers(0, 9), st.none() | st.sampled_from(Phase)),
        models=st.none() | st.text(),
    )
)
def test_a_job_file_is_read_as_it_was_written(tmp_path_factory, job):
    path = tmp_path_factory.mktemp("job") / "job.json"
    write_job(job, path)
    assert read_job(path) == job


def test_an_unknown_job_is_refused(tmp_path):
    with pytest.raises(LiverTumorAIError, match="Unknown job"):
        Job("dance", "a", "b")
    (tmp_path / "job.json").write_text("[1, 2]")
    with pytest.raises(LiverTumorAIError, match="Not a job file"):
        read_job(tmp_path / "job.json")


def test_events_are_read_as_they_were_written():
    volume = FoundVolume(0, "series 1", "arterial", 0.9, "aorta 300 HU", True, 40, (0.7, 0.7, 5.0), ("uneven",))
    for event in (
        ProgressReported("loading", 0.5, "x", None),
        PhasesFound("CT", (volume,), ("a",)),
        Finished("out", 2.0),
        Failed("what", "where", "do", "line"),
        CancelledByUser(),
    ):
        line = event.to_line()
        assert "\n" not in line
        assert parse_event(line) == event


def test_loading_gives_the_phases_and_their_volumes(small_study, tmp_path):
    worker = WorkerProcess(Job("load", str(small_study), str(tmp_path / "out")))
    events = events_until(worker, ENDINGS)
    assert isinstance(events[-1], Finished)
    found = next(event for event in events if isinstance(event, PhasesFound))
    assert {volume.phase for volume in found.volumes} == {"non_contrast", "arterial", "portal_venous", "delayed"}
    assert sorted(path.name for path in (tmp_path / "out" / "volumes").iterdir()) == [f"{i}.nrrd" for i in range(4)]
    fractions = [event.fraction for event in events if isinstance(event, ProgressReported)]
    assert fractions == sorted(fractions)


def test_a_phase_set_by_the_user_wins(small_study, tmp_path):
    job = Job("load", str(small_study), str(tmp_path / "out"), phases={0: None, 1: Phase.HEPATOBILIARY})
    events = events_until(WorkerProcess(job), ENDINGS)
    found = next(event for event in events if isinstance(event, PhasesFound))
    assert [volume.phase for volume in found.volumes][:2] == [None, "hepatobiliary"]
    assert found.volumes[1].reason == "set by the user"


def test_bad_input_is_told_in_one_line_and_leaves_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    worker = WorkerProcess(Job("load", str(tmp_path / "empty"), str(tmp_path / "out")))
    failed = events_until(worker, ENDINGS)[-1]
    assert isinstance(failed, Failed)
    assert failed.what and failed.advice and "\n" not in failed.text
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize("moment", [PhasesFound, ProgressReported])
def test_cancel_ends_the_process_tree_and_leaves_nothing(small_study, tmp_path, moment):
    worker = WorkerProcess(Job("analyze", str(small_study), str(tmp_path / "out")))
    events_until(worker, (moment,))
    tree = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
    worker.cancel()
    assert not [process for process in tree if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert isinstance(events_until(worker, ENDINGS)[-1], CancelledByUser)
    assert list(tmp_path.iterdir()) == []
    assert not worker.is_running


def test_a_worker_killed_from_outside_is_explained(small_study, tmp_path):
    worker = WorkerProcess(Job("analyze", str(small_study), str(tmp_path / "out")))
    events_until(worker, (PhasesFound,))
    psutil.Process(worker.pid).kill()
    failed = events_until(worker, ENDINGS)[-1]
    assert isinstance(failed, Failed)
    assert "ended from outside" in failed.what or "stopped unexpectedly" in failed.what
    assert list(tmp_path.iterdir()) == []


def test_the_worker_ends_when_its_window_dies(small_study, tmp_path):
    job_file = tmp_path / "job.json"
    write_job(Job("analyze", str(small_study), str(tmp_path / "out")), job_file)
    command = [sys.executable, "-m", "LiverTumorAILib.worker", str(job_file)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=LIBRARY_PARENT)
    assert json.loads(process.stdout.readline())["event"] == "progress"
    process.stdin.close()
    process.stdout.read()
    assert process.wait(PATIENCE_SECONDS) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


def test_the_library_is_found_from_any_working_folder(small_study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = Job("load", str(small_study), str(Path("relative-out").absolute()))
    assert isinstance(events_until(WorkerProcess(job), ENDINGS)[-1], Finished)

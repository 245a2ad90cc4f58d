"""Reviews under way, kept on this computer so that neither a crash nor a forgotten export loses them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from slicer.i18n import tr as _

SESSION_FILE = "session.json"
OPEN_FILE = "open"
RESULTS = "results"
MOST_SESSIONS = 5
MOST_FILES = 20000
SAME_SECONDS = 5.0
"""A clock that is set meanwhile shifts what the system says of a process's begin."""


@dataclass(frozen=True)
class Session:
    """One review: its folder holds the reading as last saved and, for analyses of this module, the results.

    Attributes
    ----------
    folder: Path
    study: str
        Path of the study; empty where it is not known.
    fingerprint: str
        Of the study's files when the session began.
    results: str
        Results folder.
    began: float
        Seconds since 1970.

    """

    folder: Path
    study: str
    fingerprint: str
    results: str
    began: float

    @property
    def is_complete(self) -> bool:
        """Whether its results are there."""
        return (Path(self.results) / "findings.json").is_file()

    @property
    def words(self) -> str:
        """When the review was last saved and how far it is: '21 Nov 13:05, 4 of 7 reviewed'."""
        saved = self.folder / "review.json"
        changed = saved.stat().st_mtime if saved.is_file() else self.began
        words = time.strftime("%d %b %H:%M", time.localtime(changed))
        try:
            content = json.loads(saved.read_text(encoding="utf-8"))
            done = sum(state != "to review" for state in content["states"].values())
            text = _("{time}, {done} of {count} reviewed")
            return text.format(time=words, done=done, count=len(content["lesions"]))
        except (OSError, ValueError, KeyError):
            return words

    def open(self) -> None:
        """Say that this process works on it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        owner = {"pid": os.getpid(), "began": _began(os.getpid())}
        (self.folder / OPEN_FILE).write_text(json.dumps(owner), encoding="utf-8")

    def close(self) -> None:
        """Say that nobody works on it any more."""
        (self.folder / OPEN_FILE).unlink(missing_ok=True)

    @property
    def is_in_use(self) -> bool:
        """Whether a process works on it."""
        return self._owner_lives() is True

    @property
    def was_interrupted(self) -> bool:
        """Whether a process that is gone worked on it to its end."""
        return self._owner_lives() is False

    def _owner_lives(self) -> bool | None:
        """None where nobody works on it."""
        try:
            owner = json.loads((self.folder / OPEN_FILE).read_text(encoding="utf-8"))
            began = _began(owner["pid"])
            # Another process may have got the number of one that is gone, after a restart above all.
            return began is not None and abs(began - owner["began"]) < SAME_SECONDS
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _began(pid: int) -> float | None:
    """When a process began (seconds since 1970); None if there is none."""
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


class Sessions:
    """The sessions of a folder; the oldest go when there are more than a few.

    Parameters
    ----------
    folder: Path
        Made when it is first needed.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, study: str) -> Session:
        """A new session for the analysis of a study."""
        folder = self._folder / uuid.uuid4().hex
        session = self._write(folder, study, fingerprint(Path(study)), str(folder / RESULTS))
        session.open()
        return session

    def of_results(self, results: Path) -> Session:
        """The session of a results folder, begun if there is none."""
        results = results.absolute()
        for session in self.all():
            if Path(session.results) == results:
                return session
        try:
            content = (results / "findings.json").read_bytes()
        except OSError:
            content = str(results).encode()
        folder = self._folder / hashlib.sha256(str(results).encode() + content).hexdigest()[:32]
        return self._write(folder, "", "", str(results))

    def of_study(self, study: str) -> Session | None:
        """The newest session with results of a study whose files have not changed since."""
        now = fingerprint(Path(study))
        return next((session for session in self._complete() if session.fingerprint == now), None)

    def interrupted(self) -> Session | None:
        """The newest session that ended without a word."""
        return next((session for session in self._complete() if session.was_interrupted), None)

    def all(self) -> list[Session]:
        """All sessions, the newest first."""
        sessions = []
        for file in self._folder.glob(f"*/{SESSION_FILE}"):
            try:
                sessions.append(Session(file.parent, **json.loads(file.read_text(encoding="utf-8"))))
            except (OSError, ValueError, TypeError):
                continue
        return sorted(sessions, key=lambda session: -session.began)

    def tidy(self) -> None:
        """Remove sessions without results, and all but the newest ones; those in use stay."""
        kept = self._complete()[:MOST_SESSIONS]
        for session in self.all():
            if session not in kept and not session.is_in_use:
                shutil.rmtree(session.folder, ignore_errors=True)

    def _complete(self) -> list[Session]:
        return [session for session in self.all() if session.is_complete]

    @staticmethod
    def _write(folder: Path, study: str, mark: str, results: str) -> Session:
        session = Session(folder, study, mark, results, time.time())
        folder.mkdir(parents=True, exist_ok=True)
        content = asdict(session)
        del content["folder"]
        (folder / SESSION_FILE).write_text(json.dumps(content), encoding="utf-8")
        return session


def fingerprint(study: Path) -> str:
    """What tells whether a study's files are the same as before: names, sizes and times, as one hash."""
    files = sorted(study.rglob("*"))[:MOST_FILES] if study.is_dir() else [study]
    digest = hashlib.sha256(str(study.absolute()).encode())
    for file in files:
        if file.is_file():
            stat = file.stat()
            digest.update(f"{file.relative_to(study)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()

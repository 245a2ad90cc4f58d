"""Folders that appear complete or not at all."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from LiverTumorAILib.errors import LiverTumorAIError


def partial_folder(path: Path) -> Path:
    """Where the content of `path` is written until it is complete: hidden, beside it."""
    return path.parent / f".{path.name}.partial"


def require_free(path: Path) -> None:
    """Raise LiverTumorAIError unless `path` is absent or an empty folder."""
    if path.is_file():
        raise LiverTumorAIError("The output is an existing file, not a folder", path, "Choose another folder")
    if path.is_dir() and any(path.iterdir()):
        raise LiverTumorAIError("The output folder is not empty", path, "Choose an empty or a new folder")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write into that becomes `path` by one rename at the end.

    Whatever goes wrong inside (an error, a cancel, a full disk), nothing is left behind.

    Raises
    ------
    LiverTumorAIError
        If `path` exists and is not empty, cannot be created, or the disk is full.

    """
    path = Path(path).absolute()
    require_free(path)
    partial = partial_folder(path)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if path.is_dir():
            path.rmdir()
        partial.rename(path)
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _explained(error: OSError, path: Path) -> LiverTumorAIError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return LiverTumorAIError("The disk is full", path, "Free some space or choose another disk")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return LiverTumorAIError("No permission to write", path, "Choose a folder you may write to")
    return LiverTumorAIError(f"Cannot write: {error.strerror or error}", path, "Choose another folder")

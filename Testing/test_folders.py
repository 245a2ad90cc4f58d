"""Folders of results appear complete or not at all."""

import errno

import pytest

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.folders import new_folder
from LiverTumorAILib.progress import Cancelled


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    with new_folder(tmp_path / "out") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "a.txt").read_text() == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [Cancelled(), ValueError("x"), KeyboardInterrupt()])
def test_nothing_is_left_after_an_error_or_a_cancel(tmp_path, error):
    with pytest.raises(type(error)), new_folder(tmp_path / "out") as folder:
        (folder / "a.txt").write_text("a")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_content_is_refused_and_kept(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(LiverTumorAIError, match="not empty"), new_folder(tmp_path):
        pass
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_an_empty_folder_is_accepted(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with new_folder(out) as folder:
        (folder / "a").touch()
    assert (out / "a").exists()


def test_a_full_disk_is_explained_and_leaves_nothing(tmp_path):
    with (
        pytest.raises(LiverTumorAIError, match="disk is full.*Free some space"),
        new_folder(tmp_path / "out") as folder,
    ):
        (folder / "a").touch()
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(LiverTumorAIError, match="existing file"), new_folder(tmp_path / "out"):
        pass

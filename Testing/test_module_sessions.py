"""Reviews outlive crashes, closed scenes and the program."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

import pydicom
from conftest import ROOT
from module_host import load_panel, table_texts, wait
from slicer_host import Host

from LiverTumorAILib.lesions.findings_io import read_findings
from LiverTumorAILib.phantom.dicom_writer import write_dicom_study
from LiverTumorAILib.pipeline import Analysis
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.report import write_results
from LiverTumorAILib.review.files import read_reading
from LiverTumorAILib.study import Modality, Phase, load_study

pytest_plugins = ["module_fixtures"]
STATE = 5
CRASH = """
import sys
from types import SimpleNamespace
sys.path[:0] = {paths!r}
from slicer_host import Host
from module_host import load_panel
from PySide6.QtTest import QTest
host = Host()
kept, host.app._folder = host.app._folder, SimpleNamespace(name={cache!r})
panel = load_panel(host, {results!r})
panel.ui.acceptButton.click()
panel.ui.rejectButton.click()
host.wait_until(lambda: panel.findings.autosave.is_saved, 30)
print("saved", flush=True)
import os
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def cache(running, tmp_path, monkeypatch):
    """The folder where reviews are kept, empty at first."""
    monkeypatch.setattr(running.app, "_folder", SimpleNamespace(name=str(tmp_path / "cache")))
    return tmp_path / "cache"


@pytest.fixture
def panel(cache, results):
    """A panel of its own for each test."""
    with Host(size=(1280, 800)) as started:
        yield load_panel(started, results)


@pytest.fixture
def host(panel):
    with_panel = Host()
    yield with_panel
    with_panel.check()


def states(panel):
    return [row[STATE] for row in table_texts(panel.ui.lesionTable)]


def show_again(host, panel, results):
    panel.showResults(results)
    wait(host, panel)


def test_a_review_comes_back_when_its_results_are_shown_again(host, panel, results):
    panel.ui.acceptButton.click()
    panel.ui.rejectButton.click()
    host.app._core.close_scene()
    assert states(panel) == []
    show_again(host, panel, results)
    assert states(panel) == ["accepted", "rejected", "to review"]
    assert not (results / "review.json").exists(), "the results folder itself is left alone"


def test_a_review_is_saved_soon_after_each_step(host, panel, results):
    panel.ui.acceptButton.click()
    session = panel.logic.sessions.of_results(results)
    host.wait_until(lambda: panel.findings.autosave.is_saved, 20)
    assert list(read_reading(session.folder).states.values()) == ["accepted"]


def test_a_review_that_a_crash_ended_is_offered_and_goes_on(cache, results):
    paths = [str(ROOT), str(ROOT / "Testing"), str(ROOT / "Testing" / "SlicerHost")]
    code = CRASH.format(paths=paths, cache=str(cache), results=str(results))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout.endswith("saved\n"), ended.stderr
    with Host(size=(1280, 800)) as host:
        panel = load_panel(host)
        assert panel.ui.earlierButton.isVisible()
        assert "ended unexpectedly" in panel.ui.earlierButton.text()
        assert "2 of 3 reviewed" in panel.ui.earlierButton.text()
        panel.ui.earlierButton.click()
        wait(host, panel)
        assert states(panel) == ["accepted", "rejected", "to review"]
        assert not panel.ui.earlierButton.isVisible()
        host.check()


def test_a_review_that_ended_well_is_not_offered_at_the_start(host, panel):
    panel.ui.acceptButton.click()
    panel.cleanup()
    assert panel.logic.sessions.interrupted() is None


def test_a_process_that_got_the_number_of_a_crashed_one_owns_no_review(host, panel, results):
    session = panel.logic.sessions.of_results(results)
    assert session.is_in_use
    file = session.folder / "open"
    owner = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(owner | {"began": owner["began"] - 3600}), encoding="utf-8")
    assert panel.logic.sessions.interrupted() == session


def test_only_the_latest_reviews_are_kept(panel, tmp_path):
    sessions = panel.logic.sessions
    for _ in range(8):
        session = sessions.begin(str(tmp_path))
        folder = tmp_path / "cache" / "LiverTumorAI" / session.folder.name / "results"
        folder.mkdir()
        (folder / "findings.json").write_text("{}", encoding="utf-8")
        session.close()
    sessions.begin(str(tmp_path)).close()
    sessions.tidy()
    left = [session for session in sessions.all() if session.study]
    assert len(left) == 5
    assert all(session.is_complete for session in left)


def test_earlier_results_are_those_of_the_same_files(panel, tmp_path):
    sessions, study = panel.logic.sessions, tmp_path / "study"
    study.mkdir()
    (study / "arterial.nii.gz").write_bytes(b"1")
    session = sessions.begin(str(study))
    (session.folder / "results").mkdir()
    (session.folder / "results" / "findings.json").write_text("{}", encoding="utf-8")
    assert sessions.of_study(str(study)) == session
    (study / "arterial.nii.gz").write_bytes(b"22")
    assert sessions.of_study(str(study)) is None


def test_no_name_of_a_patient_becomes_a_file_name(panel, tmp_path):
    session = panel.logic.sessions.begin(str(tmp_path / "Doe^Jane"))
    assert "Doe" not in str(session.folder)


def test_a_broken_session_is_passed_over(panel, results):
    session = panel.logic.sessions.of_results(results)
    (session.folder / "session.json").write_text("{", encoding="utf-8")
    assert session not in panel.logic.sessions.all()


def test_a_full_disk_is_told_and_the_review_goes_on(host, panel, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("LiverTumorAILib.review.files.os.fsync", full)
    panel.ui.acceptButton.click()
    host.wait_until(lambda: panel.findings.autosave.problem, 20)
    assert "No space left" in panel.ui.statusLabel.text()
    assert states(panel)[0] == "accepted"


def test_what_was_reviewed_is_exported_and_read_again(host, panel, tmp_path):
    panel.ui.acceptButton.click()
    panel.ui.rejectButton.click()
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    assert [lesion.label for lesion in read_findings(tmp_path / "saved").lesions] == [1, 3]
    assert len(json.loads((tmp_path / "saved" / "review.json").read_text(encoding="utf-8"))["lesions"]) == 3
    report = (tmp_path / "saved" / "report.html").read_text(encoding="utf-8")
    assert "2 of 3 reviewed, 1 rejected" in report
    show_again(host, panel, tmp_path / "saved")
    assert states(panel) == ["accepted", "rejected", "to review"]
    panel.ui.undoButton.click()


def test_a_saved_scene_brings_the_review_back(host, panel, tmp_path):
    panel.ui.acceptButton.click()
    panel.ui.rejectButton.click()
    panel.findings.review.setType("HEMANGIOMA")
    file = str(tmp_path / "scene.mrb")
    assert host.slicer.util.saveScene(file)
    host.app._core.close_scene()
    assert host.app.ioManager().loadScene(file)
    wait(host, panel)
    rows = table_texts(panel.ui.lesionTable)
    assert [row[STATE] for row in rows] == ["accepted", "rejected", "changed"]
    assert rows[2][1].startswith("Hemangioma (set)")
    assert panel.ui.reviewedLabel.text() == "3 of 3 reviewed"
    assert "2 lesions" in panel.ui.summaryLabel.text()
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    assert host.messages.texts("error") == []
    saved = read_findings(tmp_path / "saved")
    assert [lesion.type for lesion in saved.lesions] == ["HCC", "HEMANGIOMA"]
    show_again(host, panel, tmp_path / "saved")
    assert states(panel) == ["accepted", "rejected", "changed"]


def test_results_deleted_while_shown_can_still_be_saved(host, panel, study, tmp_path):
    from module_host import write_results_folder

    folder = write_results_folder(*study, tmp_path / "results")
    show_again(host, panel, folder)
    folder.rename(tmp_path / "gone")
    panel.ui.acceptButton.click()
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    assert host.messages.texts("error") == []
    assert len(read_findings(tmp_path / "saved").lesions) == 3
    panel.ui.reportButton.click()
    wait(host, panel)
    assert host.messages.texts("error") == []
    assert "1 of 3 reviewed" in Path(host.messages.texts("url")[0].removeprefix("file://")).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def of_dicom(study, tmp_path_factory):
    """Two patients' studies as DICOM, and the results of the first one's."""
    findings, images = study
    folder = tmp_path_factory.mktemp("dicom")
    for seed in (1, 2):
        write_dicom_study(images, Modality.CT, folder / f"patient-{seed}", seed)
    registered = RegisteredStudy(load_study(folder / "patient-1"), Phase.PORTAL_VENOUS, images)
    (folder / "results").mkdir()
    write_results(Analysis(registered, findings), folder / "results")
    return folder


@pytest.mark.parametrize(("loaded", "is_written"), [("", False), ("patient-2", False), ("patient-1", True)])
def test_dicom_files_are_written_for_the_study_that_was_analyzed_only(
    host, panel, of_dicom, tmp_path, loaded, is_written
):
    show_again(host, panel, of_dicom / "results")
    panel.ui.acceptButton.click()
    panel.ui.studyPathLineEdit.currentPath = str(of_dicom / loaded) if loaded else ""
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    assert host.messages.texts("error") == []
    assert ("left out" in panel.ui.statusLabel.text()) is not is_written
    written = [tmp_path / "saved" / name for name in ("seg.dcm", "sr.dcm")]
    assert [file.is_file() for file in written] == [is_written] * 2
    report = (tmp_path / "saved" / "report.html").read_text(encoding="utf-8")
    assert "Phantom 001" not in report
    for file in written if is_written else ():
        assert pydicom.dcmread(file).PatientID == pydicom.dcmread(of_dicom / "results" / file.name).PatientID


def test_a_patient_is_named_in_the_report_when_asked_for_and_at_hand_only(host, panel, of_dicom, tmp_path):
    show_again(host, panel, of_dicom / "results")
    panel.ui.studyPathLineEdit.currentPath = str(of_dicom / "patient-1")
    panel.ui.identityCheckBox.click()
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    assert "Phantom 001" in (tmp_path / "saved" / "report.html").read_text(encoding="utf-8")
    panel.ui.reportButton.click()
    wait(host, panel)
    (url,) = host.messages.texts("url")
    assert "Phantom 001" in Path(url.removeprefix("file://")).read_text(encoding="utf-8")
    panel.ui.studyPathLineEdit.currentPath = str(of_dicom / "patient-2")
    panel.ui.reportButton.click()
    wait(host, panel)
    (message,) = host.messages.texts("error")
    assert "not where they were" in message
    show_again(host, panel, of_dicom / "results")
    assert not panel.ui.identityCheckBox.isChecked()

"""From a study folder to findings in the module's panel, with the real worker process."""

import contextlib

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

import psutil
from analytic_findings import analytic_study
from analytic_network import write_network
from module_host import backgrounds, click_row, load_panel, table_texts, wait, write_results_folder
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox
from slicer_host import Host
from test_pipeline import write_study

from LiverTumorAILib.lesions.findings_io import read_findings
from LiverTumorAILib.mrml.nodes import owned_nodes
from LiverTumorAILib.phantom.dicom_writer import write_dicom_study
from LiverTumorAILib.study import Modality, Phase
from LiverTumorAILib.worker.job import read_job, write_job

PHASE, REGISTRATION = 1, 4


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory):
    """The worker finds a network whose answers are known."""
    folder = tmp_path_factory.mktemp("models")
    write_network(folder, spacing_mm=(3.0, 3.0, 3.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVERTUMORAI_MODELS", str(folder))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("workflow") / "case", shift_mm=6.0)


@pytest.fixture(scope="module")
def running():
    with Host(size=(1280, 800)) as started:
        yield started


@pytest.fixture(scope="module")
def panel(running):
    return load_panel(running)


@pytest.fixture(scope="module")
def loaded(running, panel, folder):
    panel.ui.studyPathLineEdit.currentPath = str(folder)
    panel.ui.loadButton.click()
    assert panel.busy
    assert not panel.ui.loadButton.isEnabled()
    wait(running, panel)
    return panel


@pytest.fixture(scope="module")
def analyzed(running, loaded):
    seen = []
    loaded.ui.progressBar.valueChanged.connect(seen.append)
    loaded.ui.runButton.click()
    assert loaded.ui.cancelButton.isEnabled()
    wait(running, loaded, 300)
    assert running.messages.texts("error") == []
    assert seen == sorted(seen)
    return loaded


@pytest.fixture
def host(running):
    running.messages.shown.clear()
    yield running
    running.check()


def workers():
    """Worker processes of this process that run."""
    found = []
    for child in psutil.Process().children(recursive=True):
        # One that ends meanwhile runs no more.
        with contextlib.suppress(psutil.NoSuchProcess):
            if "LiverTumorAILib.worker" in " ".join(child.cmdline()):
                found.append(child)
    return found


def test_loading_shows_each_acquisition_with_its_phase(loaded):
    rows = table_texts(loaded.ui.phasesTable)
    assert [row[0] for row in rows] == ["arterial.nii.gz", "portal_venous.nii.gz"]
    assert [row[2:4] for row in rows] == [["given", "56 × 3 mm"]] * 2
    assert loaded.ui.phasesTable.isColumnHidden(REGISTRATION)
    combos = [loaded.ui.phasesTable.cellWidget(row, PHASE) for row in range(2)]
    assert [combo.currentText() for combo in combos] == ["arterial", "portal venous"]
    assert loaded.ui.runButton.isEnabled()


def test_a_row_shows_its_acquisition_and_the_reason_for_its_phase(host, loaded):
    for row, name in ((1, "portal_venous.nii.gz"), (0, "arterial.nii.gz")):
        click_row(loaded.ui.phasesTable, row, 0)
        assert backgrounds(host.slicer.mrmlScene) == {name}
        assert loaded.ui.phaseHintLabel.text()


def test_a_study_without_any_phase_cannot_be_analyzed(loaded):
    combos = [loaded.ui.phasesTable.cellWidget(row, PHASE) for row in range(2)]
    for combo in combos:
        combo.setCurrentText("leave out")
    assert not loaded.ui.runButton.isEnabled()
    for combo, phase in zip(combos, ("arterial", "portal venous"), strict=True):
        combo.setCurrentText(phase)
    assert loaded.ui.runButton.isEnabled()
    assert table_texts(loaded.ui.phasesTable)[0][2] == "set"


def test_findings_appear_in_table_and_views(host, analyzed):
    rows = table_texts(analyzed.ui.lesionTable)
    assert rows[0][1].startswith("HCC")
    assert any(row[1].startswith("Cyst") for row in rows)
    assert analyzed.findings.shown.segmentation.GetSegmentation().GetSegment("liver") is not None
    assert backgrounds(host.slicer.mrmlScene) == {"portal venous"}
    assert not any(role.startswith("acquisition") for role in owned_nodes(host.slicer.mrmlScene))


def test_the_verdict_of_each_registration_stands_beside_its_phase(analyzed):
    records = {record.source: record for record in analyzed.findings.shown.findings.phases}
    quality = records["arterial.nii.gz"].registration
    rows = {row[0]: row[REGISTRATION] for row in table_texts(analyzed.ui.phasesTable)}
    assert rows == {"arterial.nii.gz": quality.verdict.value, "portal_venous.nii.gz": "reference"}
    assert f"match {quality.match:.2f}" in analyzed.ui.phasesTable.item(0, REGISTRATION).toolTip()
    assert not analyzed.ui.phasesTable.isColumnHidden(REGISTRATION)


def test_findings_can_be_saved_and_read_again(host, analyzed, tmp_path):
    analyzed.exportResults(tmp_path / "saved")
    wait(host, analyzed)
    shown = analyzed.findings.shown.findings
    assert [lesion.uid for lesion in read_findings(tmp_path / "saved").lesions] == [
        lesion.uid for lesion in shown.lesions
    ]


def test_a_corrected_phase_is_what_the_analysis_uses(host, analyzed):
    combos = [analyzed.ui.phasesTable.cellWidget(row, PHASE) for row in range(2)]
    combos[0].setCurrentText("leave out")
    assert analyzed.ui.phasesTable.isColumnHidden(REGISTRATION), "verdicts of other phases"
    analyzed.ui.runButton.click()
    wait(host, analyzed, 300)
    assert [row[REGISTRATION] for row in table_texts(analyzed.ui.phasesTable)] == ["not used", "reference"]
    combos[0].setCurrentText("arterial")
    assert [phase.title for phase in analyzed.findings.shown.phases] == ["portal venous"]


def test_a_phase_can_stand_in_for_one_that_a_method_needs_and_the_study_lacks(host, analyzed, tmp_path):
    ui = analyzed.ui
    methods = list(analyzed.logic.cascades())
    assert not ui.substituteRow.isVisible()
    ui.cascadeComboBox.setCurrentIndex(methods.index("hfs-net"))
    assert ui.substituteRow.isVisible()
    (combo,) = ui.substituteRow.findChildren(QComboBox)
    assert [combo.itemText(i) for i in range(combo.count())][1:] == ["arterial", "portal venous"]
    combo.setCurrentText("arterial")
    ui.runButton.click()
    wait(host, analyzed, 300)
    assert "There is no model 'hfs" in host.messages.texts("error")[0], "these tests bring another network"
    host.messages.shown.clear()
    job = analyzed.analysis._job
    assert job.substitutes == {Phase.NON_CONTRAST: Phase.ARTERIAL}
    write_job(job, tmp_path / "job.json")
    assert read_job(tmp_path / "job.json") == job
    ui.cascadeComboBox.setCurrentIndex(methods.index("base"))
    assert not ui.substituteRow.isVisible()


def test_cancel_ends_the_worker_and_leaves_the_panel_usable(host, analyzed):
    before = table_texts(analyzed.ui.lesionTable)
    analyzed.ui.runButton.click()
    host.wait_until(lambda: analyzed.ui.progressBar.value() > 0, 60)
    assert workers()
    analyzed.ui.cancelButton.click()
    wait(host, analyzed, 10)
    assert analyzed.ui.statusLabel.text() == "Cancelled. Nothing was left behind."
    host.wait_until(lambda: not workers(), 5)
    assert table_texts(analyzed.ui.lesionTable) == before
    assert analyzed.ui.runButton.isEnabled()
    assert not analyzed.ui.cancelButton.isEnabled()
    assert host.messages.texts("error") == []


def test_closing_the_scene_ends_what_runs(host, analyzed, folder):
    analyzed.openStudy(folder)
    host.wait_until(workers, 30)
    host.app._core.close_scene()
    host.wait_until(lambda: not workers(), 10)
    host.process_events(0.3)
    assert not analyzed.busy
    assert analyzed.ui.loadButton.isEnabled()
    assert table_texts(analyzed.ui.phasesTable) == []


def test_volumes_in_the_scene_are_a_study(host, analyzed, folder):
    host.app._core.close_scene()
    for name in ("arterial", "portal_venous"):
        host.slicer.util.loadVolume(str(folder / f"{name}.nii.gz"), {"name": f"Doe {name}"})
    analyzed.ui.sceneButton.click()
    wait(host, analyzed)
    assert host.messages.texts("error") == []
    rows = table_texts(analyzed.ui.phasesTable)
    assert [row[0] for row in rows] == ["Doe arterial", "Doe portal_venous"]
    study = analyzed.ui.studyPathLineEdit.currentPath
    assert "Doe" not in study
    assert analyzed.ui.runButton.isEnabled()


def test_a_scene_without_volumes_is_no_study(host, analyzed):
    host.app._core.close_scene()
    analyzed.ui.sceneButton.click()
    assert "holds no volumes" in host.messages.texts("error")[0]
    host.errors.clear()


def test_a_worker_ended_from_outside_is_explained_and_can_be_tried_again(host, analyzed, folder, monkeypatch):
    record, behind = host.messages.record, {}

    def look(kind, text):
        behind[kind] = analyzed.ui.loadButton.isEnabled(), analyzed.ui.cancelButton.isEnabled()
        record(kind, text)

    monkeypatch.setattr(host.messages, "record", look)
    analyzed.openStudy(folder)
    host.wait_until(workers, 60)
    for worker in workers():
        worker.kill()
    wait(host, analyzed, 60)
    assert "ended from outside" in host.messages.texts("error")[0]
    assert behind["error"] == (True, False), "the panel behind the dialog shows what can be done now"
    assert analyzed.ui.loadButton.isEnabled()
    host.messages.shown.clear()
    analyzed.ui.loadButton.click()
    wait(host, analyzed)
    assert len(table_texts(analyzed.ui.phasesTable)) == 2
    assert host.messages.texts("error") == []


def test_results_asked_for_during_loading_follow_it(host, analyzed, folder, tmp_path):
    analyzed.openStudy(folder)
    analyzed.showResults(write_results_folder(*analytic_study(), tmp_path / "results"))
    wait(host, analyzed)
    assert len(table_texts(analyzed.ui.phasesTable)) == 4, "what the results were made of, not what was loaded"
    assert not analyzed.ui.runButton.isEnabled()
    assert len(table_texts(analyzed.ui.lesionTable)) == 3


def drop(widget, *paths):
    """Drag files or folders over a widget and drop them; whether it takes them."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    place, button, none = QPoint(20, 20), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entered = QDragEnterEvent(place, Qt.DropAction.CopyAction, data, button, none)
    QApplication.sendEvent(widget, entered)
    if entered.isAccepted():
        QApplication.sendEvent(widget, QDropEvent(QPointF(place), Qt.DropAction.CopyAction, data, button, none))
    return entered.isAccepted()


def test_a_study_or_results_can_be_dropped_onto_the_panel(host, analyzed, folder, tmp_path):
    form = analyzed.ui.disclaimerLabel.parentWidget()
    assert drop(form, *folder.glob("*.nii.gz"))
    host.process_events()
    wait(host, analyzed)
    assert analyzed.ui.studyPathLineEdit.currentPath == str(folder)
    assert len(table_texts(analyzed.ui.phasesTable)) == 2
    results = write_results_folder(*analytic_study(spacing=(5.0, 5.0, 5.0)), tmp_path / "results")
    assert drop(form, results)
    host.process_events()
    wait(host, analyzed)
    assert len(table_texts(analyzed.ui.lesionTable)) == 3
    assert not drop(form, folder, tmp_path), "two folders are no study"
    assert host.messages.texts("error") == []


def test_two_actions_lead_from_a_folder_to_the_diameters_of_all_lesions(host, analyzed, folder):
    host.app._core.close_scene()
    assert drop(analyzed.ui.disclaimerLabel.parentWidget(), folder)
    host.process_events()
    wait(host, analyzed)
    QTest.mouseClick(analyzed.ui.runButton, Qt.MouseButton.LeftButton)
    wait(host, analyzed, 300)
    lesions = sorted(analyzed.findings.shown.reading.lesions, key=lambda lesion: lesion.label)
    assert lesions
    axes = [(lesion.measurement.long_axis.length_mm, lesion.measurement.short_axis.length_mm) for lesion in lesions]
    assert [row[3] for row in table_texts(analyzed.ui.lesionTable)] == [f"{a:.0f} × {b:.0f}" for a, b in axes]


@pytest.fixture
def imported(host, tmp_path):
    """Two patients in Slicer's DICOM database."""
    _, images = analytic_study(spacing=(6.0, 6.0, 6.0))
    phases = {phase: images[phase] for phase in (Phase.ARTERIAL, Phase.PORTAL_VENOUS)}
    for seed in (1, 2):
        write_dicom_study(phases, Modality.CT, tmp_path / f"patient-{seed}", seed)
    database = host.slicer.app.dicomDatabase()
    for file in sorted(tmp_path.rglob("*.dcm")):
        database.insert(str(file), False)
    yield tmp_path
    database._files.clear()


def choose_study(panel, patient):
    """Open the menu of the DICOM database and choose the patient's only study."""
    panel.sources._dicom._menu.aboutToShow.emit()
    (menu,) = (action.menu() for action in panel.sources._dicom._menu.actions() if action.text() == patient)
    menu.aboutToShow.emit()
    (study,) = menu.actions()
    study.trigger()


def test_a_study_of_the_dicom_database_can_be_chosen(host, analyzed, imported):
    choose_study(analyzed, "Phantom^002")
    wait(host, analyzed)
    assert host.messages.texts("error") == []
    assert analyzed.ui.studyPathLineEdit.currentPath == str(imported / "patient-2")
    rows = table_texts(analyzed.ui.phasesTable)
    assert [analyzed.ui.phasesTable.cellWidget(row, PHASE).currentText() for row in range(2)] == [
        "arterial",
        "portal venous",
    ]
    assert len(rows) == 2


def test_a_study_that_lies_among_other_files_is_taken_alone(imported, tmp_path_factory):
    from LiverTumorAIModule.dicom_menu import study_folder

    files = sorted((imported / "patient-1").rglob("*.dcm"))
    new = tmp_path_factory.mktemp("study") / "study"
    assert study_folder(files, new) == imported / "patient-1"
    first = files[: len(files) // 2]
    assert study_folder(first, new) in {new, first[0].parent}
    (imported / "patient-1" / "letter.txt").write_text("nothing to see", encoding="utf-8")
    alone = study_folder(files, new.with_name("other"))
    assert sorted(file.read_bytes() for file in alone.iterdir()) == sorted(file.read_bytes() for file in files)


def test_a_study_whose_files_are_gone_gives_one_clear_line(host, analyzed, imported):
    next((imported / "patient-1").rglob("*.dcm")).unlink()
    choose_study(analyzed, "Phantom^001")
    wait(host, analyzed)
    (message,) = host.messages.texts("error")
    assert "Files of this study are gone" in message and "Phantom" not in message

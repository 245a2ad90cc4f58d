"""A review that a saved scene brings back is exported with all that the analysis wrote."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

import pydicom
from module_host import load_panel, wait

from LiverTumorAILib.phantom.dicom_writer import write_dicom_study
from LiverTumorAILib.pipeline import Analysis
from LiverTumorAILib.registration import RegisteredStudy, RegistrationQuality, Verdict
from LiverTumorAILib.report import write_results
from LiverTumorAILib.report.dicom_source import UNKNOWN_SOURCE, source_of_images, source_of_segmentation
from LiverTumorAILib.study import Modality, Phase, load_study

pytest_plugins = ["module_fixtures"]
MOVED = Phase.ARTERIAL
QUALITY = RegistrationQuality(Verdict.GREEN, similarity_after=0.4, match=0.34, seconds=3.0)
GRID = "its grid, registered"
LACKING = "came without the registration field"


@pytest.fixture(scope="module")
def analyzed(study, tmp_path_factory):
    """A DICOM study whose arterial phase was registered, and its results."""
    findings, images = study
    folder = tmp_path_factory.mktemp("dicom")
    write_dicom_study(images, Modality.CT, folder / "study", 1)
    reference = images[findings.reference_phase]
    vectors = np.zeros((*reference.GetSize()[::-1], 3))
    vectors[..., 2] = 8 * np.sin(np.linspace(0, np.pi, vectors.shape[0]))[:, None, None]
    field = sitk.GetImageFromArray(vectors, isVector=True)
    field.CopyInformation(reference)
    records = tuple(
        replace(record, registration=QUALITY if record.phase is MOVED else None) for record in findings.phases
    )
    registered = RegisteredStudy(
        load_study(folder / "study"), findings.reference_phase, images, {MOVED: field}, {MOVED: QUALITY}
    )
    (folder / "results").mkdir()
    write_results(Analysis(registered, replace(findings, phases=records)), folder / "results")
    return folder


@pytest.fixture(scope="module")
def panel(running, analyzed):
    return load_panel(running, analyzed / "results")


@pytest.fixture
def reopened(host, panel, analyzed, tmp_path):
    """The panel after the scene with the results was saved and opened again, without the folder of results."""
    host.app._core.close_scene()
    panel.showResults(analyzed / "results")
    wait(host, panel)
    panel.ui.studyPathLineEdit.currentPath = str(analyzed / "study")
    file = str(tmp_path / "scene.mrb")
    assert host.slicer.util.saveScene(file)
    host.app._core.close_scene()
    assert host.app.ioManager().loadScene(file)
    wait(host, panel)
    assert panel.findings.results.folder is None
    return panel


def export(host, panel, folder):
    panel.exportResults(folder)
    wait(host, panel)
    assert host.messages.texts("error") == []
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_report_shows_the_deformed_grid_that_the_analysis_showed(host, reopened, analyzed, tmp_path):
    report = export(host, reopened, tmp_path / "saved")
    original = (analyzed / "results" / "report.html").read_text(encoding="utf-8")
    assert report.count(GRID) == original.count(GRID) > 0
    assert LACKING not in report
    stored, kept = (
        sitk.ReadImage(folder / "fields" / f"{MOVED}.nrrd") for folder in (analyzed / "results", tmp_path / "saved")
    )
    np.testing.assert_allclose(*map(sitk.GetArrayFromImage, (kept, stored)), atol=1e-4)
    assert kept.GetOrigin() == pytest.approx(stored.GetOrigin(), abs=1e-3)


def test_a_scene_that_lost_the_field_says_so_in_the_report(host, reopened, tmp_path):
    reopened.findings.results = reopened.findings.results._replace(fields={})
    report = export(host, reopened, tmp_path / "saved")
    assert GRID not in report
    assert LACKING in report


def test_dicom_files_are_written_while_the_study_is_where_it_was(host, reopened, analyzed, tmp_path):
    export(host, reopened, tmp_path / "saved")
    for name in ("seg.dcm", "sr.dcm"):
        saved, original = (pydicom.dcmread(folder / name) for folder in (tmp_path / "saved", analyzed / "results"))
        assert saved.StudyInstanceUID == original.StudyInstanceUID
    assert "left out" not in reopened.ui.statusLabel.text()


def test_where_it_is_not_the_window_says_what_to_do_and_that_helps(host, reopened, analyzed, tmp_path):
    reopened.ui.studyPathLineEdit.currentPath = str(tmp_path / "elsewhere")
    export(host, reopened, tmp_path / "first")
    assert not (tmp_path / "first" / "seg.dcm").exists()
    assert "Enter the study's folder in section 1" in reopened.ui.statusLabel.text()
    reopened.ui.studyPathLineEdit.currentPath = str(analyzed / "study")
    export(host, reopened, tmp_path / "second")
    assert (tmp_path / "second" / "seg.dcm").is_file()
    assert (tmp_path / "second" / "sr.dcm").is_file()


def test_a_series_is_told_by_its_images_and_named_by_nothing(analyzed, tmp_path):
    seg = analyzed / "results" / "seg.dcm"
    told = source_of_segmentation(seg)
    series = [volume.dicom_files for volume in load_study(analyzed / "study").volumes]
    assert [source_of_images(reversed(files)) for files in series].count(told) == 1
    assert pydicom.dcmread(seg).StudyInstanceUID not in told
    assert source_of_segmentation(tmp_path / "none.dcm") == ""
    (tmp_path / "broken.dcm").write_bytes(b"no DICOM")
    assert source_of_segmentation(tmp_path / "broken.dcm") == UNKNOWN_SOURCE

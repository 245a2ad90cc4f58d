"""What the phases table says of registrations when results are opened."""

from dataclasses import replace

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

from analytic_findings import analytic_study
from module_host import table_texts, write_results_folder

from LiverTumorAILib.lesions import PhaseRecord
from LiverTumorAILib.registration import RegistrationQuality, Verdict
from LiverTumorAILib.study import Phase

pytest_plugins = ["module_fixtures"]

REGISTRATION = 4
BAD = RegistrationQuality(Verdict.FAILED, ("the field folds",))
DOUBTFUL = RegistrationQuality(Verdict.CHECK, ("40% of the liver matches better 6 mm off",), match=0.21, seconds=3.0)
GOOD = RegistrationQuality(Verdict.GREEN, match=0.34, seconds=3.0)


@pytest.fixture(scope="session")
def study():
    """The analytic study whose delayed phase failed and whose arterial one is to be checked."""
    findings, images = analytic_study()
    del images[Phase.DELAYED]
    quality = {Phase.NON_CONTRAST: GOOD, Phase.ARTERIAL: DOUBTFUL, Phase.DELAYED: BAD}
    records = [replace(record, registration=quality.get(record.phase)) for record in findings.phases]
    records.append(PhaseRecord(None, "scout.nii.gz", "no contrast phase", 0.0))
    return replace(findings, phases=tuple(records)), images


def test_opened_results_say_what_became_of_every_volume(panel):
    rows = {row[0]: (row[1], row[REGISTRATION]) for row in table_texts(panel.ui.phasesTable)}
    assert rows == {
        "non_contrast.nii.gz": ("non-contrast", "green"),
        "arterial.nii.gz": ("arterial", "check"),
        "portal_venous.nii.gz": ("portal venous", "reference"),
        "delayed.nii.gz": ("delayed", "failed, left out"),
        "scout.nii.gz": ("none", "not used"),
    }


def test_reasons_are_told_under_the_mouse(panel):
    hints = [panel.ui.phasesTable.item(row, REGISTRATION).toolTip() for row in range(5)]
    assert "40% of the liver matches better 6 mm off" in hints[1]
    assert hints[3] == "Left out, because its registration failed: the field folds"
    assert hints[4] == "no contrast phase"


def test_doubts_are_seen_while_the_section_is_closed(panel):
    assert panel.ui.studySection.collapsed
    assert panel.ui.studySection.text() == "1. Study: arterial to check, delayed left out"


def test_other_results_and_a_closed_scene_replace_what_was_said(host, panel, tmp_path):
    findings, images = analytic_study(spacing=(5.0, 5.0, 5.0))
    panel.showResults(write_results_folder(findings, images, tmp_path / "other"))
    host.wait_until(lambda: not panel.busy)
    assert [row[REGISTRATION] for row in table_texts(panel.ui.phasesTable)].count("reference") == 1
    assert panel.ui.studySection.text() == "1. Study"
    host.app._core.close_scene()
    host.process_events(0.2)
    assert table_texts(panel.ui.phasesTable) == []

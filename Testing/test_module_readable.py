"""The panel's texts can be read: in light and dark, at 1280 x 800 and at 200 %."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

from conftest import ROOT
from module_host import click_row, load_panel, write_results_folder
from readability import contrast, cut_texts, faint_texts, open_sections
from slicer_host import Host, actions

from LiverTumorAILib.explanation.heatmap import lesion_surroundings
from LiverTumorAILib.lesions import LesionType, SecondHeatmaps
from LiverTumorAILib.registration import RegistrationQuality, Verdict

pytest_plugins = ["module_fixtures"]
VERDICTS = (Verdict.GREEN, Verdict.CHECK, Verdict.FAILED)
LONGEST = (LesionType.CALCIFICATION, LesionType.HEMANGIOMA)


@pytest.fixture(scope="session")
def results(study, tmp_path_factory):
    """Results with every verdict and with the longest titles of heatmaps."""
    findings, images = study
    records = [replace(findings.phases[0])]
    for record, verdict in zip(findings.phases, VERDICTS, strict=False):
        records.append(replace(record, registration=RegistrationQuality(verdict, ("the field folds",))))
    lesions, heatmaps = [], {}
    for lesion in findings.lesions:
        names = [f"lesion-{lesion.label}-{number}.nii.gz" for number in range(4)]
        around = lesion_surroundings(findings.lesion_labels, lesion.label)
        heatmaps |= dict.fromkeys(names, (around == lesion.label) * 1.0)
        second = SecondHeatmaps(names[2], names[3], LONGEST)
        lesions.append(
            replace(lesion, heatmap=names[0], opposing_heatmap=names[1], heatmap_types=LONGEST, second_heatmaps=second)
        )
    shown = replace(findings, phases=tuple(records), lesions=tuple(lesions), heatmaps=heatmaps)
    return write_results_folder(shown, images, tmp_path_factory.mktemp("readable") / "results")


@pytest.fixture(params=["light", "dark"])
def shown(request, results):
    """The host, and the panel with results, all sections unfolded."""
    with Host(size=(1280, 800), dark=request.param == "dark") as host:
        panel = load_panel(host, results)
        click_row(panel.ui.lesionTable, 0)
        open_sections(host, panel)
        yield host, panel
        host.check()


def test_black_on_white_and_the_threshold_of_the_standard():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((118, 118, 118), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)
    assert contrast((1, 2, 3), (1, 2, 3)) == 1


def test_every_text_stands_out_from_its_background(shown):
    _, panel = shown
    assert faint_texts(panel.parent) == []


def test_a_faint_text_is_found(shown):
    _, panel = shown
    panel.ui.statusLabel.setStyleSheet("color: #909090; background: #a0a0a0")
    assert [text.split(":")[0] for text in faint_texts(panel.parent)] == ["statusLabel"]


def test_no_text_is_cut_off(shown):
    host, panel = shown
    assert cut_texts(panel.parent) == []
    panel.ui.heatmapComboBox.setCurrentIndex(3)
    assert panel.ui.heatmapComboBox.currentText() == "Second network: Spoke for hemangioma instead"
    host.process_events(0.1)
    assert cut_texts(panel.parent) == []


def test_the_legend_of_a_heatmap_ends_before_the_edge_of_its_view(shown):
    host, panel = shown
    view = host.app.layoutManager().sliceWidget("Red").sliceView()

    def left_edge():
        picture = actions.pixels(view)
        # Below it the view names its volumes.
        return picture[: picture.shape[0] * 3 // 4, :6].astype(int)

    before = left_edge()
    panel.ui.heatmapButton.click()
    panel.ui.heatmapComboBox.setCurrentIndex(3)
    host.process_events(0.3)
    assert abs(left_edge() - before).max() < 20


def test_a_text_that_is_cut_off_is_found(shown):
    host, panel = shown
    panel.ui.acceptButton.setFixedWidth(20)
    host.process_events(0.1)
    assert [text.split(":")[0] for text in cut_texts(panel.parent)] == ["acceptButton"]


def test_nothing_is_hidden_before_a_study_is_there():
    with Host(size=(1280, 800)) as host:
        panel = load_panel(host)
        open_sections(host, panel)
        assert cut_texts(panel.parent) == []
        assert faint_texts(panel.parent) == []


@pytest.mark.parametrize("scale", ["1.5", "2"])
def test_all_can_be_read_on_scaled_screens(results, tmp_path, scale):
    program = [sys.executable, str(ROOT / "Testing" / "readability.py"), str(results), str(tmp_path / "window.png")]
    ended = subprocess.run(
        program, capture_output=True, text=True, check=False, env=os.environ | {"QT_SCALE_FACTOR": scale}
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert json.loads(ended.stdout.splitlines()[-1]) == {"ratio": float(scale), "faint": [], "cut": []}

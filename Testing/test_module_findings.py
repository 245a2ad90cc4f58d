"""Reviewing findings in the module's panel: real Qt, real MRML, real slice views."""

import io
from pathlib import Path

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

import numpy as np
import SimpleITK as sitk
import vtk
from module_host import backgrounds, click_row, middle, slice_positions, table_texts, visible_axes, wait
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from LiverTumorAILib.lesions import Certainty, LesionType
from LiverTumorAILib.lesions.terminology import STANDARD_PALETTE
from LiverTumorAILib.mrml.geometry import ras_from_lps
from LiverTumorAILib.mrml.segmentation import segment_mask

pytest_plugins = ["module_fixtures"]


def test_each_lesion_has_a_row_with_type_place_certainty_axes_volume_and_state(study, panel):
    def row(lesion, place):
        title, measured = lesion.type.title, lesion.measurement
        share = f"{lesion.type_probabilities[lesion.type]:.0%}"
        return [
            str(lesion.label),
            f"{title[0].upper()}{title[1:]} {share}\n{place}",
            "yes" if lesion.certainty is Certainty.CERTAIN else "uncertain",
            f"{measured.long_axis.length_mm:.0f} × {measured.short_axis.length_mm:.0f}",
            f"{measured.volume_mm3 / 1000:.{0 if measured.volume_mm3 >= 10_000 else 1}f}",
            "to review",
        ]

    places = ["right VIII", "left II/III/IV", "right VII/VIII"]
    assert table_texts(panel.ui.lesionTable) == list(map(row, study[0].lesions, places))


def test_the_summary_says_what_was_found_and_how_sure(study, panel):
    greatest = max(lesion.measurement.long_axis.length_mm for lesion in study[0].lesions)
    text = panel.ui.summaryLabel.text()
    assert "HCC 92%, malignant type" in text
    assert "certain" in text
    assert f"3 lesions, maximum diameter {greatest:.0f} mm, liver" in text


def test_the_largest_lesion_is_shown_at_once(study, panel, scene):
    assert slice_positions(scene) == middle(study[0].lesions[0])


def test_a_click_moves_all_views_to_the_lesion_and_shows_its_axes(study, panel, scene):
    for row in (1, 2, 0):
        click_row(panel.ui.lesionTable, row)
        lesion = study[0].lesions[row]
        assert slice_positions(scene) == middle(lesion)
        assert visible_axes(scene) == {f"axis:long:{lesion.uid}", f"axis:short:{lesion.uid}"}


def test_a_second_click_brings_views_back(study, panel, scene):
    click_row(panel.ui.lesionTable, 1)
    scene.GetNodeByID("vtkMRMLSliceNodeRed").SetSliceOffset(40)
    click_row(panel.ui.lesionTable, 1)
    assert slice_positions(scene) == middle(study[0].lesions[1])


def test_the_keyboard_moves_from_lesion_to_lesion(study, panel, scene):
    click_row(panel.ui.lesionTable, 0)
    QTest.keyClick(panel.ui.lesionTable, Qt.Key.Key_Down)
    assert slice_positions(scene) == middle(study[0].lesions[1])


def test_only_an_uncertain_lesion_has_a_dashed_outline_until_it_is_accepted(panel):
    def dashed():
        return [sum(len(dashes) for dashes in outlines.dashes) for outlines in panel.views._outlines]

    click_row(panel.ui.lesionTable, 1)
    assert all(count > 5 for count in dashed())
    panel.ui.lesionsCheckBox.click()
    assert dashed() == [0, 0, 0]
    panel.ui.lesionsCheckBox.click()
    panel.ui.acceptButton.click()
    click_row(panel.ui.lesionTable, 1)
    assert dashed() == [0, 0, 0]
    panel.ui.undoButton.click()
    click_row(panel.ui.lesionTable, 1)
    assert all(count > 5 for count in dashed())


@pytest.fixture
def standard_colours(panel):
    """The chosen colours are forgotten again."""
    yield
    panel.ui.resetColoursButton.click()


def choose_colour(host, panel, name, colour):
    """Answer the dialog of colours for a type."""
    host.messages.colour = colour
    panel.ui.colourComboBox.setCurrentText(name)
    panel.ui.colourButton.click()


def drawn_colours(png):
    return {colour for _count, colour in Image.open(io.BytesIO(png)).convert("RGB").getcolors(48 * 48)}


def in_segment(colour):
    return pytest.approx([value / 255 for value in colour])


@pytest.mark.usefixtures("standard_colours")
def test_a_chosen_colour_is_seen_at_once_in_views_and_table(host, panel):
    lesion = panel.findings.shown.reading.lesions[1]
    name, standard = lesion.type.title.capitalize(), STANDARD_PALETTE[lesion.type]
    segment = panel.findings.shown.segmentation.GetSegmentation().GetSegment("lesion-2")
    details = panel.findings.results.details
    for choose, colour in (
        (lambda: choose_colour(host, panel, name, "#0a14ff"), (10, 20, 255)),
        (panel.ui.resetColoursButton.click, standard),
    ):
        assert segment.GetColor() != in_segment(colour)
        choose()
        wait(host, panel)
        assert segment.GetColor() == in_segment(colour)
        assert panel.findings.shown.visible_doubts()[0][1] == in_segment(colour), "its dashed outline"
        assert colour in drawn_colours(details.of(lesion).thumbnail)


@pytest.mark.usefixtures("standard_colours")
def test_chosen_colours_hold_for_the_next_study_and_for_changed_types_but_not_in_files(host, panel, results, tmp_path):
    choose_colour(host, panel, "Cyst", "#0a14ff")
    choose_colour(host, panel, "Liver", "#808080")
    panel.showResults(results)
    wait(host, panel)
    segmentation = panel.findings.shown.segmentation.GetSegmentation()
    assert segmentation.GetSegment("liver").GetColor() == in_segment((128, 128, 128))
    panel.findings.selectLesion(panel.findings.shown.reading.lesions[0].uid)
    panel.findings.review.setType("CYST")
    assert segmentation.GetSegment("lesion-1").GetColor() == in_segment((10, 20, 255))
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    panel.ui.undoButton.click()
    saved = sitk.ReadImage(tmp_path / "saved" / "segmentation.seg.nrrd")
    texts = [saved.GetMetaData(key) for key in saved.GetMetaDataKeys() if key.endswith("_Color")]
    colours = {tuple(round(255 * float(value)) for value in text.split()) for text in texts}
    assert STANDARD_PALETTE[LesionType.CYST] in colours
    assert colours <= {*STANDARD_PALETTE.values()}


def test_a_dismissed_dialog_of_colours_changes_nothing(host, panel):
    choose_colour(host, panel, "HCC", "")
    assert panel.findings.colours.palette == STANDARD_PALETTE


def test_reasons_of_doubt_are_told(panel):
    click_row(panel.ui.lesionTable, 1)
    assert "no type reaches a probability of 50%" in panel.ui.lesionHintLabel.text()
    assert "no type reaches a probability of 50%" in panel.ui.lesionTable.item(1, 1).toolTip()


def test_the_phase_shown_can_be_chosen(panel, scene):
    assert backgrounds(scene) == {"portal venous"}
    combo = panel.ui.shownPhaseComboBox
    assert [combo.itemText(i) for i in range(combo.count())] == ["non-contrast", "arterial", "portal venous", "delayed"]
    combo.setCurrentIndex(1)
    assert backgrounds(scene) == {"arterial"}


@pytest.mark.parametrize(
    ("box", "segment", "at_first"),
    [("liver", "liver", True), ("organs", "spleen", False), ("lesions", "lesion-2", True)],
)
def test_segments_can_be_hidden_and_shown(panel, box, segment, at_first):
    display = panel.findings.shown.segmentation.GetDisplayNode()
    check = getattr(panel.ui, f"{box}CheckBox")
    assert (check.isChecked(), display.GetSegmentVisibility(segment)) == (at_first, at_first)
    check.click()
    assert display.GetSegmentVisibility(segment) is not at_first


def test_hidden_axes_stay_hidden_when_another_lesion_is_chosen(panel, scene):
    panel.ui.axesCheckBox.click()
    assert visible_axes(scene) == set()
    click_row(panel.ui.lesionTable, 1)
    assert visible_axes(scene) == set()
    panel.ui.axesCheckBox.click()
    assert len(visible_axes(scene)) == 2


def test_opacity_follows_the_slider(panel):
    panel.ui.opacitySlider.setValue(0.4)
    assert panel.findings.shown.segmentation.GetDisplayNode().GetOpacity2DFill() == pytest.approx(0.4)


@pytest.mark.parametrize("segment", ["liver", "lesion-1", "lesion-3"])
def test_surfaces_come_by_themselves_and_enclose_what_their_segments_fill(panel, segment):
    node = panel.findings.shown.segmentation
    assert node.GetDisplayNode().GetVisibility3D() and panel.ui.show3DButton.isChecked()
    enclosed = vtk.vtkMassProperties()
    enclosed.SetInputData(node.GetClosedSurfaceInternalRepresentation(segment))
    mask = segment_mask(node, segment)
    volume = (sitk.GetArrayViewFromImage(mask) > 0).sum() * np.prod(mask.GetSpacing())
    # Corners of voxels are cut off, which counts in a small lesion.
    assert enclosed.GetVolume() == pytest.approx(volume, rel=0.1)
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(mask)
    centre = vtk.vtkCenterOfMass.ComputeCenterOfMass
    place = [0.0, 0.0, 0.0]
    centre(node.GetClosedSurfaceInternalRepresentation(segment).GetPoints(), None, place)
    np.testing.assert_allclose(ras_from_lps(place), statistics.GetCentroid(1), atol=4)


def test_surfaces_can_be_hidden(panel):
    display = panel.findings.shown.segmentation.GetDisplayNode()
    panel.ui.show3DButton.click()
    assert not display.GetVisibility3D()
    panel.ui.show3DButton.click()
    assert display.GetVisibility3D()


def test_results_without_edits_are_saved_as_they_are(host, panel, results, tmp_path):
    panel.exportResults(tmp_path / "saved")
    wait(host, panel)
    names = {path.relative_to(results) for path in results.rglob("*")}
    assert {path.relative_to(tmp_path / "saved") for path in (tmp_path / "saved").rglob("*")} == names
    assert (tmp_path / "saved" / "findings.json").read_bytes() == (results / "findings.json").read_bytes()


def test_saving_into_a_folder_with_files_is_refused(host, panel, tmp_path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    panel.exportResults(tmp_path)
    wait(host, panel)
    (message,) = host.messages.texts("error")
    assert "not empty" in message
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_choices_are_kept_with_the_scene(panel, scene):
    panel.ui.organsCheckBox.setChecked(True)
    panel.ui.studyPathLineEdit.currentPath = "/some/study"
    node = scene.GetSingletonNode("LiverTumorAI", "vtkMRMLScriptedModuleNode")
    again = type(panel.logic.getParameterNode())(node)
    assert again.showOrgans
    assert again.studyPath == "/some/study"


def test_nothing_is_clipped_in_a_narrow_panel(host, panel):
    panel.ui.studySection.collapsed = False
    panel.ui.lesionHintLabel.setText("Uncertain: " + "the arterial phase is missing or badly registered; " * 4)
    host.process_events(0.2)
    form = panel.ui.disclaimerLabel.parentWidget()
    assert form.minimumSizeHint().width() <= 420
    for name, widget in vars(panel.ui).items():
        if name.endswith(("Button", "CheckBox")) and widget.isVisible():
            assert widget.width() >= widget.sizeHint().width(), name
    for table in (panel.ui.lesionTable, panel.ui.phasesTable):
        assert table.horizontalHeader().length() <= table.viewport().width()


def test_every_control_says_what_it_does_and_is_reached_by_the_keyboard(panel):
    kinds = ("Button", "CheckBox", "ComboBox", "Slider", "SpinBox", "LineEdit")
    controls = {name: widget for name, widget in vars(panel.ui).items() if name.endswith(kinds)}
    assert len(controls) > 40
    assert [name for name, widget in controls.items() if not widget.toolTip()] == []
    by_keys = (Qt.FocusPolicy.TabFocus, Qt.FocusPolicy.StrongFocus, Qt.FocusPolicy.WheelFocus)
    reached = {
        name
        for name, widget in controls.items()
        if any(part.focusPolicy() in by_keys for part in (widget, *widget.findChildren(QWidget)))
    }
    assert controls.keys() - reached == set()


def opened_report(host, panel):
    """Path of the page that the button opens."""
    panel.ui.reportButton.click()
    wait(host, panel)
    assert host.messages.texts("error") == []
    (url,) = host.messages.texts("url")
    host.messages.shown.clear()
    return Path(url.removeprefix("file://"))


def test_the_report_is_that_of_the_findings_as_they_are_shown(host, panel, results):
    assert opened_report(host, panel) == results / "report.html"
    panel.ui.acceptButton.click()
    corrected = opened_report(host, panel)
    assert corrected != results / "report.html"
    assert "1 of 3 reviewed" in corrected.read_text(encoding="utf-8")
    panel.ui.undoButton.click()
    assert opened_report(host, panel) == results / "report.html"


def test_a_missing_report_is_written_again(host, panel, results):
    report = results / "report.html"
    content = report.read_text(encoding="utf-8")
    report.unlink()
    again = opened_report(host, panel).read_text(encoding="utf-8")
    report.write_text(content, encoding="utf-8")
    assert "Lesion 1" in again
    assert "reviewed," not in again

"""Deciding about lesions in the module's panel, with mouse and keys."""

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

from module_host import click_row, middle, slice_positions, table_texts
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QHeaderView

pytest_plugins = ["module_fixtures"]

NUMBER, TYPE, SURE, AXES, VOLUME, STATE = range(6)
FIRST, SECOND, THIRD = (f"2.25.{1000 + label}" for label in (1, 2, 3))


@pytest.fixture
def ui(host, panel):
    """The form with nothing decided yet, the first lesion selected."""
    ui = panel.ui
    while ui.undoButton.isEnabled():
        ui.undoButton.click()
    for combo in (ui.stateFilterComboBox, ui.typeFilterComboBox):
        combo.setCurrentIndex(0)
    panel.findings.selectLesion(FIRST)
    return ui


def column(ui, index):
    return [row[index] for row in table_texts(ui.lesionTable)]


def press(host, key, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(host.window, key, modifier)
    host.process_events()


def click_heading(header: QHeaderView, section):
    place = header.sectionViewportPosition(section) + header.sectionSize(section) // 2
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place, header.height() // 2))


def test_accept_and_reject_by_keys_go_on_to_the_next_lesion(host, study, panel, ui, scene):
    assert ui.reviewedLabel.text() == "0 of 3 reviewed"
    press(host, Qt.Key.Key_A)
    assert slice_positions(scene) == middle(study[0].lesions[1])
    press(host, Qt.Key.Key_X)
    assert column(ui, STATE) == ["accepted", "rejected", "to review"]
    assert ui.reviewedLabel.text() == "2 of 3 reviewed"
    assert panel.findings.review.selected.uid == THIRD
    assert "2 lesions" in ui.summaryLabel.text()
    assert ui.lesionTable.item(1, TYPE).font().strikeOut()


def fields_mm(scene):
    """The shorter side of what each plane's view shows."""
    nodes = [scene.GetNodeByID(f"vtkMRMLSliceNode{name}") for name in ("Red", "Green", "Yellow")]
    return [min(node.GetFieldOfView()[:2]) for node in nodes]


def test_going_to_a_lesion_zooms_in_on_it_and_a_key_shows_the_whole_image(host, study, ui, scene):
    host.slicer.util.resetSliceViews()
    whole = fields_mm(scene)
    press(host, Qt.Key.Key_N)
    lesion = study[0].lesions[1]
    assert slice_positions(scene) == middle(lesion)
    largest = max(high - low for low, high in zip(*lesion.bounding_box_mm, strict=True))
    assert fields_mm(scene) == pytest.approx([max(100, 3 * largest)] * 3)
    press(host, Qt.Key.Key_Z)
    assert not ui.zoomButton.isChecked()
    assert fields_mm(scene) == pytest.approx(whole)
    assert slice_positions(scene) == middle(lesion)
    press(host, Qt.Key.Key_N)
    assert fields_mm(scene) == pytest.approx(whole)
    press(host, Qt.Key.Key_Z)
    assert max(fields_mm(scene)) < min(whole)
    host.slicer.util.resetSliceViews()


def test_four_actions_reject_three_false_lesions(host, ui):
    click_row(ui.lesionTable, 0)
    for _lesion in range(3):
        press(host, Qt.Key.Key_X)
    assert column(ui, STATE) == ["rejected"] * 3


def test_next_and_previous_go_round_in_the_order_of_the_table(host, study, panel, ui, scene):
    for key, row in ((Qt.Key.Key_N, 1), (Qt.Key.Key_N, 2), (Qt.Key.Key_N, 0), (Qt.Key.Key_P, 2)):
        press(host, key)
        assert slice_positions(scene) == middle(study[0].lesions[row])


def test_a_chosen_type_is_shown_as_the_readers(host, panel, ui):
    click_row(ui.lesionTable, 1)
    ui.typeComboBox.setFocus()
    QTest.keyClicks(ui.typeComboBox, "Hem")
    QTest.keyClick(ui.typeComboBox, Qt.Key.Key_Return)
    if panel.findings.review.selected.type != "HEMANGIOMA":
        ui.typeComboBox.activated.emit(ui.typeComboBox.findText("Hemangioma"))
    assert column(ui, TYPE)[1] == "Hemangioma (set)\nleft II/III/IV"
    assert (column(ui, SURE)[1], column(ui, STATE)[1]) == ("yes", "changed")
    segment = panel.findings.shown.segmentation.GetSegmentation().GetSegment("lesion-2")
    assert segment.GetName() == "2 hemangioma"


def test_the_summary_follows_the_decisions(host, panel, ui):
    ui.rejectButton.click()
    assert "Metastasis" in ui.summaryLabel.text()
    assert "uncertain" in ui.summaryLabel.text()
    click_row(ui.lesionTable, 1)
    ui.acceptButton.click()
    assert "<b>certain</b>" in ui.summaryLabel.text()
    press(host, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    press(host, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert "HCC 92%" in ui.summaryLabel.text()


def test_undo_and_redo_say_what_they_do(host, ui):
    assert not ui.undoButton.isEnabled()
    ui.rejectButton.click()
    assert ui.undoButton.toolTip() == "Undo: rejection of lesion 1"
    ui.undoButton.click()
    assert column(ui, STATE) == ["to review"] * 3
    assert ui.redoButton.toolTip() == "Redo: rejection of lesion 1"
    press(host, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert column(ui, STATE)[0] == "rejected"


@pytest.mark.parametrize(
    ("section", "numbers", "turned"),
    [(TYPE, "123", "321"), (SURE, "213", "132"), (VOLUME, "123", "321"), (STATE, "123", "123")],
)
def test_a_click_on_a_heading_sorts_and_a_second_one_turns_the_order(ui, section, numbers, turned):
    header = ui.lesionTable.horizontalHeader()
    click_heading(header, section)
    assert "".join(column(ui, NUMBER)) == numbers
    selected = ui.lesionTable.currentRow()
    assert column(ui, NUMBER)[selected] == "1", "the selected lesion stays selected"
    click_heading(header, section)
    assert "".join(column(ui, NUMBER)) == turned
    click_heading(header, NUMBER)


@pytest.mark.parametrize(
    ("combo", "choice", "numbers"),
    [
        ("typeFilterComboBox", "malignant types", ["1", "2"]),
        ("typeFilterComboBox", "uncertain", ["2"]),
        ("typeFilterComboBox", "Cyst", ["3"]),
        ("stateFilterComboBox", "to review", ["2", "3"]),
        ("stateFilterComboBox", "accepted", ["1"]),
        ("stateFilterComboBox", "new", []),
    ],
)
def test_the_table_shows_what_is_filtered(ui, combo, choice, numbers):
    ui.acceptButton.click()
    getattr(ui, combo).setCurrentText(choice)
    assert column(ui, NUMBER) == numbers


def test_working_through_a_filter_leaves_none(host, ui):
    ui.stateFilterComboBox.setCurrentText("to review")
    for _ in range(3):
        press(host, Qt.Key.Key_A)
    assert column(ui, NUMBER) == []
    assert ui.reviewedLabel.text() == "3 of 3 reviewed"


def test_target_lesions_are_listed_with_their_sum(host, study, panel, ui):
    press(host, Qt.Key.Key_G)
    click_row(ui.lesionTable, 1)
    ui.targetButton.click()
    lengths = [lesion.measurement.long_axis.length_mm for lesion in study[0].lesions[:2]]
    assert f"1 ({lengths[0]:.0f} mm), 2 ({lengths[1]:.0f} mm). Sum {sum(lengths):.0f} mm" in ui.targetsLabel.text()
    assert column(ui, NUMBER) == ["1 T", "2 T", "3"]
    click_row(ui.lesionTable, 2)
    ui.targetButton.click()
    (message,) = host.messages.texts("warning")
    assert "at most 2" in message
    assert not ui.targetButton.isChecked()
    click_row(ui.lesionTable, 0)
    ui.rejectButton.click()
    assert ui.targetsLabel.text().startswith("Target lesions (RECIST 1.1): 2")


def test_each_row_has_a_picture_of_its_lesion(ui):
    for row in range(3):
        image = ui.lesionTable.item(row, NUMBER).icon().pixmap(48, 48).toImage()
        colours = {image.pixelColor(x, y).rgb() for x in range(image.width()) for y in range(image.height())}
        assert len(colours) > 20


def test_keys_rest_while_another_module_is_open(host, panel, ui):
    panel.parent.exit()
    press(host, Qt.Key.Key_X)
    assert column(ui, STATE) == ["to review"] * 3
    panel.parent.enter()
    press(host, Qt.Key.Key_X)
    assert column(ui, STATE)[0] == "rejected"


def test_keys_without_findings_do_nothing(host, panel, results):
    host.app._core.close_scene()
    for key in (Qt.Key.Key_A, Qt.Key.Key_X, Qt.Key.Key_N, Qt.Key.Key_P, Qt.Key.Key_T, Qt.Key.Key_G):
        press(host, key)
    press(host, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert panel.ui.reviewedLabel.text() == ""
    assert not panel.ui.acceptButton.isEnabled()

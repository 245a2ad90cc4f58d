"""A scripted module's unchanged code and form run in SlicerHost as in Slicer."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6")

from PySide6.QtWidgets import QComboBox
from slicer_host import Host

SAMPLE = Path(__file__).parent / "SlicerHost" / "samples" / "HostSample" / "HostSample.py"


@pytest.fixture
def host():
    with Host() as host:
        yield host


@pytest.fixture
def widget(host):
    return host.load_module(SAMPLE).widget


@pytest.fixture
def volume(host):
    voxels = np.zeros((10, 20, 30), np.int16)
    voxels[2:5, 3:8, 4:9] = 400
    return host.slicer.util.addVolumeFromArray(voxels, name="portal venous")


def test_module_knows_its_title_and_place(host, widget):
    assert host.slicer.modules.hostsample.title == "Host Sample"
    assert host.slicer.util.modulePath("HostSample") == str(SAMPLE)
    assert host.slicer.modules.HostSampleWidget is widget
    assert host.slicer.util.getModuleWidget("HostSample") is widget
    assert host.window.windowTitle().startswith("Host Sample")


def test_form_shows_the_parameters_defaults(widget):
    assert widget.ui.thresholdSlider.value == 100
    assert (widget.ui.thresholdSlider.minimum, widget.ui.thresholdSlider.maximum) == (-100, 500)
    assert widget.ui.nameLineEdit.text() == "lesion"
    assert widget.ui.countSpinBox.value() == 2
    assert widget.ui.modeComboBox.currentText() == "FAST"
    assert not widget.ui.invertCheckBox.isChecked()


def test_what_the_user_enters_reaches_the_parameter_node(widget):
    widget.ui.thresholdSlider.setValue(250.5)
    widget.ui.nameLineEdit.setText("segment 5")
    widget.ui.countSpinBox.setValue(7)
    widget.ui.modeComboBox.setCurrentText("EXACT")
    widget.ui.invertCheckBox.click()
    widget.ui.folderEdit.setCurrentPath("/tmp")
    node = widget.parameterNode
    assert (node.threshold, node.name, node.count, node.invert) == (250.5, "segment 5", 7, True)
    assert node.mode.name == "EXACT"
    assert node.folder == Path("/tmp")


def test_what_code_sets_reaches_the_form_and_the_node(host, widget):
    widget.parameterNode.threshold = 12.5
    widget.parameterNode.offsets = [1.5, -2.0]
    assert widget.ui.thresholdSlider.value == 12.5
    fresh = type(widget.parameterNode)(widget.parameterNode.parameterNode)
    assert (fresh.threshold, fresh.offsets) == (12.5, [1.5, -2.0])
    # Closing a scene keeps singletons such as other modules' parameter nodes.
    nodes = host.slicer.mrmlScene.GetNodesByClassByName("vtkMRMLScriptedModuleNode", "HostSample")
    assert nodes.GetNumberOfItems() == 1


def test_value_out_of_range_is_refused(widget):
    with pytest.raises(ValueError, match="within range"):
        widget.parameterNode.threshold = 501


def test_unbounded_number_cannot_go_on_a_slider(host, widget):
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    @parameterNodeWrapper
    class Unbounded:
        number: float

    node = Unbounded(host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    with pytest.raises(RuntimeError, match="WithinRange"):
        node.connectParametersToGui({"number": widget.ui.thresholdSlider})


def test_node_selector_offers_nodes_of_its_type_only(host, widget, volume):
    host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "surface")
    selector = widget.ui.inputSelector
    assert selector.nodeCount() == 1
    assert selector.nodeFromIndex(0) is volume
    assert selector.currentNode() is None


def test_node_selector_follows_names_and_removal(host, widget, volume):
    told = []
    selector = widget.ui.inputSelector
    selector.currentNodeChanged.connect(told.append)
    selector.setCurrentNode(volume)
    volume.SetName("arterial")
    assert selector.findChild(QComboBox).currentText() == "arterial"
    host.slicer.mrmlScene.RemoveNode(volume)
    assert selector.currentNode() is None
    assert told == [volume, None]


def test_button_works_through_the_module(host, widget, volume):
    assert not widget.ui.applyButton.isEnabled()
    widget.ui.inputSelector.setCurrentNode(volume)
    assert widget.ui.applyButton.isEnabled()
    widget.ui.applyButton.click()
    assert widget.ui.table.item(0, 1).text() == str(3 * 5 * 5)
    assert widget.ui.statusLabel.text() == "Applied"
    assert host.messages.texts("status") == ["Applied"]
    host.check()


def test_collapsed_section_hides_what_is_in_it(host, widget):
    host.process_events()
    assert not widget.extraButton.isVisible()
    widget.section.collapsed = False
    host.process_events()
    assert widget.extraButton.isVisible()
    widget.extraButton.click()
    assert host.messages.texts("info") == ["Extra was pressed"]


def test_error_in_a_slot_is_shown_and_kept(host, widget):
    widget.ui.failButton.click()
    assert host.messages.texts("error") == ["Could not do it.\n\nbroken on purpose"]
    with pytest.raises(AssertionError, match="broken on purpose"):
        host.check()
    host.check()


def test_error_in_an_observer_is_kept(host, volume):
    volume.AddObserver("ModifiedEvent", lambda *_: 1 / 0)
    volume.Modified()
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        host.check()


def test_closing_the_scene_starts_anew(host, widget, volume):
    widget.ui.inputSelector.setCurrentNode(volume)
    widget.parameterNode.name = "old"
    host.slicer.mrmlScene.Clear()
    host.process_events()
    assert widget.ui.inputSelector.currentNode() is None
    assert widget.parameterNode.name == "lesion"
    host.check()


def test_leaving_the_module_unbinds_it_and_entering_binds_it(host, widget):
    host.slicer.util.selectModule("Data")
    assert widget.parameterNode is None
    assert not widget.ui.applyButton.isVisible()
    host.slicer.util.selectModule("HostSample")
    assert widget.parameterNode is not None
    assert host.slicer.util.selectedModule() == "HostSample"


def test_module_loads_again_after_closing():
    for _ in range(2):
        with Host() as host:
            widget = host.load_module(SAMPLE).widget
            assert widget.ui.inputSelector.nodeCount() == 0
            host.slicer.util.addVolumeFromArray(np.zeros((2, 2, 2)))
            assert widget.ui.inputSelector.nodeCount() == 1
            host.check()


def test_new_attribute_on_a_cplusplus_object_is_refused(host, tmp_path):
    (tmp_path / "Loose.py").write_text(SAMPLE.read_text(encoding="utf-8").replace("HostSample", "Loose"))
    path = tmp_path / "Loose.py"
    code = path.read_text(encoding="utf-8").replace("section.collapsed = True", "section.colapsed = True")
    path.write_text(code, encoding="utf-8")
    resources = tmp_path / "Resources" / "UI"
    resources.mkdir(parents=True)
    form = (SAMPLE.parent / "Resources" / "UI" / "HostSample.ui").read_text(encoding="utf-8")
    (resources / "Loose.ui").write_text(form.replace("HostSample", "Loose"), encoding="utf-8")
    with pytest.raises(AttributeError, match="colapsed"):
        host.load_module(path)


def test_form_with_an_unknown_widget_is_refused(host, tmp_path):
    form = tmp_path / "Bad.ui"
    form.write_text('<ui version="4.0"><widget class="qMRMLNoSuchWidget" name="bad"/></ui>', encoding="utf-8")
    with pytest.raises(RuntimeError, match="qMRMLNoSuchWidget"):
        host.slicer.util.loadUI(str(form))


def test_test_code_sees_plain_pyside(host, widget):
    import qt

    assert callable(widget.ui.statusLabel.text)
    assert qt.QLabel is type(widget.ui.statusLabel)
    assert "ctk" in sys.modules


def test_questions_and_file_dialogs_are_answered_without_a_person(host):
    import qt

    util = host.slicer.util
    assert util.confirmYesNoDisplay("Really?")
    host.messages.answer = False
    assert not util.confirmOkCancelDisplay("Really?")
    host.messages.path = "/tmp/somewhere"
    assert qt.QFileDialog.getExistingDirectory(None, "Choose a folder") == "/tmp/somewhere"
    assert host.messages.texts("confirm") == ["Really?", "Really?"]
    assert host.messages.texts("file") == ["Choose a folder"]


def test_what_mrml_complains_about_is_kept(host):
    host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLNoSuchNode")
    assert any("vtkMRMLNoSuchNode" in error for error in host.vtk_errors)

"""The module's panel in SlicerHost, for tests."""

import pytest
import SimpleITK as sitk
import vtk
from conftest import ROOT
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from LiverTumorAILib.lesions.findings_io import write_findings
from LiverTumorAILib.mrml.nodes import owned_nodes

MODULE = ROOT / "LiverTumorAI" / "LiverTumorAI.py"


def load_panel(host, results=None):
    """The module's panel in a host, with results shown."""
    panel = host.load_module(MODULE).widget
    if results:
        panel.showResults(results)
        wait(host, panel)
    return panel


def wait(host, panel, seconds=120):
    """Let the panel finish what it does."""
    host.wait_until(lambda: not panel.busy and not panel.findings.details.is_busy, seconds)


def write_results_folder(findings, images, folder):
    """What an analysis leaves, as far as the panel reads it."""
    write_findings(findings, folder)
    (folder / "registered").mkdir()
    for phase, image in images.items():
        sitk.WriteImage(sitk.Cast(image, sitk.sitkInt16), folder / "registered" / f"{phase}.nrrd")
    (folder / "report.html").write_text("<html></html>", encoding="utf-8")
    return folder


def table_texts(table):
    """The texts of a QTableWidget, row by row."""
    rows, columns = range(table.rowCount()), range(table.columnCount())
    return [[item.text() if (item := table.item(row, column)) else "" for column in columns] for row in rows]


def click_row(table, row, column=1):
    """Click a row with the mouse."""
    place = table.visualItemRect(table.item(row, column)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def slice_positions(scene):
    """Where axial (S), coronal (A) and sagittal (R) slice views stand (mm)."""
    rows = {"Red": 2, "Green": 1, "Yellow": 0}
    return {
        name: scene.GetNodeByID(f"vtkMRMLSliceNode{name}").GetSliceToRAS().GetElement(row, 3)
        for name, row in rows.items()
    }


def backgrounds(scene):
    """Names of the volumes that the slice views show."""
    nodes = [scene.GetNthNodeByClass(i, "vtkMRMLSliceCompositeNode") for i in range(3)]
    return {scene.GetNodeByID(node.GetBackgroundVolumeID()).GetName() for node in nodes}


def middle(lesion):
    """Middle of the long axis (RAS, mm) as positions of the slice views."""
    axis = lesion.measurement.long_axis
    x, y, z = ((a + b) / 2 for a, b in zip(axis.start_mm, axis.end_mm, strict=True))
    return {
        "Red": pytest.approx(z, abs=1e-3),
        "Green": pytest.approx(-y, abs=1e-3),
        "Yellow": pytest.approx(-x, abs=1e-3),
    }


def visible_axes(scene):
    return {
        role for role, node in owned_nodes(scene).items() if role.startswith("axis") and node.GetDisplayVisibility()
    }


def place_in_view(view, node, point):
    """Where a point (RAS, mm) lies in a slice view, in Qt's coordinates."""
    to_view = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(node.GetXYToRAS(), to_view)
    x, y, *_ = to_view.MultiplyPoint((*point, 1.0))
    return QPoint(round(x), round(view.height() - 1 - y))


def click_at(host, point):
    """Click a point (RAS, mm) in the axial view, centred on it first."""
    widget = host.app.layoutManager().sliceWidget("Red")
    widget.mrmlSliceNode().JumpSliceByCentering(*point)
    host.process_events(0.1)
    view = widget.viewWidget()
    place = place_in_view(view, widget.mrmlSliceNode(), point)
    for offset in (9, 0):
        QTest.mouseMove(view, place + QPoint(offset, offset))
        host.process_events(0.1)
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=place)
    host.process_events(0.2)

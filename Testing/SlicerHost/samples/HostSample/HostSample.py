"""A small scripted module in Slicer's usual style, for the tests of SlicerHost."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import ctk
import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class HostSample(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Host Sample")
        self.parent.categories = ["Examples"]
        self.parent.helpText = _("Shows a volume.")


class Mode(Enum):
    FAST = "fast"
    EXACT = "exact"


@parameterNodeWrapper
class HostSampleParameterNode:
    inputVolume: vtkMRMLScalarVolumeNode
    threshold: Annotated[float, WithinRange(-100, 500)] = 100
    invert: bool = False
    name: str = "lesion"
    count: int = 2
    mode: Mode = Mode.FAST
    folder: Path
    offsets: list[float]


class HostSampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.parameterNode = None
        self.guiTag = None
        self.applied = 0

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        form = slicer.util.loadUI(self.resourcePath("UI/HostSample.ui"))
        self.layout.addWidget(form)
        self.ui = slicer.util.childWidgetVariables(form)
        form.setMRMLScene(slicer.mrmlScene)
        self.logic = HostSampleLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.applyButton.clicked.connect(self.onApply)
        self.ui.failButton.clicked.connect(self.onFail)
        self.extraButton = qt.QPushButton(_("Extra"))
        self.extraButton.toolTip = "Made in Python"
        self.extraButton.clicked.connect(self.onExtra)
        section = ctk.ctkCollapsibleButton()
        section.text = "Section"
        section.collapsed = True
        qt.QVBoxLayout(section).addWidget(self.extraButton)
        self.section = section
        self.layout.addWidget(section)
        self.layout.addStretch(1)
        self.initializeParameterNode()

    def cleanup(self):
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        self.initializeParameterNode()

    def exit(self):
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        if self.parameterNode:
            self.parameterNode.disconnectGui(self.guiTag)
            self.removeObserver(self.parameterNode, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
        self.parameterNode = parameterNode
        if self.parameterNode:
            self.guiTag = self.parameterNode.connectGui(self.ui)
            self.addObserver(self.parameterNode, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
            self.checkCanApply()

    def checkCanApply(self, caller=None, event=None):
        self.ui.applyButton.enabled = self.parameterNode is not None and self.parameterNode.inputVolume is not None
        self.ui.statusLabel.text = _("Ready") if self.ui.applyButton.enabled else _("Select a volume")

    def onApply(self):
        self.applied += 1
        table = self.ui.table
        table.rowCount = 1
        table.columnCount = 2
        table.setItem(0, 0, qt.QTableWidgetItem(self.parameterNode.name))
        table.setItem(0, 1, qt.QTableWidgetItem(f"{self.logic.voxelsAbove(self.parameterNode)}"))
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        self.ui.statusLabel.setText("Applied")
        slicer.util.showStatusMessage("Applied", 2000)

    def onExtra(self):
        slicer.util.infoDisplay("Extra was pressed")

    def onFail(self):
        with slicer.util.tryWithErrorDisplay("Could not do it.", waitCursor=True):
            raise RuntimeError("broken on purpose")


class HostSampleLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return HostSampleParameterNode(super().getParameterNode())

    def voxelsAbove(self, parameters):
        voxels = slicer.util.arrayFromVolume(parameters.inputVolume) > parameters.threshold
        return int((~voxels if parameters.invert else voxels).sum())

"""Liver Tumor AI: the module's panel. It only binds; the work is done in LiverTumorAILib."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from LiverTumorAILib.study import Phase
    from LiverTumorAILib.worker.job import Job


def _addLibraryPath() -> None:
    """Make LiverTumorAILib importable: beside this file when installed, one folder up in the source tree."""
    folder = Path(__file__).resolve().parent
    for place in (folder, folder.parent):
        if (place / "LiverTumorAILib").is_dir():
            if str(place) not in sys.path:
                sys.path.insert(0, str(place))
            return


_addLibraryPath()

from LiverTumorAIModule import acquisitions, packages, saving, wording  # noqa: E402
from LiverTumorAIModule.activity import Activity  # noqa: E402
from LiverTumorAIModule.analysis_panel import CHOOSE_STUDY, AnalysisPanel  # noqa: E402
from LiverTumorAIModule.earlier_results import EarlierResults  # noqa: E402
from LiverTumorAIModule.findings_panel import FindingsPanel  # noqa: E402
from LiverTumorAIModule.help import help_text  # noqa: E402
from LiverTumorAIModule.parameters import LiverTumorAIParameterNode  # noqa: E402
from LiverTumorAIModule.self_test import LiverTumorAITest  # noqa: E402, F401  (Slicer's test runner looks here)
from LiverTumorAIModule.sessions import Sessions  # noqa: E402
from LiverTumorAIModule.settings_panel import SettingsPanel  # noqa: E402
from LiverTumorAIModule.study_sources import StudySources  # noqa: E402
from LiverTumorAIModule.substitute_panel import SubstitutePanel  # noqa: E402
from LiverTumorAIModule.view_panel import ViewPanel  # noqa: E402


class LiverTumorAI(ScriptedLoadableModule):
    """Name and description of the module."""

    def __init__(self, parent: slicer.qSlicerScriptedLoadableModule) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Liver Tumor AI")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "Markups"]
        self.parent.contributors = ["Liver Tumor AI contributors"]
        self.parent.helpText = help_text()
        self.parent.acknowledgementText = _("Built on 3D Slicer, SimpleITK, ONNX Runtime and highdicom.")


class LiverTumorAIWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel."""

    def __init__(self, parent: slicer.qMRMLWidget | None = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self) -> None:
        """Build the panel; called once, when the module is first opened."""
        ScriptedLoadableModuleWidget.setup(self)
        form = slicer.util.loadUI(self.resourcePath("UI/LiverTumorAI.ui"))
        self.layout.addWidget(form)
        self.ui = slicer.util.childWidgetVariables(form)
        form.setMRMLScene(slicer.mrmlScene)

        self.logic = LiverTumorAILogic()
        self.activity = Activity(self.ui, self.updateButtons)
        self.settings = SettingsPanel(self.ui, self.activity)
        self.substitutes = SubstitutePanel(self.ui)
        self.findings = FindingsPanel(self.ui)
        self.views = ViewPanel(self.ui, self.findings)
        self.earlier = EarlierResults(self.ui, self.logic.sessions, self.showResults)
        self.analysis = AnalysisPanel(self.ui, self.activity, self.earlier, self.clearFindings, self.onResults)
        self.sources = StudySources(self.ui, self.logic, self.activity, self.analysis)
        self._findPackages()

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.ui.studyPathLineEdit.currentPathChanged.connect(self.onStudyPathChanged)
        self.ui.cascadeComboBox.currentIndexChanged.connect(self.onCascadeChanged)
        self.ui.runButton.clicked.connect(self.onRun)
        self.ui.cancelButton.clicked.connect(self.activity.cancel)
        self.ui.installButton.clicked.connect(self.onInstall)
        self.ui.reportButton.clicked.connect(self.onOpenReport)
        self.ui.exportButton.clicked.connect(self.onExport)
        self.ui.editingSection.contentsCollapsed.connect(self.onEditingCollapsed)
        self.initializeParameterNode()
        # After a reload the scene holds the review, and nobody enters a module that is open already.
        self.onSceneEndImport()
        if self.parent.isEntered:
            self.enter()

    def cleanup(self) -> None:
        """Leave nothing running or lying about when the module is unloaded."""
        self.activity.stop()
        self.findings.release()
        self.views.release()
        self.logic.removeFolders()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        self.initializeParameterNode()
        self.views.enableKeys(True)
        self.findings.enableKeys(True)
        if self.findings.shown is None and not self._missing and not self.busy:
            self.earlier.offerInterrupted()
        if not self.ui.editingSection.collapsed:
            self.findings.openEditor()

    def exit(self) -> None:
        """Called each time the user opens another module."""
        self.views.enableKeys(False)
        self.findings.enableKeys(False)
        self.findings.editing.close()
        self.setParameterNode(None)

    def onReload(self) -> None:
        """Reload the module with its parts and the library; for developers."""
        for name in [name for name in sys.modules if name.split(".")[0] in {"LiverTumorAIModule", "LiverTumorAILib"}]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, _caller: vtk.vtkObject, _event: str) -> None:
        """End the job and let go of all nodes before they go."""
        self.activity.stop()
        self.setParameterNode(None)
        self.analysis.clear()
        self.clearFindings()

    def clearFindings(self) -> None:
        """Forget findings, without touching their nodes."""
        self.findings.clear()
        self.views.clear()

    def onSceneEndClose(self, _caller: vtk.vtkObject, _event: str) -> None:
        """Begin anew if this module is the one shown."""
        self.activity.say(CHOOSE_STUDY)
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, _caller: vtk.vtkObject | None = None, _event: str = "") -> None:
        """Go on with the review that the scene holds."""
        if self.findings.shown is None and not self._missing:
            with slicer.util.tryWithErrorDisplay(_("The review in this scene cannot be shown.")):
                self.analysis.showScene()

    def initializeParameterNode(self) -> None:
        """Make sure that a parameter node exists and is observed."""
        is_new = not self.logic.getAllParameterNodes()
        node = self.logic.getParameterNode()
        if is_new:
            self.settings.apply(node)
        self.setParameterNode(node)

    def setParameterNode(self, node: LiverTumorAIParameterNode | None) -> None:
        """Bind the form to a parameter node; None unbinds it."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        self._parameterNode = node
        if node:
            self._parameterNodeGuiTag = node.connectGui(self.ui)
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
            self.onParametersChanged()

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self.activity.is_busy

    def openStudy(self, path: str) -> None:
        """Load the study in a folder."""
        self.sources.openFolder(path)

    def showResults(self, folder: str) -> None:
        """Show a results folder of an earlier analysis, after what is under way."""
        self.analysis.showResults(Path(folder))

    def onRun(self) -> None:
        """Analyze the study with the phases as they stand in the table."""
        with slicer.util.tryWithErrorDisplay(_("The analysis cannot start.")):
            self.settings.remember(self._parameterNode)
            job = self.logic.makeAnalyzeJob(self._parameterNode, self.analysis.phases.chosen_phases)
            self.analysis.analyze(replace(job, substitutes=self.substitutes.chosen, models=self.settings.models))

    def onResults(self, show: Callable[[FindingsPanel], Iterator[None]]) -> Iterator[None]:
        """Show findings in views and panel, part by part."""
        acquisitions.remove_acquisitions()
        yield from show(self.findings)
        yield
        self.views.show()
        self.earlier.hide()
        self.ui.studySection.collapsed = True
        self.onParametersChanged()
        self.activity.say(wording.found(len(self.findings.shown.reading.lesions)))
        yield
        yield from self.findings.completing()
        yield
        if self.parent.isEntered and not self.ui.editingSection.collapsed:
            self.findings.openEditor()

    def onInstall(self) -> None:
        """Install missing packages after asking."""
        with slicer.util.tryWithErrorDisplay(_("The packages were not installed.")):
            packages.install(self.logic.requirements())
        self._findPackages()
        self.onParametersChanged()

    def onStudyPathChanged(self, path: str) -> None:
        """Keep the path with the scene."""
        if self._parameterNode and self._parameterNode.studyPath != path:
            self._parameterNode.studyPath = path

    def onCascadeChanged(self) -> None:
        """Keep the method with the scene."""
        names = list(self.logic.cascades())
        index = self.ui.cascadeComboBox.currentIndex
        if self._parameterNode and 0 <= index < len(names):
            self._parameterNode.cascade = names[index]
            self.updateButtons()

    def onEditingCollapsed(self, collapsed: bool) -> None:
        """Open the segment editor with its section, and put its tools down with it."""
        if collapsed:
            self.findings.editing.close()
        else:
            self.findings.openEditor()

    def onOpenReport(self) -> None:
        """Show the report of the findings as they are now in the web browser."""
        export, folder = self._export(), self.logic.newReportFolder()
        self.activity.say(_("Writing the report…"))
        self.activity.runWatched(
            _("Writing the report"), lambda progress: saving.current_report(export, folder, progress), self._showReport
        )

    def _showReport(self, report: Path) -> None:
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(report)))
        self.activity.say(_("The report is shown in the web browser."))

    def onExport(self) -> None:
        """Let the user choose where to save the results."""
        folder = qt.QFileDialog.getExistingDirectory(self.parent, _("Choose an empty or a new folder"))
        if folder:
            self.exportResults(folder)

    def exportResults(self, folder: str) -> None:
        """Save the results, with what was edited, to a new or empty folder."""
        export = self._export()
        self.activity.say(_("Saving the results…"))
        self.activity.runWatched(
            _("Saving the results"),
            lambda progress: saving.export_results(export, Path(folder), progress),
            lambda out: self.activity.say(wording.saved(out, export.has_dicom)),
        )

    def _export(self) -> saving.Export:
        return self.findings.export(self._parameterNode.studyPath)

    def onParametersChanged(self, _caller: vtk.vtkObject | None = None, _event: str = "") -> None:
        """Let form and views follow the parameter node."""
        node = self._parameterNode
        if not node:
            return
        if self.ui.studyPathLineEdit.currentPath != node.studyPath:
            self.ui.studyPathLineEdit.currentPath = node.studyPath
        names = list(self.logic.cascades())
        # A method that only another version knows is none of these: the user chooses one.
        self.ui.cascadeComboBox.currentIndex = names.index(node.cascade) if node.cascade in names else -1
        visible = {
            "liver": node.showLiver,
            "vessels": node.showVessels,
            "organs": node.showOrgans,
            "lesions": node.showLesions,
        }
        self.findings.applyDisplay(visible, node.segmentOpacity, node.showAxes)
        self.updateButtons()

    def updateButtons(self) -> None:
        """Enable what can be done now."""
        self.analysis.updateButtons()
        if not self._missing:
            names = list(self.logic.cascades())
            self.substitutes.follow(names[max(self.ui.cascadeComboBox.currentIndex, 0)], self.analysis.phases.phases)
        self.findings.updateButtons(self.busy)
        self.views.updateButtons()
        self.ui.installButton.visible = bool(self._missing)
        if self._missing:
            for button in (self.ui.loadButton, self.ui.sceneButton, self.ui.dicomButton, self.ui.runButton):
                button.enabled = False
        for button in (self.ui.checkModelsButton, self.ui.colourButton, self.ui.resetColoursButton):
            button.enabled = not self._missing

    def _findPackages(self) -> None:
        self._missing = packages.missing_packages(self.logic.requirements())
        self.ui.installButton.toolTip = _("Missing: {packages}").format(packages=", ".join(self._missing))
        combo = self.ui.cascadeComboBox
        combo.blockSignals(True)
        combo.clear()
        for title in self.logic.cascades().values():
            combo.addItem(title)
        combo.blockSignals(False)
        if not self._missing:
            self.findings.colours.fill()


class LiverTumorAILogic(ScriptedLoadableModuleLogic):
    """Jobs for the worker process; usable without the panel."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._folders = []
        self.sessions = Sessions(Path(slicer.app.cachePath) / "LiverTumorAI")

    def getParameterNode(self) -> LiverTumorAIParameterNode:
        """The scene's parameter node, typed."""
        return LiverTumorAIParameterNode(super().getParameterNode())

    def requirements(self) -> list[str]:
        """Python packages that the analysis needs."""
        return packages.read_requirements(Path(__file__).parent / "Resources" / "requirements.txt")

    def cascades(self) -> dict[str, str]:
        """Titles of the methods by name; only the first one's name while packages are missing."""
        try:
            from LiverTumorAILib.cascades import CASCADES
        except ImportError:
            return {"base": "base"}
        return {name: cascade.title for name, cascade in CASCADES.items()}

    def makeLoadJob(self, study: str) -> Job:
        """A job that finds the phases of a study and writes its volumes."""
        from LiverTumorAILib.worker.job import Job

        return Job("load", study, self._newFolder())

    def makeAnalyzeJob(self, parameters: LiverTumorAIParameterNode, phases: dict[int, Phase | None]) -> Job:
        """A job that analyzes a study with the phases that the user set (by volume index)."""
        from LiverTumorAILib.worker.job import Job

        return Job(
            "analyze",
            parameters.studyPath,
            self.sessions.begin(parameters.studyPath).results,
            phases=phases,
            cascade=parameters.cascade,
            device=parameters.device.value,
        )

    def newStudyFolder(self) -> Path:
        """Where a study from the scene may be written; removed with the module."""
        return Path(self._newFolder()).with_name("study")

    def newReportFolder(self) -> Path:
        """Where a report of corrected findings may be written; removed with the module."""
        return Path(self._newFolder()).with_name("report")

    def _newFolder(self) -> str:
        self._folders.append(Path(slicer.util.tempDirectory("LiverTumorAI-")))
        return str(self._folders[-1] / "results")

    def removeFolders(self) -> None:
        """Remove what the jobs wrote, but for the results of the latest reviews."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        self._folders = []
        self.sessions.tidy()

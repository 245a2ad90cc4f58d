"""Where a study comes from: a folder, a drop onto the panel, Slicer's scene or its DICOM database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from LiverTumorAIModule import acquisitions
from LiverTumorAIModule.analysis_panel import CHOOSE_STUDY
from LiverTumorAIModule.dicom_menu import DicomMenu, study_folder
from LiverTumorAIModule.drop_target import DropTarget

if TYPE_CHECKING:
    from types import SimpleNamespace

    from LiverTumorAI import LiverTumorAILogic
    from LiverTumorAIModule.activity import Activity
    from LiverTumorAIModule.analysis_panel import AnalysisPanel


class StudySources:
    """Binds the widgets that open a study.

    Parameters
    ----------
    ui: SimpleNamespace
        The form's widgets by name.
    logic: LiverTumorAILogic
    activity: Activity
    analysis: AnalysisPanel
        Gets the study.

    """

    def __init__(
        self, ui: SimpleNamespace, logic: LiverTumorAILogic, activity: Activity, analysis: AnalysisPanel
    ) -> None:
        self.ui = ui
        self._logic, self._activity, self._analysis = logic, activity, analysis
        self._drops = DropTarget(ui.LiverTumorAI, self.openDropped)
        self._dicom = DicomMenu(ui.dicomButton, self.openFiles)
        ui.loadButton.clicked.connect(self.open)
        ui.sceneButton.clicked.connect(self.openScene)

    def open(self) -> None:
        """Load the study in the folder that the user chose."""
        path = self.ui.studyPathLineEdit.currentPath.strip()
        if not path:
            self._activity.say(CHOOSE_STUDY)
            return
        with slicer.util.tryWithErrorDisplay(_("The study cannot be loaded.")):
            self.ui.studyPathLineEdit.addCurrentPathToHistory()
            self._analysis.load(self._logic.makeLoadJob(path))

    def openFolder(self, folder: str | Path) -> None:
        """Load the study in a folder."""
        self.ui.studyPathLineEdit.currentPath = str(folder)
        self.open()

    def openDropped(self, folder: Path) -> None:
        """Show results that were dropped onto the panel, or load the study."""
        if self.ui.installButton.visible:
            self._activity.say(_("Install the missing packages first, then drop the folder again."))
        elif not self.ui.loadButton.enabled:
            self._activity.say(_("Wait until what is under way has ended, then drop the folder again."))
        elif (folder / "findings.json").is_file():
            self._analysis.showResults(folder)
        else:
            self.openFolder(folder)

    def openFiles(self, files: list[Path]) -> None:
        """Load a study that consists of these DICOM files."""
        folder = self._logic.newStudyFolder()
        self._activity.run(lambda: study_folder(files, folder), self.openFolder)

    def openScene(self) -> None:
        """Take the volumes that are in the scene as the study."""
        with slicer.util.tryWithErrorDisplay(_("The volumes in the scene cannot be used.")):
            from LiverTumorAILib.mrml.volume_images import foreign_volumes

            images, folder = foreign_volumes(slicer.mrmlScene), self._logic.newStudyFolder()

            def load(names: dict[str, str]) -> None:
                self.ui.studyPathLineEdit.currentPath = str(folder)
                self._analysis.load(self._logic.makeLoadJob(str(folder)), names)

            self._activity.run(lambda: acquisitions.write_volumes(images, folder), load)

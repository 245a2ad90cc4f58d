"""The findings section: summary, lesion table, what the views show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer

from LiverTumorAIModule import wording
from LiverTumorAIModule.lesion_table import LesionTable
from LiverTumorAIModule.segment_editing import SegmentEditing

if TYPE_CHECKING:
    from types import SimpleNamespace

    from LiverTumorAILib.lesions import Lesion
    from LiverTumorAILib.mrml.findings_scene import SceneFindings
    from LiverTumorAIModule.results import Results

NOTHING_YET = "No findings yet."


class FindingsPanel:
    """Binds findings in the scene to the widgets of section 3 and to the segment editor.

    Parameters
    ----------
    ui: SimpleNamespace
        The form's widgets by name.

    """

    def __init__(self, ui: SimpleNamespace) -> None:
        self.ui = ui
        self.results: Results | None = None
        self.shown: SceneFindings | None = None
        self._lesions = LesionTable(ui.lesionTable, self.selectLesion)
        self.editing = SegmentEditing(ui.editorContainer, self._followEdits)
        ui.shownPhaseComboBox.currentIndexChanged.connect(self._showPhase)
        ui.show3DButton.toggled.connect(self._show3D)

    def show(self, results: Results) -> None:
        """Show findings in the scene and in the panel."""
        from LiverTumorAILib.mrml.findings_scene import show_findings

        self.editing.release()
        self.results = results
        self.shown = show_findings(results.findings, results.images, slicer.mrmlScene)
        self.ui.summaryLabel.text = wording.summary(results.findings)
        self._lesions.show(results.findings)
        self._fillPhases()
        self.ui.show3DButton.checked = False
        self.editing.follow(self.shown)
        slicer.util.resetSliceViews()
        if results.findings.lesions:
            self.selectLesion(results.findings.lesions[0].uid)

    def clear(self) -> None:
        """Forget findings, without touching the scene."""
        self.editing.release()
        self.results = self.shown = None
        self._lesions.show(None)
        self.ui.summaryLabel.text = NOTHING_YET
        self.ui.lesionHintLabel.text = ""
        self._fillPhases()
        self.ui.show3DButton.checked = False

    def selectLesion(self, uid: str) -> None:
        """Move all views to a lesion, show its axes and make its segment the one to edit."""
        from LiverTumorAILib.mrml.segmentation import lesion_segment_id

        lesion = self.shown.lesion(uid) if self.shown else None
        if lesion is None:
            return
        self._lesions.select(uid)
        self.shown.select(lesion)
        self.editing.select(lesion_segment_id(lesion))
        self._showHint(lesion)

    def openEditor(self) -> None:
        """Open the segment editor on the selected lesion."""
        from LiverTumorAILib.mrml.segmentation import lesion_segment_id

        self.editing.open()
        lesion = self.shown.lesion(self._lesions.selected_uid) if self.shown else None
        if lesion is not None:
            self.editing.select(lesion_segment_id(lesion))

    def applyDisplay(self, visible: dict[str, bool], opacity: float, axes: bool) -> None:
        """Show or hide groups of segments (by `Group` value) and axes, and set the opacity (0-1)."""
        from LiverTumorAILib.mrml.display import Group, set_group_visible, set_opacity

        node = self.shown.segmentation if self.shown else None
        if node is None:
            return
        for group in Group:
            set_group_visible(node, group, visible[group])
        set_opacity(node, opacity)
        self.shown.show_axes(axes)

    def _showHint(self, lesion: Lesion) -> None:
        self.ui.lesionHintLabel.text = wording.lesion_hint(lesion)

    def _followEdits(self, segment_ids: set[str]) -> None:
        for segment_id in sorted(segment_ids):
            lesion = self.shown.lesion_of_segment(segment_id) if self.shown else None
            if lesion is None:
                continue
            measured = self.shown.follow_edit(segment_id)
            if measured is None:
                self._lesions.mark_removed(lesion.uid)
            else:
                self._lesions.update(measured)
                if self._lesions.selected_uid == measured.uid:
                    self._showHint(measured)

    def _fillPhases(self) -> None:
        combo = self.ui.shownPhaseComboBox
        combo.blockSignals(True)
        combo.clear()
        if self.shown is not None:
            for phase in self.shown.phases:
                combo.addItem(phase.title)
            combo.currentIndex = self.shown.phases.index(self.shown.findings.reference_phase)
        combo.blockSignals(False)

    def _showPhase(self) -> None:
        index = self.ui.shownPhaseComboBox.currentIndex
        if self.shown is not None and index >= 0:
            self.shown.show_phase(self.shown.phases[index])

    def _show3D(self) -> None:
        from LiverTumorAILib.mrml.display import show_surfaces

        node = self.shown.segmentation if self.shown else None
        if node is None:
            return
        with slicer.util.tryWithErrorDisplay("The surfaces cannot be shown.", waitCursor=True):
            show_surfaces(node, self.ui.show3DButton.checked)
            if self.ui.show3DButton.checked:
                slicer.util.resetThreeDViews()

    def updateButtons(self, busy: bool) -> None:
        """Enable what can be done now."""
        there = self.results is not None
        self.ui.shownPhaseComboBox.enabled = there
        self.ui.show3DButton.enabled = there
        self.ui.reportButton.enabled = there
        self.ui.exportButton.enabled = there and not busy
        self.ui.editingSection.enabled = there

"""The findings section: summary, lesion table, what the views show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from LiverTumorAIModule import wording
from LiverTumorAIModule.autosave import Autosave
from LiverTumorAIModule.colour_settings import ColourSettings
from LiverTumorAIModule.correction_panel import CorrectionPanel
from LiverTumorAIModule.details_follower import DetailsFollower
from LiverTumorAIModule.review_panel import ReviewPanel
from LiverTumorAIModule.segment_editing import SegmentEditing
from LiverTumorAIModule.sensitivity_panel import SensitivityPanel
from LiverTumorAIModule.settings_panel import models_folder
from LiverTumorAIModule.terms import term

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import SimpleNamespace

    from LiverTumorAILib.mrml.findings_scene import SceneFindings
    from LiverTumorAIModule.results import Results
    from LiverTumorAIModule.saving import Export
    from LiverTumorAIModule.sessions import Session

NOTHING_YET = _("No findings yet.")


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
        self._study = ""
        self.editing = SegmentEditing(ui.editorContainer, self._followEdits)
        self.review = ReviewPanel(ui, self)
        self.corrections = CorrectionPanel(ui, self)
        self.autosave = Autosave(self._tell)
        self.details = DetailsFollower(self.review.follow, self._tell)
        self.followers: list[Callable[[], None]] = []
        self.colours = ColourSettings(ui, self._paint)
        self.sensitivity = SensitivityPanel(ui, self)
        ui.shownPhaseComboBox.currentIndexChanged.connect(self._showPhase)
        ui.show3DButton.toggled.connect(self._show3D)

    def show(self, results: Results, session: Session | None = None) -> Iterator[None]:
        """Show findings in the scene and in the panel, part by part; the review is saved into the session.

        What a reader sees first comes first: see `completing`.
        """
        from LiverTumorAILib.mrml.showing import showing_findings

        self.clear()
        yield
        scene = slicer.mrmlScene
        shown = yield from showing_findings(
            results.findings, results.images, scene, results.reading, results.organs, palette=self.colours.palette
        )
        # What was prepared is in the scene now.
        self.results, self.shown = results._replace(organs=None), shown
        self._study = session.study if session else ""
        self.autosave.begin(session, results.reading)
        yield from self._beginning()
        self.tellFollowers()
        yield
        slicer.util.resetSliceViews()
        yield
        if self.shown.reading.lesions:
            self.selectLesion(self.shown.reading.lesions[0].uid)

    def showAgain(self, shown: SceneFindings, results: Results) -> Iterator[None]:
        """Show in the panel what the scene shows already, its views as they are."""
        self.clear()
        yield
        self.results, self.shown = results, shown
        self.shown.paint(self.colours.palette)
        yield from self._beginning()
        if self.shown.reading.lesions:
            self.review.select(self.shown.reading.lesions[0].uid)
            self._editSelected()
        self.tellFollowers()

    def completing(self) -> Iterator[None]:
        """Show in the scene what can wait until the table and the outlines are there."""
        from LiverTumorAILib.mrml.saved_evidence import keep_evidence
        from LiverTumorAILib.mrml.saved_source import keep_source
        from LiverTumorAILib.mrml.surfaces import showing_surfaces
        from LiverTumorAILib.mrml.transforms import showing_fields

        if self.results.folder is not None:
            keep_evidence(slicer.mrmlScene, self.results.evidence)
            keep_source(slicer.mrmlScene, self.results.dicom_source)
            self.results = self.results._replace(evidence="")
        yield from self.shown.completing()
        node = self.shown.segmentation
        if node is not None and self.ui.show3DButton.checked:
            yield from showing_surfaces(node)
            slicer.util.resetThreeDViews()
            yield
        yield from showing_fields(slicer.mrmlScene, self.results.fields)

    def export(self, loaded: str) -> Export:
        """What to save of the findings as they are now; their study may be the one that is loaded."""
        from LiverTumorAIModule.saving import Export

        self.editing.settle()
        shown, studies = self.shown, (self._study, loaded)
        known = tuple(filter(None, dict.fromkeys(studies)))
        named = self.ui.identityCheckBox.checked
        return Export(self.results, shown.original, shown.reading, shown.edited, known, models_folder(), named)

    def clear(self) -> None:
        """Forget findings, without touching the scene."""
        self.editing.release()
        self.corrections.stop()
        self.sensitivity.clear()
        self.details.stop()
        self.autosave.begin(None, None)
        self.results = self.shown = None
        self._study = ""
        # Each patient is named only when asked for.
        self.ui.identityCheckBox.checked = False
        self.review.clear()
        self.ui.summaryLabel.text = NOTHING_YET
        self._fillPhases()
        self.tellFollowers()

    def release(self) -> None:
        """Leave nothing behind in the application."""
        self.editing.release()
        self.editing.removeKeys()
        self.review.release()
        self.corrections.release()
        self.sensitivity.clear()
        self.details.stop()
        self.autosave.begin(None, None)

    def enableKeys(self, enabled: bool) -> None:
        """Let the keys work or not."""
        self.review.enableKeys(enabled)
        self.corrections.enableKeys(enabled)

    def selectLesion(self, uid: str) -> None:
        """Move all views to a lesion, show its axes and make its segment the one to edit."""
        lesion = self.shown.lesion(uid) if self.shown else None
        if lesion is None:
            return
        self.review.select(uid)
        self.shown.select(lesion)
        self._editSelected()
        self.tellFollowers()

    def openEditor(self) -> None:
        """Open the segment editor on the selected lesion."""
        self.editing.open()
        self._editSelected()

    def followReading(self) -> None:
        """Show what follows from the reading as it is now."""
        self.followTable()
        self.tellFollowers()

    def followTable(self) -> None:
        """Show in table and summary what follows from the reading as it is now."""
        self.ui.summaryLabel.text = wording.summary(self.shown.summary)
        self.review.follow()
        self.corrections.updateButtons()
        self.autosave.note(self.shown.reading)
        self.details.follow(self.results.details, self.shown.reading)

    def tellFollowers(self) -> None:
        """Let other sections follow the selected lesion and its changes."""
        for follow in self.followers:
            follow()

    def _tell(self, problem: str) -> None:
        self.ui.statusLabel.text = problem

    def _paint(self) -> None:
        """Show lesions and liver in the colours that the user chose."""
        if self.shown is not None:
            self.results.details.palette = self.colours.palette
            self.shown.paint(self.colours.palette)
            self.followReading()

    def _beginning(self) -> Iterator[None]:
        self.results.details.palette = self.colours.palette
        self._fillPhases()
        self.editing.follow(self.shown)
        self.review.begin()
        self.followTable()
        yield

    def _editSelected(self) -> None:
        from LiverTumorAILib.mrml.segmentation import lesion_segment_id

        if self.review.selected is not None:
            self.editing.select(lesion_segment_id(self.review.selected))

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
        self.shown.hide_rejected()
        self.tellFollowers()

    def _followEdits(self, segment_ids: set[str]) -> None:
        if self.shown is None:
            return
        for segment_id in sorted(segment_ids):
            self.shown.follow_edit(segment_id, self._edit(segment_id))
        # Measuring alone takes a turn.
        qt.QTimer.singleShot(0, self._followEdited)

    def _followEdited(self) -> None:
        if self.shown is not None:
            self.followReading()

    def _edit(self, segment_id: str) -> str:
        """The edit of a segment, in words."""
        from LiverTumorAILib.mrml.segmentation import organ_of_segment

        lesion, organ = self.shown.lesion_of_segment(segment_id), organ_of_segment(segment_id)
        if lesion is not None:
            return _("edit of lesion {number}").format(number=lesion.label)
        return _("edit of {organ}").format(organ=term(organ.title) if organ else segment_id)

    def _fillPhases(self) -> None:
        combo = self.ui.shownPhaseComboBox
        combo.blockSignals(True)
        combo.clear()
        if self.shown is not None:
            for phase in self.shown.phases:
                combo.addItem(term(phase.title))
            combo.currentIndex = self.shown.phases.index(self.shown.findings.reference_phase)
        combo.blockSignals(False)

    def _showPhase(self) -> None:
        index = self.ui.shownPhaseComboBox.currentIndex
        if self.shown is not None and index >= 0:
            self.shown.show_phase(self.shown.phases[index])

    def _show3D(self) -> None:
        from LiverTumorAILib.mrml.surfaces import show_surfaces

        node = self.shown.segmentation if self.shown else None
        if node is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The surfaces cannot be shown."), waitCursor=True):
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
        self.ui.identityCheckBox.enabled = there
        self.ui.editingSection.enabled = there
        self.review.updateButtons()
        self.corrections.updateButtons()

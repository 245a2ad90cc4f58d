"""Findings, their images and the reader's work on them in a scene, kept together by one handle."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import SimpleITK as sitk
import slicer

from LiverTumorAILib.lesions import Axis, Findings, Lesion, Organ, Point
from LiverTumorAILib.lesions.terminology import STANDARD_PALETTE, Palette
from LiverTumorAILib.mrml import markups, views
from LiverTumorAILib.mrml.nodes import find_owned, remove_folder, remove_owned
from LiverTumorAILib.mrml.saved_reading import VOLUME_PREFIX, save_reading
from LiverTumorAILib.mrml.segmentation import (
    SEGMENTATION_ROLE,
    add_lesion_segment,
    is_doubtful,
    lesion_segment_id,
    organ_of_segment,
    organ_segment_id,
    paint,
    segment_mask,
    set_segment_mask,
    style_lesion_segment,
)
from LiverTumorAILib.review.corrections import Corrector, same_voxels
from LiverTumorAILib.review.grow import grow_lesion
from LiverTumorAILib.review.history import History
from LiverTumorAILib.review.organs import organ_masks, with_organs
from LiverTumorAILib.review.reading import Reading, ReviewState, reviewed_findings, summary_of
from LiverTumorAILib.study import Phase

STUDY_FOLDER = "Liver study"


class SceneFindings:
    """Findings shown in a scene, as the reader corrects them.

    Holds nodes by role, never by reference, so that a closed scene or a deleted node leaves nothing dangling.

    Parameters
    ----------
    scene: vtkMRMLScene
    findings: Findings
        As the cascade left them.
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases on the reference grid (LPS, mm).
    reading: Reading
        What is shown of the lesions.
    organs: Mapping[Organ, SimpleITK.Image], optional
        `organ_masks` of the findings, if they are at hand.
    palette: Palette
        Colours of the segments.

    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        findings: Findings,
        images: Mapping[Phase, sitk.Image],
        reading: Reading,
        organs: Mapping[Organ, sitk.Image] | None = None,
        *,
        palette: Palette = STANDARD_PALETTE,
    ) -> None:
        self._scene = scene
        self._organs = organs or organ_masks(findings)
        self._at = {reading.factor: findings}
        self._images = images
        self._palette = palette
        self.history = History(reading)
        self.corrector = Corrector(findings.lesion_labels, images)
        self._selected: str | None = None
        self._axes_visible = True

    @property
    def segmentation(self) -> slicer.vtkMRMLSegmentationNode | None:
        """The segmentation node; None after it was deleted."""
        return find_owned(self._scene, SEGMENTATION_ROLE)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases shown, in the order of `Phase`."""
        return tuple(phase for phase in Phase if phase in self._images)

    @property
    def reading(self) -> Reading:
        """The reader's work as it is now."""
        return self.history.present

    @property
    def original(self) -> Findings:
        """The findings as the cascade left them at the present sensitivity."""
        return self._at[self.reading.factor]

    @property
    def findings(self) -> Findings:
        """The findings with all lesions of the reading, rejected ones included, and the patient's present summary.

        Their label image is the cascade's; see `current_findings`.
        """
        return replace(self.summary, lesions=self.reading.lesions)

    @property
    def summary(self) -> Findings:
        """The findings without rejected lesions; their label image is the cascade's."""
        return summary_of(self.original, self.reading)

    @property
    def edited(self) -> bool:
        """Whether the reader decided, corrected or looked with another sensitivity."""
        reading = self.reading
        decided = reading.states or reading.targets or reading.factor or reading.organs
        return bool(decided) or reading.lesions != self.original.lesions

    def volume(self, phase: Phase) -> slicer.vtkMRMLScalarVolumeNode | None:
        """The volume node of a phase; None after it was deleted."""
        return find_owned(self._scene, VOLUME_PREFIX + phase)

    def image(self, phase: Phase) -> sitk.Image:
        """The registered image of a phase (reference grid, LPS, mm)."""
        return self._images[phase]

    def lesion(self, uid: str | None) -> Lesion | None:
        """The lesion with this UID; None if the reading lacks it."""
        return self.reading.lesion(uid)

    def lesion_of_segment(self, segment_id: str) -> Lesion | None:
        """The lesion that a segment shows; None for organs and segments that the user added."""
        return next((lesion for lesion in self.reading.lesions if lesion_segment_id(lesion) == segment_id), None)

    def show_phase(self, phase: Phase) -> None:
        """Show a phase in all slice views."""
        views.show_in_slice_views(self._scene, self.volume(phase))

    def select(self, lesion: Lesion | None) -> None:
        """Show the axes of this lesion only and move all slice views to it; None hides all axes."""
        self._selected = lesion.uid if lesion else None
        if lesion is not None:
            markups.update_axes(self._scene, lesion)
        self.show_axes(self._axes_visible)
        if lesion is not None:
            views.jump_to_lesion(self._scene, lesion)

    def zoom(self, lesion: Lesion) -> None:
        """Zoom all slice views to this lesion."""
        views.zoom_to_lesion(self._scene, lesion)

    def show_axes(self, visible: bool) -> None:
        """Show or hide the axes of the selected lesion."""
        self._axes_visible = visible
        lesion = self.lesion(self._selected) if visible and self._selected else None
        markups.select_axes(self._scene, lesion)

    def visible_doubts(self) -> list[tuple[sitk.Image, tuple[float, float, float]]]:
        """Masks (LPS, mm) and colours of the uncertain lesions whose segments are shown in slice views."""
        node = self.segmentation
        display = node.GetDisplayNode() if node else None
        if display is None or not display.GetVisibility():
            return []
        doubts = [lesion for lesion in self.reading.lesions if is_doubtful(lesion, self.reading)]
        segments = {lesion.uid: node.GetSegmentation().GetSegment(lesion_segment_id(lesion)) for lesion in doubts}
        return [
            (self.reading.masks[lesion.uid], segments[lesion.uid].GetColor())
            for lesion in doubts
            if segments[lesion.uid] and display.GetSegmentVisibility(lesion_segment_id(lesion))
        ]

    def hide_rejected(self) -> None:
        """Hide the segments of rejected lesions, whatever else is shown."""
        display = self.segmentation.GetDisplayNode() if self.segmentation else None
        for lesion in self.reading.lesions if display else ():
            if self.reading.state(lesion.uid) is ReviewState.REJECTED:
                display.SetSegmentVisibility(lesion_segment_id(lesion), False)

    def paint(self, palette: Palette) -> None:
        """Show segments in other colours."""
        self._palette = palette
        if self.segmentation is not None:
            paint(self.segmentation, self.reading.lesions, palette)

    def do(self, what: str, reading: Reading) -> None:
        """Go on to another reading and show it; `what` says in words how it came about."""
        before = self.reading
        self.history.do(what, reading)
        self._follow(before)

    def doing_sensitivity(self, what: str, reading: Reading, findings: Findings) -> Iterator[None]:
        """Go on to a reading at another sensitivity, of these findings, then show lesion after lesion.

        Moves in a row, which bear the same words `what`, are one step. The reading may go on meanwhile.
        """
        before = self.reading
        self._at[reading.factor] = findings
        self.history.go_on(what, reading)
        yield
        yield from self._following(before)

    def undo(self) -> None:
        """Take back the last step."""
        before = self.reading
        self.history.undo()
        self._follow(before)

    def redo(self) -> None:
        """Do again what was taken back last."""
        before = self.reading
        self.history.redo()
        self._follow(before)

    def follow_edit(self, segment_id: str, what: str = "edit") -> Lesion | None:
        """Take over an edited lesion or organ segment; voxels of other lesions are given back to them.

        Parameters
        ----------
        segment_id: str
        what: str
            Names the step in words.

        Returns
        -------
        Lesion or None
            With its new measures; None if the segment shows no lesion or was emptied.

        """
        lesion = self.lesion_of_segment(segment_id)
        if self.segmentation is None:
            return None
        if lesion is None:
            self._follow_organ_edit(organ_of_segment(segment_id), what)
            return None
        mask = segment_mask(self.segmentation, segment_id)
        self.do(what, self.corrector.draw(self.reading, lesion.uid, mask))
        kept = self.reading.masks.get(lesion.uid)
        if kept is not None and not same_voxels(kept, mask):
            set_segment_mask(self.segmentation, segment_id, kept)
        return self.lesion(lesion.uid)

    def _follow_organ_edit(self, organ: Organ | None, what: str) -> None:
        known = self._organ_mask(organ, self.reading)
        if known is None:
            return
        mask = segment_mask(self.segmentation, organ_segment_id(organ))
        # An organ that was erased is one voxel that is not filled.
        mask = mask if mask is not None else known[:1, :1, :1] * 0
        if not same_voxels(known, mask):
            self.do(what, self.reading.with_organ(organ, mask))

    def _organ_mask(self, organ: Organ | None, reading: Reading) -> sitk.Image | None:
        return reading.organs.get(organ, self._organs.get(organ))

    def reading_with_lesion_at(self, point: Point) -> Reading:
        """The present reading and, as its last lesion, the one that a click (LPS, mm) means; touches no node.

        Raises
        ------
        LiverTumorAIError
            If there is no lesion to be seen.

        """
        cached = self.original.sensitivity
        taken = {lesion.uid: self.reading.masks[lesion.uid] for lesion in self.reading.present}
        maps = cached.probabilities.maps if cached else None
        organs = with_organs(self.original, self.reading.organs).organ_labels
        grown = grow_lesion(point, self._images, organs, taken, maps)
        return self.corrector.add(self.reading, grown.mask, grown.type_probabilities)

    def current_findings(self) -> Findings:
        """The findings as the reader leaves them, label image included; rejected lesions are left out."""
        return reviewed_findings(self.original, self.reading)

    def _follow(self, before: Reading) -> None:
        """Let the nodes show the present reading where it differs from an earlier one."""
        for _part in self._following(before):
            pass

    def _following(self, before: Reading) -> Iterator[None]:
        if self.reading is before:
            return
        node = self.segmentation
        uids = [lesion.uid for lesion in (*before.lesions, *self.reading.lesions)]
        for uid in dict.fromkeys(uids):
            if node is None:
                return
            if self._follow_lesion(node, uid, before):
                yield
                node = self.segmentation
        if node is not None:
            self._follow_organs(node, before)
        self.show_axes(self._axes_visible)
        save_reading(self._scene, self.original, self.reading)

    def _follow_organs(self, node: slicer.vtkMRMLSegmentationNode, before: Reading) -> None:
        for organ in {*before.organs, *self.reading.organs}:
            now = self._organ_mask(organ, self.reading)
            shown = segment_mask(node, organ_segment_id(organ))
            if now is not self._organ_mask(organ, before) and (shown is None or not same_voxels(shown, now)):
                set_segment_mask(node, organ_segment_id(organ), now)

    def _follow_lesion(self, node: slicer.vtkMRMLSegmentationNode, uid: str, before: Reading) -> bool:
        """Whether a lesion came, went or has other voxels than in an earlier reading; its nodes follow."""
        now, old, lesion = self.reading, before.lesion(uid), self.lesion(uid)
        if lesion is None:
            node.GetSegmentation().RemoveSegment(lesion_segment_id(old))
            markups.remove_axes(self._scene, old)
            return True
        segment_id, mask = lesion_segment_id(lesion), now.masks[uid]
        is_other = mask is not before.masks.get(uid)
        if node.GetSegmentation().GetSegment(segment_id) is None:
            add_lesion_segment(node, lesion, now)
        elif is_other:
            shown = segment_mask(node, segment_id)
            if shown is None or not same_voxels(shown, mask):
                set_segment_mask(node, segment_id, mask)
        if lesion is not old or now.state(uid) is not before.state(uid):
            style_lesion_segment(node, lesion, now)
            paint(node, [lesion], self._palette)
        if old is None or _axes(lesion) != _axes(old):
            markups.update_axes(self._scene, lesion)
        return is_other

    def completing(self) -> Iterator[None]:
        """Make the axes of all lesions, of which only the selected one's are seen, one lesion after another."""
        for lesion in self.reading.lesions:
            # The reader may have worked on meanwhile.
            if self.lesion(lesion.uid) is not None:
                markups.update_axes(self._scene, self.lesion(lesion.uid))
                self.show_axes(self._axes_visible)
                yield

    def remove(self) -> None:
        """Remove everything shown from the scene."""
        remove_owned(self._scene)
        for folder in (markups.AXES_FOLDER, STUDY_FOLDER):
            remove_folder(self._scene, folder)


def _axes(lesion: Lesion) -> tuple[Axis, Axis]:
    return lesion.measurement.long_axis, lesion.measurement.short_axis

"""Findings and their images in a scene, kept together by one handle."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
import slicer

from LiverTumorAILib.lesions import Findings, Lesion
from LiverTumorAILib.mrml import markups, views
from LiverTumorAILib.mrml.nodes import owned_nodes, put_in_folder, remove_folder, remove_owned
from LiverTumorAILib.mrml.segmentation import (
    SEGMENTATION_ROLE,
    lesion_segment_id,
    lesion_uid_of_segment,
    rename_lesion_segment,
    segment_mask,
    show_segmentation,
)
from LiverTumorAILib.mrml.volumes import show_volume
from LiverTumorAILib.review.remeasure import remeasure
from LiverTumorAILib.study import Phase

STUDY_FOLDER = "Liver study"
VOLUME_PREFIX = "volume:"


class SceneFindings:
    """Findings shown in a scene.

    Holds nodes by role, never by reference, so that a closed scene or a deleted node leaves nothing dangling.

    Attributes
    ----------
    findings: Findings
        With the measures of edited segments.

    """

    def __init__(self, scene: slicer.vtkMRMLScene, findings: Findings, images: Mapping[Phase, sitk.Image]) -> None:
        self.findings = findings
        self._scene = scene
        self._images = images
        self._edited: set[str] = set()
        self._selected: str | None = None
        self._axes_visible = True

    @property
    def segmentation(self) -> slicer.vtkMRMLSegmentationNode | None:
        """The segmentation node; None after it was deleted."""
        return owned_nodes(self._scene).get(SEGMENTATION_ROLE)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases shown, in the order of `Phase`."""
        return tuple(phase for phase in Phase if phase in self._images)

    @property
    def edited(self) -> frozenset[str]:
        """UIDs of the lesions whose segments were edited."""
        return frozenset(self._edited)

    def volume(self, phase: Phase) -> slicer.vtkMRMLScalarVolumeNode | None:
        """The volume node of a phase; None after it was deleted."""
        return owned_nodes(self._scene).get(VOLUME_PREFIX + phase)

    def lesion(self, uid: str) -> Lesion | None:
        """The lesion with this UID; None if the findings lack it."""
        return next((lesion for lesion in self.findings.lesions if lesion.uid == uid), None)

    def lesion_of_segment(self, segment_id: str) -> Lesion | None:
        """The lesion that a segment shows; None for organs and segments that the user added."""
        uid = lesion_uid_of_segment(self.segmentation, segment_id) if self.segmentation else None
        return self.lesion(uid) if uid else None

    def show_phase(self, phase: Phase) -> None:
        """Show a phase in all slice views."""
        views.show_in_slice_views(self._scene, self.volume(phase))

    def select(self, lesion: Lesion | None) -> None:
        """Show the axes of this lesion only and move all slice views to it; None hides all axes."""
        self._selected = lesion.uid if lesion else None
        self.show_axes(self._axes_visible)
        if lesion is not None:
            views.jump_to_lesion(self._scene, lesion)

    def show_axes(self, visible: bool) -> None:
        """Show or hide the axes of the selected lesion."""
        self._axes_visible = visible
        lesion = self.lesion(self._selected) if visible and self._selected else None
        markups.select_axes(self._scene, lesion)

    def follow_edit(self, segment_id: str) -> Lesion | None:
        """Measure an edited lesion segment again and move its axes; None if no lesion or an emptied one."""
        lesion = self.lesion_of_segment(segment_id)
        if lesion is None:
            return None
        self._edited.add(lesion.uid)
        mask = segment_mask(self.segmentation, segment_id)
        if mask is None:
            markups.remove_axes(self._scene, lesion)
            return None
        return self._replace(remeasure(lesion, mask, self._images))

    def set_lesion(self, lesion: Lesion) -> None:
        """Replace a lesion, for example after its type was corrected, and show it so."""
        self._edited.add(lesion.uid)
        rename_lesion_segment(self.segmentation, self._replace(lesion))

    def _replace(self, lesion: Lesion) -> Lesion:
        lesions = tuple(lesion if other.uid == lesion.uid else other for other in self.findings.lesions)
        self.findings = replace(self.findings, lesions=lesions)
        markups.update_axes(self._scene, lesion)
        return lesion

    def current_findings(self) -> Findings:
        """The findings as the segments are now: label image redrawn, emptied lesions left out."""
        if not self._edited or self.segmentation is None:
            return self.findings
        masks = {
            lesion.label: segment_mask(self.segmentation, lesion_segment_id(lesion)) for lesion in self.findings.lesions
        }
        lesions = [lesion for lesion in self.findings.lesions if masks[lesion.label] is not None]
        lesions.sort(key=lambda lesion: -lesion.measurement.volume_mm3)
        return replace(self.findings, lesions=tuple(lesions), lesion_labels=self._draw(masks))

    def _draw(self, masks: Mapping[int, sitk.Image | None]) -> sitk.Image:
        grid = self.findings.lesion_labels
        labels = np.zeros(grid.GetSize()[::-1], np.uint16)
        for label, mask in masks.items():
            if mask is not None:
                whole = sitk.Resample(mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
                labels[sitk.GetArrayViewFromImage(whole) > 0] = label
        image = sitk.GetImageFromArray(labels)
        image.CopyInformation(grid)
        return image

    def remove(self) -> None:
        """Remove everything shown from the scene."""
        remove_owned(self._scene)
        for folder in (markups.AXES_FOLDER, STUDY_FOLDER):
            remove_folder(self._scene, folder)


def show_findings(findings: Findings, images: Mapping[Phase, sitk.Image], scene: slicer.vtkMRMLScene) -> SceneFindings:
    """Show registered phases, segments and axes; showing other findings updates the same nodes.

    Parameters
    ----------
    findings: Findings
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases on the reference grid (LPS, mm); must hold the reference phase.
    scene: vtkMRMLScene

    """
    roles = frozenset(VOLUME_PREFIX + phase for phase in images)
    remove_owned(scene, keep=roles, prefix=VOLUME_PREFIX)
    for phase, image in images.items():
        node = show_volume(scene, image, findings.modality, phase=phase, name=phase.title, role=VOLUME_PREFIX + phase)
        put_in_folder(scene, node, STUDY_FOLDER)
    shown = SceneFindings(scene, findings, images)
    shown.show_phase(findings.reference_phase)
    segmentation = show_segmentation(scene, findings, shown.volume(findings.reference_phase))
    put_in_folder(scene, segmentation, STUDY_FOLDER)
    markups.show_axes(scene, findings)
    return shown

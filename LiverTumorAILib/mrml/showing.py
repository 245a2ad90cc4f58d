"""Findings into a scene, part by part, and back from a saved one."""

from collections.abc import Generator, Mapping

import SimpleITK as sitk
import slicer

from LiverTumorAILib.lesions import Findings, Organ
from LiverTumorAILib.lesions.terminology import STANDARD_PALETTE, Palette
from LiverTumorAILib.mrml import markups
from LiverTumorAILib.mrml.findings_scene import STUDY_FOLDER, SceneFindings
from LiverTumorAILib.mrml.nodes import owned_nodes, put_in_folder, remove_owned
from LiverTumorAILib.mrml.saved_reading import VOLUME_PREFIX, read_scene, save_reading
from LiverTumorAILib.mrml.segmentation import showing_segmentation
from LiverTumorAILib.mrml.volumes import show_volume
from LiverTumorAILib.review.organs import organ_masks
from LiverTumorAILib.review.reading import Reading, begin_reading
from LiverTumorAILib.study import Phase


def show_findings(
    findings: Findings,
    images: Mapping[Phase, sitk.Image],
    scene: slicer.vtkMRMLScene,
    reading: Reading | None = None,
) -> SceneFindings:
    """Show registered phases, segments and axes; see `showing_findings`."""
    parts = showing_findings(findings, images, scene, reading)
    while True:
        try:
            next(parts)
        except StopIteration as end:
            for _part in end.value.completing():
                pass
            return end.value


def showing_findings(
    findings: Findings,
    images: Mapping[Phase, sitk.Image],
    scene: slicer.vtkMRMLScene,
    reading: Reading | None = None,
    organs: Mapping[Organ, sitk.Image] | None = None,
    *,
    palette: Palette = STANDARD_PALETTE,
) -> Generator[None, None, SceneFindings]:
    """Show registered phases and segments in short parts, so that a window can live between them.

    Showing other findings updates the same nodes. Axes come with `SceneFindings.completing`.

    Parameters
    ----------
    findings: Findings
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases on the reference grid (LPS, mm); must hold the reference phase.
    scene: vtkMRMLScene
    reading: Reading, optional
        An earlier reading of these findings to go on with.
    organs: Mapping[Organ, SimpleITK.Image], optional
        Their `organ_masks`, if they are at hand.
    palette: Palette

    """
    reading, organs = reading or begin_reading(findings), organs or organ_masks(findings)
    roles = frozenset(VOLUME_PREFIX + phase for phase in images)
    remove_owned(scene, keep=roles, prefix=VOLUME_PREFIX)
    for phase, image in images.items():
        node = show_volume(scene, image, findings.modality, phase=phase, name=phase.title, role=VOLUME_PREFIX + phase)
        put_in_folder(scene, node, STUDY_FOLDER)
        yield
    shown = SceneFindings(scene, findings, images, reading, organs, palette=palette)
    shown.show_phase(findings.reference_phase)
    yield
    reference = shown.volume(findings.reference_phase)
    segmentation = yield from showing_segmentation(scene, findings, reference, reading, organs, palette=palette)
    put_in_folder(scene, segmentation, STUDY_FOLDER)
    yield
    yield from markups.removing_axes(scene, but=reading.lesions)
    save_reading(scene, findings, reading)
    return shown


def restore_findings(scene: slicer.vtkMRMLScene) -> SceneFindings | None:
    """The findings that a saved scene brought back, its nodes as they are; None if it holds none.

    Raises
    ------
    LiverTumorAIError
        If what it holds is not complete.

    """
    saved = read_scene(scene)
    if saved is None:
        return None
    nodes = owned_nodes(scene)
    for lesion in saved.reading.lesions:
        axis = nodes.get(markups.axis_role(lesion, "long"))
        if axis is None or axis.GetNumberOfControlPoints() < 2:
            markups.update_axes(scene, lesion)
    shown = SceneFindings(scene, saved.findings, saved.images, saved.reading, saved.organs)
    shown.show_axes(True)
    return shown

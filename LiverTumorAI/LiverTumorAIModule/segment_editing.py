"""Slicer's Segment Editor inside the panel, and measures that follow what it edits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import qt
import slicer

from LiverTumorAIModule.view_keys import Keys

if TYPE_CHECKING:
    from LiverTumorAILib.mrml.findings_scene import SceneFindings

EDITOR_TAG = "LiverTumorAI"
EFFECTS = ("Paint", "Draw", "Erase", "Scissors", "Level tracing", "Islands", "Smoothing", "Margin")
"""Those that correct a lesion; the others stay in Slicer's own module."""

BRUSH = {"BrushDiameterIsRelative": "0", "BrushAbsoluteDiameter": "10", "BrushSphere": "1"}
"""A ball of so many mm, whatever the zoom."""

SETTLE_MS = 300
"""Measures follow once the strokes pause for so long."""


class SegmentEditing:
    """Owns the segment editor widget, made when it is first needed.

    Parameters
    ----------
    container: QWidget
        Gets the editor.
    on_edited: callable
        Receives the set of IDs of segments that were edited, after a pause in the strokes.

    """

    def __init__(self, container: qt.QWidget, on_edited: Callable[[set[str]], None]) -> None:
        self._container, self._on_edited = container, on_edited
        self._editor = None
        self._shown: SceneFindings | None = None
        self._observer = None
        self._edited: set[str] = set()
        self._is_prepared = False
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.interval = SETTLE_MS
        self._timer.timeout.connect(self._settle)
        # The editor's own shortcuts also take the keys of undo, zoom and slab; a key that two want does nothing.
        tools = {str(number): lambda name=name: self._toggle(name) for number, name in enumerate(EFFECTS, start=1)}
        self._keys = Keys(tools | {"Esc": self._giveUp})
        self._keys.enable(False)

    @property
    def editor(self) -> slicer.qMRMLSegmentEditorWidget | None:
        """The editor widget; None until it was opened."""
        return self._editor

    def follow(self, shown: SceneFindings | None) -> None:
        """Follow the edits of these findings; None follows nothing."""
        from LiverTumorAILib.mrml.edits import EditObserver

        self.close()
        if self._observer is not None:
            self._observer.stop()
            self._observer = None
        self._timer.stop()
        self._edited.clear()
        self._shown = shown
        self._is_prepared = False
        if shown is not None and shown.segmentation is not None:
            self._observer = EditObserver(shown.segmentation, self._notice)

    def open(self) -> None:
        """Let the user edit the segments that are followed."""
        if self._shown is None or self._shown.segmentation is None:
            return
        if self._editor is None:
            self._editor = slicer.qMRMLSegmentEditorWidget()
            # The panel's own undo knows strokes and decisions in one order.
            self._editor.undoEnabled = False
            self._editor.addRemoveSegmentButtonsVisible = False
            self._editor.segmentationNodeSelectorVisible = False
            self._editor.sourceVolumeNodeSelectorVisible = False
            self._editor.switchToSegmentationsButtonVisible = False
            self._editor.setEffectNameOrder(EFFECTS)
            self._editor.unorderedEffectsVisible = False
            self._container.layout().addWidget(self._editor)
        node = self._editor_node()
        if not self._is_prepared:
            # A lesion lies inside the liver: drawing it must not cut a hole into the liver's segment.
            node.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteNone)
            for name, value in BRUSH.items():
                node.SetAttribute(name, value)
            self._is_prepared = True
        self._editor.setMRMLSegmentEditorNode(node)
        self._editor.setMRMLScene(slicer.mrmlScene)
        self._editor.setSegmentationNode(self._shown.segmentation)
        self._editor.setSourceVolumeNode(self._shown.volume(self._shown.findings.reference_phase))
        self._editor.setupViewObservations()
        self._keys.enable(True)

    def close(self) -> None:
        """Put the tools down, so that views are views again."""
        if self._editor is not None:
            self._editor.setActiveEffect(None)
            self._keys.enable(False)
            self._editor.removeViewObservations()

    def putToolsDown(self) -> None:
        """Let a click in a view be a click."""
        if self._editor is not None:
            self._editor.setActiveEffect(None)

    def release(self) -> None:
        """Let go of nodes before the scene closes."""
        self.follow(None)
        if self._editor is not None:
            self._editor.setSegmentationNode(None)
            self._editor.setSourceVolumeNode(None)

    def removeKeys(self) -> None:
        """Give the keys back for good."""
        self._keys.remove()

    def select(self, segment_id: str) -> None:
        """Make a segment the one that tools work on."""
        if self._editor is not None:
            self._editor.setCurrentSegmentID(segment_id)

    def settle(self) -> None:
        """Follow pending edits at once."""
        if self._timer.active:
            self._timer.stop()
            self._settle()

    def _toggle(self, name: str) -> None:
        """Take a tool up, or put it down."""
        effect = self._editor.effectByName(name)
        self._editor.setActiveEffect(None if effect == self._editor.activeEffect() else effect)

    def _giveUp(self) -> None:
        """Put the tools down and wait for no click, as Escape does in Slicer's views, which this key never reaches."""
        self.putToolsDown()
        slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton").SwitchToViewTransformMode()

    def _editor_node(self) -> slicer.vtkMRMLSegmentEditorNode:
        node = slicer.mrmlScene.GetSingletonNode(EDITOR_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(EDITOR_TAG)
            node = slicer.mrmlScene.AddNode(node)
        return node

    def _notice(self, segment_id: str) -> None:
        self._edited.add(segment_id)
        self._timer.start()

    def _settle(self) -> None:
        edited, self._edited = self._edited, set()
        if edited:
            self._on_edited(edited)

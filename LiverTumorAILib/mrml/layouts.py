"""Arrangements of the views: one for each phase, a single one, or three planes and 3D."""

from collections.abc import Sequence
from enum import StrEnum

import slicer

from LiverTumorAILib.study import Phase

COMPARE_PREFIX = "Phase-"
"""Begins the names of the slice views that each show one phase."""

COMPARE_LAYOUT = 7261
"""An ID that no layout of Slicer has; the user's own begin at 501 or 1000 by custom."""

COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3}
PHASE_COLORS = {
    Phase.NON_CONTRAST: "#8c8c8c",
    Phase.ARTERIAL: "#d55e00",
    Phase.PORTAL_VENOUS: "#56b4e9",
    Phase.DELAYED: "#009e73",
    Phase.HEPATOBILIARY: "#cc79a7",
}
"""Of the views' bars, after Okabe and Ito."""


class Layout(StrEnum):
    """Arrangements of the views."""

    COMPARE = "compare"
    SINGLE = "single"
    PLANES = "planes"


ARRANGEMENTS = {
    Layout.COMPARE: COMPARE_LAYOUT,
    Layout.SINGLE: slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView,
    Layout.PLANES: slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView,
}


def compare_view(phase: Phase) -> str:
    """Name of the slice view that shows a phase beside the others."""
    return COMPARE_PREFIX + phase


def compare_description(phases: Sequence[Phase]) -> str:
    """Slicer's description of a layout with an axial view for each phase, row by row."""
    columns = COLUMNS[len(phases)]
    rows = [phases[first : first + columns] for first in range(0, len(phases), columns)]
    return '<layout type="vertical">' + "".join(map(_row, rows)) + "</layout>"


def _row(phases: Sequence[Phase]) -> str:
    return '<item><layout type="horizontal">' + "".join(map(_view, phases)) + "</layout></item>"


def _view(phase: Phase) -> str:
    return (
        f'<item><view class="vtkMRMLSliceNode" singletontag="{compare_view(phase)}">'
        '<property name="orientation" action="default">Axial</property>'
        f'<property name="viewlabel" action="default">{phase.title}</property>'
        f'<property name="viewcolor" action="default">{PHASE_COLORS[phase]}</property>'
        "</view></item>"
    )


def set_layout(scene: slicer.vtkMRMLScene, layout: Layout, phases: Sequence[Phase]) -> None:
    """Arrange the views; `phases` are those that the compare layout shows, in this order."""
    node = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if layout is Layout.COMPARE:
        description = compare_description(phases)
        if node.IsLayoutDescription(COMPARE_LAYOUT):
            node.SetLayoutDescription(COMPARE_LAYOUT, description)
        else:
            node.AddLayoutDescription(COMPARE_LAYOUT, description)
    node.SetViewArrangement(ARRANGEMENTS[layout])


def current_layout(scene: slicer.vtkMRMLScene) -> Layout | None:
    """How the views are arranged; None where the user chose another of Slicer's layouts."""
    arrangement = scene.GetFirstNodeByClass("vtkMRMLLayoutNode").GetViewArrangement()
    return next((layout for layout, known in ARRANGEMENTS.items() if known == arrangement), None)

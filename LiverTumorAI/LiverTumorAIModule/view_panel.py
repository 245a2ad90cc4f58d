"""The views section: layouts, phases under keys, blinking, windows and slabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import qt
import slicer

from LiverTumorAIModule.heatmap_panel import HeatmapPanel
from LiverTumorAIModule.measure_panel import MeasurePanel
from LiverTumorAIModule.terms import term
from LiverTumorAIModule.view_keys import Keys

if TYPE_CHECKING:
    from types import SimpleNamespace

    import SimpleITK as sitk
    import vtk

    from LiverTumorAILib.mrml.findings_scene import SceneFindings
    from LiverTumorAILib.study import Phase
    from LiverTumorAIModule.findings_panel import FindingsPanel

BLINK_MS = 500
USUAL_SLAB_MM = 10
PHASE_KEYS = ("1", "2", "3", "4", "5")
WINDOW_KEYS = ("F2", "F3", "F4", "F5", "F6")


class ViewPanel:
    """Binds the slice views to the widgets of the views section.

    Parameters
    ----------
    ui: SimpleNamespace
        The form's widgets by name.
    findings: FindingsPanel
        Holds what is shown.

    """

    def __init__(self, ui: SimpleNamespace, findings: FindingsPanel) -> None:
        self.ui = ui
        self._findings = findings
        self._labels, self._outlines = [], []
        self._surfaces: list[tuple[sitk.Image, vtk.vtkPolyData]] = []
        self._crosshair = None
        self._layouts = slicer.app.layoutManager()
        self._chosen = "planes"
        self._buttons = {"compare": ui.compareButton, "single": ui.singleButton, "planes": ui.planesButton}
        for layout, button in self._buttons.items():
            button.clicked.connect(lambda *_, layout=layout: self.setLayout(layout))
        self._blinking = qt.QTimer()
        self._blinking.interval = BLINK_MS
        self._blinking.timeout.connect(self._swapPhases)
        ui.blinkButton.toggled.connect(self._blink)
        ui.shownPhaseComboBox.currentIndexChanged.connect(self._followPhase)
        ui.windowComboBox.activated.connect(self._setWindow)
        ui.slabSpinBox.valueChanged.connect(self._setSlab)
        ui.editingSection.contentsCollapsed.connect(lambda *_: self.enableKeys(True))
        self._layouts.layoutChanged.connect(self._followLayout)
        findings.followers.append(self._outline)
        self._heatmaps = HeatmapPanel(ui, findings)
        self._measures = MeasurePanel(ui, findings)
        self._keys = Keys(self._actions())
        self._keys.enable(False)

    @property
    def shown(self) -> SceneFindings | None:
        """What the views show."""
        return self._findings.shown

    def show(self) -> None:
        """Let the section fit newly shown findings."""
        from LiverTumorAILib.mrml.windows import presets

        self.clear()
        phases = self.shown.phases
        for phase in phases:
            self.ui.blinkPhaseComboBox.addItem(term(phase.title))
        reference = phases.index(self.shown.findings.reference_phase)
        self.ui.blinkPhaseComboBox.currentIndex = max(reference - 1, 0) or min(1, len(phases) - 1)
        for preset in presets(self.shown.findings.modality):
            self.ui.windowComboBox.addItem(term(preset.value))
        if self._chosen == "compare" and len(phases) > 1:
            self.setLayout("compare")
        self._followLayout()

    def clear(self) -> None:
        """Forget what was shown; views of single phases would stay empty."""
        from LiverTumorAILib.mrml.layouts import Layout, set_layout

        if self.layout == "compare":
            set_layout(slicer.mrmlScene, Layout.PLANES, ())
        self.ui.blinkButton.checked = False
        self.ui.blinkPhaseComboBox.clear()
        self.ui.windowComboBox.clear()
        self.ui.slabSpinBox.value = 0
        self.ui.heatmapButton.checked = False
        self._removeLabels()

    def release(self) -> None:
        """Leave nothing behind in the application."""
        if self._layouts is not None:
            self._layouts.layoutChanged.disconnect(self._followLayout)
            self._layouts = None
        self._keys.remove()
        self._heatmaps.release()
        self._measures.release()
        self.clear()
        if self._crosshair is not None:
            self._crosshair.hide()

    def enableKeys(self, enabled: bool) -> None:
        """Let the keys work or not; digits choose the tools while the segment editor is open."""
        self._keys.enable(enabled)
        self._heatmaps.enableKeys(enabled)
        if not self.ui.editingSection.collapsed:
            self._keys.enable(False, PHASE_KEYS)
        if not enabled:
            self.ui.blinkButton.checked = False

    def updateButtons(self) -> None:
        """Enable what can be done now."""
        there = self.shown is not None
        several = there and len(self.shown.phases) > 1
        for widget in (self.ui.singleButton, self.ui.planesButton, self.ui.windowComboBox, self.ui.slabSpinBox):
            widget.enabled = there
        for widget in (self.ui.compareButton, self.ui.blinkButton, self.ui.blinkPhaseComboBox):
            widget.enabled = several

    @property
    def layout(self) -> str | None:
        """'compare', 'single', 'planes', or None where the user chose another layout of Slicer."""
        from LiverTumorAILib.mrml.layouts import current_layout

        layout = current_layout(slicer.mrmlScene)
        return layout.value if layout else None

    def setLayout(self, name: str) -> None:
        """Arrange the views, at the same slice and zoom as before."""
        from LiverTumorAILib.mrml.layouts import Layout, set_layout
        from LiverTumorAILib.mrml.views import align_axial_views, show_side_by_side

        if self.shown is None:
            return
        layout, before = Layout(name), self.layout
        self._chosen = name
        self.ui.blinkButton.checked = False
        set_layout(slicer.mrmlScene, layout, self.shown.phases)
        if layout is Layout.COMPARE:
            show_side_by_side(slicer.mrmlScene, {phase: self.shown.volume(phase) for phase in self.shown.phases})
        if "compare" in (name, before) and name != before:
            align_axial_views(slicer.mrmlScene, layout)
        self._setSlab()
        self._heatmaps.follow()
        self._followLayout()

    def showPhase(self, index: int) -> None:
        """Show a phase in place; beside each other the phases give way to the single view."""
        if self.shown is None or not 0 <= index < len(self.shown.phases):
            return
        if self.layout == "compare":
            self.setLayout("single")
        self.ui.shownPhaseComboBox.currentIndex = index
        # The list does not tell where the phase is chosen already, but the views may show another.
        self.shown.show_phase(self.shown.phases[index])

    def _actions(self) -> dict:
        actions = {key: lambda index=index: self._choosePhase(index) for index, key in enumerate(PHASE_KEYS)}
        actions |= {key: lambda index=index: self._chooseWindow(index) for index, key in enumerate(WINDOW_KEYS)}
        return actions | {
            "C": self.ui.compareButton.click,
            "S": self.ui.singleButton.click,
            "M": self.ui.planesButton.click,
            "B": self.ui.blinkButton.click,
            "I": self._toggleSlab,
        }

    def _choosePhase(self, index: int) -> None:
        self.ui.blinkButton.checked = False
        self.showPhase(index)

    def _chooseWindow(self, index: int) -> None:
        if index < self.ui.windowComboBox.count:
            self.ui.windowComboBox.currentIndex = index
            self._setWindow()

    def _phasesInView(self) -> tuple[Phase, ...]:
        if self.layout == "compare":
            return self.shown.phases
        return (self.shown.phases[self.ui.shownPhaseComboBox.currentIndex],)

    def _setWindow(self) -> None:
        from LiverTumorAILib.mrml.windows import presets, set_window

        if self.shown is None:
            return
        modality = self.shown.findings.modality
        preset = presets(modality)[max(self.ui.windowComboBox.currentIndex, 0)]
        for phase in self._phasesInView():
            volume = self.shown.volume(phase)
            if volume is not None:
                set_window(volume, modality, phase, preset)

    def _setSlab(self) -> None:
        from LiverTumorAILib.mrml.views import set_slab

        set_slab(slicer.mrmlScene, self.ui.slabSpinBox.value)

    def _toggleSlab(self) -> None:
        if self.shown is not None:
            self.ui.slabSpinBox.value = 0 if self.ui.slabSpinBox.value else USUAL_SLAB_MM

    def _blink(self) -> None:
        if not self.ui.blinkButton.checked or self.shown is None:
            self._blinking.stop()
            return
        self.showPhase(self.ui.shownPhaseComboBox.currentIndex)
        self.ui.blinkButton.checked = True
        if self.ui.blinkPhaseComboBox.currentIndex == self.ui.shownPhaseComboBox.currentIndex:
            self.ui.blinkPhaseComboBox.currentIndex = (self.ui.blinkPhaseComboBox.currentIndex + 1) % len(
                self.shown.phases
            )
        self._blinking.start()

    def _swapPhases(self) -> None:
        if self.shown is None:
            self.ui.blinkButton.checked = False
            return
        other = self.ui.blinkPhaseComboBox.currentIndex
        self.ui.blinkPhaseComboBox.currentIndex = self.ui.shownPhaseComboBox.currentIndex
        self.ui.shownPhaseComboBox.currentIndex = other

    def _followPhase(self) -> None:
        """Who chooses a phase in the list wants to see it, also where phases stand beside each other."""
        if self.shown is not None and self.layout == "compare":
            self.setLayout("single")
        self._followWindow()

    def _followWindow(self) -> None:
        """Show the preset that the phase in view has; none where the mouse has changed its window."""
        from LiverTumorAILib.mrml.windows import current_preset

        volume = self.shown.volume(self._phasesInView()[0]) if self.shown else None
        if volume is not None:
            preset = current_preset(volume, self.shown.findings.modality, self._phasesInView()[0])
            self.ui.windowComboBox.currentIndex = self.ui.windowComboBox.findText(term(preset.value)) if preset else -1

    def _followLayout(self, *_layout: int) -> None:
        from LiverTumorAILib.mrml.views import CursorCrosshair

        layout = self.layout
        for name, button in self._buttons.items():
            button.checked = name == layout
        self._followWindow()
        self._crosshair = self._crosshair or CursorCrosshair(slicer.mrmlScene)
        if layout == "compare" and self.shown is not None:
            self._crosshair.show()
        else:
            self._crosshair.hide()
        self._makeLabels()

    def _removeLabels(self) -> None:
        for drawn in (*self._labels, *self._outlines):
            drawn.remove()
        self._labels, self._outlines = [], []

    def _makeLabels(self) -> None:
        from LiverTumorAILib.mrml.corner_labels import CornerLabel
        from LiverTumorAILib.mrml.dashed_outlines import DashedOutlines

        self._removeLabels()
        if self.shown is None:
            return
        manager = slicer.app.layoutManager()
        for name in manager.sliceViewNames():
            widget = manager.sliceWidget(name)
            view = widget.sliceView()
            renderer = view.renderWindow().GetRenderers().GetFirstRenderer()
            slice_node, composite_node = widget.mrmlSliceNode(), widget.mrmlSliceCompositeNode()
            self._labels.append(CornerLabel(slice_node, composite_node, renderer, view.scheduleRender))
            self._outlines.append(DashedOutlines(slice_node, renderer, view.scheduleRender))
        self._outline()

    def _outline(self) -> None:
        """Give uncertain lesions dashed outlines in all slice views."""
        from LiverTumorAILib.mrml.dashed_outlines import Outlined, surface_of

        doubts = self.shown.visible_doubts() if self.shown else []
        known = {id(mask): surface for mask, surface in self._surfaces}
        self._surfaces = [(mask, known.get(id(mask)) or surface_of(mask)) for mask, _colour in doubts]
        opacity = self.shown.segmentation.GetDisplayNode().GetOpacity2DOutline() if doubts else 1.0
        outlined = [
            Outlined(surface, colour, opacity) for (_, surface), (_, colour) in zip(self._surfaces, doubts, strict=True)
        ]
        for outlines in self._outlines:
            outlines.show(outlined)

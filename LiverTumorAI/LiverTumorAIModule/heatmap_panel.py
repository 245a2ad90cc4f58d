"""Heatmaps of the selected lesion: what spoke for its type, and what for the second type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer

from LiverTumorAIModule.view_keys import Keys

if TYPE_CHECKING:
    from types import SimpleNamespace

    from LiverTumorAIModule.findings_panel import FindingsPanel


class HeatmapPanel:
    """Binds the heatmaps of the results to the heatmap row of the views section.

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
        ui.heatmapButton.toggled.connect(self.follow)
        ui.heatmapComboBox.currentIndexChanged.connect(self.follow)
        ui.heatmapOpacitySlider.valueChanged.connect(self.follow)
        findings.followers.append(self.follow)
        self._keys = Keys({"H": ui.heatmapButton.click})
        self._keys.enable(False)

    def enableKeys(self, enabled: bool) -> None:
        """Let the key work or not."""
        self._keys.enable(enabled)

    def release(self) -> None:
        """Leave nothing behind in the application."""
        self._keys.remove()

    def follow(self, *_change: object) -> None:
        """Show the heatmap of the selected lesion where it is wanted and there is one."""
        from LiverTumorAILib.mrml.heatmaps import hide_heatmap, show_heatmap

        titles = self._titles()
        self._fillKinds(tuple(titles.values()))
        self.ui.heatmapButton.enabled = bool(titles)
        if not titles or not self.ui.heatmapButton.checked:
            hide_heatmap(slicer.mrmlScene)
            return
        name, title = list(titles.items())[max(self.ui.heatmapComboBox.currentIndex, 0)]
        heatmap = self._findings.shown.original.heatmaps[name]
        show_heatmap(slicer.mrmlScene, heatmap, title, self.ui.heatmapOpacitySlider.value)

    def _fillKinds(self, titles: tuple[str, ...]) -> None:
        combo = self.ui.heatmapComboBox
        combo.enabled = len(titles) > 1
        if titles == tuple(combo.itemText(index) for index in range(combo.count)):
            return
        chosen = combo.currentIndex
        combo.blockSignals(True)
        combo.clear()
        for title in titles:
            combo.addItem(title)
        combo.currentIndex = min(max(chosen, 0), len(titles) - 1)
        combo.blockSignals(False)

    def _titles(self) -> dict[str, str]:
        """What the heatmaps of the selected lesion show, by file; they are of the types that the networks saw."""
        from LiverTumorAILib.explanation.titles import heatmap_titles

        selected = self._findings.review.selected if self._findings.shown else None
        if selected is None:
            return {}
        analyzed = self._findings.shown.original
        lesion = next((lesion for lesion in analyzed.lesions if lesion.uid == selected.uid), None)
        titles = heatmap_titles(lesion, analyzed.heatmaps) if lesion else {}
        return {name: title for name, title in titles.items() if name in analyzed.heatmaps}

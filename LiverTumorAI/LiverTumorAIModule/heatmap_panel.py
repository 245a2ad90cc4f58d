"""Heatmaps of the selected lesion: what spoke for its type, and what for the second type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from LiverTumorAIModule.late_evidence import Lacking, LateEvidence
from LiverTumorAIModule.settings_panel import models_folder
from LiverTumorAIModule.view_keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import SimpleNamespace

    import SimpleITK as sitk

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
        self._late = LateEvidence(self.follow, models_folder)
        findings.followers.append(self.follow)
        self._keys = Keys({"H": ui.heatmapButton.click})
        self._keys.enable(False)

    def enableKeys(self, enabled: bool) -> None:
        """Let the key work or not."""
        self._keys.enable(enabled)

    def release(self) -> None:
        """Leave nothing behind in the application."""
        self._late.clear()
        self._keys.remove()

    def follow(self, *_change: object) -> None:
        """Show the heatmap of the selected lesion where it is wanted and there is one."""
        from LiverTumorAILib.mrml.heatmaps import hide_heatmap, show_heatmap

        maps = self._maps()
        self._fillKinds(tuple(maps) or (self._why_none(),))
        self.ui.heatmapButton.enabled = bool(maps)
        self.ui.heatmapComboBox.enabled = len(maps) > 1
        if not maps or not self.ui.heatmapButton.checked:
            hide_heatmap(slicer.mrmlScene)
            return
        title, make = list(maps.items())[max(self.ui.heatmapComboBox.currentIndex, 0)]
        show_heatmap(slicer.mrmlScene, make(), title, self.ui.heatmapOpacitySlider.value)

    def _fillKinds(self, titles: tuple[str, ...]) -> None:
        combo = self.ui.heatmapComboBox
        if titles == tuple(combo.itemText(index) for index in range(combo.count)):
            return
        chosen = combo.currentIndex
        combo.blockSignals(True)
        combo.clear()
        for title in titles:
            combo.addItem(title)
        combo.currentIndex = min(max(chosen, 0), len(titles) - 1)
        combo.blockSignals(False)

    def _maps(self) -> dict[str, Callable[[], sitk.Image]]:
        """What can be shown of the selected lesion, by title; evidence that the analysis did not give is made."""
        from LiverTumorAILib.explanation.titles import SECOND_NETWORK
        from LiverTumorAILib.review.heatmaps import heatmaps_of

        shown, selected = self._findings.shown, self._findings.review.selected
        if shown is None:
            self._late.clear()
        if selected is None:
            return {}
        mask = shown.reading.masks[selected.uid]
        maps = heatmaps_of(selected, mask, shown.original)
        seconds = sum(title.startswith(SECOND_NETWORK) for title in maps)
        is_explained = len(maps) - seconds > 1
        if not maps or self.ui.heatmapButton.checked:
            lacks = Lacking(first=not is_explained, second=not seconds)
            self._late.want(selected, mask, self._findings.results, lacks)
        late = {title: lambda heatmap=heatmap: heatmap for title, heatmap in self._late.of(selected, mask).items()}
        return maps | late if is_explained or not late else late

    def _why_none(self) -> str:
        """Why the selected lesion has no heatmap, in words."""
        shown, selected = self._findings.shown, self._findings.review.selected
        if selected is None:
            return ""
        if self._late.is_busy:
            return _("being made…")
        is_found = any(lesion.uid == selected.uid for lesion in shown.original.lesions)
        return _("none was made") if is_found else _("none: no network found it")

"""Colours of lesion types and liver, kept on this computer for all scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from LiverTumorAIModule.wording import type_title

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import SimpleNamespace

    from LiverTumorAILib.lesions import LesionType, Organ
    from LiverTumorAILib.lesions.terminology import Palette

KEY = "LiverTumorAI/colours/"
SWATCH_PIXELS = 14


class ColourSettings:
    """Binds Slicer's settings to the row of colours; what was not chosen has its standard colour.

    Parameters
    ----------
    ui: SimpleNamespace
        The form's widgets by name.
    on_changed: callable
        Called after the user chose or reset a colour.

    """

    def __init__(self, ui: SimpleNamespace, on_changed: Callable[[], None]) -> None:
        self.ui, self._on_changed = ui, on_changed
        ui.colourButton.clicked.connect(self._choose)
        ui.resetColoursButton.clicked.connect(self._reset)

    @property
    def palette(self) -> Palette:
        """Colours by lesion type and organ."""
        from LiverTumorAILib.lesions.terminology import STANDARD_PALETTE

        colours = {kind: qt.QColor(str(_settings().value(KEY + kind.name, "") or "")) for kind in _kinds()}
        chosen = {
            kind: (colour.red(), colour.green(), colour.blue()) for kind, colour in colours.items() if colour.isValid()
        }
        return {**STANDARD_PALETTE, **chosen}

    def fill(self) -> None:
        """List what has a colour, with it."""
        from LiverTumorAILib.lesions import LesionType

        palette, combo = self.palette, self.ui.colourComboBox
        chosen = max(combo.currentIndex, 0)
        combo.clear()
        for kind in _kinds():
            swatch = qt.QPixmap(SWATCH_PIXELS, SWATCH_PIXELS)
            swatch.fill(qt.QColor(*palette[kind]))
            combo.addItem(qt.QIcon(swatch), type_title(kind) if isinstance(kind, LesionType) else _("Liver"))
        combo.currentIndex = chosen

    def _choose(self, *_clicked: object) -> None:
        kind = _kinds()[self.ui.colourComboBox.currentIndex]
        title = _("Colour: {name}").format(name=self.ui.colourComboBox.currentText)
        colour = qt.QColorDialog.getColor(qt.QColor(*self.palette[kind]), self.ui.LiverTumorAI, title)
        if colour.isValid():
            _settings().setValue(KEY + kind.name, colour.name())
            self._follow()

    def _reset(self, *_clicked: object) -> None:
        for kind in _kinds():
            _settings().remove(KEY + kind.name)
        self._follow()

    def _follow(self) -> None:
        self.fill()
        self._on_changed()


def _kinds() -> list[LesionType | Organ]:
    from LiverTumorAILib.lesions import LesionType, Organ

    return [*LesionType, Organ.LIVER]


def _settings() -> qt.QSettings:
    return slicer.app.settings()

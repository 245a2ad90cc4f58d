"""What is kept on this computer for all scenes: method, device, folder of models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

if TYPE_CHECKING:
    from types import SimpleNamespace

    from LiverTumorAIModule.activity import Activity
    from LiverTumorAIModule.parameters import LiverTumorAIParameterNode

KEY = "LiverTumorAI/"


class SettingsPanel:
    """Binds Slicer's settings to the section of settings, and new scenes to them.

    Parameters
    ----------
    ui: SimpleNamespace
        The form's widgets by name.
    activity: Activity

    """

    def __init__(self, ui: SimpleNamespace, activity: Activity) -> None:
        self.ui = ui
        self._activity = activity
        ui.modelsPathLineEdit.currentPath = _read("models")
        ui.modelsPathLineEdit.currentPathChanged.connect(lambda path: _write("models", path.strip()))
        ui.checkModelsButton.clicked.connect(self.checkModels)

    @property
    def models(self) -> str | None:
        """See `models_folder`."""
        return models_folder()

    def apply(self, node: LiverTumorAIParameterNode) -> None:
        """Give a new scene the choices that were made last."""
        from LiverTumorAIModule.parameters import Device

        node.cascade = _read("cascade") or node.cascade
        if _read("device") in {device.value for device in Device}:
            node.device = Device(_read("device"))

    def remember(self, node: LiverTumorAIParameterNode) -> None:
        """Keep the choices of this scene for the next one."""
        _write("cascade", node.cascade)
        _write("device", node.device.value)

    def checkModels(self, *_clicked: object) -> None:
        """Say of each network in the folder whether it is what its card says."""
        self.ui.settingsLabel.text = _("Checking the networks…")
        self._activity.run(lambda: _check(self.models), self._tell)

    def _tell(self, lines: list[str]) -> None:
        self.ui.settingsLabel.text = "\n".join(lines)


def models_folder() -> str | None:
    """The folder of models; None for those that come with the module."""
    return _read("models") or None


def _check(folder: str | None) -> list[str]:
    from LiverTumorAILib.inference import ModelStore

    store = ModelStore(Path(folder) if folder else None)
    results = store.verify()
    return [each.words for each in results] or [
        _("No networks in this folder. Choose the folder that holds one folder for each network.")
    ]


def _read(name: str) -> str:
    return str(slicer.app.settings().value(KEY + name, "") or "")


def _write(name: str, value: str) -> None:
    if _read(name) != value:
        slicer.app.settings().setValue(KEY + name, value)

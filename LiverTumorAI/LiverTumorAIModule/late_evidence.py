"""Evidence that the analysis did not make, made beside the GUI's thread when it is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from LiverTumorAIModule.background import BackgroundTask

if TYPE_CHECKING:
    from collections.abc import Callable

    import SimpleITK as sitk

    from LiverTumorAILib.lesions import Lesion, LesionType
    from LiverTumorAIModule.results import Results


class _Made(NamedTuple):
    """Maps by title, and what they were made of."""

    mask: sitk.Image
    kind: LesionType
    maps: dict[str, sitk.Image]


class Lacking(NamedTuple):
    """Whether a lesion lacks the maps of a cascade's first network, and those of its second one."""

    first: bool
    second: bool


class LateEvidence:
    """Maps of lesions that only the slider or a click found, and those of a cascade's second network.

    Parameters
    ----------
    on_made: callable
        Called when further maps are there.
    models: callable
        Gives the folder of networks; None for those that come with the module.

    """

    def __init__(self, on_made: Callable[[], None], models: Callable[[], str | None]) -> None:
        self._on_made, self._models = on_made, models
        self._made: dict[str, _Made] = {}
        self._task: BackgroundTask | None = None

    @property
    def is_busy(self) -> bool:
        """Whether maps are on their way."""
        return self._task is not None

    def of(self, lesion: Lesion, mask: sitk.Image) -> dict[str, sitk.Image]:
        """Maps of a lesion by title, if they were made of these voxels and this type."""
        return self._known(lesion, mask) or {}

    def want(self, lesion: Lesion, mask: sitk.Image, results: Results, lacks: Lacking) -> None:
        """Make the maps that a lesion lacks, unless they are there, cannot be made, or others are on their way."""
        if not any(lacks) or self._task is not None or self._known(lesion, mask) is not None:
            return
        folder = self._models()
        self._task = BackgroundTask(
            lambda: _make(lesion, mask, results, folder, lacks),
            lambda maps: self._keep(lesion, mask, maps),
            # What is shown without them says what it is.
            lambda _error: self._keep(lesion, mask, {}),
        )

    def clear(self) -> None:
        """Forget all maps, and those on their way."""
        if self._task is not None:
            self._task.forget()
        self._task, self._made = None, {}

    def _known(self, lesion: Lesion, mask: sitk.Image) -> dict[str, sitk.Image] | None:
        """What was made of a lesion as it is now; None if nothing was tried."""
        made = self._made.get(lesion.uid)
        return made.maps if made and made.mask is mask and made.kind is lesion.type else None

    def _keep(self, lesion: Lesion, mask: sitk.Image, maps: dict[str, sitk.Image]) -> None:
        self._task = None
        self._made[lesion.uid] = _Made(mask, lesion.type, maps)
        self._on_made()


def _make(
    lesion: Lesion, mask: sitk.Image, results: Results, folder: str | None, lacks: Lacking
) -> dict[str, sitk.Image]:
    from LiverTumorAILib.inference import ModelStore
    from LiverTumorAILib.review.explaining_networks import explaining_networks
    from LiverTumorAILib.review.late_evidence import late_evidence

    networks = explaining_networks(results.findings, ModelStore(Path(folder) if folder else None))
    maps: dict[str, sitk.Image] = {}
    for network in networks:
        if lacks.second if network.is_second else lacks.first:
            maps |= late_evidence(lesion, mask, results.findings, results.images, network)
    return maps

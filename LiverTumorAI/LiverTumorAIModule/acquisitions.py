"""The acquisitions of a loaded study as volume nodes, before they are registered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LiverTumorAILib.worker.events import PhasesFound

PREFIX = "acquisition:"
FOLDER = _("Liver study as acquired")


def showing_acquisitions(found: PhasesFound, images: list[sitk.Image]) -> Iterator[None]:
    """Show the images (LPS, mm) of a study's volumes, part by part, as nodes in place of those of an earlier study."""
    from LiverTumorAILib.mrml.nodes import put_in_folder, removing_owned
    from LiverTumorAILib.mrml.volumes import show_volume
    from LiverTumorAILib.study import Modality, Phase

    scene = slicer.mrmlScene
    # Results of another study must not stay beside this one.
    yield from removing_owned(scene)
    for volume, image in zip(found.volumes, images, strict=True):
        phase = Phase(volume.phase) if volume.phase else None
        node = show_volume(
            scene,
            image,
            Modality(found.modality),
            phase=phase,
            name=volume.source or _("acquisition {number}").format(number=volume.index + 1),
            role=f"{PREFIX}{volume.index}",
        )
        put_in_folder(scene, node, FOLDER)
        yield


def show_acquisition(index: int) -> None:
    """Show one acquisition in all slice views; nothing happens where it is not in the scene."""
    from LiverTumorAILib.mrml.nodes import find_owned
    from LiverTumorAILib.mrml.views import show_in_slice_views

    node = find_owned(slicer.mrmlScene, f"{PREFIX}{index}")
    if node is not None:
        show_in_slice_views(slicer.mrmlScene, node)


def remove_acquisitions() -> None:
    """Remove the acquisitions from the scene."""
    from LiverTumorAILib.mrml.nodes import remove_folder, remove_owned

    remove_owned(slicer.mrmlScene, prefix=PREFIX)
    remove_folder(slicer.mrmlScene, FOLDER)


def write_volumes(images: dict[str, sitk.Image], folder: Path) -> dict[str, str]:
    """Write images as a study folder; their names, which may name a patient, stay out of it.

    Returns
    -------
    dict
        Name by file name.

    """
    import SimpleITK as sitk

    folder.mkdir(parents=True)
    names = {}
    for number, (name, image) in enumerate(images.items(), start=1):
        file = f"{number}.nrrd"
        sitk.WriteImage(image, folder / file)
        names[file] = name
    return names

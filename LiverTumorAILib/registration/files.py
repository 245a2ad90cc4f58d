"""Registering one image file onto another."""

import math
from pathlib import Path

import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.memory import require_memory
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration.register import register
from LiverTumorAILib.registration.registered_study import RegistrationResult
from LiverTumorAILib.study import read_image
from LiverTumorAILib.study.volume_files import VOLUME_SUFFIXES

_FIXED_BYTES = 60
"""For each voxel of the fixed image: itself, the moved image, the field and its copy."""
_MOVING_BYTES = 12


def register_files(
    fixed: Path,
    moving: Path,
    out: Path,
    field: Path | None = None,
    progress: Progress = Progress(),
    *,
    device: str = "auto",
) -> RegistrationResult:
    """Register a moving image file onto a fixed one and write the moved image.

    Parameters
    ----------
    fixed, moving: Path
        Volumes (NIfTI, NRRD, MetaImage).
    out: Path
        Where the moved image goes, on the fixed grid; unknown voxels get the moving image's lowest value.
    field: Path, optional
        Where the displacement field (LPS, mm) goes.
    progress: Progress
    device: str
        'auto', 'cpu' or 'cuda' (needs CuPy).

    Raises
    ------
    LiverTumorAIError
        If a file cannot be read or written, does not fit into memory, or the images cannot be registered.

    """
    targets = [path for path in (out, field) if path is not None]
    for path in targets:
        _require_writable(path)
    _require_memory(fixed, moving)
    images = [read_image(path) for path in (fixed, moving)]
    result = register(*images, progress, device=device)
    lowest = sitk.MinimumMaximumImageFilter()
    lowest.Execute(images[1])
    known = sitk.Cast(result.moved == result.moved, sitk.sitkUInt8)
    moved = sitk.Mask(result.moved, known, lowest.GetMinimum())
    written: list[Path] = []
    try:
        for path, image in zip(targets, (moved, result.field), strict=False):
            written.append(path)
            sitk.WriteImage(image, path, useCompression=True)
    except RuntimeError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise LiverTumorAIError(
            "The registered image cannot be written", written[-1], "Check free space and permission"
        ) from error
    return result


def _require_memory(fixed: Path, moving: Path) -> None:
    needed = sum(
        bytes_for_each * _voxels(path) for path, bytes_for_each in ((fixed, _FIXED_BYTES), (moving, _MOVING_BYTES))
    )
    require_memory(needed, "Registering", f"{fixed.name}, {moving.name}")


def _voxels(path: Path) -> int:
    """Number of voxels by the header; 0 where reading the file will tell what is wrong with it."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return 0
    return math.prod(reader.GetSize())


def _require_writable(path: Path) -> None:
    if not path.name.lower().endswith(VOLUME_SUFFIXES):
        raise LiverTumorAIError("The output is no volume format", path, f"Use one of {', '.join(VOLUME_SUFFIXES)}")
    if not path.parent.is_dir():
        raise LiverTumorAIError("The output folder does not exist", path.parent, "Create it first")

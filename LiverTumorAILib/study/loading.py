"""From a path to a `Study`: DICOM in any order, or volumes that are one file each."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

from pydicom.dataset import Dataset

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study.body_check import warn_of_odd_bodies
from LiverTumorAILib.study.dicom_slice import read_header
from LiverTumorAILib.study.dicom_study import read_dicom_study
from LiverTumorAILib.study.phase_recognition import recognise_phases
from LiverTumorAILib.study.study import Study, StudyVolume
from LiverTumorAILib.study.volume_files import VOLUME_SUFFIXES, read_volume_files

_IGNORED_FOLDERS = {"truth", "__macosx"}
_IGNORED_SUFFIXES = {".json", ".txt", ".csv", ".xml", ".html", ".pdf", ".md", ".raw", ".zraw", ".img", ".py", ".log"}


def load_study(path: Path, progress: Progress = Progress()) -> Study:
    """Load a study and recognise its phases.

    Parameters
    ----------
    path: Path
        A folder of DICOM (nested, with other series in it), a folder with one volume a file, or one file. A folder
        `truth` inside is ignored.
    progress: Progress
        Receives what is being read; a cancelled load raises `Cancelled`.

    Returns
    -------
    Study
        Volumes in float32, LPS, mm, HU for CT, in the order of acquisition where it is known.

    Raises
    ------
    LiverTumorAIError
        If nothing that could be a liver study is there, or it is damaged, mixed or too large.

    """
    path = Path(path)
    progress = replace(progress, stage=progress.stage or "Loading the study")
    files, volume_files, others = _sorted_files(path, progress.part(0.0, 0.2))
    where = path.name
    if files:
        modality, volumes, warnings = read_dicom_study(files, where, progress.part(0.2, 0.7))
        if volume_files:
            warnings.append(f"{len(volume_files)} volume files left out: the folder is read as DICOM")
    elif volume_files:
        modality, volumes, warnings = read_volume_files(volume_files, where, progress.part(0.2, 0.7))
    else:
        raise _no_image(path, others)
    if others and path.is_dir():
        warnings.append(f"{sum(others.values())} files left out: no images")
    warnings += warn_of_odd_bodies([(volume.source, volume.image) for volume in volumes], modality)
    recognised = recognise_phases(volumes, modality, progress.part(0.7, 1.0))
    study_volumes = tuple(
        StudyVolume(
            volume.image,
            found.phase,
            found.probabilities,
            found.reason,
            volume.source,
            (*volume.warnings, *found.warnings),
            volume.dicom_files,
        )
        for volume, found in zip(volumes, recognised, strict=True)
    )
    progress.update(1.0)
    return Study(modality, study_volumes, (*warnings, *_study_warnings(study_volumes)))


def _sorted_files(path: Path, progress: Progress) -> tuple[list[tuple[Path, Dataset]], list[Path], Counter[str]]:
    """DICOM files with headers, volume files, and a count of the others by suffix."""
    paths = _list_files(path)
    dicom, volumes, others = [], [], Counter()
    for index, file in enumerate(paths):
        if index % 50 == 0:
            progress.update(index / len(paths), "reading headers")
        name = file.name.lower()
        if name.endswith(VOLUME_SUFFIXES):
            volumes.append(file)
            continue
        if name == "dicomdir" or (file.suffix.lower() in _IGNORED_SUFFIXES and path.is_dir()):
            others[file.suffix] += 1
            continue
        header = read_header(file)
        if header is None:
            others[file.suffix] += 1
        else:
            dicom.append((file, header))
    return dicom, volumes, others


def _list_files(path: Path) -> list[Path]:
    try:
        if path.is_file():
            return [path]
        if not path.is_dir():
            raise LiverTumorAIError("There is no such file or folder", path.name, "Check the path")
        found = []
        for folder, subfolders, names in os.walk(path, onerror=_raise):
            subfolders[:] = sorted(name for name in subfolders if name.lower() not in _IGNORED_FOLDERS)
            found += [Path(folder) / name for name in sorted(names) if not name.startswith(".")]
    except PermissionError as error:
        raise LiverTumorAIError("No permission to read the folder", path.name, "Ask for access to it") from error
    except OSError as error:
        raise LiverTumorAIError("The folder cannot be read", path.name, "Check the disk") from error
    return found


def _raise(error: OSError) -> None:
    raise error


def _no_image(path: Path, others: Counter[str]) -> LiverTumorAIError:
    advice = "Choose a folder of DICOM, or of NIfTI, NRRD or MetaImage volumes"
    if path.is_file():
        return LiverTumorAIError("The file is no medical image", path.name, advice)
    count = sum(others.values())
    what = f"None of the {count} files in the folder is a medical image" if count else "The folder is empty"
    return LiverTumorAIError(what, path.name, advice)


def _study_warnings(volumes: tuple[StudyVolume, ...]) -> list[str]:
    warnings = []
    counts = Counter(volume.phase for volume in volumes if volume.phase)
    for phase, count in counts.items():
        if count > 1:
            warnings.append(f"{count} volumes were recognised as {phase.title}: the more probable one is used")
    if len(counts) == 1 and len(volumes) == 1:
        warnings.append("one phase only: lesion types that need several phases cannot be told apart")
    return warnings

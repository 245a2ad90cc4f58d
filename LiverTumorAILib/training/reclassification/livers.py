"""Livers cut out of training cases."""

from dataclasses import dataclass, replace
from pathlib import Path

import cc3d
import numpy as np
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions.organs import separate_organs, whole_liver
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.training.cases import CaseFolder, TrainingCase
from LiverTumorAILib.training.reclassification.recipe import CLASSES
from LiverTumorAILib.training.reclassification.suspects import SuspectFinder
from LiverTumorAILib.training.targets import LESION_CLASSES

MARGIN = 2
"""Voxels around the liver that are kept."""

_ARRAYS = ("images", "labels", "instances", "suspects")


@dataclass(frozen=True)
class LiverCase:
    """The liver of one training case.

    Attributes
    ----------
    images: numpy.ndarray
        int16 (phases, z, y, x), HU as in `TrainingCase`.
    labels: numpy.ndarray
        uint8 (z, y, x), index into `CLASSES`: 0 outside the liver.
    instances: numpy.ndarray
        uint16 (z, y, x), lesions 1, 2, ...: connected voxels of one type.
    suspects: numpy.ndarray
        uint16 (z, y, x), places 1, 2, ... that the first network takes for lesions and that are none; 0 everywhere
        where it was not asked.

    """

    images: np.ndarray
    labels: np.ndarray
    instances: np.ndarray
    suspects: np.ndarray

    @property
    def lesions(self) -> np.ndarray:
        """Numbers of the lesions."""
        return np.unique(self.instances[self.instances > 0])

    @property
    def healthy(self) -> np.ndarray:
        """Bool (z, y, x): liver at some distance from lesions."""
        near = ndimage.binary_dilation(self.instances > 0, iterations=2)
        return (self.labels > 0) & ~near


def cut_liver(case: TrainingCase, classes: tuple[str, ...], suspects: np.ndarray | None = None) -> LiverCase | None:
    """The liver of a case whose labels are indices into `classes`, and of its suspects; None where it has none."""
    labels = np.asarray(case.labels)
    organs, lesions = separate_organs(labels, classes)
    liver = whole_liver(organs, lesions)
    boxes = ndimage.find_objects(liver.view(np.uint8))
    if not boxes:
        return None
    box = tuple(
        slice(max(side.start - MARGIN, 0), min(side.stop + MARGIN, length))
        for side, length in zip(boxes[0], labels.shape, strict=True)
    )
    own = np.array([CLASSES.index(name) if name in LESION_CLASSES else 0 for name in classes], np.uint8)
    found = np.where(lesions[box], own[labels[box]], 0)
    instances = cc3d.connected_components(found, connectivity=26).astype(np.uint16)
    inside = np.where(found > 0, found, CLASSES.index("liver"))
    kept = np.where(liver[box], inside, 0).astype(np.uint8)
    suspected = np.zeros(kept.shape, np.uint16) if suspects is None else suspects[box]
    return LiverCase(np.asarray(case.images[(slice(None), *box)]), kept, np.where(kept > 0, instances, 0), suspected)


@dataclass(frozen=True)
class LiverFolder:
    """Livers of a folder of cases, cut out when they are first asked for and kept on disk.

    Attributes
    ----------
    cases: CaseFolder
        Training cases.
    classes: tuple of str
        Of their labels.
    kept: Path
        Folder for the livers.
    suspected_by: SuspectFinder, optional
        Marks the suspects of the livers that are cut out; without it they have none.

    """

    cases: CaseFolder
    classes: tuple[str, ...]
    kept: Path
    suspected_by: SuspectFinder | None = None

    def __len__(self) -> int:
        return len(self.cases)

    def liver(self, index: int, progress: Progress | None = None) -> LiverCase:
        """A case's liver; LiverTumorAIError for a case that has none."""
        path = self._path(index)
        if not path.is_file():
            self._keep(index, path, progress)
        with np.load(path) as stored:
            return LiverCase(*(stored[name] for name in _ARRAYS))

    def all_cut(self, progress: Progress | None = None) -> "LiverFolder":
        """The same with every liver on disk, which other processes can read without the first network."""
        for index in range(len(self)):
            if progress:
                progress.update(index / len(self), f"liver {index + 1} of {len(self)}")
            if not self._path(index).is_file():
                self._keep(index, self._path(index), progress)
        return replace(self, suspected_by=None)

    def _path(self, index: int) -> Path:
        return self.kept / f"{self.cases.names[index]}.npz"

    def _keep(self, index: int, path: Path, progress: Progress | None) -> None:
        case = self.cases.case(index, progress)
        liver = cut_liver(case, self.classes, self.suspected_by(case) if self.suspected_by else None)
        if liver is None:
            raise LiverTumorAIError(
                "A training case has no liver", self.cases.folder / self.cases.names[index], "Delete the case"
            )
        self.kept.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}")
        np.savez(partial, **{name: getattr(liver, name) for name in _ARRAYS})
        partial.replace(path)

"""Training cases on disk: phases and classes on the network's grid."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import NetworkGrid
from LiverTumorAILib.inference.preprocess import body_box, sample_phase
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training.recipe import TrainingRecipe
from LiverTumorAILib.training.targets import sample_labels

UNKNOWN = -32768
"""Stands for NaN in the stored int16 HU."""
_PLAN = "plan.json"
_WAIT_SECONDS = 1800.0


@dataclass(frozen=True)
class LesionPlace:
    """Where a lesion lies in a case: class, a voxel inside it (z, y, x), and its number of voxels."""

    class_index: int
    voxel: tuple[int, int, int]
    voxels: int


@dataclass(frozen=True)
class TrainingCase:
    """One patient on the network's grid.

    Attributes
    ----------
    name: str
        Its folder.
    images: numpy.ndarray
        int16 (phases, z, y, x), HU, `UNKNOWN` where a phase shows nothing.
    labels: numpy.ndarray
        uint8 (z, y, x), index into the recipe's classes.
    lesions: tuple of LesionPlace
        Of every lesion that the grid shows.

    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    lesions: tuple[LesionPlace, ...]

    def phases(self, inputs: tuple[str, ...]) -> dict[Phase, np.ndarray]:
        """The phases that show anything: float32 HU (z, y, x), NaN where unknown."""
        result = {}
        for name, stored in zip(inputs, self.images, strict=True):
            values = np.where(stored == UNKNOWN, np.nan, stored.astype(np.float32))
            if np.isfinite(values).any():
                result[Phase(name)] = values
        return result


def prepare_case(
    name: str,
    images: Mapping[Phase, sitk.Image],
    classes: sitk.Image,
    lesions: sitk.Image,
    recipe: TrainingRecipe,
) -> TrainingCase:
    """Bring a case onto the network's grid, cropped to the body.

    Parameters
    ----------
    name: str
        Name of the case.
    images: Mapping[Phase, SimpleITK.Image]
        float32 HU (LPS, mm), registered to each other, NaN where a phase shows nothing.
    classes, lesions: SimpleITK.Image
        Truth on one grid (LPS, mm): index into the recipe's classes; instance numbers.
    recipe: TrainingRecipe
        Gives grid, phases and classes.

    """
    grid = NetworkGrid.covering(images.values(), recipe.spacing_mm)
    sampled = {phase: sample_phase(image, grid) for phase, image in images.items()}
    box = body_box(sampled, recipe.normalisation)
    shape = tuple(part.stop - part.start for part in box)
    stored = np.full((len(recipe.inputs), *shape), UNKNOWN, np.int16)
    for channel, wanted in enumerate(recipe.inputs):
        if Phase(wanted) in sampled:
            values = sampled[Phase(wanted)][box]
            stored[channel] = np.where(np.isfinite(values), np.clip(np.rint(values), -1024, 3000), UNKNOWN)
    labels = sample_labels(classes, grid)[box]
    return TrainingCase(name, stored, labels, _places(sample_labels(lesions, grid)[box], labels))


def _places(instances: np.ndarray, labels: np.ndarray) -> tuple[LesionPlace, ...]:
    places = []
    for number in np.unique(instances[instances > 0]):
        voxels = np.argwhere(instances == number)
        middle = voxels[np.argmin(((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1))]
        counts = np.bincount(labels[tuple(voxels.T)])
        places.append(LesionPlace(int(counts.argmax()), tuple(middle.tolist()), len(voxels)))
    return tuple(places)


def write_case(case: TrainingCase, data: Path) -> None:
    """Write a case into a folder of cases; it appears by one rename."""
    partial = data / f".{case.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    np.save(partial / "images.npy", case.images)
    np.save(partial / "labels.npy", case.labels)
    text = json.dumps({"lesions": [asdict(place) for place in case.lesions]})
    (partial / "case.json").write_text(text, encoding="utf-8")
    partial.rename(data / case.name)


def read_case(folder: Path) -> TrainingCase:
    """Read a case; its arrays stay on disk until they are used."""
    try:
        content = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        lesions = tuple(
            LesionPlace(place["class_index"], tuple(place["voxel"]), place["voxels"]) for place in content["lesions"]
        )
        images = np.load(folder / "images.npy", mmap_mode="r")
        labels = np.load(folder / "labels.npy", mmap_mode="r")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LiverTumorAIError(
            f"The training case cannot be read: {error}",
            folder,
            "Delete it and start make_data again",
        ) from error
    return TrainingCase(folder.name, images, labels, lesions)


@dataclass(frozen=True)
class CaseFolder:
    """A folder of cases in a fixed order, some of which may still be in the making."""

    folder: Path
    names: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path) -> "CaseFolder":
        """The cases that the folder's plan names, or without a plan those that are there."""
        plan = folder / _PLAN
        if plan.is_file():
            names = tuple(json.loads(plan.read_text(encoding="utf-8"))["cases"])
        else:
            names = tuple(sorted(entry.parent.name for entry in folder.glob("*/case.json")))
        if not names:
            raise LiverTumorAIError(
                "No training cases were found", folder, "Make some with python -m LiverTumorAILib.training.make_data"
            )
        return cls(folder, names)

    @staticmethod
    def write_plan(folder: Path, names: tuple[str, ...]) -> None:
        """Say which cases the folder will hold, in the order in which they are made."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _PLAN).write_text(json.dumps({"cases": names}), encoding="utf-8")

    def __len__(self) -> int:
        return len(self.names)

    def case(self, index: int, progress: Progress | None = None) -> TrainingCase:
        """A case; waits up to half an hour for one that is still being made."""
        folder = self.folder / self.names[index]
        begun = time.monotonic()
        while not folder.is_dir():
            if progress:
                progress.check()
            if time.monotonic() - begun > _WAIT_SECONDS:
                raise LiverTumorAIError(
                    "A training case that the plan names is missing", folder, "Start make_data again; it continues"
                )
            time.sleep(1.0)
        return read_case(folder)

"""What it takes to find lesions anew with another sensitivity, in one compressed file."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import NetworkGrid
from LiverTumorAILib.lesions.reclassification import Opinions
from LiverTumorAILib.lesions.sensitivity import LesionProbabilities

SENSITIVITY_FILE = "sensitivity.npz"


@dataclass(frozen=True)
class SensitivityData:
    """Answers of both networks of the multi-sensitivity cascade.

    Attributes
    ----------
    probabilities: LesionProbabilities
        Of the segmentation network.
    opinions: Opinions
        Of the reclassification network.
    factor: float
        High sensitivity factor of the findings; lesions beyond it have no opinions.

    """

    probabilities: LesionProbabilities
    opinions: Opinions
    factor: float


def write_sensitivity(data: SensitivityData, path: Path) -> None:
    """Write an .npz file; lossless."""
    probabilities, opinions = data.probabilities, data.opinions
    about = {
        "factor": data.factor,
        "types": probabilities.types,
        "classes": opinions.classes,
        "grids": [_grid_to_json(part.grid) for part in (probabilities, opinions)],
    }
    np.savez_compressed(
        path,
        about=np.array(json.dumps(about)),
        lesions=probabilities.lesions,
        rest=probabilities.rest,
        opinions=opinions.labels,
    )


def read_sensitivity(path: Path) -> SensitivityData:
    """Read what `write_sensitivity` wrote; LiverTumorAIError where the file is missing or broken."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            first, second = (NetworkGrid(*map(tuple, grid)) for grid in about["grids"])
            return SensitivityData(
                LesionProbabilities(tuple(about["types"]), stored["lesions"], stored["rest"], first),
                Opinions(tuple(about["classes"]), stored["opinions"], second),
                float(about["factor"]),
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise LiverTumorAIError(
            "The probabilities for other sensitivities cannot be read", path.name, "Run the analysis again"
        ) from error


def _grid_to_json(grid: NetworkGrid) -> list[list[float]]:
    return [list(grid.shape), list(grid.spacing_mm), list(grid.origin_mm)]

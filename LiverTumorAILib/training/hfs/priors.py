"""Results of the first stages on training cases: what f_3D learns to fuse."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from LiverTumorAILib.cascades.hierarchy import PRIORS, first_stages
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import Model, ModelStore
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.training.hfs.cases import HfsCase

_FILE = "priors.npy"
_ORIGIN = "priors.json"


def make_priors(cases: Sequence[HfsCase], models: ModelStore, device: str, progress: Progress) -> None:
    """Run the first stages over cases and keep the results beside them; those of the same networks are kept."""
    networks = {name: models.load(name, device) for name in PRIORS}
    origin = {name: model.card.sha256 for name, model in networks.items()}
    for number, case in enumerate(cases):
        part = progress.part(number / len(cases), (number + 1) / len(cases), "First stages on training cases")
        path = case.folder / _ORIGIN
        if path.is_file() and json.loads(path.read_text(encoding="utf-8")) == origin:
            continue
        path.unlink(missing_ok=True)
        np.save(case.folder / _FILE, _priors(case, networks, part))
        path.write_text(json.dumps(origin), encoding="utf-8")


def _priors(case: HfsCase, networks: Mapping[str, Model], progress: Progress) -> np.ndarray:
    """uint8 (4, z, y, x), 255 for certain, in the order of `PRIORS`; 0 where nothing was computed."""
    result = np.zeros((len(PRIORS), *case.labels.shape), np.uint8)
    stages = first_stages(networks, case.phases(), progress)
    if stages is not None:
        result[(slice(None), *stages.box)] = np.rint(255 * stages.probabilities)
    return result


def read_priors(case: HfsCase, planes: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Probabilities float32 (4, planes, y, x) of some slices of a case, in the order of `PRIORS`."""
    try:
        stored = np.load(case.folder / _FILE, mmap_mode="r")
    except OSError as error:
        raise LiverTumorAIError(
            "A training case lacks the first stages' results", case.folder, "Start the training of the fusion again"
        ) from error
    return stored[:, planes].astype(np.float32) / 255

"""The one place that strings the stages together: from a study to findings."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LiverTumorAILib.cascades import get_cascade, require_phases
from LiverTumorAILib.cascades.assembly import with_seconds
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.lesions import Findings
from LiverTumorAILib.memory import require_memory
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import RegisteredStudy, register_study
from LiverTumorAILib.study import Phase, Study, load_study

BYTES_FOR_EACH_PHASE = 28
"""Of each voxel: a registered phase in single precision and its registration field."""

BYTES_FOR_FINDINGS = 40
"""Of each voxel: labels, connected components and what the network holds of it."""


@dataclass(frozen=True)
class Analysis:
    """What `analyze` found, and on which registered phases."""

    registered: RegisteredStudy
    findings: Findings


def analyze(
    source: Path | Study,
    cascade_name: str = "base",
    models: ModelStore | None = None,
    progress: Progress | None = None,
    device: str = "auto",
    *,
    substitutes: Mapping[Phase, Phase] | None = None,
) -> Analysis:
    """Analyze a study: load, register, find lesions, measure.

    Parameters
    ----------
    source: Path or Study
        A folder of DICOM or volumes, or a study that is loaded already.
    cascade_name: str
        See `cascades.CASCADES`.
    models: ModelStore, optional
        The models that come with the library if not given.
    progress: Progress, optional
        Reports each stage.
    device: str
        'auto', 'cpu' or 'cuda'.
    substitutes: Mapping[Phase, Phase], optional
        By the user's choice: for a missing phase the one that stands in for it.

    Returns
    -------
    Analysis
        The findings' provenance holds the seconds of each stage.

    Raises
    ------
    LiverTumorAIError
        If the study, the cascade or its models are not usable, or memory would not do.
    Cancelled

    """
    progress = progress or Progress()
    cascade = get_cascade(cascade_name, device, substitutes)
    models = models or ModelStore()
    for name in cascade.required_models:
        models.card(name)
    started = time.perf_counter()
    if isinstance(source, Study):
        study = source
    else:
        study = load_study(Path(source), progress.part(0, 0.15, "Loading the study"))
    loaded = time.perf_counter()
    require_phases(cascade, study.phases)
    check_memory(study)
    registered = register_study(
        study, progress.part(0.15, 0.5, "Registering phases"), device="cpu" if device == "cpu" else "auto"
    )
    aligned = time.perf_counter()
    findings = cascade.run(registered, models, progress.part(0.5, 1, cascade.title))
    progress.part(0, 1, cascade.title).update(1.0)
    return Analysis(registered, with_seconds(findings, {"load": loaded - started, "register": aligned - loaded}))


def check_memory(study: Study) -> None:
    """Raise LiverTumorAIError if analyzing a study would exhaust the memory."""
    voxels = int(np.prod(study.volume(study.reference_phase).image.GetSize()))
    needed = voxels * (BYTES_FOR_FINDINGS + BYTES_FOR_EACH_PHASE * len(study.phases))
    require_memory(needed, "Analyzing the study", f"{study.reference_phase.title} phase")

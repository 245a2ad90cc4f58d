"""Running one job inside the worker process."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.folders import new_folder
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.pipeline import analyze
from LiverTumorAILib.progress import Cancelled, Progress, ProgressEvent
from LiverTumorAILib.report import write_results
from LiverTumorAILib.study import Study, load_study
from LiverTumorAILib.worker.events import (
    CancelledByUser,
    Event,
    Failed,
    Finished,
    FoundVolume,
    PhasesFound,
    ProgressReported,
)
from LiverTumorAILib.worker.job import Job


def run_job(job: Job, emit: Callable[[Event], None], is_cancelled: Callable[[], bool]) -> bool:
    """Run a job and emit its events; the last one is Finished, Failed or CancelledByUser.

    Returns
    -------
    bool
        Whether it finished.

    """
    started = time.monotonic()

    def listener(event: ProgressEvent) -> None:
        emit(ProgressReported(**asdict(event)))

    progress = Progress(listener, is_cancelled)
    try:
        {"load": _load, "analyze": _analyze}[job.command](job, emit, progress)
    except Cancelled:
        emit(CancelledByUser())
    except LiverTumorAIError as error:
        emit(Failed(error.what, error.where, error.advice, str(error)))
    except MemoryError:
        emit(_failed("Not enough memory for this study", "Close other programs or use a machine with more memory"))
    except Exception as error:
        emit(_failed(f"Unexpected error: {type(error).__name__}", "Please report it with the version"))
        raise
    else:
        emit(Finished(job.out, time.monotonic() - started))
        return True
    return False


def _failed(what: str, advice: str) -> Failed:
    return Failed(what, "", advice, str(LiverTumorAIError(what, advice=advice)))


def _load(job: Job, emit: Callable[[Event], None], progress: Progress) -> None:
    """Write each volume of the study as `volumes/INDEX.nrrd` and tell what was found."""
    with new_folder(Path(job.out)) as folder:
        study = _study(job, progress.part(0, 0.8, "Loading the study"))
        (folder / "volumes").mkdir()
        writing = progress.part(0.8, 1, "Preparing the views")
        for index, volume in enumerate(study.volumes):
            sitk.WriteImage(volume.image, folder / "volumes" / f"{index}.nrrd", useCompression=False)
            writing.update((index + 1) / len(study.volumes))
        emit(phases_found(study))


def _analyze(job: Job, emit: Callable[[Event], None], progress: Progress) -> None:
    with new_folder(Path(job.out)) as folder:
        models = ModelStore(Path(job.models) if job.models else None)
        study = _study(job, progress.part(0, 0.1, "Loading the study"))
        emit(phases_found(study))
        analysis = analyze(study, job.cascade, models, progress.part(0.1, 0.9), job.device, substitutes=job.substitutes)
        write_results(analysis, folder, progress.part(0.9, 1, "Writing the results"))


def _study(job: Job, progress: Progress) -> Study:
    study = load_study(Path(job.study), progress)
    for index, phase in job.phases.items():
        if not 0 <= index < len(study.volumes):
            raise LiverTumorAIError(f"The study has no volume {index}", advice="Load the study again")
        study = study.with_phase(index, phase)
    return study


def phases_found(study: Study) -> PhasesFound:
    """What the phases table shows of a study."""
    volumes = []
    for index, volume in enumerate(study.volumes):
        probability = volume.phase_probabilities.get(volume.phase, 1.0) if volume.phase else 0.0
        volumes.append(
            FoundVolume(
                index,
                volume.source,
                volume.phase,
                probability,
                volume.phase_reason,
                volume.phase_is_sure,
                volume.image.GetSize()[2],
                volume.image.GetSpacing(),
                volume.warnings,
            )
        )
    return PhasesFound(study.modality, tuple(volumes), study.warnings)

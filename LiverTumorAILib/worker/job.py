"""The job file: what the window asks of the worker process."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.study import Phase

COMMANDS = ("load", "analyze")


@dataclass(frozen=True)
class Job:
    """One job of the worker.

    Attributes
    ----------
    command: str
        'load' (find the phases, write the volumes) or 'analyze' (the whole pipeline).
    study: str
        Folder of DICOM or volumes, or one volume file.
    out: str
        Folder for the results; it appears by one rename when they are complete.
    phases: Mapping[int, Phase or None]
        Phases that the user set, by index of the volume; None leaves a volume out.
    cascade, device: str
    models: str or None
        Model folder; None is the one that ships.
    substitutes: Mapping[Phase, Phase]
        By the user's choice: for a missing phase the one that stands in for it.

    """

    command: str
    study: str
    out: str
    phases: Mapping[int, Phase | None] = field(default_factory=dict)
    cascade: str = "base"
    device: str = "auto"
    models: str | None = None
    substitutes: Mapping[Phase, Phase] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.command not in COMMANDS:
            raise LiverTumorAIError(f"Unknown job '{self.command}'", "job file", f"Use one of: {', '.join(COMMANDS)}")


def write_job(job: Job, path: Path) -> None:
    """Write a job file."""
    path.write_text(json.dumps(asdict(job), indent=1), encoding="utf-8")


def read_job(path: Path) -> Job:
    """Read a job file; LiverTumorAIError if it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        phases = {int(index): Phase(value) if value else None for index, value in content.pop("phases", {}).items()}
        given = content.pop("substitutes", {}).items()
        substitutes = {Phase(missing): Phase(present) for missing, present in given}
        return Job(**content, phases=phases, substitutes=substitutes)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise LiverTumorAIError("Not a job file", path.name, "Start the analysis again from the window") from error

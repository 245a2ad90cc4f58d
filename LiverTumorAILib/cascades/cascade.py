"""The interface of every cascade; pipeline, window, command line and evaluation know only this."""

from typing import Protocol

from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.lesions import Findings
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Phase


class Cascade(Protocol):
    """One published system.

    Attributes
    ----------
    name: str
        What `--cascade` takes.
    title: str
        What the user reads.
    protocols: tuple of str
        Phantom and study protocols it was made for: `ct4 ct3 nc dce-mr hbp-mr`.
    required_models: tuple of str
        Names in the model store.
    required_phases: tuple of Phase
        Without which it cannot run.

    """

    name: str
    title: str
    protocols: tuple[str, ...]
    required_models: tuple[str, ...]
    required_phases: tuple[Phase, ...]

    def run(self, study: RegisteredStudy, models: ModelStore, progress: Progress) -> Findings:
        """Findings of a registered study; `LiverTumorAIError` where the study is outside its scope."""
        ...

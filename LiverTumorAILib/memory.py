"""Memory that a step is going to need."""

import psutil

from LiverTumorAILib.errors import LiverTumorAIError


def require_memory(byte_count: float, what: str, where: str, advice: str = "choose thicker series") -> None:
    """Raise LiverTumorAIError if so many bytes are not free.

    Parameters
    ----------
    byte_count: float
    what: str
        Subject of the message, such as 'Reading the study'.
    where: str
        Phase or file.
    advice: str
        What helps besides closing other programs.

    """
    available = psutil.virtual_memory().available
    if byte_count > available:
        raise LiverTumorAIError(
            f"{what} needs {byte_count / 2**30:.1f} GiB of memory, {available / 2**30:.1f} GiB are free",
            where,
            f"Close other programs, or {advice}",
        )

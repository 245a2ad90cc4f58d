"""Which processor does the search's costly steps."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import numpy as np

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.registration import array_kernels, descriptors, matching

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Kernels:
    """The steps of the search that a GPU can do.

    Attributes
    ----------
    describe: callable
        As `descriptors.describe`.
    sample_displacements: callable
        As `matching.sample_displacements`.

    """

    describe: Callable[..., np.ndarray] = descriptors.describe
    sample_displacements: Callable[..., np.ndarray] = matching.sample_displacements


def array_module_kernels(arrays: ModuleType) -> Kernels:
    """The steps done by an array module: numpy or cupy."""
    return Kernels(
        partial(array_kernels.describe, arrays=arrays), partial(array_kernels.sample_displacements, arrays=arrays)
    )


def choose_kernels(device: str = "auto") -> Kernels:
    """The GPU's steps if CuPy finds one, else the processor's.

    Parameters
    ----------
    device: str
        'auto', 'cpu' or 'cuda'.

    Raises
    ------
    LiverTumorAIError
        If the device is unknown, or 'cuda' is not there.

    """
    if device not in DEVICES:
        raise LiverTumorAIError(f"There is no device '{device}'", advice=f"Choose one of {', '.join(DEVICES)}")
    cupy = None if device == "cpu" else _cupy()
    if device == "cuda" and cupy is None:
        raise LiverTumorAIError(
            "Registration finds no CUDA device here", advice="Install CuPy and the GPU's driver, or choose cpu"
        )
    return array_module_kernels(cupy) if cupy else Kernels()


def _cupy() -> ModuleType | None:
    try:
        cupy = importlib.import_module("cupy")
        return cupy if cupy.cuda.is_available() else None
    except Exception:
        # A broken driver fails in many ways.
        return None

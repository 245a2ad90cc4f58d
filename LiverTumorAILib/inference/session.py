"""ONNX Runtime sessions."""

import os
from collections.abc import Sequence

import numpy as np
import onnxruntime as ort

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference.openvino_scores import OpenVinoScores, openvino_is_installed

VOLUME, SCORES = "volume", "scores"
EXPLAIN, REGION, CONTRASTS, EVIDENCE = "explain", "region", "contrasts", "evidence_"
"""Inputs that need not be given, and how the names of the outputs begin that depend on them; a level follows."""

DEVICES = ("auto", "cpu", "cuda")
ONNX_RUNTIME, OPENVINO = "ONNX Runtime", "OpenVINO"
ENGINE_ENVIRONMENT = "LIVERTUMORAI_ENGINE"
"""'onnxruntime' leaves OpenVINO aside where it is installed."""


def available_cores() -> int:
    """Number of cores that this process may use."""
    try:
        return max(len(os.sched_getaffinity(0)), 1)
    except AttributeError:
        return max(os.cpu_count() or 1, 1)


def choose_device(device: str) -> str:
    """'cpu' or 'cuda' for a wish of 'auto', 'cpu' or 'cuda'; LiverTumorAIError where it cannot be had."""
    if device not in DEVICES:
        raise LiverTumorAIError(f"There is no device '{device}'", advice=f"Choose one of {', '.join(DEVICES)}")
    cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if device == "cuda" and not cuda:
        raise LiverTumorAIError(
            "ONNX Runtime finds no CUDA device here", advice="Install onnxruntime-gpu and its driver, or choose cpu"
        )
    return "cuda" if cuda and device != "cpu" else "cpu"


class Session:
    """A network: one input (1, channels, z, y, x), one output (1, classes, z, y, x).

    On a CPU OpenVINO computes the scores where it is installed, else ONNX Runtime, which always gives the evidence.

    Parameters
    ----------
    content: bytes
        An ONNX file's content.
    device: str
        'auto', 'cpu' or 'cuda'.
    threads: int, optional
        At most the cores that this process may use, which is also the default.

    """

    def __init__(self, content: bytes, device: str = "auto", threads: int | None = None) -> None:
        self.device = choose_device(device)
        options = ort.SessionOptions()
        options.intra_op_num_threads = min(threads or available_cores(), available_cores())
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The arena would keep the memory of the largest patch for good.
        options.enable_cpu_mem_arena = False
        providers = ["CPUExecutionProvider"]
        if self.device == "cuda":
            providers.insert(0, "CUDAExecutionProvider")
        try:
            self._session = ort.InferenceSession(content, options, providers=providers)
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise LiverTumorAIError(f"ONNX Runtime cannot load the network: {reason}") from error
        if "CUDAExecutionProvider" not in self._session.get_providers():
            self.device = "cpu"
        self._input = self._session.get_inputs()[0]
        self._output = self._session.get_outputs()[0]
        self._fast = None
        if self.device == "cpu" and openvino_is_installed() and os.environ.get(ENGINE_ENVIRONMENT) != "onnxruntime":
            self._fast = OpenVinoScores(content, self._input.name, self._output.name, options.intra_op_num_threads)

    @property
    def engine(self) -> str:
        """What computes the scores: `OPENVINO` or `ONNX_RUNTIME`."""
        return OPENVINO if self._fast else ONNX_RUNTIME

    @property
    def input_shape(self) -> list[int | str | None]:
        """(1, channels, z, y, x); a name or None where any length goes."""
        return list(self._input.shape)

    @property
    def output_shape(self) -> list[int | str | None]:
        """(1, classes, z, y, x); a name or None where any length goes."""
        return list(self._output.shape)

    @property
    def evidence_levels(self) -> tuple[int, ...]:
        """Levels of the network's features that it gives evidence of, level n being 2^n times as coarse; or none."""
        names = [output.name for output in self._session.get_outputs()]
        return tuple(int(name.removeprefix(EVIDENCE)) for name in names if name.startswith(EVIDENCE))

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Scores (1, classes, z, y, x) of a float32 batch (1, channels, z, y, x)."""
        if self._fast:
            return self._fast(batch)
        return self._session.run([self._output.name], {self._input.name: batch})[0]

    def evidence(
        self, batch: np.ndarray, region: np.ndarray, contrasts: np.ndarray, levels: Sequence[int]
    ) -> list[np.ndarray]:
        """What in a batch spoke for weighted sums of scores.

        Parameters
        ----------
        batch: numpy.ndarray
            float32 (1, channels, z, y, x).
        region: numpy.ndarray
            float32 (z, y, x), weights of the voxels whose scores are summed.
        contrasts: numpy.ndarray
            float32 (targets, classes), weights of the classes' scores in each target.
        levels: sequence of int
            Some of `evidence_levels`.

        Returns
        -------
        list of numpy.ndarray
            For each level float32 (targets, z', y', x'), 2^level times as coarse as the batch; negative where it
            spoke against the sum.

        """
        inputs = {self._input.name: batch, EXPLAIN: np.array(True), REGION: region[None, None], CONTRASTS: contrasts}
        return [maps[:, 0] for maps in self._session.run([f"{EVIDENCE}{level}" for level in levels], inputs)]

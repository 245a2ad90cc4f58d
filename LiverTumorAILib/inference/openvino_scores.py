"""Scores by OpenVINO, where it is installed: the same network on the same CPU in about half the time."""

import importlib.util
from typing import Any

import numba
import numpy as np

_KEPT_SHAPES = 3
"""Shapes of batches for which a network stays compiled; a study's patches have one or two."""


def openvino_is_installed() -> bool:
    """Whether the optional package is there (`pip install 'livertumorai[fast]'`)."""
    return importlib.util.find_spec("openvino") is not None


class OpenVinoScores:
    """A network's scores in single precision; equal to ONNX Runtime's but for rounding.

    Parameters
    ----------
    content: bytes
        An ONNX file's content.
    inputs, outputs: str
        Names of the input (batch, channels, z, y, x) and of the output (batch, classes, z, y, x); whatever else the
        file has, such as outputs for evidence, is left aside.
    threads: int

    Raises
    ------
    RuntimeError
        If OpenVINO cannot read the network.

    """

    def __init__(self, content: bytes, inputs: str, outputs: str, threads: int) -> None:
        # OpenVINO brings a TBB library that numba would use from then on, and with which a process must not fork.
        numba.config.THREADING_LAYER = "workqueue"
        import openvino

        self._core = openvino.Core()
        self._settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            # Several processes would all stay on the first core.
            "ENABLE_CPU_PINNING": False,
        }
        whole = self._core.read_model(content, b"")
        results = [result for result in whole.get_results() if outputs in result.output(0).get_names()]
        parameters = [given for given in whole.get_parameters() if inputs in given.output(0).get_names()]
        self._model = openvino.Model(results, parameters, outputs)
        self._requests: dict[tuple[int, ...], Any] = {}

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Scores (batch, classes, z, y, x) of a float32 batch (batch, channels, z, y, x)."""
        return self._request(batch.shape).infer({0: np.ascontiguousarray(batch)})[0]

    def _request(self, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
        """Networks of fixed shape run fastest, so each shape has its own."""
        if shape not in self._requests:
            while len(self._requests) >= _KEPT_SHAPES:
                del self._requests[next(iter(self._requests))]
            model = self._model.clone()
            model.reshape({0: shape})
            self._requests[shape] = self._core.compile_model(model, "CPU", self._settings).create_infer_request()
        return self._requests[shape]

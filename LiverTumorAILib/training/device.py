"""Where and in what precision training runs."""

import contextlib

import torch

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference.session import available_cores


def training_device(device: str) -> torch.device:
    """Torch device for 'auto', 'cpu' or 'cuda'; also bounds torch's threads to the available cores."""
    torch.set_num_threads(min(torch.get_num_threads(), available_cores()))
    if device == "cuda" and not torch.cuda.is_available():
        raise LiverTumorAIError("Torch finds no CUDA device here", advice="Choose cpu, or install torch with CUDA")
    if device not in {"auto", "cpu", "cuda"}:
        raise LiverTumorAIError(f"There is no device '{device}'", advice="Choose one of auto, cpu, cuda")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def reduced_precision(device: torch.device) -> contextlib.AbstractContextManager:
    """bfloat16 autocast where the device computes it natively, else plain float32."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported()
    else:
        native = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.backends.mkldnn.is_available()
    return torch.autocast(device.type, torch.bfloat16, enabled=native)

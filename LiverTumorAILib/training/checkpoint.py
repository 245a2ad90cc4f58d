"""State of a training, from which it continues as if it had never stopped."""

import json
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from LiverTumorAILib.errors import LiverTumorAIError

CHECKPOINT = "checkpoint.pt"
RECIPE = "recipe.json"


class Recipe(Protocol):
    """A dataclass that says how a network is trained."""

    steps: int


class MovingAverage:
    """Exponential moving average of a network's weights (Polyak averaging); short runs average over less."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = OrderedDict((key, value.detach().clone()) for key, value in network.state_dict().items())

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step (0, 1, ...)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                self.weights[key].lerp_(value, 1 - decay)
            else:  # batch normalisation counts its batches
                self.weights[key].copy_(value)


@dataclass
class TrainingState:
    """What a checkpoint holds; random numbers need no state because every step has a seed of its own."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: MovingAverage
    step: int = 0

    def save(self, path: Path) -> None:
        """Write a checkpoint, in one rename; LiverTumorAIError, and none, if the training has diverged."""
        if not all(torch.isfinite(weights).all() for weights in self.network.parameters()):
            raise LiverTumorAIError(
                f"The training has diverged: its weights are no numbers after {self.step} steps",
                path.parent,
                "Start it again, it continues from its last checkpoint; if this repeats, lower the learning rate",
            )
        partial = path.with_name(path.name + ".partial")
        content = {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.weights,
        }
        torch.save(content, partial)
        partial.replace(path)

    def load(self, path: Path, device: torch.device) -> None:
        """Continue from a checkpoint; LiverTumorAIError if it is damaged or of another network."""
        try:
            content = torch.load(path, map_location=device, weights_only=True)
            self.network.load_state_dict(content["network"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.average.weights = OrderedDict(content["average"])
            self.step = int(content["step"])
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise LiverTumorAIError(
                f"The checkpoint cannot be continued: {reason}", path, "Train into another run folder"
            ) from error


def resume_run(state: TrainingState, recipe: Recipe, folder: Path, resume: bool, device: torch.device) -> None:
    """Continue from a run folder's checkpoint, if wished and there is one, and write the recipe beside it.

    Parameters
    ----------
    state: TrainingState
        Changed in place.
    recipe: dataclass instance
        Its `steps` may differ from those that the run was begun with.
    folder: Path
        Of the run.
    resume: bool
        False: begin anew.
    device: torch.device
        Where the state lies.

    Raises
    ------
    LiverTumorAIError
        If the run was begun with another recipe, or its checkpoint cannot be continued.

    """
    described = json.loads(json.dumps(asdict(recipe)))
    path, checkpoint = folder / RECIPE, folder / CHECKPOINT
    if resume and checkpoint.is_file():
        begun = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else described
        if begun | {"steps": recipe.steps} != described:
            raise LiverTumorAIError(
                "The run folder was begun with another recipe", folder, "Train into another run folder"
            )
        state.load(checkpoint, device)
    path.write_text(json.dumps(described, indent=2), encoding="utf-8")

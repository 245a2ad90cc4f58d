"""The training loop."""

import time
from pathlib import Path

import torch

from LiverTumorAILib.networks import UNet3D
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.training.cases import CaseFolder
from LiverTumorAILib.training.checkpoint import CHECKPOINT, MovingAverage, TrainingState, resume_run
from LiverTumorAILib.training.curves import Curves
from LiverTumorAILib.training.device import reduced_precision, training_device
from LiverTumorAILib.training.export import starting_weights
from LiverTumorAILib.training.losses import SegmentationLoss, deep_loss
from LiverTumorAILib.training.recipe import TrainingRecipe
from LiverTumorAILib.training.sampler import PatchSampler, Sampler, samples_ahead
from LiverTumorAILib.training.targets import LESION_CLASSES, label_sets
from LiverTumorAILib.training.validation import validate

_CURVE_EVERY = 25


def build_network(recipe: TrainingRecipe) -> UNet3D:
    """The recipe's network with weights drawn by its seed."""
    torch.manual_seed(recipe.seed)
    return UNet3D(
        recipe.input_channels,
        len(recipe.classes),
        channels=recipe.channels,
        encoder_convolutions=recipe.encoder_convolutions,
        decoder_convolutions=recipe.decoder_convolutions,
        deep_supervision=recipe.deep_supervision,
    )


def averaged_network(recipe: TrainingRecipe, state: TrainingState, device: torch.device) -> UNet3D:
    """A network with the moving average of a training's weights."""
    network = build_network(recipe).to(device)
    network.load_state_dict(state.average.weights)
    return network.eval()


def load_trained(recipe: TrainingRecipe, run_folder: Path, device: str = "cpu") -> tuple[UNet3D, int]:
    """The averaged network of a run folder's last checkpoint, and its step."""
    where = training_device(device)
    state = _new_state(recipe, where)
    state.load(run_folder / CHECKPOINT, where)
    return averaged_network(recipe, state, where), state.step


def train(
    recipe: TrainingRecipe,
    data: CaseFolder | Sampler,
    run_folder: Path,
    progress: Progress | None = None,
    *,
    validation: CaseFolder | None = None,
    resume: bool = True,
    device: str = "auto",
    until: int | None = None,
    start: Path | None = None,
    negatives: CaseFolder | None = None,
) -> UNet3D:
    """Train a network by a recipe.

    Parameters
    ----------
    recipe: TrainingRecipe
        Says everything but the data.
    data: CaseFolder or Sampler
        Training cases, of which those still being made are waited for when their turn comes; or what draws each
        step's sample.
    run_folder: Path
        Receives `recipe.json`, `checkpoint.pt`, `curves.csv` and `curves.png`.
    progress: Progress, optional
        Updated, and polled for cancel, at each step.
    validation: CaseFolder, optional
        Held-out cases.
    resume: bool
        Continue from the run folder's checkpoint if there is one; the result is the same to the bit on the same
        machine. Otherwise begin anew.
    device: str
        'auto', 'cpu' or 'cuda'.
    until: int, optional
        Stop, with a checkpoint, after this many steps of the recipe's schedule.
    start: Path, optional
        ONNX file of a network with the same levels, exported here, whose weights to begin with instead of random ones.
    negatives: CaseFolder, optional
        Real CT without lesions, beside training cases.

    Returns
    -------
    UNet3D
        With the moving average of the weights.

    """
    progress = progress or Progress(stage="Training")
    where = training_device(device)
    run_folder.mkdir(parents=True, exist_ok=True)
    state = _new_state(recipe, where, start)
    resume_run(state, recipe, run_folder, resume, where)
    sampler = data
    if isinstance(data, CaseFolder):
        sampler = PatchSampler(recipe, data, negatives)
    lesions = tuple(recipe.classes.index(name) for name in LESION_CLASSES if name in recipe.classes)
    loss = SegmentationLoss(len(recipe.classes), lesions, label_sets(recipe.classes), recipe.type_weight)
    curves = Curves(run_folder, state.step)
    last = min(recipe.steps, until or recipe.steps)
    recent, begun = [], time.monotonic()
    for sample in samples_ahead(sampler, range(state.step, last), progress):
        progress.update(state.step / recipe.steps, f"step {state.step} of {recipe.steps}")
        volume, target = (tensor.to(where) for tensor in sample)
        recent.append(_step(state, recipe, loss, volume, target))
        if state.step % _CURVE_EVERY == 0:
            seconds = (time.monotonic() - begun) / len(recent)
            curves.add(state.step - 1, "training", {"loss": sum(recent) / len(recent), "seconds a step": seconds})
            recent, begun = [], time.monotonic()
        if state.step % recipe.checkpoint_every == 0 or state.step == last:
            state.save(run_folder / CHECKPOINT)
            curves.draw()
        if validation and (state.step % recipe.validate_every == 0 or state.step == recipe.steps):
            network = averaged_network(recipe, state, where)
            curves.add(state.step - 1, "validation", validate(network, validation, recipe, where))
            curves.draw()
            begun = time.monotonic()
    return averaged_network(recipe, state, where)


def _new_state(recipe: TrainingRecipe, device: torch.device, start: Path | None = None) -> TrainingState:
    network = build_network(recipe)
    if start is not None:
        network.load_state_dict(starting_weights(start, recipe.classes), strict=False)
    network = network.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    return TrainingState(network, optimizer, MovingAverage(network, recipe.ema))


def _step(
    state: TrainingState,
    recipe: TrainingRecipe,
    loss: SegmentationLoss,
    volume: torch.Tensor,
    target: torch.Tensor,
) -> float:
    """One step of the optimiser; returns the loss."""
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, state.step)
    state.network.train()
    with reduced_precision(volume.device):
        scores = state.network(volume)
    value = deep_loss(loss, scores, target)
    state.optimizer.zero_grad(set_to_none=True)
    value.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), recipe.gradient_norm)
    state.optimizer.step()
    state.average.update(state.network, state.step)
    state.step += 1
    return float(value.detach())


def learning_rate(recipe: TrainingRecipe, step: int) -> float:
    """Rate of a step: up in a line over the warm-up, level, and down in a line to 0 over the cool-down."""
    rising = (step + 1) / max(recipe.warm_up, 1)
    falling = (recipe.steps - step) / max(recipe.cool_down * recipe.steps, 1)
    return recipe.learning_rate * min(1.0, rising, falling)

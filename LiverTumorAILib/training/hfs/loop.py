"""The training loop of HFS-Net's networks."""

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from LiverTumorAILib.networks import UNet3D, build_unet2d
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.training.checkpoint import CHECKPOINT, MovingAverage, TrainingState, resume_run
from LiverTumorAILib.training.curves import Curves
from LiverTumorAILib.training.device import reduced_precision, training_device
from LiverTumorAILib.training.hfs.augmentation import SliceAugmentation
from LiverTumorAILib.training.hfs.cases import HfsCase
from LiverTumorAILib.training.hfs.losses import TargetLoss, median_frequency_weights
from LiverTumorAILib.training.hfs.recipe import HfsRecipe
from LiverTumorAILib.training.hfs.sampler import HfsSampler
from LiverTumorAILib.training.loop import learning_rate
from LiverTumorAILib.training.materials import Material
from LiverTumorAILib.training.sampler import samples_ahead

_CURVE_EVERY = 25


def build_network(recipe: HfsRecipe) -> nn.Module:
    """The recipe's network with weights drawn by its seed."""
    torch.manual_seed(recipe.seed)
    if recipe.architecture == "unet3d":
        levels = len(recipe.channels)
        return UNet3D(
            recipe.input_channels,
            len(recipe.classes),
            channels=recipe.channels,
            encoder_convolutions=(1, *(2,) * (levels - 1)),
            decoder_convolutions=(1, *(2,) * (levels - 2)),
            deep_supervision=0,
        )
    return build_unet2d(recipe.architecture, recipe.input_channels, len(recipe.classes), recipe.channels)


def build_loss(recipe: HfsRecipe, cases: Sequence[HfsCase]) -> TargetLoss:
    """The recipe's loss; class frequencies are those of the cases."""
    slices = [content for case in cases for content in case.slices]
    pixels = [content.liver if recipe.target == "liver" else content.hcc for content in slices]
    size = int(cases[0].labels.shape[1] * cases[0].labels.shape[2])
    weights = median_frequency_weights(sum(pixels), sum(map(bool, pixels)), len(slices), size)
    return TargetLoss(recipe.loss, weights)


def train(
    recipe: HfsRecipe,
    cases: Sequence[HfsCase],
    run_folder: Path,
    progress: Progress | None = None,
    *,
    augmentation: SliceAugmentation | None = None,
    materials: tuple[Material, ...] = (),
    resume: bool = True,
    device: str = "auto",
    until: int | None = None,
) -> nn.Module:
    """Train a network by a recipe.

    Parameters
    ----------
    recipe: HfsRecipe
        Says everything but the data.
    cases: sequence of HfsCase
        Training cases; those of the fusion hold the first stages' results (`make_priors`).
    run_folder: Path
        Receives `recipe.json`, `checkpoint.pt`, `curves.csv` and `curves.png`.
    progress: Progress, optional
        Updated, and polled for cancel, at each step.
    augmentation: SliceAugmentation, optional
        Default settings otherwise.
    materials: tuple of Material
        Bodies, for recipes that draw from them.
    resume: bool
        Continue from the run folder's checkpoint if there is one; the result is the same to the bit on the same
        machine. Otherwise begin anew.
    device: str
        'auto', 'cpu' or 'cuda'.
    until: int, optional
        Stop, with a checkpoint, after this many steps of the recipe's schedule.

    Returns
    -------
    torch.nn.Module
        With the moving average of the weights, in evaluation mode.

    """
    progress = progress or Progress(stage="Training")
    where = training_device(device)
    run_folder.mkdir(parents=True, exist_ok=True)
    state = _new_state(recipe, where)
    resume_run(state, recipe, run_folder, resume, where)
    sampler = HfsSampler(recipe, cases, augmentation or SliceAugmentation(), materials)
    loss, memory = build_loss(recipe, cases), _memory_format(recipe)
    curves = Curves(run_folder, state.step)
    steps = range(state.step, min(recipe.steps, until or recipe.steps))
    recent, begun = [], time.monotonic()
    for images, targets in samples_ahead(sampler, steps, progress):
        progress.update(state.step / recipe.steps, f"step {state.step} of {recipe.steps}")
        recent.append(_step(state, recipe, loss, images.to(where, memory_format=memory), targets.to(where)))
        if state.step % _CURVE_EVERY == 0:
            seconds = (time.monotonic() - begun) / len(recent)
            values = {"loss": float(torch.stack(recent).mean()), "seconds a step": seconds}
            curves.add(state.step - 1, "training", values)
            recent, begun = [], time.monotonic()
        if state.step % recipe.checkpoint_every == 0 or state.step == steps.stop:
            state.save(run_folder / CHECKPOINT)
            curves.draw()
    return _averaged(recipe, state, where)


def load_trained(recipe: HfsRecipe, run_folder: Path, device: str = "cpu") -> tuple[nn.Module, int]:
    """The averaged network of a run folder's last checkpoint, and its step."""
    where = training_device(device)
    state = _new_state(recipe, where)
    state.load(run_folder / CHECKPOINT, where)
    return _averaged(recipe, state, where), state.step


def _averaged(recipe: HfsRecipe, state: TrainingState, device: torch.device) -> nn.Module:
    network = build_network(recipe).to(device)
    network.load_state_dict(state.average.weights)
    return network.eval()


def _memory_format(recipe: HfsRecipe) -> torch.memory_format:
    """Of weights and images: convolutions of slices are faster with channels last."""
    return torch.contiguous_format if recipe.architecture == "unet3d" else torch.channels_last


def _new_state(recipe: HfsRecipe, device: torch.device) -> TrainingState:
    network = build_network(recipe).to(device, memory_format=_memory_format(recipe))
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    return TrainingState(network, optimizer, MovingAverage(network, recipe.ema))


def _step(
    state: TrainingState, recipe: HfsRecipe, loss: TargetLoss, images: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """One step of the optimiser; returns the loss."""
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, state.step)
    state.network.train()
    with reduced_precision(images.device):
        scores = state.network(images)
    value = loss(scores[0] if isinstance(scores, list) else scores, targets)
    state.optimizer.zero_grad(set_to_none=True)
    value.backward()
    norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), recipe.gradient_norm)
    # Normalising features that are all but constant can overflow in bfloat16: f_3D's inputs are mostly zero.
    if norm.isfinite():
        state.optimizer.step()
    state.average.update(state.network, state.step)
    state.step += 1
    return value.detach()

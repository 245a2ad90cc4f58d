"""What in a 2D U-Net's features spoke for a class: HiResCAM as a forward graph, see `networks.evidence`."""

import torch
from torch import nn
from torch.nn import functional

from LiverTumorAILib.explanation.evidence import LEVEL
from LiverTumorAILib.networks.blocks2d import DenseBlock
from LiverTumorAILib.networks.evidence import EvidenceNetwork
from LiverTumorAILib.networks.unet2d import SliceWise, UNet2D


class EvidenceSliceWise(EvidenceNetwork):
    """A `UNet2D` over slices that tells its evidence.

    Parameters
    ----------
    slicewise: SliceWise
        Shares its weights; see `can_explain_slices`.

    """

    def __init__(self, slicewise: SliceWise) -> None:
        super().__init__()
        self.network = slicewise.network

    def forward(self, volume: torch.Tensor, region: torch.Tensor, contrasts: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Scores and evidence, see `EvidenceNetwork`."""
        network = self.network
        *skips, deepest = network.encoder(volume[0].transpose(0, 1))
        features, traces = [deepest], []
        for level in reversed(range(len(network.blocks))):
            joined = torch.cat([network.upsamplings[level](features[0]), skips[level]], dim=1)
            below, trace = _traced(network.blocks[level], joined)
            features.insert(0, below)
            traces.insert(0, trace)
        scores = network.head(features[0]).transpose(0, 1)[None]
        weights = torch.einsum("tc,cf->tf", contrasts, network.head.weight[:, :, 0, 0])
        gradient = weights[:, None, :, None, None] * region[0].transpose(0, 1)[None]
        evidence = []
        for level, trace in enumerate(traces[:LEVEL]):
            upsampling = network.upsamplings[level]
            gradient = _back(network.blocks[level], trace, gradient)[:, :, : upsampling.out_channels]
            gradient = _convolved(gradient, upsampling.weight, stride=2)
            evidence.append((gradient * features[level + 1]).sum(dim=2)[:, None])
        return (scores, *evidence)


def can_explain_slices(network: nn.Module) -> bool:
    """Whether gradients are written down here for all blocks on a network's way up."""
    return (
        isinstance(network, SliceWise)
        and isinstance(network.network, UNet2D)
        and all(isinstance(block, (nn.Sequential, DenseBlock)) for block in network.network.blocks)
    )


def _traced(block: nn.Sequential | DenseBlock, features: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What a block gives, and what each of its convolutions gave after its activation."""
    trace = []
    if isinstance(block, DenseBlock):
        for layer in block.layers:
            trace.append(layer(features))
            features = torch.cat([features, trace[-1]], dim=1)
        trace.append(block.transition(features))
    else:
        for layer in block:
            trace.append(layer(trace[-1] if trace else features))
    return trace[-1], trace


def _back(block: nn.Sequential | DenseBlock, trace: list[torch.Tensor], gradient: torch.Tensor) -> torch.Tensor:
    """The gradient (targets, slices, channels, y, x) with regard to a block's input."""
    if isinstance(block, DenseBlock):
        gradient = _back_through_layer(block.transition, trace[-1], gradient)
        for layer, after in zip(reversed(block.layers), reversed(trace[:-1]), strict=True):
            before, own = gradient.split([gradient.shape[2] - layer[0].out_channels, layer[0].out_channels], dim=2)
            gradient = before + _back_through_layer(layer, after, own)
        return gradient
    for layer, after in zip(reversed(block), reversed(trace), strict=True):
        gradient = _back_through_layer(layer, after, gradient)
    return gradient


def _back_through_layer(layer: nn.Sequential, after: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    convolution, normalisation, _ = layer
    scale = normalisation.weight / (normalisation.running_var + normalisation.eps).sqrt()
    weight = (scale[:, None, None, None] * convolution.weight).flip((2, 3)).transpose(0, 1)
    return _convolved(gradient * (after > 0), weight, padding=convolution.padding[0])


def _convolved(gradient: torch.Tensor, weight: torch.Tensor, stride: int = 1, padding: int = 0) -> torch.Tensor:
    """Convolution of each target's and slice's channels: (targets, slices, channels, y, x)."""
    result = functional.conv2d(gradient.flatten(0, 1), weight, stride=stride, padding=padding)
    return result.reshape(*gradient.shape[:2], *result.shape[1:])

"""What in a U-Net's features spoke for a class: gradients written as a forward graph, so that ONNX can hold them.

HiResCAM (Draelos and Carin, Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
networks, arXiv:2011.08891): features times the gradient of a score with regard to them, summed over channels. For
segmentation the score is summed over a region (Vinogradova et al., Towards interpretable semantic segmentation via
gradient-weighted class activation mapping, AAAI 2020).
"""

import torch
from torch import nn
from torch.nn import functional

from LiverTumorAILib.explanation.evidence import LEVEL
from LiverTumorAILib.networks.unet3d import UNet3D


class EvidenceNetwork(nn.Module):
    """A network that also gives maps of evidence for weighted sums of its classes' scores over a region.

    It is called with a volume (1, channels, z, y, x), a region (1, 1, z, y, x; weight of each voxel: scores are summed
    over it) and contrasts (targets, classes; weight of each class's score in each target). It gives scores (1, classes,
    z, y, x), then each level's evidence (targets, 1, z', y', x').
    """

    @property
    def levels(self) -> range:
        """Levels that have a map: those that are shown, since each costs time. Level n is 2^n times as coarse."""
        return range(1, LEVEL + 1)


class EvidenceUNet3D(EvidenceNetwork):
    """A `UNet3D` that tells its evidence.

    Parameters
    ----------
    network: UNet3D
        Shares its weights.

    """

    def __init__(self, network: UNet3D) -> None:
        super().__init__()
        self.network = network

    def forward(self, volume: torch.Tensor, region: torch.Tensor, contrasts: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Scores and evidence, see `EvidenceNetwork`."""
        network = self.network
        skips = []
        for encoder in network.encoders:
            volume = encoder(volume)
            skips.append(volume)
        features, traces = [volume], []
        for level in reversed(range(len(network.decoders))):
            below = network.upsamplings[level](features[0])
            below, trace = _traced(network.decoders[level], torch.cat([below, skips[level]], dim=1))
            features.insert(0, below)
            traces.insert(0, trace)
        head = network.heads[0]
        scores = head(features[0])
        gradient = region * torch.einsum("tc,cfzyx->tfzyx", contrasts, head.weight)
        evidence = []
        for level, trace in enumerate(traces[:LEVEL]):
            gradient = _back(network.decoders[level], trace, gradient, network.upsamplings[level].out_channels)
            gradient = functional.conv3d(gradient, network.upsamplings[level].weight, stride=2)
            evidence.append((gradient * features[level + 1]).sum(dim=1, keepdim=True))
        return (scores, *evidence)


Trace = list[tuple[torch.Tensor, torch.Tensor]]
"""Of each convolution of a stage: what it gave before and after its normalisation."""


def _traced(stage: nn.Sequential, volume: torch.Tensor) -> tuple[torch.Tensor, Trace]:
    trace = []
    for convolution, normalisation, activation in stage:
        before = convolution(volume)
        after = normalisation(before)
        # The activation works in place, the trace must not.
        volume = functional.leaky_relu(after, activation.negative_slope)
        trace.append((before, after))
    return volume, trace


def _back(stage: nn.Sequential, trace: Trace, gradient: torch.Tensor, channels: int) -> torch.Tensor:
    """The gradient with regard to the first `channels` channels of a stage's input."""
    for index in reversed(range(len(stage))):
        convolution, normalisation, activation = stage[index]
        before, after = trace[index]
        gradient = torch.where(after > 0, gradient, activation.negative_slope * gradient)
        gradient = _back_through_normalisation(normalisation, before, gradient)
        weight = convolution.weight[:, :channels] if index == 0 else convolution.weight
        # The transposed convolution as a plain one, which ONNX Runtime computes much faster.
        gradient = functional.conv3d(gradient, weight.flip((2, 3, 4)).transpose(0, 1), padding=1)
    return gradient


def _back_through_normalisation(
    normalisation: nn.InstanceNorm3d, before: torch.Tensor, gradient: torch.Tensor
) -> torch.Tensor:
    space = (2, 3, 4)
    centred = before - before.mean(space, keepdim=True)
    variance = (centred * centred).mean(space, keepdim=True) + normalisation.eps
    along = (gradient * centred).mean(space, keepdim=True) / variance
    scale = normalisation.weight.reshape(1, -1, 1, 1, 1) / variance.sqrt()
    return scale * (gradient - gradient.mean(space, keepdim=True) - centred * along)

"""2D networks for slices: U-Net, DenseU-Net, R2U-Net and the two with dense paths."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from LiverTumorAILib.networks.blocks2d import DenseBlock, RecurrentResidualBlock, double_convolution

Block = Callable[[int, int], nn.Module]
"""Makes a block of channels in and channels out."""


class Encoder(nn.Module):
    """The way down: a block at each level, every level at half the size of the one before."""

    def __init__(self, inputs: int, channels: Sequence[int], block: Block) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(block(before, after) for before, after in pairwise((inputs, *channels)))

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Features of each level, finest first."""
        features = [self.blocks[0](image)]
        for block in self.blocks[1:]:
            features.append(block(functional.max_pool2d(features[-1], 2)))
        return features


class DensePathsEncoder(nn.Module):
    """The way down where each level sees all levels before it, of every path.

    After Dolz et al., HyperDense-Net, IEEE TMI 2019 (one path for each phase) and Dense Multi-path U-Net, BrainLes
    2018.

    Parameters
    ----------
    inputs: int
        Channels in.
    channels: sequence of int
        Channels of each level, all paths together.
    paths: int
        1, or the number of inputs: each input then has a path of its own.

    """

    def __init__(self, inputs: int, channels: Sequence[int], paths: int) -> None:
        super().__init__()
        if inputs % paths or any(width % paths for width in channels):
            raise ValueError(f"{inputs} inputs and {list(channels)} channels do not divide into {paths} paths")
        self.paths = paths
        before = [inputs // paths, *(sum(channels[:level]) for level in range(1, len(channels)))]
        self.levels = nn.ModuleList(
            nn.ModuleList(double_convolution(entering, width // paths) for _ in range(paths))
            for entering, width in zip(before, channels, strict=True)
        )

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Features of each level, finest first."""
        entering = image.chunk(self.paths, dim=1)
        features, seen = [], []
        for level in self.levels:
            features.append(torch.cat([path(own) for path, own in zip(level, entering, strict=True)], dim=1))
            seen = [functional.max_pool2d(earlier, 2) for earlier in (*seen, features[-1])]
            entering = [torch.cat(seen, dim=1)] * self.paths
        return features


class UNet2D(nn.Module):
    """An encoder and the way up, which joins each level with the encoder's features of its size.

    Parameters
    ----------
    encoder: torch.nn.Module
        Gives features of each level.
    classes: int
        Channels out.
    channels: sequence of int
        Channels of each level.
    block: Block
        Of the way up.

    """

    def __init__(self, encoder: nn.Module, classes: int, channels: Sequence[int], block: Block) -> None:
        super().__init__()
        self.encoder = encoder
        self.stride = 2 ** (len(channels) - 1)
        self.upsamplings = nn.ModuleList(nn.ConvTranspose2d(low, high, 2, stride=2) for high, low in pairwise(channels))
        self.blocks = nn.ModuleList(block(2 * width, width) for width in channels[:-1])
        self.head = nn.Conv2d(channels[0], classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Scores (batch, classes, y, x) of slices (batch, channels, y, x); y and x are multiples of `stride`."""
        *skipped, features = self.encoder(image)
        for upsampling, block, skip in list(zip(self.upsamplings, self.blocks, skipped, strict=True))[::-1]:
            features = block(torch.cat([upsampling(features), skip], dim=1))
        return self.head(features)


_BLOCKS: dict[str, Block] = {"unet": double_convolution, "dense_unet": DenseBlock, "r2unet": RecurrentResidualBlock}
ARCHITECTURES_2D = (*_BLOCKS, "hyper_dense_unet", "single_dense_path_unet")


def build_unet2d(architecture: str, inputs: int, classes: int, channels: Sequence[int]) -> UNet2D:
    """A 2D network by its architecture's name, one of `ARCHITECTURES_2D`."""
    if architecture in _BLOCKS:
        block = _BLOCKS[architecture]
        return UNet2D(Encoder(inputs, channels, block), classes, channels, block)
    if architecture not in ARCHITECTURES_2D:
        raise ValueError(f"There is no architecture '{architecture}', known are {', '.join(ARCHITECTURES_2D)}")
    paths = inputs if architecture == "hyper_dense_unet" else 1
    return UNet2D(DensePathsEncoder(inputs, channels, paths), classes, channels, double_convolution)


class SliceWise(nn.Module):
    """A 2D network as a 3D one that treats the slices of a volume as a batch."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Scores (1, classes, z, y, x) of a volume (1, channels, z, y, x)."""
        return self.network(volume[0].transpose(0, 1)).transpose(0, 1)[None]

"""A compact 3D U-Net."""

from collections.abc import Sequence

import torch
from torch import nn


class UNet3D(nn.Module):
    """3D U-Net with strided convolutions, instance normalisation and leaky ReLU.

    After Cicek et al., 3D U-Net, MICCAI 2016, with the choices of Isensee et al., nnU-Net, Nature Methods 2021.

    Parameters
    ----------
    inputs, classes: int
        Channels in and out.
    channels: sequence of int
        Channels of each level; every level halves z, y and x.
    encoder_convolutions: sequence of int
        Convolutions of each level on the way down.
    decoder_convolutions: sequence of int
        Convolutions of each level but the deepest on the way up, finest level first.
    deep_supervision: int
        Number of coarser levels, next to the finest one, that give scores too while training.

    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        *,
        channels: Sequence[int] = (16, 32, 64, 96, 128),
        encoder_convolutions: Sequence[int] = (1, 2, 2, 2, 1),
        decoder_convolutions: Sequence[int] = (1, 2, 2, 2),
        deep_supervision: int = 2,
    ) -> None:
        super().__init__()
        if len(encoder_convolutions) != len(channels) or len(decoder_convolutions) != len(channels) - 1:
            raise ValueError("One number of convolutions is needed for each level")
        self.encoders = nn.ModuleList()
        before = inputs
        for level, (width, count) in enumerate(zip(channels, encoder_convolutions, strict=True)):
            self.encoders.append(_stage(before, width, count, stride=1 if level == 0 else 2))
            before = width
        levels = range(len(channels) - 1)
        self.upsamplings = nn.ModuleList(
            nn.ConvTranspose3d(channels[level + 1], channels[level], 2, stride=2) for level in levels
        )
        self.decoders = nn.ModuleList(
            _stage(2 * channels[level], channels[level], decoder_convolutions[level], stride=1) for level in levels
        )
        self.heads = nn.ModuleList(
            nn.Conv3d(channels[level], classes, 1) for level in range(min(deep_supervision + 1, len(channels) - 1))
        )

    @property
    def stride(self) -> int:
        """Lengths of z, y and x must be multiples of it."""
        return 2 ** (len(self.encoders) - 1)

    def forward(self, volume: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Scores of each voxel.

        Parameters
        ----------
        volume: torch.Tensor
            (batch, channels, z, y, x).

        Returns
        -------
        torch.Tensor, or in training mode a list of them
            (batch, classes, z, y, x); while training the finest level's first, then each coarser one at half the size.

        """
        features = []
        for encoder in self.encoders:
            volume = encoder(volume)
            features.append(volume)
        scores = []
        for level in reversed(range(len(self.decoders))):
            volume = self.decoders[level](torch.cat([self.upsamplings[level](volume), features[level]], dim=1))
            if level == 0 or (self.training and level < len(self.heads)):
                scores.insert(0, self.heads[level](volume))
        return scores if self.training else scores[0]


def _stage(before: int, width: int, count: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        *(_convolution(before if index == 0 else width, width, stride if index == 0 else 1) for index in range(count))
    )


def _convolution(before: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(before, width, 3, stride, padding=1, bias=False),
        nn.InstanceNorm3d(width, affine=True),
        nn.LeakyReLU(0.01, inplace=True),
    )

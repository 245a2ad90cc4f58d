"""Blocks of the 2D networks: what turns the features of one level into others of the same size."""

import torch
from torch import nn

DENSE_LAYERS = 3
RECURRENCES = 2


def convolution(before: int, after: int, size: int = 3) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU: in this order the export folds the normalisation into the weights."""
    return nn.Sequential(
        nn.Conv2d(before, after, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def double_convolution(before: int, after: int) -> nn.Sequential:
    """Block of the U-Net (Ronneberger et al., MICCAI 2015)."""
    return nn.Sequential(convolution(before, after), convolution(after, after))


class DenseBlock(nn.Module):
    """Block of the DenseU-Net: every layer sees the features of all layers before it.

    After Huang et al., Densely Connected Convolutional Networks, CVPR 2017, with its transition, a convolution of
    one voxel, at the end.

    Parameters
    ----------
    before, after: int
        Channels in and out; each layer adds half as many channels as go out.

    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        growth = after // 2
        self.layers = nn.ModuleList(convolution(before + index * growth, growth) for index in range(DENSE_LAYERS))
        self.transition = convolution(before + DENSE_LAYERS * growth, after, size=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features (batch, after, y, x) of features (batch, before, y, x)."""
        for layer in self.layers:
            features = torch.cat([features, layer(features)], dim=1)
        return self.transition(features)


class RecurrentResidualBlock(nn.Module):
    """Block of the R2U-Net: two recurrent convolutions beside a residual path.

    After Alom et al., Recurrent Residual U-Net, Journal of Medical Imaging 2019.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.match = nn.Conv2d(before, after, 1)
        self.recurrent = nn.ModuleList(convolution(after, after) for _ in range(2))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features (batch, after, y, x) of features (batch, before, y, x)."""
        first = result = self.match(features)
        for layer in self.recurrent:
            entering = result
            result = layer(entering)
            for _ in range(RECURRENCES):
                result = layer(entering + result)
        return first + result

"""The losses that the paper compares, for one target against background."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

FOCUS = 2.0
"""gamma of the focal loss (Lin et al., ICCV 2017)."""
_SMOOTH = 10.0


@dataclass(frozen=True)
class TargetLoss:
    """Sum of loss terms.

    Attributes
    ----------
    terms: sequence of str
        'cross_entropy', 'focal', 'balanced_focal' (focal, each class weighted by the median of both frequencies over
        its own), 'dice'.
    weights: tuple of two floats
        Of background and target, for 'balanced_focal'.

    """

    terms: Sequence[str]
    weights: tuple[float, float] = (1.0, 1.0)

    def __call__(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Loss of scores (batch, 2, ...) against 0 or 1 (batch, ...)."""
        logarithms = functional.log_softmax(scores.float(), dim=1)
        of_truth = logarithms.gather(1, target[:, None])[:, 0]
        return torch.stack([self._term(name, logarithms, of_truth, target) for name in self.terms]).sum()

    def _term(self, name: str, logarithms: torch.Tensor, of_truth: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if name == "cross_entropy":
            return -of_truth.mean()
        if name == "focal":
            return -((1 - of_truth.exp()) ** FOCUS * of_truth).mean()
        if name == "balanced_focal":
            weights = torch.tensor(self.weights, device=target.device)[target]
            return -(weights * (1 - of_truth.exp()) ** FOCUS * of_truth).mean()
        if name == "dice":
            probability = logarithms[:, 1].exp()
            overlap, total = (probability * target).sum(), probability.sum() + target.sum()
            return 1 - (2 * overlap + _SMOOTH) / (total + _SMOOTH)
        raise ValueError(f"There is no loss '{name}'")


def median_frequency_weights(target_pixels: int, slices_with_target: int, slices: int, pixels: int) -> tuple:
    """Weights of background and target (Eigen and Fergus, ICCV 2015).

    A class's frequency is its share of the pixels of all slices that hold it.

    Parameters
    ----------
    target_pixels: int
        In all slices.
    slices_with_target, slices: int
        Number of slices; background is in every one.
    pixels: int
        Of one slice.

    """
    target = target_pixels / max(slices_with_target * pixels, 1)
    background = 1 - target_pixels / max(slices * pixels, 1)
    median = (target + background) / 2
    return (median / background, median / target if target else 1.0)

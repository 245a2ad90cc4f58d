"""Losses for segmentation with rare, small lesions."""

from dataclasses import dataclass

import torch
from torch.nn import functional

LESION_WEIGHT = 4.0
_SMOOTH = 10.0


@dataclass(frozen=True)
class SegmentationLoss:
    """Weighted cross entropy, Dice of each class present, and Dice of lesions as a whole.

    The last one lets a lesion be found before its type is known. The Dice of a class is left out of patches that
    lack it: there its gradient says nothing that cross entropy does not say.

    Attributes
    ----------
    classes: int
        Number of classes; class 0 is background.
    lesions: tuple of int
        Classes that are lesions; each of their voxels counts `LESION_WEIGHT` times in cross entropy.

    """

    classes: int
    lesions: tuple[int, ...]

    def __call__(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Loss of scores (batch, classes, z, y, x) against class indices (batch, z, y, x)."""
        weights = torch.ones(self.classes, device=scores.device)
        weights[list(self.lesions)] = LESION_WEIGHT
        logarithms = functional.log_softmax(scores.float(), dim=1)
        probabilities = logarithms.exp()
        flat = target.flatten()
        of_truth = logarithms.gather(1, target[:, None]).flatten()
        voxel_weights = weights[flat]
        loss = -(voxel_weights * of_truth).sum() / voxel_weights.sum()
        overlap = torch.zeros_like(weights).index_add(0, flat, of_truth.exp())
        sizes = torch.bincount(flat, minlength=self.classes)
        total = probabilities.sum(dim=(0, 2, 3, 4)) + sizes
        present = sizes[1:] > 0
        if bool(present.any()):
            loss = loss + 1 - _dice(overlap[1:], total[1:])[present].mean()
        lesions = list(self.lesions)
        if lesions and bool(sizes[lesions].any()):
            is_lesion = torch.isin(target, torch.tensor(lesions, device=target.device))
            lesion_overlap = (probabilities[:, lesions].sum(dim=1) * is_lesion).sum()
            loss = loss + 1 - _dice(lesion_overlap, total[lesions].sum())
        return loss


def _dice(overlap: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    return (2 * overlap + _SMOOTH) / (total + _SMOOTH)


def deep_loss(loss: SegmentationLoss, scores: list[torch.Tensor], target: torch.Tensor) -> torch.Tensor:
    """Loss over all supervised levels; each coarser one counts half as much.

    Parameters
    ----------
    loss: SegmentationLoss
        Of one level.
    scores: list of torch.Tensor
        (batch, classes, z, y, x), finest first, each next one at half the size.
    target: torch.Tensor
        (batch, z, y, x), class indices of the finest level.

    """
    shares = [0.5**level for level in range(len(scores))]
    terms = [
        share * loss(level_scores, target[:, :: 2**level, :: 2**level, :: 2**level])
        for level, (share, level_scores) in enumerate(zip(shares, scores, strict=True))
    ]
    return torch.stack(terms).sum() / sum(shares)

"""Losses for segmentation with rare, small lesions and partial label maps."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch.nn import functional

LESION_WEIGHT = 4.0
SMALL_SHARE = 0.5
"""Of its surroundings that a small lesion fills less of; its voxels count more, so that it weighs like a larger one."""
GREATEST_EMPHASIS = 6.0
_REACH = 4
"""Voxels to each side that are a voxel's surroundings."""
_SMOOTH = 10.0
_TOLERATED = 100.0
"""Voxels; so much probability of a lesion where there is none costs half as much as can be."""


@dataclass(frozen=True)
class SegmentationLoss:
    """Weighted cross entropy, Dice of each class present, and Dice of lesions as a whole.

    The last one lets a lesion be found before its type is known; where there is none it is a price for false ones.
    The Dice of a class is left out of patches that lack it. Where the truth leaves several classes open, cross entropy
    takes their summed probability, and no class's Dice counts.

    Beside many organs the types of a few lesions weigh little: what a lesion is among all types can count by itself.

    Attributes
    ----------
    classes: int
        Number of classes; class 0 is background.
    lesions: tuple of int
        Classes that are lesions; each of their voxels counts `LESION_WEIGHT` times in cross entropy, those of small
        lesions up to `GREATEST_EMPHASIS` times more.
    sets: Mapping[int, tuple of int]
        Values of the truth that stand for any of several classes, none of them a lesion.
    type_weight: float
        Of the cross entropy among lesion types inside lesions, where small ones count more as above.

    """

    classes: int
    lesions: tuple[int, ...]
    sets: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    type_weight: float = 0.0

    def __call__(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Loss of scores (batch, classes, z, y, x) against class indices (batch, z, y, x)."""
        logarithms = functional.log_softmax(scores.float(), dim=1)
        probabilities = logarithms.exp()
        known = target < self.classes
        of_truth = logarithms.gather(1, torch.where(known, target, 0)[:, None])[:, 0]
        for value, allowed in self.sets.items():
            if bool((target == value).any()):
                summed = torch.logsumexp(logarithms[:, list(allowed)], dim=1)
                of_truth = torch.where(target == value, summed, of_truth)
        lesions = list(self.lesions)
        is_lesion = torch.isin(target, torch.tensor(lesions, device=target.device))
        weight = torch.where(is_lesion, emphasis(is_lesion), 1.0)
        voxel_weights = torch.where(is_lesion, LESION_WEIGHT * weight, 1.0)
        loss = -(voxel_weights * of_truth).sum() / voxel_weights.sum()
        flat = target[known]
        overlap = torch.zeros(self.classes, device=scores.device).index_add(0, flat, of_truth[known].exp())
        sizes = torch.bincount(flat, minlength=self.classes)
        seen = probabilities if bool(known.all()) else probabilities * known[:, None]
        total = seen.sum(dim=(0, 2, 3, 4)) + sizes
        present = sizes[1:] > 0
        if bool(present.any()):
            loss = loss + 1 - _dice(overlap[1:], total[1:])[present].mean()
        if lesions:
            share = probabilities[:, lesions].sum(dim=1) * weight
            if bool(is_lesion.any()):
                inside = weight * is_lesion
                loss = loss + 1 - _dice((share * is_lesion).sum(), share.sum() + inside.sum())
                among_types = of_truth - torch.logsumexp(logarithms[:, lesions], dim=1)
                loss = loss - self.type_weight * (inside * among_types).sum() / inside.sum()
            else:
                loss = loss + 1 - _TOLERATED / (_TOLERATED + share.sum())
        return loss


def emphasis(lesions: torch.Tensor) -> torch.Tensor:
    """How much more a lesion's voxels count the less of their surroundings is lesion: 1 to `GREATEST_EMPHASIS`.

    Parameters
    ----------
    lesions: torch.Tensor
        bool (batch, z, y, x).

    Returns
    -------
    torch.Tensor
        float32 (batch, z, y, x); means nothing outside lesions.

    """
    share = functional.pad(lesions[:, None].float(), [_REACH] * 6)
    for axis in range(3):
        share = functional.avg_pool3d(share, [2 * _REACH + 1 if axis == other else 1 for other in range(3)], stride=1)
    return (SMALL_SHARE / share[:, 0].clamp(min=1e-3)).clamp(1.0, GREATEST_EMPHASIS)


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

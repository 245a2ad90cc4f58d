"""Transfer of a real CT onto the organ shapes of other people.

An organ label map gives real shapes but no image. A CT whose own organs are labelled is warped onto such a map, so
that its texture, body and bones come along with the other person's organs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from LiverTumorAILib.phantom.labels import Tissue

WORKING_MM = 7.0
"""Voxels of the fit."""
KNOT_MM = 28.0
"""Distance of the displacement field's knots."""
STEPS = 60
SMOOTHNESS = 0.08
"""Weight of the field's squared gradient (mm per mm) against the mean squared difference of the organs' shares."""
_BLUR_MM = (16.0, 10.0, 6.0)
"""Of the organs' masks, from the first third of the steps to the last."""
_LIVER_WEIGHT = 3.0


@dataclass(frozen=True)
class VoxelMap:
    """An array on an axis-aligned grid (LPS).

    Attributes
    ----------
    values: numpy.ndarray
        (z, y, x).
    spacing_mm: tuple of three floats
        (z, y, x).
    origin_mm: tuple of three floats
        Centre of voxel (0, 0, 0), (z, y, x).

    """

    values: np.ndarray
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]

    def resampled(self, spacing_mm: float) -> "VoxelMap":
        """Nearest voxels on an isotropic grid over the same extent."""
        spacing = np.asarray(self.spacing_mm)
        shape = np.maximum(np.round(np.asarray(self.values.shape) * spacing / spacing_mm), 2).astype(int)
        picks = [
            np.clip(((np.arange(n) + 0.5) * spacing_mm / s).astype(int), 0, m - 1)
            for n, s, m in zip(shape, spacing, self.values.shape, strict=True)
        ]
        origin = np.asarray(self.origin_mm) + (spacing_mm - spacing) / 2
        return VoxelMap(self.values[np.ix_(*picks)], (spacing_mm,) * 3, tuple(origin.tolist()))


@dataclass(frozen=True)
class OrganTransfer:
    """Where each point of a target lies in the donor: an affine map and a smooth displacement, mm, (z, y, x).

    Attributes
    ----------
    matrix, offset: numpy.ndarray
        (3, 3) and (3,): donor = matrix @ target + offset.
    knots: numpy.ndarray
        float32 (3, z, y, x): displacement in the donor's mm, added after the affine map; trilinear between knots.
    low_mm, high_mm: numpy.ndarray
        (3,): where the first and the last knots lie in the target.
    dice: float
        Of the liver after the fit.

    """

    matrix: np.ndarray
    offset: np.ndarray
    knots: np.ndarray
    low_mm: np.ndarray
    high_mm: np.ndarray
    dice: float

    def donor_points(self, axes_mm: Sequence[np.ndarray]) -> torch.Tensor:
        """Points (3, z, y, x; mm) of the donor for a grid of the target, given by its coordinates along each axis."""
        return _places(
            torch.from_numpy(self.matrix).float(),
            torch.from_numpy(self.offset).float(),
            torch.from_numpy(self.knots),
            [torch.from_numpy(np.asarray(axis, np.float32)) for axis in axes_mm],
            torch.from_numpy(self.low_mm).float(),
            torch.from_numpy(self.high_mm).float(),
        )


def fit_organs(donor: VoxelMap, target: VoxelMap) -> OrganTransfer:
    """Fit a donor's organs to a target's.

    Liver centre and extent, and the centres of the other organs, give an affine map; a field on coarse knots is then
    fitted to the smoothed masks of all organs that both maps label, those cut by the donor's edge included only where
    the donor shows something.

    Parameters
    ----------
    donor, target: VoxelMap
        Label maps, values of `Tissue`; both hold a liver.

    """
    donor, target = donor.resampled(WORKING_MM), target.resampled(WORKING_MM)
    shared = _shared_organs(donor.values, target.values)
    matrix, offset = _affine(donor, target, shared)
    low = np.asarray(target.origin_mm)
    high = low + (np.asarray(target.values.shape) - 1) * WORKING_MM
    shape = np.maximum(np.ceil((high - low) / KNOT_MM).astype(int) + 1, 2)
    knots = torch.zeros((3, *shape.tolist()), requires_grad=True)
    axes = [
        torch.from_numpy((first + np.arange(n) * WORKING_MM).astype(np.float32))
        for first, n in zip(low, target.values.shape, strict=True)
    ]
    fixed = [torch.from_numpy(part).float() for part in (matrix, offset)]
    ends = [torch.from_numpy(part).float() for part in (low, high)]
    weights = torch.ones(len(shared))
    weights[shared.index(int(Tissue.LIVER))] = _LIVER_WEIGHT
    weights = (weights / weights.sum())[:, None, None, None]
    optimizer = torch.optim.Adam([knots], lr=3.0)
    for blur_mm in _BLUR_MM:
        wanted = _smoothed(target.values, shared, blur_mm)
        offered = torch.cat([_smoothed(donor.values, shared, blur_mm), torch.ones((1, *donor.values.shape))])
        for _ in range(STEPS // len(_BLUR_MM)):
            moved = _sampled(offered, _places(*fixed, knots, axes, *ends), donor, "bilinear")
            known = moved[-1:]
            difference = (weights * known * (moved[:-1] - wanted) ** 2).sum() / known.sum().clamp(min=1.0)
            loss = 100 * difference + SMOOTHNESS * _roughness(knots, (high - low) / (shape - 1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    fitted = knots.detach()
    liver = torch.from_numpy((donor.values == Tissue.LIVER).astype(np.float32))[None]
    covered = torch.cat([liver, torch.ones_like(liver)])
    moved = _sampled(covered, _places(*fixed, fitted, axes, *ends), donor, "bilinear").numpy()
    wanted_liver = (target.values == Tissue.LIVER) & (moved[1] > 0.5)
    found = moved[0] > 0.5
    dice = 2 * float((found & wanted_liver).sum()) / max(float(found.sum() + wanted_liver.sum()), 1.0)
    return OrganTransfer(matrix, offset, fitted.numpy(), low, high, dice)


def sample_donor(
    donor: VoxelMap, points_mm: torch.Tensor, mode: str = "bilinear", outside: float = np.nan
) -> np.ndarray:
    """A donor's values at points (3, z, y, x; mm): float32 (z, y, x), `outside` where the donor shows nothing."""
    values = torch.from_numpy(donor.values.astype(np.float32))[None]
    moved = _sampled(values, points_mm, donor, mode)[0]
    size = torch.tensor(donor.values.shape, dtype=torch.float32)[:, None, None, None]
    voxel = _voxels(points_mm, donor)
    inside = ((voxel > -0.5) & (voxel < size - 0.5)).all(dim=0)
    return torch.where(inside, moved, torch.tensor(outside, dtype=torch.float32)).numpy()


def _shared_organs(donor: np.ndarray, target: np.ndarray) -> list[int]:
    solid = [
        Tissue.LIVER, Tissue.SPLEEN, Tissue.RIGHT_KIDNEY, Tissue.LEFT_KIDNEY, Tissue.STOMACH, Tissue.PANCREAS,
        Tissue.GALLBLADDER, Tissue.AORTA, Tissue.INFERIOR_VENA_CAVA, Tissue.HEART, Tissue.LUNGS,
    ]  # fmt: skip
    counts = [np.bincount(labels.ravel(), minlength=256) for labels in (donor, target)]
    return [int(t) for t in solid if min(count[t] for count in counts) >= 20]


def _affine(donor: VoxelMap, target: VoxelMap, shared: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Scale along each axis and shift that bring the target's organ centres and liver edges to the donor's.

    What the donor's upper edge cuts tells nothing about height, so that heights come from lower edges and kidneys.
    """
    pairs: list[list[tuple[float, float, float]]] = [[], [], []]
    for organ in shared:
        sides = [_extent(labels, organ) for labels in (donor, target)]
        weight = 3.0 if organ == Tissue.LIVER else 1.0
        cut = np.any(sides[0][1] >= np.asarray(donor.values.shape) * WORKING_MM + np.asarray(donor.origin_mm) - 8)
        for axis in range(3):
            marks = (0, 2) if axis == 0 and cut else (0, 1, 2)
            if organ not in {Tissue.LIVER, Tissue.LEFT_KIDNEY, Tissue.RIGHT_KIDNEY, Tissue.SPLEEN}:
                marks = (2,)
            for mark in marks:
                if axis == 0 and cut and mark == 2:
                    continue
                pairs[axis].append((sides[1][mark][axis], sides[0][mark][axis], weight))
    scale, shift = np.ones(3), np.zeros(3)
    for axis, marks in enumerate(pairs):
        theirs, ours, weight = np.asarray(marks).T
        centre_theirs, centre_ours = np.average(theirs, weights=weight), np.average(ours, weights=weight)
        spread = np.sum(weight * (theirs - centre_theirs) ** 2)
        slope = np.sum(weight * (theirs - centre_theirs) * (ours - centre_ours)) / max(spread, 1.0)
        scale[axis] = np.clip(slope, 0.7, 1.4)
        shift[axis] = centre_ours - scale[axis] * centre_theirs
    return np.diag(scale), shift


def _extent(labels: VoxelMap, organ: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower edge, upper edge and centre (z, y, x; mm) of an organ."""
    points = np.argwhere(labels.values == organ) * WORKING_MM + np.asarray(labels.origin_mm)
    return np.quantile(points, 0.01, axis=0), np.quantile(points, 0.99, axis=0), points.mean(axis=0)


def _smoothed(labels: np.ndarray, organs: Sequence[int], blur_mm: float) -> torch.Tensor:
    masks = torch.stack([torch.from_numpy((labels == organ).astype(np.float32)) for organ in organs])[:, None]
    sigma = blur_mm / WORKING_MM / 2
    reach = max(int(np.ceil(2.5 * sigma)), 1)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    for axis in range(3):
        shape, padding = [1, 1, 1, 1, 1], [0, 0, 0]
        shape[2 + axis], padding[axis] = len(kernel), reach
        masks = functional.conv3d(masks, kernel.reshape(shape), padding=padding)
    return masks[:, 0]


def _places(  # noqa: PLR0917
    matrix: torch.Tensor,
    offset: torch.Tensor,
    knots: torch.Tensor,
    axes: Sequence[torch.Tensor],
    low: torch.Tensor,
    high: torch.Tensor,
) -> torch.Tensor:
    """Points (3, z, y, x) of the donor, mm, for a grid of the target."""
    scaled = [2 * (axis - a) / (b - a) - 1 for axis, a, b in zip(axes, low, high, strict=True)]
    grid = torch.stack(torch.meshgrid(*scaled, indexing="ij")).flip(0).permute(1, 2, 3, 0)[None]
    moved = functional.grid_sample(knots[None], grid, mode="bilinear", padding_mode="border", align_corners=True)[0]
    linear = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    return torch.einsum("ij,jzyx->izyx", matrix, linear) + offset[:, None, None, None] + moved


def _voxels(points_mm: torch.Tensor, volume: VoxelMap) -> torch.Tensor:
    origin = torch.tensor(volume.origin_mm, dtype=torch.float32)[:, None, None, None]
    return (points_mm - origin) / torch.tensor(volume.spacing_mm, dtype=torch.float32)[:, None, None, None]


def _sampled(values: torch.Tensor, points_mm: torch.Tensor, volume: VoxelMap, mode: str) -> torch.Tensor:
    """Channels (channels, z, y, x) of a volume at points; 0 outside."""
    size = torch.tensor(values.shape[1:], dtype=torch.float32)[:, None, None, None]
    grid = (2 * (_voxels(points_mm, volume) + 0.5) / size - 1).flip(0).permute(1, 2, 3, 0)[None]
    padding = "zeros" if mode == "bilinear" else "border"
    return functional.grid_sample(values[None], grid, mode=mode, padding_mode=padding, align_corners=False)[0]


def _roughness(knots: torch.Tensor, distance_mm: np.ndarray) -> torch.Tensor:
    """Mean squared gradient of the displacement."""
    terms = [(knots.diff(dim=axis + 1) / float(step)).square().mean() for axis, step in enumerate(distance_mm)]
    return torch.stack(terms).sum() * 100

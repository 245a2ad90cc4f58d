"""What in the images spoke for a lesion's type, and what for the second type against it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import SimpleITK as sitk
from scipy.special import softmax

from LiverTumorAILib.explanation.heatmap import lesion_surroundings
from LiverTumorAILib.inference import Model, ModelCard, NetworkGrid
from LiverTumorAILib.inference.preprocess import network_input, sample_phase
from LiverTumorAILib.lesions.organs import lesion_type_of_class
from LiverTumorAILib.study import Phase

LEVEL = 1
"""Of the features: half the network's resolution, before the last convolutions, so that they see their surroundings."""

BLUR_MM = 10.0
"""Of an image around a patch that resampling to the network's grid may draw on."""


@dataclass(frozen=True)
class Evidence:
    """Where features spoke for a lesion's type, and where for the second type against it.

    Attributes
    ----------
    supporting, opposing: SimpleITK.Image
        float32 on a part of the reference grid (LPS, mm), 0 where nothing spoke; 1 is the strongest of both, so that
        they can be compared.

    """

    supporting: sitk.Image
    opposing: sitk.Image


ExplainFirst = Callable[[sitk.Image, int, str], tuple[Evidence, str]]
"""The same by lesion labels, label and the first class alone; it tells the second one too. See `class_evidence`."""

Explain = Callable[[sitk.Image, int, tuple[str, str]], Evidence]
"""Gives the evidence for a lesion by lesion labels (reference grid), its label, and the two classes."""


def can_explain(model: Model) -> bool:
    """Whether a model's file holds what evidence needs; models of earlier versions do not."""
    return LEVEL in model.session.evidence_levels


def explained_by(model: Model, images: Mapping[Phase, sitk.Image]) -> Explain | None:
    """Evidence by one network in registered phases; None if its file lacks what that needs."""
    return partial(lesion_evidence, model, images) if can_explain(model) else None


def lesion_evidence(
    model: Model,
    images: Mapping[Phase, sitk.Image],
    lesion_labels: sitk.Image,
    label: int,
    classes: tuple[str, str],
    *,
    patch: tuple[int, int, int] | None = None,
    inside: sitk.Image | None = None,
) -> Evidence:
    """Evidence for the first of two classes, and for the second against the first, by HiResCAM.

    The score of the first class, less the mean of all classes' scores, and that of the second less the first's, are
    averaged over the lesion; the maps are features times gradients (see `networks.evidence`), their positive parts.

    Parameters
    ----------
    model: Model
        See `can_explain`.
    images: Mapping[Phase, SimpleITK.Image]
        float32 (LPS, mm; HU), NaN where a phase shows nothing; at least one that the model takes.
    lesion_labels: SimpleITK.Image
        The reference grid (LPS, mm).
    label: int
        The lesion's value.
    classes: tuple of two str
        Of the model's card.
    patch: tuple of int, optional
        (z, y, x) that the network sees; its card's if not given.
    inside: SimpleITK.Image, optional
        Mask (LPS, mm) outside which the network sees nothing.

    """
    card = model.card
    surroundings, grid, region = _seen(card, lesion_labels, label, patch)
    first, second = (np.eye(len(card.classes), dtype=np.float32)[card.classes.index(name)] for name in classes)
    contrasts = np.stack([first - 1 / len(card.classes), second - first]).astype(np.float32)
    batch = patch_input(card, images, grid, inside)[None]
    (maps,) = model.session.evidence(batch, region, contrasts, (LEVEL,))
    coarse = _coarser(grid, maps.shape[1:])
    supporting, opposing = (
        sitk.Resample(coarse.image(np.maximum(values, 0)), surroundings, sitk.Transform(), sitk.sitkLinear, 0.0)
        for values in maps
    )
    strongest = max(sitk.GetArrayViewFromImage(image).max() for image in (supporting, opposing))
    scale = 1 / strongest if strongest > 0 else 0.0
    return Evidence(supporting * float(scale), opposing * float(scale))


def class_evidence(
    model: Model,
    images: Mapping[Phase, sitk.Image],
    lesion_labels: sitk.Image,
    label: int,
    first: str,
    *,
    inside: sitk.Image | None = None,
) -> tuple[Evidence, str]:
    """Evidence for a class of lesions, and for the other one that the network finds most probable in the lesion.

    Takes what `lesion_evidence` takes; the model knows two classes of lesions at least. Returns the other class too.
    """
    shares = class_shares(model, images, lesion_labels, label, inside)
    others = {name: share for name, share in shares.items() if name != first and lesion_type_of_class(name)}
    second = max(others, key=others.get)
    return lesion_evidence(model, images, lesion_labels, label, (first, second), inside=inside), second


def class_shares(
    model: Model,
    images: Mapping[Phase, sitk.Image],
    lesion_labels: sitk.Image,
    label: int,
    inside: sitk.Image | None = None,
) -> dict[str, float]:
    """A network's probability (0-1) of each of its classes, averaged over a lesion; see `lesion_evidence`."""
    _, grid, region = _seen(model.card, lesion_labels, label)
    scores = model.session(patch_input(model.card, images, grid, inside)[None])[0]
    means = (softmax(scores, axis=0) * region).sum(axis=(1, 2, 3))
    return dict(zip(model.card.classes, means.tolist(), strict=True))


def _seen(
    card: ModelCard, lesion_labels: sitk.Image, label: int, patch: tuple[int, int, int] | None = None
) -> tuple[sitk.Image, NetworkGrid, np.ndarray]:
    """A lesion's surroundings, the grid of a patch around it, and how much of it is in each voxel, adding up to 1."""
    surroundings = lesion_surroundings(lesion_labels, label)
    grid = patch_around(surroundings == label, card.spacing_mm, patch or card.patch)
    region = grid.sample(sitk.Cast(surroundings == label, sitk.sitkFloat32))
    return surroundings, grid, (region / max(float(region.sum()), 1e-6)).astype(np.float32)


def patch_input(
    card: ModelCard, images: Mapping[Phase, sitk.Image], grid: NetworkGrid, inside: sitk.Image | None = None
) -> np.ndarray:
    """A network's input (channels, z, y, x) on a grid, see `network_input`; nothing is shown outside a mask."""
    phases = {phase: _sampled(images[phase], grid) for phase in map(Phase, card.inputs) if phase in images}
    if inside is not None:
        outside = grid.sample(inside, sitk.sitkNearestNeighbor) == 0
        for values in phases.values():
            values[outside] = np.nan
    return network_input(phases, card)


def patch_around(mask: sitk.Image, spacing_mm: tuple[float, float, float], patch: tuple[int, int, int]) -> NetworkGrid:
    """The grid of one patch (z, y, x) with the mask in its middle."""
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(mask)
    box = np.array(statistics.GetBoundingBox(1)).reshape(2, 3)
    centre = mask.TransformContinuousIndexToPhysicalPoint((box[0] + (box[1] - 1) / 2).tolist())[::-1]
    origin = tuple(c - (n - 1) / 2 * s for c, n, s in zip(centre, patch, spacing_mm, strict=True))
    return NetworkGrid(patch, spacing_mm, origin)


def _coarser(grid: NetworkGrid, shape: tuple[int, int, int]) -> NetworkGrid:
    """The grid (z, y, x) that divides the same space into fewer voxels."""
    spacing = tuple(s * n / m for s, n, m in zip(grid.spacing_mm, grid.shape, shape, strict=True))
    origin = tuple(o + (t - s) / 2 for o, s, t in zip(grid.origin_mm, grid.spacing_mm, spacing, strict=True))
    return NetworkGrid(shape, spacing, origin)


def _sampled(image: sitk.Image, grid: NetworkGrid) -> np.ndarray:
    """A phase on a grid; only what lies near the grid is smoothed for it."""
    low = np.array(grid.origin_mm) - BLUR_MM
    high = np.array(grid.origin_mm) + np.array(grid.shape) * grid.spacing_mm + BLUR_MM
    corners = [np.where(bits, high, low)[::-1] for bits in np.ndindex(2, 2, 2)]
    indices = np.array([image.TransformPhysicalPointToContinuousIndex(corner.tolist()) for corner in corners])
    first = np.clip(np.floor(indices.min(axis=0)), 0, np.array(image.GetSize()) - 1).astype(int)
    last = np.clip(np.ceil(indices.max(axis=0)) + 1, first + 1, image.GetSize()).astype(int)
    part = sitk.RegionOfInterest(image, (last - first).tolist(), first.tolist())
    return sample_phase(part, grid)

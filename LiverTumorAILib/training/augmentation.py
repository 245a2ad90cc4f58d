"""Augmentation of patches. Nothing is mirrored: the abdomen has a left and a right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from LiverTumorAILib.study import Phase

_MIXED = (-0.2, 1.2)
"""Contrast of a part of a vein that is unevenly mixed, relative to the whole vein's."""


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a patch; angles in degrees, lengths in mm, intensities in HU."""

    warp_probability: float = 0.6
    rotation_deg: tuple[float, float, float] = (15.0, 6.0, 6.0)
    scale: tuple[float, float] = (0.85, 1.2)
    elastic_mm: float = 3.0
    misregistration_probability: float = 0.5
    misregistration_mm: float = 1.2
    shift_hu: float = 8.0
    gain: float = 0.06
    noise_probability: float = 0.4
    noise_hu: float = 15.0
    blur_probability: float = 0.15
    thick_slice_probability: float = 0.15
    coverage_probability: float = 0.1
    dropout_probability: float = 0.5
    non_contrast_alone_probability: float = 0.2
    late_arterial_probability: float = 0.5
    late_arterial_share: float = 0.7
    unmixed_veins_probability: float = 0.3
    unmixed_veins_mm: float = 15.0


@dataclass(frozen=True)
class Patch:
    """Geometry of a patch.

    Attributes
    ----------
    shape, margin: tuples of three ints
        (z, y, x) of the patch, and how much larger its source is on each side.
    spacing_mm: tuple of three floats
        (z, y, x).
    phases, reference: int
        Number of phase channels, and the one that keeps its place so that labels fit it.

    """

    shape: tuple[int, int, int]
    margin: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    phases: int
    reference: int

    @property
    def source_shape(self) -> tuple[int, int, int]:
        """(z, y, x) of the source."""
        return tuple(length + 2 * extra for length, extra in zip(self.shape, self.margin, strict=True))


@dataclass(frozen=True)
class Warp:
    """Where each voxel of a patch comes from in its source, a larger patch around it.

    Attributes
    ----------
    common: torch.Tensor
        float32 (3, z, y, x), in voxels of the source (z, y, x).
    own: tuple of torch.Tensor or None
        For each phase, what it is displaced beyond that (3, z, y, x), in voxels; None for nothing.

    """

    common: torch.Tensor
    own: tuple[torch.Tensor | None, ...]


def draw_warp(
    rng: np.random.Generator,
    settings: Augmentation,
    patch: Patch,
) -> Warp | None:
    """Draw rotation, scale, elastic deformation and residual misregistration; None for none of them.

    Parameters
    ----------
    rng: numpy.random.Generator
        Source of all chance.
    settings: Augmentation
        How much of it.
    patch: Patch
        Its geometry.

    """
    bends = rng.random() < settings.warp_probability
    slips = rng.random() < settings.misregistration_probability
    if not bends and not slips:
        return None
    shape = patch.shape
    axes = [torch.arange(length, dtype=torch.float32) - (length - 1) / 2 for length in shape]
    centred = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    middle = torch.tensor([(p - 1) / 2 + m for p, m in zip(shape, patch.margin, strict=True)])
    spacing = np.asarray(patch.spacing_mm)
    if bends:
        matrix = np.diag(1 / spacing) @ _matrix(rng, settings) @ np.diag(spacing)
        common = torch.einsum("ij,jzyx->izyx", torch.from_numpy(matrix.astype(np.float32)), centred)
        elastic = rng.normal(0, rng.uniform(0, settings.elastic_mm), (3, 4, 5, 5)) / spacing[:, None, None, None]
        common = common + upsampled(elastic, shape)
    else:
        common = centred
    common = common + middle[:, None, None, None]
    own = [None] * patch.phases
    if slips:
        for phase in range(patch.phases):
            if phase != patch.reference:
                slip = rng.normal(0, rng.uniform(0, settings.misregistration_mm), (3, 1, 1, 1))
                local = rng.normal(0, rng.uniform(0, settings.misregistration_mm), (3, 3, 4, 4))
                own[phase] = upsampled((slip + local) / spacing[:, None, None, None], shape)
    return Warp(common, tuple(own))


def _matrix(rng: np.random.Generator, settings: Augmentation) -> np.ndarray:
    """Rotation about z, y, x and scale, for vectors (z, y, x) in mm."""
    turn = rotation(rng.uniform(-1, 1, 3) * settings.rotation_deg)
    scale = np.exp(rng.uniform(*np.log(settings.scale))) * np.exp(rng.uniform(-0.05, 0.05, 3))
    return turn @ np.diag(1 / scale)


def rotation(angles_deg: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) about z, y, x by angles in that order, for vectors (z, y, x)."""
    cz, sz, cy, sy, cx, sx = (f(a) for a in np.deg2rad(angles_deg) for f in (np.cos, np.sin))
    turn_z = np.array([[1, 0, 0], [0, cz, -sz], [0, sz, cz]])
    turn_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    turn_x = np.array([[cx, -sx, 0], [sx, cx, 0], [0, 0, 1]])
    return turn_z @ turn_y @ turn_x


def upsampled(coarse: np.ndarray, patch: tuple[int, int, int]) -> torch.Tensor:
    """Values (channels, z, y, x) on coarse knots, brought to a patch (z, y, x) by trilinear interpolation."""
    values = torch.from_numpy(coarse.astype(np.float32))[None]
    return functional.interpolate(values, size=patch, mode="trilinear", align_corners=True)[0]


def apply_warp(
    warp: Warp, images: np.ndarray, labels: np.ndarray, patch: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Warp a source patch.

    Parameters
    ----------
    warp: Warp
        From `draw_warp`.
    images: numpy.ndarray
        float32 (phases, z, y, x) of the source, NaN where unknown.
    labels: numpy.ndarray
        uint8 (z, y, x) of the source.
    patch: tuple of three ints
        (z, y, x) of the result.

    Returns
    -------
    tuple of numpy.ndarray
        Images float32 (phases, *patch), NaN where unknown, and labels uint8 (*patch).

    """
    source = torch.tensor(labels.shape, dtype=torch.float32)
    result = np.empty((len(images), *patch), np.float32)
    for phase, image in enumerate(images):
        known = np.isfinite(image)
        if not known.any():
            result[phase] = np.nan
            continue
        place = warp.common if warp.own[phase] is None else warp.common + warp.own[phase]
        grid = sampling_grid(place, source)
        filled = image if known.all() else np.where(known, image, np.float32(-1000))
        result[phase] = sampled(filled, grid, "bilinear")
        if not known.all():
            result[phase][sampled(known.astype(np.float32), grid, "nearest") < 0.5] = np.nan
    grid = sampling_grid(warp.common, source)
    return result, sampled(labels.astype(np.float32), grid, "nearest").astype(np.uint8)


def sampling_grid(place: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Grid for `sampled` from places (3, z, y, x) in voxels of a source whose shape (z, y, x) is given."""
    scaled = 2 * place / (source - 1)[:, None, None, None] - 1
    return scaled.flip(0).permute(1, 2, 3, 0)[None]


def sampled(values: np.ndarray, grid: torch.Tensor, mode: str) -> np.ndarray:
    """A source (z, y, x) at a grid of `sampling_grid`, 'bilinear' or 'nearest'; its edge continues outside."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))[None, None]
    return functional.grid_sample(tensor, grid, mode=mode, padding_mode="border", align_corners=True)[0, 0].numpy()


def augment_intensities(rng: np.random.Generator, settings: Augmentation, images: np.ndarray) -> None:
    """Change the HU (phases, z, y, x; NaN where unknown) in place: level, gain, noise, blur, thick slices, coverage."""
    common = rng.normal(0, settings.shift_hu / 2)
    for image in images:
        if np.isfinite(image).any():
            _augment_phase(rng, settings, image, common)


def _augment_phase(rng: np.random.Generator, settings: Augmentation, image: np.ndarray, shift_hu: float) -> None:
    image *= 1 + rng.uniform(-settings.gain, settings.gain)
    image += shift_hu + rng.normal(0, settings.shift_hu)
    chance, amount = rng.random(4), rng.random(4)
    if chance[0] < settings.blur_probability:
        sigma = 0.4 + 0.6 * amount[0]
        image[:] = ndimage.gaussian_filter(image, (0, sigma, sigma), truncate=2)
    if chance[1] < settings.thick_slice_probability:
        thicken(image, 2 + int(3 * amount[1]), int(97 * amount[0]))
    if chance[2] < settings.noise_probability:
        image += rng.standard_normal(image.shape, np.float32) * np.float32(settings.noise_hu * amount[2])
    if chance[3] < settings.coverage_probability:
        planes = int(len(image) * 0.5 * amount[3])
        at_bottom = chance[3] < settings.coverage_probability / 2
        image[slice(0, planes) if at_bottom else slice(len(image) - planes, None)] = np.nan


def thicken(image: np.ndarray, slices: int, offset: int) -> None:
    """Replace groups of slices by linear interpolation between their means, as a resampled thick series shows."""
    offset %= slices
    known = np.isfinite(image)
    sums = ndimage.uniform_filter1d(np.where(known, image, 0), slices, axis=0, mode="nearest")
    shares = ndimage.uniform_filter1d(known.astype(np.float32), slices, axis=0, mode="nearest")
    means = sums / np.maximum(shares, 1 / slices)
    places = np.arange(len(image))
    kept = np.unique(np.clip(np.arange(offset, len(image) + slices, slices), 0, len(image) - 1))
    if len(kept) < 2:
        return
    right = np.clip(np.searchsorted(kept, places, side="right"), 1, len(kept) - 1)
    share = np.clip((places - kept[right - 1]) / (kept[right] - kept[right - 1]), 0, 1).astype(np.float32)
    share = share[:, None, None]
    image[:] = np.where(known, means[kept[right - 1]] * (1 - share) + means[kept[right]] * share, np.nan)


def delay_arterial(
    rng: np.random.Generator, settings: Augmentation, images: np.ndarray, phases: Sequence[Phase]
) -> None:
    """Make the arterial phase of some patches later, in place, by mixing in up to a share of the portal venous one.

    Clinical arterial phases run late into portal inflow: liver and portal vein are then brighter, tumours less so.

    Parameters
    ----------
    rng: numpy.random.Generator
    settings: Augmentation
    images: numpy.ndarray
        float32 (phases, z, y, x), HU, NaN where unknown.
    phases: sequence of Phase
        Of the channels.

    """
    if rng.random() >= settings.late_arterial_probability or not {Phase.ARTERIAL, Phase.PORTAL_VENOUS} <= set(phases):
        return
    arterial, portal = (images[phases.index(phase)] for phase in (Phase.ARTERIAL, Phase.PORTAL_VENOUS))
    share = rng.uniform(0, settings.late_arterial_share)
    both = np.isfinite(portal) & np.isfinite(arterial)
    arterial[both] += np.float32(share) * (portal - arterial)[both]


def unmix_veins(
    rng: np.random.Generator,
    settings: Augmentation,
    images: np.ndarray,
    veins: np.ndarray,
    spacing_mm: tuple[float, float, float],
) -> None:
    """Let contrast agent be unevenly mixed with blood in some phases' veins, in place, as streaming leaves it.

    Without it a vein that is brighter or darker than the other veins of its phase is taken for a lesion.

    Parameters
    ----------
    rng: numpy.random.Generator
    settings: Augmentation
    images: numpy.ndarray
        float32 (phases, z, y, x), HU, NaN where unknown.
    veins: numpy.ndarray
        bool (z, y, x).
    spacing_mm: tuple of three floats
        (z, y, x).

    """
    near = ndimage.binary_dilation(veins, iterations=2) & ~veins
    knots = [max(round(n * s / settings.unmixed_veins_mm), 2) for n, s in zip(veins.shape, spacing_mm, strict=True)]
    blood = ndimage.uniform_filter(veins.astype(np.float32), 3)
    for image in images:
        if rng.random() >= settings.unmixed_veins_probability:
            continue
        known = np.isfinite(image)
        inside, around = image[known & veins], image[known & near]
        if inside.size and around.size:
            share = upsampled(rng.uniform(*_MIXED, (1, *knots)), veins.shape)[0].numpy()
            np.add(image, blood * (share - 1) * (np.median(inside) - np.median(around)), out=image)


def drop_phases(
    rng: np.random.Generator, settings: Augmentation, images: np.ndarray, phases: Sequence[Phase] = ()
) -> None:
    """Blank phases (phases, z, y, x) at random with NaN; at least one that shows something stays.

    Half of the time a random subset stays, each as likely as any other, so that a network learns to do with any. Before
    that the non-contrast phase stays alone in a share of the patches: vessels are dark in it, and a network that seldom
    saw it without the others takes them for lesions.
    """
    showing = [phase for phase, image in enumerate(images) if np.isfinite(image).any()]
    alone = phases.index(Phase.NON_CONTRAST) if Phase.NON_CONTRAST in phases else None
    if rng.random() < settings.non_contrast_alone_probability and alone in showing:
        images[[phase for phase in range(len(images)) if phase != alone]] = np.nan
        return
    if rng.random() >= settings.dropout_probability or len(showing) < 2:
        return
    subset = int(rng.integers(1, 2 ** len(showing)))
    for bit, phase in enumerate(showing):
        if not subset >> bit & 1:
            images[phase] = np.nan

"""Intensities of a liver sample: the real CT, the real CT with its organs recoloured, or drawn from the labels."""

import numpy as np
from scipy import ndimage

from LiverTumorAILib.phantom.enhancement import draw_perfusion
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.random_fields import smooth_noise
from LiverTumorAILib.study import Modality, Phase

AS_IT_IS_SHARE = 0.3
RECOLOURED_SHARE = 0.45
"""Of samples with a CT; the others are drawn from the labels alone."""
UNLABELLED = 255
_CT_PHASES = (Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED)
_KEPT = (Tissue.AIR, Tissue.LUNGS, Tissue.GAS, Tissue.FAT, Tissue.FISSURE, Tissue.COUCH)
"""Never recoloured: no contrast agent reaches them."""
EFFUSION_SHARE, ASCITES_SHARE = 0.12, 0.08
"""Of samples: fluid in the lung beside the liver, fluid instead of the fat around it. Neither is liver."""
_DIAPHRAGM_MM, _CAPSULE_MM = 8.0, 4.0
_LUNG_HU = -300.0


def draw_intensities(
    rng: np.random.Generator,
    labels: np.ndarray,
    liver: np.ndarray,
    ct: np.ndarray,
    spacing_mm: tuple[float, float, float],
) -> np.ndarray:
    """HU of a sample, with vessels and lesions in its liver.

    Parameters
    ----------
    rng: numpy.random.Generator
    labels: numpy.ndarray
        uint8 (z, y, x), values of `Tissue`, `UNLABELLED` where nothing is known.
    liver: numpy.ndarray
        bool (z, y, x).
    ct: numpy.ndarray
        float32 (z, y, x), HU, NaN where there is none.
    spacing_mm: tuple of three floats
        (z, y, x).

    Returns
    -------
    numpy.ndarray
        float32 (z, y, x), HU, NaN where nothing is known.

    """
    real = bool(np.isfinite(ct).any())
    choice = rng.random() if real else 1.0
    if choice < AS_IT_IS_SHARE:
        image = ct.copy()
    elif choice < AS_IT_IS_SHARE + RECOLOURED_SHARE:
        image = _recoloured(rng, labels, ct)
        _add_vessels(rng, image, liver, spacing_mm)
    else:
        image = _drawn(rng, labels, spacing_mm)
        if real:
            image[~np.isfinite(ct)] = np.nan
            _add_vessels(rng, image, liver, spacing_mm)
    _add_lesions(rng, image, liver, spacing_mm)
    _add_fluid(rng, image, labels, liver, spacing_mm)
    return image


def _levels(rng: np.random.Generator) -> np.ndarray:
    """HU by `Tissue` of a random patient in a random phase; for some, any contrast between organs."""
    phase = _CT_PHASES[int(rng.integers(len(_CT_PHASES)))]
    perfusion = draw_perfusion(rng, Modality.CT, (phase,), float(rng.random() < 0.2) * rng.random())
    levels = perfusion.native + perfusion.concentration[phase]
    if rng.random() < 0.45:
        free = [t for t in Tissue if t not in _KEPT]
        levels[free] += rng.normal(0, rng.uniform(0, 45), len(free)).astype(np.float32)
        levels[Tissue.LIVER] = rng.uniform(0, 190)
    levels[[Tissue.HEPATIC_ARTERY, Tissue.BILE_DUCTS]] = levels[Tissue.LIVER] + rng.uniform(-40, 40)
    return levels


def _recoloured(rng: np.random.Generator, labels: np.ndarray, ct: np.ndarray) -> np.ndarray:
    """The CT with each organ's mean moved to that of a random patient; its texture stays."""
    known = np.isfinite(ct)
    filled = np.where(known, ct, 0).astype(np.float32)
    soft = known & (filled > -80) & (filled < 400)
    counts = np.bincount(labels[soft], minlength=256)
    means = np.bincount(labels[soft], filled[soft], minlength=256) / np.maximum(counts, 1)
    change = (_levels(rng) - means).astype(np.float32)
    change[list(_KEPT)] = 0
    change[Tissue.BONES] = np.clip(change[Tissue.BONES], -50, 50)
    change[counts == 0] = 0
    moved = change[labels]
    # Gas, fat and bone inside an organ's mask keep their density.
    moved *= np.clip((filled + 90) / 60, 0, 1) * np.clip((500 - filled) / 200, 0, 1)
    image = filled + ndimage.gaussian_filter(moved, 0.6, truncate=2)
    image[~known] = np.nan
    return image


def _drawn(rng: np.random.Generator, labels: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Intensities from the labels alone: a level, a gradient and a texture for each tissue."""
    image = _levels(rng)[labels]
    fine, broad = (_noise(rng, labels.shape, spacing_mm, mm) for mm in (rng.uniform(3, 6), rng.uniform(10, 30)))
    strength = rng.uniform(0, 12, (2, 256)).astype(np.float32)
    strength[:, list(_KEPT)] *= 1.5
    strength[:, Tissue.AIR] = 0
    image += strength[0][labels] * fine + strength[1][labels] * broad
    image = ndimage.gaussian_filter(image, rng.uniform(0.3, 0.7), truncate=2)
    image[labels == UNLABELLED] = np.nan
    return image


def _noise(rng: np.random.Generator, shape: tuple, spacing_mm: tuple, correlation_mm: float) -> np.ndarray:
    return smooth_noise(rng, shape, spacing_mm, max(correlation_mm, *spacing_mm))


def _add_vessels(rng: np.random.Generator, image: np.ndarray, liver: np.ndarray, spacing_mm: tuple) -> None:
    """Bright or dark tubes in the liver: where two smooth random fields are both near zero."""
    if rng.random() < 0.25 or not liver.any():
        return
    box = ndimage.find_objects(liver.astype(np.uint8))[0]
    shape = liver[box].shape
    size = rng.uniform(18, 35)
    first, second = (_noise(rng, shape, spacing_mm, size) for _ in range(2))
    tubes = np.exp(-(first**2 + second**2) / rng.uniform(0.004, 0.02))
    image[box] += np.float32(rng.normal(15, 35)) * tubes * liver[box]


def _add_lesions(rng: np.random.Generator, image: np.ndarray, liver: np.ndarray, spacing_mm: tuple) -> None:
    """Lesions of any contrast and size in the liver; to the liver networks they are liver."""
    count = int(rng.choice([0, 1, 2, 4, 7], p=[0.4, 0.2, 0.15, 0.15, 0.1]))
    places = np.argwhere(liver[::3, ::3, ::3]) * 3
    if not len(places):
        return
    spacing = np.asarray(spacing_mm)
    for _ in range(count):
        radius = 3 * (18 ** rng.beta(1.1, 1.6))
        centre = places[int(rng.integers(len(places)))]
        reach = np.ceil(1.6 * radius / spacing).astype(int)
        box = tuple(slice(max(c - r, 0), min(c + r + 1, n)) for c, r, n in zip(centre, reach, liver.shape, strict=True))
        offsets = np.meshgrid(
            *((np.arange(b.start, b.stop) - c) * s for b, c, s in zip(box, centre, spacing, strict=True)),
            indexing="ij", sparse=True,
        )  # fmt: skip
        stretch = np.exp(rng.normal(0, 0.15, 3)) * radius
        distance = np.sqrt(sum((o / a) ** 2 for o, a in zip(offsets, stretch, strict=True))).astype(np.float32)
        distance += 0.15 * _noise(rng, distance.shape, spacing_mm, 0.7 * radius)
        opacity = np.clip((1 - distance) * radius / rng.uniform(1, 3) + 0.5, 0, 1) * liver[box]
        contrast = np.float32(rng.choice([-1, 1], p=[0.7, 0.3]) * rng.uniform(8, 90))
        inside = contrast * np.ones_like(opacity)
        if rng.random() < 0.4:
            inside = inside * np.clip(distance * rng.uniform(0.6, 1.6), 0, 1.3)
        if rng.random() < 0.3:
            inside += rng.uniform(5, 60) * np.exp(-(((distance - 0.9) / 0.12) ** 2))
        image[box] += opacity * inside


def _add_fluid(
    rng: np.random.Generator, image: np.ndarray, labels: np.ndarray, liver: np.ndarray, spacing_mm: tuple
) -> None:
    """A pleural effusion, often with collapsed lung behind it, or ascites, in place; both border on the liver."""
    choice = rng.random()
    if choice < EFFUSION_SHARE:
        lung = image < _LUNG_HU
        fluid = _spread(lung, liver, _DIAPHRAGM_MM, rng.uniform(5, 45), spacing_mm)
        if rng.random() < 0.5:
            collapsed = _spread(lung & ~fluid, fluid, 2 * max(spacing_mm), rng.uniform(4, 20), spacing_mm)
            _fill(image, collapsed, rng.uniform(25, 110))
        _fill(image, fluid, rng.uniform(-2, 24))
    elif choice < EFFUSION_SHARE + ASCITES_SHARE:
        fluid = _spread(labels == Tissue.FAT, liver, _CAPSULE_MM, rng.uniform(3, 20), spacing_mm)
        _fill(image, fluid, rng.uniform(-2, 24))


def _spread(space: np.ndarray, source: np.ndarray, gap_mm: float, reach_mm: float, spacing_mm: tuple) -> np.ndarray:
    """The part of a space that is reached from a source across a gap and then, within the space, over a distance."""
    gap, reach = (max(round(mm / min(spacing_mm)), 1) for mm in (gap_mm, reach_mm))
    near = ndimage.binary_dilation(source, iterations=gap) & space
    return ndimage.binary_dilation(near, iterations=reach, mask=space) if near.any() else near


def _fill(image: np.ndarray, region: np.ndarray, hu: float) -> None:
    share = ndimage.gaussian_filter(region.astype(np.float32), 0.6, truncate=2)
    image += share * (np.float32(hu) - image)

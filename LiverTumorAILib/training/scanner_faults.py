"""What scanners, exports and patients do to an image: noise, kernel, thick slices, streaks, cut-off fields of view."""

import numpy as np
from scipy import ndimage

from LiverTumorAILib.phantom.random_fields import smooth_noise
from LiverTumorAILib.training.augmentation import thicken


def add_faults(rng: np.random.Generator, image: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """A worse copy of an image.

    Parameters
    ----------
    rng: numpy.random.Generator
    image: numpy.ndarray
        float32 (z, y, x), HU, NaN where nothing is known.
    spacing_mm: tuple of three floats
        (z, y, x).

    Returns
    -------
    numpy.ndarray
        float32 (z, y, x), HU, NaN where nothing is known or shown.

    """
    image = image + np.float32(rng.normal(0, 6))
    if rng.random() < 0.35:
        slices = int(np.ceil(rng.uniform(4, 12) / spacing_mm[0]))
        if slices > 1:
            thicken(image, slices, int(rng.integers(slices)))
    known = np.isfinite(image)
    filled = np.where(known, image, np.float32(-1000))
    if rng.random() < 0.35:
        filled = _kernel(rng, filled)
    if rng.random() < 0.7:
        filled = filled + _noise(rng, filled.shape, spacing_mm)
    if rng.random() < 0.1:
        filled = filled + _streaks(rng, filled.shape)
    if rng.random() < 0.1:
        filled = _window_burned_in(rng, filled)
    filled[~known] = np.nan
    if rng.random() < 0.15:
        _cut_coverage(rng, filled)
    if rng.random() < 0.08:
        _cut_field_of_view(rng, filled)
    return filled.astype(np.float32)


def _kernel(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Softer in-plane, or sharper with overshoot at edges."""
    sigma = rng.uniform(0.4, 1.1)
    soft = ndimage.gaussian_filter(image, (0, sigma, sigma), truncate=2.5)
    return soft if rng.random() < 0.6 else image + rng.uniform(0.2, 0.8) * (image - soft)


def _noise(rng: np.random.Generator, shape: tuple, spacing_mm: tuple) -> np.ndarray:
    """White and grainy noise."""
    white = rng.standard_normal(shape, np.float32) * np.float32(rng.exponential(11))
    if rng.random() < 0.5:
        grain = smooth_noise(rng, shape, spacing_mm, max(rng.uniform(2, 6), *spacing_mm))
        white += np.float32(rng.exponential(6)) * grain
    return white


def _streaks(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    """Streaks that run out from a metal implant or from arms at the body's side, strongest near them."""
    height, width = shape[1:]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x -= rng.uniform(-0.2, 1.2) * width
    y -= rng.uniform(0.1, 0.9) * height
    angle, distance = np.arctan2(y, x), np.hypot(y, x) + 4
    orders = rng.integers(6, 60, 6)
    pattern = sum(np.cos(order * angle + rng.uniform(0, 6.3)) for order in orders)
    middle, extent = rng.uniform(0, shape[0]), rng.uniform(2, shape[0] / 2)
    profile = np.exp(-(((np.arange(shape[0]) - middle) / extent) ** 2)).astype(np.float32)
    strength = rng.uniform(10, 50) / np.sqrt(len(orders))
    return profile[:, None, None] * (strength * pattern / (1 + distance / 60)).astype(np.float32)


def _window_burned_in(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """What an export of a display window keeps: clipped, and stretched to another range if it was taken for HU."""
    centre, width = rng.uniform(20, 90), rng.uniform(250, 500)
    low, high = centre - width / 2, centre + width / 2
    return np.clip(image, low, high)


def _cut_coverage(rng: np.random.Generator, image: np.ndarray) -> None:
    """Slices that were not scanned, at the top or at the bottom."""
    planes = int(len(image) * rng.uniform(0.05, 0.5))
    if planes and rng.random() < 0.5:
        image[:planes] = np.nan
    elif planes:
        image[-planes:] = np.nan


def _cut_field_of_view(rng: np.random.Generator, image: np.ndarray) -> None:
    """Air outside a circle that cuts the body."""
    height, width = image.shape[1:]
    y, x = np.mgrid[:height, :width]
    centre = np.array([height, width]) * rng.uniform(0.3, 0.7, 2)
    outside = np.hypot(y - centre[0], x - centre[1]) > rng.uniform(0.4, 0.7) * max(height, width)
    image[:, outside] = np.where(np.isfinite(image[:, outside]), -1024, np.nan)

"""Colours of heatmaps: equal steps of evidence look like equal steps."""

import numpy as np

PATH_LAB = np.array([(12, 30, -48), (38, 58, -32), (60, 56, 22), (80, 18, 62), (97, -8, 38)], float)
"""CIELAB (D65) from violet over coral to pale yellow; lightness rises, so that it reads without colour too."""

FAINTEST = 0.12
"""Evidence below it is not coloured at all, or the picture under it could not be judged."""

_XYZ_TO_RGB = np.array([(3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570)])
_WHITE = np.array([0.95047, 1.0, 1.08883])


def heat_colours(count: int = 256) -> np.ndarray:
    """Colours from no evidence to the strongest.

    Returns
    -------
    numpy.ndarray
        (count, 4): sRGB and opacity, 0-1. Neighbours are equally far apart in CIELAB.

    """
    fine = np.linspace(0, len(PATH_LAB) - 1, 2000)
    lab = np.stack([np.interp(fine, range(len(PATH_LAB)), PATH_LAB[:, axis]) for axis in range(3)], axis=1)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(lab, axis=0), axis=1))])
    even = np.linspace(0, length[-1], count)
    colours = _rgb(np.stack([np.interp(even, length, lab[:, axis]) for axis in range(3)], axis=1))
    opacity = np.clip((np.linspace(0, 1, count) - FAINTEST) / (2 * FAINTEST), 0, 1)
    return np.column_stack([colours, opacity])


def _rgb(lab: np.ndarray) -> np.ndarray:
    """CIELAB (n, 3) as sRGB, 0-1; IEC 61966-2-1."""
    y = (lab[:, 0] + 16) / 116
    roots = np.stack([y + lab[:, 1] / 500, y, y - lab[:, 2] / 200], axis=1)
    xyz = _WHITE * np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29))
    linear = np.clip(xyz @ _XYZ_TO_RGB.T, 0, 1)
    return np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)

"""The scanner's couch under the patient."""

import numpy as np

from LiverTumorAILib.phantom.anatomy import Anatomy
from LiverTumorAILib.phantom.labels import Tissue

_HALF_WIDTH_MM = 215.0
_SHELL_MM = 3.0
_DEPTH_MM = 32.0


def paint_couch(rng: np.random.Generator, anatomy: Anatomy) -> None:
    """Paint a couch into the air behind the body, in place; only what fits the grid.

    Parameters
    ----------
    rng: numpy.random.Generator
    anatomy: Anatomy

    """
    labels, (_, y_mm, x_mm) = anatomy.labels, anatomy.grid.spacing_mm
    body = np.argwhere((labels != Tissue.AIR).any(axis=0))
    back = body[:, 0].max() * y_mm + rng.uniform(2, 6)
    middle = 0.5 * (body[:, 1].min() + body[:, 1].max()) * x_mm + rng.normal(0, 8)
    curve = rng.uniform(0.0006, 0.0014)
    y = (np.arange(labels.shape[1]) * y_mm)[:, None]
    x = (np.arange(labels.shape[2]) * x_mm - middle)[None, :]
    depth = y - (back - curve * x**2)
    # The lower side bulges so that both shells meet at the couch's edges.
    thickness = _DEPTH_MM * np.sqrt(np.clip(1 - (x / _HALF_WIDTH_MM) ** 2, 0, 1))
    shell = (np.abs(depth) < _SHELL_MM / 2) | (np.abs(depth - thickness) < _SHELL_MM / 2)
    shell &= np.abs(x) < _HALF_WIDTH_MM
    labels[(labels == Tissue.AIR) & shell] = Tissue.COUCH

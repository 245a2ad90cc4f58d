"""Anatomy of a phantom: which tissue lies where."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Grid:
    """A voxel grid with axes along LPS.

    Attributes
    ----------
    shape: tuple of three ints
        (z, y, x).
    spacing_mm: tuple of three floats
        (z, y, x).
    origin_mm: tuple of three floats
        Centre of voxel (0, 0, 0) as (z, y, x) of LPS: z towards the head, y towards the back, x towards the left.

    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Anatomy:
    """Tissue map of one patient.

    Attributes
    ----------
    labels: numpy.ndarray
        uint8 (z, y, x), values of `Tissue`. Liver vessels are labelled as such, not as LIVER.
    grid: Grid
    cirrhosis: float
        0 none to 1 severe: nodular liver surface, small right lobe, large left and caudate lobe, large spleen.
    description: dict of str to float
        Anatomical parameters that were drawn, for the truth file.

    """

    labels: np.ndarray
    grid: Grid
    cirrhosis: float = 0.0
    description: dict[str, float] = field(default_factory=dict)

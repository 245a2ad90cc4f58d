"""Detection by overlap as in the HFS-Net paper: a tumour is found if the Dice with a found one exceeds 0.2.

Lee et al., Cancer Imaging 2024;24:43.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import cc3d
import numpy as np

LEAST_DICE = 0.2
"""theta of the paper: the overlap has to be significant, not exact."""


@dataclass(frozen=True)
class Counts:
    """How many of the true ones were detected, and how many of the found ones are right; they add up."""

    detected: int = 0
    true: int = 0
    right: int = 0
    found: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def sensitivity(self) -> float | None:
        """None where nothing is true."""
        return self.detected / self.true if self.true else None

    @property
    def precision(self) -> float | None:
        """None where nothing was found."""
        return self.right / self.found if self.found else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both; None where one is missing."""
        if self.sensitivity is None or self.precision is None:
            return None
        both = self.sensitivity + self.precision
        return 2 * self.sensitivity * self.precision / both if both else 0.0

    @property
    def any(self) -> "Counts":
        """As one object, which is detected, or right, if any of these is."""
        return Counts(*(int(number > 0) for number in astuple(self)))


def total(counts: Iterable[Counts]) -> Counts:
    """Sum of counts."""
    return sum(counts, Counts())


def compare_objects(true: np.ndarray, found: np.ndarray) -> Counts:
    """Count objects that go with one of the other side by a Dice above `LEAST_DICE`.

    Parameters
    ----------
    true, found: numpy.ndarray
        Instance numbers of the same shape, 0 elsewhere.

    """
    sizes = [np.bincount(labels.ravel()) for labels in (true, found)]
    both = (true > 0) & (found > 0)
    pairs, shared = np.unique(np.stack([true[both], found[both]]), axis=1, return_counts=True)
    overlapping = 2 * shared / (sizes[0][pairs[0]] + sizes[1][pairs[1]]) > LEAST_DICE
    detected, right = (len(np.unique(side)) for side in pairs[:, overlapping])
    numbers = [int(np.count_nonzero(size[1:])) for size in sizes]
    return Counts(detected, numbers[0], right, numbers[1])


def compare_cuts(true: np.ndarray, found: np.ndarray) -> list[Counts]:
    """Compare tumour cuts (connected in the slice, 8 neighbours) in each slice that shows any.

    Parameters
    ----------
    true, found: numpy.ndarray
        bool (z, y, x).

    """
    shown = np.flatnonzero((true | found).any(axis=(1, 2)))
    return [
        compare_objects(*(cc3d.connected_components(mask[index], connectivity=8) for mask in (true, found)))
        for index in shown
    ]

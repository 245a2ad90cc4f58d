"""Where the first network sees lesions that are none: what the second one has to learn to refuse."""

from collections.abc import Collection
from dataclasses import dataclass

import cc3d
import numpy as np
from scipy import ndimage

from LiverTumorAILib.cascades.multi_sensitivity import HIGH_FACTOR, OVERLAP
from LiverTumorAILib.inference import Model, sliding_window
from LiverTumorAILib.inference.preprocess import network_input
from LiverTumorAILib.training.cases import TrainingCase
from LiverTumorAILib.training.targets import LESION_CLASSES

LEAST_VOXELS = 5
"""Of a suspect; at 2.5 x 2 x 2 mm these are 0.05 cm3."""
_NEAR = 2
"""Voxels around a lesion in which nothing counts as a suspect: the outline may differ."""


@dataclass(frozen=True)
class SuspectFinder:
    """Asks the first network at high sensitivity, as the cascade does.

    Attributes
    ----------
    first: Model
        The segmentation network; training cases lie on its grid.
    shown: collection of str
        Phases that it is shown.

    """

    first: Model
    shown: Collection[str]

    def __call__(self, case: TrainingCase) -> np.ndarray:
        """Number its false lesions in a case's liver: uint16 (z, y, x), 0 elsewhere."""
        card = self.first.card
        phases = {phase: values for phase, values in case.phases(card.inputs).items() if phase in self.shown}
        suspects = np.zeros(case.labels.shape, np.uint16)
        if not phases:
            return suspects
        lesions = [card.classes.index(name) for name in LESION_CLASSES]
        truth = np.isin(case.labels, lesions)
        liver = (np.asarray(case.labels) == card.classes.index("liver")) | truth
        maps = sliding_window(
            network_input(phases, card),
            self.first.session,
            len(card.classes),
            card.patch,
            overlap=OVERLAP,
            region=liver,
        ).astype(np.float32)
        rest = np.delete(maps, lesions, axis=0).max(axis=0)
        found = liver & (maps[lesions].max(axis=0) * HIGH_FACTOR > rest)
        parts = cc3d.connected_components(found.view(np.uint8), connectivity=26)
        sizes = np.bincount(parts.ravel())
        known = np.unique(parts[ndimage.binary_dilation(truth, iterations=_NEAR)])
        wanted = np.setdiff1d(np.flatnonzero(sizes >= LEAST_VOXELS), [0, *known])
        numbers = np.zeros(len(sizes), np.uint16)
        numbers[wanted] = np.arange(1, len(wanted) + 1)
        return numbers[parts]

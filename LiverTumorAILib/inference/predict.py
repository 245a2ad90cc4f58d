"""From registered phases to class probabilities."""

from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference.grid import NetworkGrid
from LiverTumorAILib.inference.preprocess import body_box, network_input, sample_phase
from LiverTumorAILib.inference.probability_maps import ProbabilityMaps
from LiverTumorAILib.inference.sliding_window import sliding_window
from LiverTumorAILib.inference.store import Model
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Phase


def predict_probabilities(
    model: Model,
    images: Mapping[Phase, sitk.Image],
    progress: Progress | None = None,
    region: sitk.Image | None = None,
    overlap: float = 0.5,
) -> ProbabilityMaps:
    """Run a network over a study.

    Parameters
    ----------
    model: Model
        From `ModelStore.load`.
    images: Mapping[Phase, SimpleITK.Image]
        float32 (LPS, mm; HU or MR signal), all on the reference grid, NaN where a phase shows nothing. Phases may
        be missing, and those that the model does not take are left aside.
    progress: Progress, optional
        Updated, and polled for cancel, before each phase and patch.
    region: SimpleITK.Image, optional
        Mask (LPS, mm), on any grid: only what lies in it is computed, the rest is background.
    overlap: float
        Least overlap of neighbouring patches, as share of the patch.

    Returns
    -------
    ProbabilityMaps
        On the model's grid, cropped to the body (or the region).

    Raises
    ------
    LiverTumorAIError
        No phase that the model takes, or an empty region.
    Cancelled

    """
    progress = progress or Progress(stage="Network")
    card = model.card
    usable = {phase: images[phase] for phase in map(Phase, card.inputs) if phase in images}
    grid = NetworkGrid.covering((usable or images).values(), card.spacing_mm)
    phases = {}
    for number, (phase, image) in enumerate(usable.items()):
        progress.update(0.1 * number / len(usable), f"resampling the {phase.title} phase")
        phases[phase] = sample_phase(image, grid)
    inputs = network_input(phases, card)
    mask = None if region is None else grid.sample(sitk.Cast(region > 0, sitk.sitkUInt8), sitk.sitkNearestNeighbor) > 0
    box = body_box(phases, card.normalisation) if mask is None else box_of(mask)
    del phases
    probabilities = sliding_window(
        np.ascontiguousarray(inputs[(slice(None), *box)]),
        model.session,
        len(card.classes),
        card.patch,
        overlap=overlap,
        region=None if mask is None else mask[box],
        progress=progress.part(0.1, 1.0),
    )
    cropped = grid.cropped(tuple(part.start for part in box), tuple(part.stop for part in box))
    return ProbabilityMaps(card.classes, probabilities, cropped)


def box_of(mask: np.ndarray) -> tuple[slice, slice, slice]:
    """The smallest box (z, y, x) around a mask; LiverTumorAIError if it is empty."""
    if not mask.any():
        raise LiverTumorAIError("The region to analyze is empty or lies outside the images")
    found = (np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    return tuple(slice(int(index[0]), int(index[-1]) + 1) for index in found)

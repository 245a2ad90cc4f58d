"""2D networks over the slices of a study."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.inference.card import IntensityNormalisation
from LiverTumorAILib.inference.grid import NetworkGrid
from LiverTumorAILib.inference.preprocess import body_box, sample_phase
from LiverTumorAILib.inference.store import Model
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Phase

STRIDE = 16
"""Sides of slices are multiples of it: the networks halve them four times."""
_COARSER = 4


def slice_grid(
    reference: sitk.Image,
    spacing_mm: tuple[float, float, float],
    side: int,
    normalisation: IntensityNormalisation,
) -> NetworkGrid:
    """The grid of a 2D network's slices: all of a study's range, the body in the middle of each slice.

    Parameters
    ----------
    reference: SimpleITK.Image
        The reference phase (LPS, mm; HU).
    spacing_mm: tuple of three floats
        (z, y, x).
    side: int
        Pixels of a slice along y and x; a body that does not fit gets larger slices.
    normalisation: IntensityNormalisation
        Of the reference phase; tells what is body.

    """
    spacing = np.asarray(spacing_mm)
    coarse = NetworkGrid.covering([reference], tuple((spacing * (1, _COARSER, _COARSER)).tolist()))
    box = body_box({Phase.PORTAL_VENOUS: sample_phase(reference, coarse)}, normalisation)
    low, high = (np.array([getattr(side, end) for side in box]) for end in ("start", "stop"))
    centre = np.asarray(coarse.origin_mm) + (low + high - 1) / 2 * coarse.spacing_mm
    fitting = -(-(high - low) * _COARSER // STRIDE) * STRIDE
    shape = np.maximum(fitting, side)
    origin = centre - (shape - 1) / 2 * spacing
    shape[0], origin[0] = coarse.shape[0], coarse.origin_mm[0]
    return NetworkGrid(tuple(shape.tolist()), tuple(spacing.tolist()), tuple(origin.tolist()))


def predict_slices(
    model: Model, volume: np.ndarray, slices: Sequence[int] | None = None, progress: Progress | None = None
) -> np.ndarray:
    """Probability of a 2D network's one class beside background.

    Parameters
    ----------
    model: Model
        Of two classes; its card's patch tells how many slices make a batch.
    volume: numpy.ndarray
        float32 (channels, z, y, x), y and x multiples of `STRIDE`.
    slices: sequence of int, optional
        Indices of the slices to compute; all if not given.
    progress: Progress, optional
        Updated, and polled for cancel, before each batch.

    Returns
    -------
    numpy.ndarray
        float32 (z, y, x), 0 in slices that were not computed.

    """
    wanted = np.arange(volume.shape[1]) if slices is None else np.asarray(slices, int)
    result = np.zeros(volume.shape[1:], np.float32)
    for start in range(0, len(wanted), model.card.patch[0]):
        if progress:
            progress.update(start / len(wanted), f"slice {start + 1} of {len(wanted)}")
        batch = wanted[start : start + model.card.patch[0]]
        background, foreground = model.session(np.ascontiguousarray(volume[None, :, batch]))[0]
        result[batch] = 1 / (1 + np.exp(np.clip(background - foreground, -50, 50)))
    return result

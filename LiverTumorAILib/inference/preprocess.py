"""From registered phases to a network's input."""

from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference.card import IntensityNormalisation, ModelCard
from LiverTumorAILib.inference.grid import NetworkGrid
from LiverTumorAILib.study import Phase

BODY_HU = -300.0
"""Above it is body: air and most of the lungs lie below, fat above."""
_FILL_HU = -1000.0


def sample_phase(image: sitk.Image, grid: NetworkGrid) -> np.ndarray:
    """A phase on a network's grid.

    Where the image is finer than the grid, each grid voxel becomes about the mean of what it covers: a Gaussian
    with the variance of the grid voxel's box less that of the image's is applied before linear interpolation.

    Parameters
    ----------
    image: SimpleITK.Image
        float (LPS, mm), NaN where the phase shows nothing.
    grid: NetworkGrid
        Where to sample.

    Returns
    -------
    numpy.ndarray
        float32 (z, y, x), NaN where the phase shows nothing.

    """
    values = sitk.GetArrayFromImage(image).astype(np.float32, copy=False)
    known = np.isfinite(values)
    complete = bool(known.all())
    if not complete:
        values = np.where(known, values, np.float32(_FILL_HU))
    for axis, sigma in enumerate(_smoothing_voxels(image, grid)):
        if sigma > 0.15:
            values = ndimage.gaussian_filter1d(values, sigma, axis, mode="nearest", truncate=3)
    smoothed = sitk.GetImageFromArray(values)
    smoothed.CopyInformation(image)
    sampled = grid.sample(smoothed, sitk.sitkLinear, np.nan)
    if not complete:
        mask = sitk.GetImageFromArray(known.view(np.uint8))
        mask.CopyInformation(image)
        sampled[grid.sample(mask, sitk.sitkNearestNeighbor) == 0] = np.nan
    return sampled


def _smoothing_voxels(image: sitk.Image, grid: NetworkGrid) -> list[float]:
    """Sigma of the anti-aliasing Gaussian along each array axis (z, y, x) of an image, in its voxels."""
    direction = np.abs(np.asarray(image.GetDirection()).reshape(3, 3))
    grid_xyz = np.asarray(grid.spacing_mm[::-1])
    wanted = direction.T @ grid_xyz
    spacing = np.asarray(image.GetSpacing())
    sigma = np.sqrt(np.maximum(wanted**2 - spacing**2, 0) / 12) / spacing
    return sigma[::-1].tolist()


def body_box(phases: Mapping[Phase, np.ndarray], normalisation: IntensityNormalisation) -> tuple[slice, slice, slice]:
    """The box (z, y, x) around the body in phases on a common grid; all of it where no body is found."""
    shape = next(iter(phases.values())).shape
    body = np.zeros(shape, bool)
    for values in phases.values():
        level = BODY_HU if normalisation.kind == "window" else 0.1 * float(np.nanpercentile(values, 99))
        body |= np.nan_to_num(values, nan=-np.inf) > level
    body = ndimage.binary_opening(body, iterations=2)
    found = ndimage.find_objects(body.astype(np.uint8))
    return found[0] if found else tuple(slice(0, length) for length in shape)


def normalise(values: np.ndarray, normalisation: IntensityNormalisation) -> np.ndarray:
    """Intensities (z, y, x) scaled to -1..1 float32, 0 where NaN.

    Parameters
    ----------
    values: numpy.ndarray
        HU, or MR signal, NaN where unknown.
    normalisation: IntensityNormalisation
        'window' clips to its HU; 'percentile' to percentiles of the body, what lies above a tenth of the 99th.

    """
    low, high = normalisation.low, normalisation.high
    if normalisation.kind == "percentile":
        known = values[np.isfinite(values)]
        if known.size == 0:
            return np.zeros(values.shape, np.float32)
        body = known[known > 0.1 * np.percentile(known, 99)]
        low, high = np.percentile(body if body.size else known, [low, high])
        high = max(high, low + 1e-6)
    scaled = (np.clip(values, low, high) - np.float32((low + high) / 2)) / np.float32((high - low) / 2)
    return np.nan_to_num(scaled, nan=0.0).astype(np.float32)


def network_input(phases: Mapping[Phase, np.ndarray], card: ModelCard) -> np.ndarray:
    """Input of a network: float32 (channels, z, y, x).

    Parameters
    ----------
    phases: Mapping[Phase, numpy.ndarray]
        float32 (z, y, x) on a common grid, HU or MR signal, NaN where a phase shows nothing. Phases may be missing.
    card: ModelCard
        Says which phases go into which channel, and how.

    """
    present = {name: phases[Phase(name)] for name in card.inputs if Phase(name) in phases}
    if not present:
        raise LiverTumorAIError(
            f"The model {card.name} cannot use any phase of this study",
            advice=f"It takes {', '.join(Phase(name).title for name in card.inputs)}; correct the phases table",
        )
    shape = next(iter(present.values())).shape
    result = np.zeros((card.channels, *shape), np.float32)
    for channel, name in enumerate(card.inputs):
        if name not in present:
            continue
        result[channel] = normalise(present[name], card.normalisation)
        if card.presence_channels:
            result[len(card.inputs) + channel] = np.isfinite(present[name])
    return result

"""The liver in one CT phase of any kind: coarse in the whole body, then fine in its own region, both averaged."""

from dataclasses import dataclass

import cc3d
import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.inference.grid import NetworkGrid
from LiverTumorAILib.inference.predict import box_of
from LiverTumorAILib.inference.preprocess import body_box, normalise, sample_phase
from LiverTumorAILib.inference.probability_maps import ProbabilityMaps
from LiverTumorAILib.inference.sliding_window import sliding_window
from LiverTumorAILib.inference.store import Model, ModelStore
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Phase

COARSE, FINE = "liver_coarse", "liver_fine"
LIVER_MODELS = (COARSE, FINE)

MARGIN_MM = 12.0
"""How far from the coarse liver the fine network looks."""

SURE = 0.9
"""Probability of voxels that tell which part is the liver: in a whole body thighs may be larger, but are doubtful."""

SMALLEST_PART = 0.03
"""Share of the main part below which a separate part is no liver."""

WIDEST_GAP_MM = 20.0
"""Between the parts of a split or resected liver; muscle that looks like liver lies farther away."""

LEAST_DEPTH_MM = 60.0
"""A thinner stack of slices is continued by repeating its ends, since the networks learned from bodies."""

MASK_LEVEL = 0.7
"""Probability above which a voxel is liver: Dice losses make networks lean outwards. Chosen on a training CT."""

_OVERLAP = 0.35


@dataclass(frozen=True)
class Liver:
    """A liver as the networks see it.

    Attributes
    ----------
    mask: SimpleITK.Image
        uint8 on the image's grid (LPS, mm): 1 in the liver, its lesions and vessels.
    probability: SimpleITK.Image
        float32 (0-1) on the image's grid.
    volume_ml: float
    confidence: float
        Mean probability inside the mask, 0 if there is none.

    """

    mask: sitk.Image
    probability: sitk.Image
    volume_ml: float
    confidence: float


def find_liver(image: sitk.Image, models: ModelStore, device: str = "auto", progress: Progress | None = None) -> Liver:
    """Find the liver in one CT phase, whichever it is.

    Parameters
    ----------
    image: SimpleITK.Image
        float32 (LPS, mm; HU), NaN where it shows nothing.
    models: ModelStore
        Holds `LIVER_MODELS`.
    device: str
        'auto', 'cpu' or 'cuda'.
    progress: Progress, optional
        Updated, and polled for cancel, before each patch.

    Returns
    -------
    Liver
        Its mask is empty where there is none.

    Raises
    ------
    LiverTumorAIError
        If a model is missing or broken.
    Cancelled

    """
    progress = progress or Progress(stage="Liver")
    coarse = _coarse(image, models.load(COARSE, device), progress.part(0, 0.3))
    parts = _sensible_parts(coarse.probabilities[1], 0.5, coarse.grid.spacing_mm)
    if not parts.any():
        return _liver_of(image, np.zeros(parts.shape, np.float32), coarse.grid)
    fine = _fine(image, coarse, parts, models.load(FINE, device), progress.part(0.3, 0.95))
    first = fine.grid.sample(coarse.grid.image(coarse.probabilities[1].astype(np.float32)))
    liver = _liver_of(image, np.where(fine.probabilities[1] > 0, (first + fine.probabilities[1]) / 2, 0), fine.grid)
    progress.update(1.0)
    return liver


def _coarse(image: sitk.Image, model: Model, progress: Progress) -> ProbabilityMaps:
    """Liver probability in the whole body, on the coarse network's grid."""
    card = model.card
    grid = NetworkGrid.covering([image], card.spacing_mm)
    values = sample_phase(image, grid)
    box = body_box({Phase.PORTAL_VENOUS: values}, card.normalisation)
    volume = normalise(values[box], card.normalisation)[None]
    maps = _predicted(volume, model, grid.spacing_mm[0], progress)
    cropped = grid.cropped(tuple(part.start for part in box), tuple(part.stop for part in box))
    return ProbabilityMaps(card.classes, maps, cropped)


def _fine(
    image: sitk.Image, coarse: ProbabilityMaps, parts: np.ndarray, model: Model, progress: Progress
) -> ProbabilityMaps:
    """Liver probability around the coarse liver, on the fine network's grid."""
    card = model.card
    reach = max(round(MARGIN_MM / coarse.grid.spacing_mm[0]), 1)
    near = ndimage.binary_dilation(parts, iterations=reach)
    low, high = ([getattr(side, end) for side in box_of(near)] for end in ("start", "stop"))
    region = coarse.grid.cropped(tuple(low), tuple(high))
    grid = NetworkGrid.covering([region.image(np.zeros(region.shape, np.uint8))], card.spacing_mm)
    prior = grid.sample(coarse.grid.image(np.where(near, coarse.probabilities[1], 0).astype(np.float32)))
    wanted = grid.sample(coarse.grid.image(near.astype(np.uint8)), sitk.sitkNearestNeighbor) > 0
    volume = np.stack([normalise(sample_phase(_cut(image, grid), grid), card.normalisation), prior])
    maps = _predicted(volume, model, grid.spacing_mm[0], progress, wanted)
    return ProbabilityMaps(card.classes, maps, grid)


def _predicted(
    volume: np.ndarray, model: Model, step_mm: float, progress: Progress, wanted: np.ndarray | None = None
) -> np.ndarray:
    """Class probabilities float16 (2, z, y, x) of a volume (channels, z, y, x)."""
    depth = volume.shape[1]
    missing = max(int(np.ceil(LEAST_DEPTH_MM / step_mm)) - depth, 0)
    ends = (missing // 2, missing - missing // 2)
    if missing:
        volume = np.pad(volume, ((0, 0), ends, (0, 0), (0, 0)), mode="edge")
        wanted = None if wanted is None else np.pad(wanted, (ends, (0, 0), (0, 0)), mode="edge")
    patch = model.card.patch
    maps = sliding_window(volume, model.session, 2, patch, overlap=_OVERLAP, region=wanted, progress=progress)
    return maps[:, ends[0] : ends[0] + depth]


def _cut(image: sitk.Image, grid: NetworkGrid) -> sitk.Image:
    """The part of an image that a grid needs, so that resampling does not smooth the rest."""
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.asarray(grid.shape) - 1)
    points = (corners * grid.spacing_mm + grid.origin_mm)[:, ::-1]
    indices = np.array([image.TransformPhysicalPointToContinuousIndex(point.tolist()) for point in points])
    size = np.asarray(image.GetSize())
    low = np.clip(np.floor(indices.min(axis=0)).astype(int) - 4, 0, size - 1)
    high = np.clip(np.ceil(indices.max(axis=0)).astype(int) + 5, low + 1, size)
    return image[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]


def _sensible_parts(probability: np.ndarray, level: float, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Of what is above a level the connected part (z, y, x) that most surely is liver, and sensible ones near it."""
    parts = cc3d.connected_components(probability > level, connectivity=6)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    sure = np.bincount(parts[probability > max(SURE, level)], minlength=len(sizes))
    main = int((sure if sure.any() else sizes).argmax())
    large = np.flatnonzero((sizes > 0) & (sizes >= SMALLEST_PART * sizes[main]))
    if len(large) < 2:
        return np.isin(parts, large)
    step = tuple(max(round(3.0 / s), 1) for s in spacing_mm)
    coarse = parts[tuple(slice(None, None, n) for n in step)]
    sampling = [n * s for n, s in zip(step, spacing_mm, strict=True)]
    away = ndimage.distance_transform_edt(coarse != main, sampling=sampling)
    gaps = ndimage.minimum(away, coarse, large)
    return np.isin(parts, large[np.asarray(gaps) <= WIDEST_GAP_MM])


def _liver_of(image: sitk.Image, probability: np.ndarray, grid: NetworkGrid) -> Liver:
    maps = ProbabilityMaps(("background", "liver"), np.stack([1 - probability, probability]), grid)
    on_image = maps.probability_on(image, "liver")
    values = sitk.GetArrayViewFromImage(on_image)
    kept = _sensible_parts(values, MASK_LEVEL, image.GetSpacing()[::-1])
    if kept.any():
        box = box_of(kept)
        kept[box] = ndimage.binary_fill_holes(kept[box])
    mask = sitk.GetImageFromArray(kept.astype(np.uint8))
    mask.CopyInformation(image)
    volume_ml = float(kept.sum() * np.prod(image.GetSpacing()) / 1000)
    return Liver(mask, on_image, volume_ml, float(values[kept].mean()) if kept.any() else 0.0)

"""Finds aorta, liver, spleen and kidneys without a trained network, well enough to measure enhancement.

All volumes of a study are brought to one coarse grid, in arrays (z, y, x) along LPS. What is looked for is where
these organs must lie with respect to the midline of the body, in the image that shows them best: the aorta as the
best vertical tube beside the spine, found by dynamic programming from slice to slice; liver and spleen as the
deepest homogeneous soft tissue on their sides; kidneys as the bright tissue beside the spine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import fft, ndimage

GRID_MM = (4.0, 3.0, 3.0)
"""Spacing (z, y, x) of the common grid."""

_LONGEST_EXTENT_MM = 700.0


@dataclass(frozen=True)
class CommonGrid:
    """The volumes of a study on one grid.

    Attributes
    ----------
    voxels: numpy.ndarray
        float32 (volume, z, y, x), NaN where a volume does not reach.
    body: numpy.ndarray
        bool (z, y, x).
    midline: numpy.ndarray
        (z,) index along x of the spine (CT) or the middle of the body (MR).

    """

    voxels: np.ndarray
    body: np.ndarray
    midline: np.ndarray

    @property
    def typical(self) -> np.ndarray:
        """Mean of the volumes at each voxel, NaN outside of all."""
        with np.errstate(invalid="ignore"):
            known = np.isfinite(self.voxels)
            return np.where(known, self.voxels, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)


def make_common_grid(images: Sequence[sitk.Image], is_ct: bool) -> CommonGrid | None:
    """Resample the volumes to one grid over all of them; None if there is no body in it.

    Parameters
    ----------
    images: sequence of SimpleITK.Image
        3D, LPS, mm.
    is_ct: bool
        Whether values are HU.


    """
    corners = np.array([corner for image in images for corner in _corners(image)])
    lowest, highest = corners.min(axis=0), corners.max(axis=0)
    spacing = GRID_MM[::-1]
    extent = np.minimum(highest - lowest, _LONGEST_EXTENT_MM)
    size = [int(length / step) + 1 for length, step in zip(extent, spacing, strict=True)]
    voxels = np.stack([_resample(image, size, spacing, lowest) for image in images])
    typical = CommonGrid(voxels, np.ones(1, bool), np.zeros(1)).typical
    body = _body(typical, is_ct)
    if body.sum() * np.prod(GRID_MM) < 1e5:
        return None
    return CommonGrid(voxels, body, _midline(typical, body, is_ct))


def _corners(image: sitk.Image) -> list[tuple[float, ...]]:
    ends = [(0, count - 1) for count in image.GetSize()]
    return [image.TransformIndexToPhysicalPoint((x, y, z)) for x in ends[0] for y in ends[1] for z in ends[2]]


def _resample(image: sitk.Image, size: Sequence[int], spacing: Sequence[float], origin: np.ndarray) -> np.ndarray:
    factors = [
        max(1, min(int(step / own + 0.1), count // 2))
        for step, own, count in zip(spacing, image.GetSpacing(), image.GetSize(), strict=True)
    ]
    small = sitk.BinShrink(image, factors)
    outside = -1e6
    result = sitk.Resample(
        small,
        list(size),
        sitk.Transform(),
        sitk.sitkLinear,
        [float(value) for value in origin],
        list(spacing),
        (1, 0, 0, 0, 1, 0, 0, 0, 1),
        outside,
        sitk.sitkFloat32,
    )
    voxels = sitk.GetArrayFromImage(result)
    voxels[voxels == outside] = np.nan
    return voxels


def _body(typical: np.ndarray, is_ct: bool) -> np.ndarray:
    values = np.nan_to_num(typical, nan=-1000.0 if is_ct else 0.0)
    # Air in MR is noise near 0; a quarter of the mean over all voxels lies well between it and tissue.
    mask = values > (-250 if is_ct else 0.25 * values[values > 0].mean() if (values > 0).any() else np.inf)
    mask = ndimage.binary_opening(mask, np.ones((1, 3, 3)))
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    mask = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return np.stack([ndimage.binary_fill_holes(ndimage.binary_closing(plane, iterations=2)) for plane in mask])


def _midline(typical: np.ndarray, body: np.ndarray, is_ct: bool) -> np.ndarray:
    """Index along x of the spine in each slice; of the middle of the body in MR, where bone is dark."""
    depth, _, width = body.shape
    columns = np.arange(width)
    middles = np.full(depth, np.nan)
    for index in range(depth):
        plane = body[index]
        if plane.sum() < 400:
            continue
        weights = plane.sum(axis=0)
        middle = (columns * weights).sum() / weights.sum()
        if is_ct:
            rows = np.flatnonzero(plane.any(axis=1))
            back = np.zeros_like(plane)
            back[int(rows[0] + 0.5 * (rows[-1] - rows[0])) :] = True
            near = abs(columns - middle) < 60 / GRID_MM[2]
            bone = plane & back & near[None, :] & (typical[index] > 150)
            if bone.sum() > 20:
                middle = np.median(np.nonzero(bone)[1])
        middles[index] = middle
    known = np.flatnonzero(np.isfinite(middles))
    if not len(known):
        return np.full(depth, width / 2)
    filled = np.interp(np.arange(depth), known, middles[known])
    return ndimage.median_filter(filled, size=9, mode="nearest")


def find_aorta(grid: CommonGrid, is_ct: bool, liver: np.ndarray) -> np.ndarray | None:
    """The aorta as the best vertical tube left of or in front of the spine, at the height of the liver.

    Returns
    -------
    numpy.ndarray or None
        bool (z, y, x): a core of 5 mm radius in each slice; None if no tube stands out.

    """
    heights = np.flatnonzero(liver.any(axis=(1, 2)))
    start, end = max(0, heights[0] - 5), heights[-1] + 6
    best_path, best_score = None, 0.0
    for voxels in grid.voxels:
        values = _for_tubes(voxels[start:end], grid.body[start:end], is_ct)
        if values is None:
            continue
        path, score = _best_path(*_tube_score(values, is_ct), _aorta_window(grid, is_ct)[start:end])
        if score > best_score:
            best_path, best_score = path, score
    if best_path is None:
        return None
    core = np.zeros_like(grid.body)
    for index, (y, x) in enumerate(best_path, start=start):
        core[index, y, x] = grid.body[index, y, x]
    return ndimage.binary_dilation(core, _disc(5.0)[None] > 0)


def find_liver(grid: CommonGrid, is_ct: bool) -> np.ndarray | None:
    """Core of the liver: homogeneous soft tissue around its deepest point right of the midline.

    Returns
    -------
    numpy.ndarray or None
        bool (z, y, x), a part of the liver without its edge; None if nothing is deep enough.

    """
    side = _columns_from_midline(grid) < -15
    return _deepest_organ(grid, is_ct, side, least_depth_mm=20.0, reach=2.2)


def find_spleen(grid: CommonGrid, is_ct: bool, liver: np.ndarray) -> np.ndarray | None:
    """Core of the spleen: the same left, far behind and beside, at the height of the liver."""
    heights = np.flatnonzero(liver.any(axis=(1, 2)))
    offset = _columns_from_midline(grid)
    side = (offset > 55) & (_depth_behind_middle(grid) > -10)
    side[: max(0, heights[0] - 5)] = False
    side[heights[-1] + 8 :] = False
    return _deepest_organ(grid, is_ct, side, least_depth_mm=9.0, reach=1.2)


def find_kidneys(grid: CommonGrid, liver: np.ndarray, aorta: np.ndarray) -> np.ndarray | None:
    """Kidneys: what enhances most beside the spine below the middle of the liver, apart from bone and vessels.

    Returns
    -------
    numpy.ndarray or None
        bool (z, y, x); None with a single volume, or where nothing of a kidney's size enhances.

    """
    if len(grid.voxels) < 2:
        return None
    offset = abs(_columns_from_midline(grid))
    window = (offset > 22) & (offset < 100) & (_depth_behind_middle(grid) > -20) & grid.body
    heights = np.flatnonzero(liver.any(axis=(1, 2)))
    window[int(np.nonzero(liver)[0].mean()) :] = False
    window[: max(0, heights[0] - int(80 / GRID_MM[0]))] = False
    window &= ndimage.distance_transform_edt(grid.body, sampling=(1e3, *GRID_MM[1:])) > 30
    window &= ~ndimage.binary_dilation(aorta, iterations=4)
    known = np.isfinite(grid.voxels).sum(axis=0) > 1
    brightest = np.where(known, np.nan_to_num(grid.voxels, nan=-np.inf).max(axis=0), 0)
    darkest = np.where(known, np.nan_to_num(grid.voxels, nan=np.inf).min(axis=0), 0)
    liver_change = np.median((brightest - darkest)[liver])
    enhancing = window & (brightest - darkest > 1.3 * liver_change) & (brightest > 1.15 * np.median(brightest[liver]))
    labels, count = ndimage.label(ndimage.binary_opening(enhancing))
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * np.prod(GRID_MM)
    wanted = [label for label in range(1, count + 1) if 15e3 < sizes[label] < 350e3]
    return np.isin(labels, wanted) if wanted else None


def _columns_from_midline(grid: CommonGrid) -> np.ndarray:
    """(z, y, x) distance to the left of the midline, mm."""
    columns = np.arange(grid.body.shape[2])[None, None, :]
    return np.broadcast_to((columns - grid.midline[:, None, None]) * GRID_MM[2], grid.body.shape)


def _depth_behind_middle(grid: CommonGrid) -> np.ndarray:
    """(z, y, x) distance behind the middle between front and back of the body, mm."""
    rows = np.arange(grid.body.shape[1])
    result = np.full(grid.body.shape, -1e3)
    for index, plane in enumerate(grid.body):
        inside = np.flatnonzero(plane.any(axis=1))
        if len(inside):
            result[index] = ((rows - (inside[0] + inside[-1]) / 2) * GRID_MM[1])[:, None]
    return result


def _otsu(values: np.ndarray) -> float:
    """Otsu's threshold: in T1-weighted images with fat saturation, organs lie above it and fat below."""
    threshold = sitk.OtsuThresholdImageFilter()
    threshold.Execute(sitk.GetImageFromArray(np.ascontiguousarray(values, np.float32)[None]))
    return threshold.GetThreshold()


def _deepest_organ(
    grid: CommonGrid, is_ct: bool, side: np.ndarray, least_depth_mm: float, reach: float
) -> np.ndarray | None:
    values = np.nan_to_num(grid.typical, nan=-1000.0 if is_ct else 0.0)
    smooth = ndimage.gaussian_filter(values, 1.0)
    soft = (smooth > 15) & (smooth < 220) if is_ct else smooth > 0.8 * _otsu(values[grid.body])
    spread = np.sqrt(np.maximum(ndimage.gaussian_filter(values**2, 1.5) - ndimage.gaussian_filter(values, 1.5) ** 2, 0))
    within = grid.body & soft & side
    if not within.any():
        return None
    within &= spread < (35 if is_ct else 0.3 * smooth)
    # Beyond the first and the last slice the organ goes on: padding keeps depth from ending there.
    padded = np.pad(within, ((6, 6), (0, 0), (0, 0)), mode="edge")
    depth = ndimage.distance_transform_edt(padded, sampling=GRID_MM)[6:-6]
    deepest = np.unravel_index(depth.argmax(), depth.shape)
    if depth[deepest] < least_depth_mm:
        return None
    distance = np.sqrt(
        sum(
            ((np.arange(n) - at) * step).reshape([-1 if axis == i else 1 for i in range(3)]) ** 2
            for axis, (n, at, step) in enumerate(zip(depth.shape, deepest, GRID_MM, strict=True))
        )
    )
    near = distance < reach * depth[deepest]
    labels, _ = ndimage.label(within & near & (depth > 5))
    core = labels == labels[deepest]
    # The mode of the values, so that a large lesion does not stand for the organ.
    inside = smooth[core]
    counts, edges = np.histogram(inside, bins=40)
    mode = edges[counts.argmax()] + (edges[1] - edges[0]) / 2
    return core & (abs(smooth - mode) < (25 if is_ct else 0.25 * abs(mode)))


def _disc(radius_mm: float) -> np.ndarray:
    reach = int(np.ceil(radius_mm / GRID_MM[1]))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1] * GRID_MM[1]
    return (np.hypot(y, x) <= radius_mm).astype(np.float32)


def _for_tubes(voxels: np.ndarray, body: np.ndarray, is_ct: bool) -> np.ndarray | None:
    """Values in HU, or in hundredths of the body's spread in MR; None where the volume does not reach."""
    if not np.isfinite(voxels).any():
        return None
    if is_ct:
        return np.nan_to_num(np.clip(voxels, -50, 800), nan=-50.0)
    spread = np.nanstd(voxels[body]) if np.isfinite(voxels[body]).any() else 0.0
    return np.nan_to_num(100 * voxels / spread, nan=0.0) if spread > 0 else None


def _tube_score(values: np.ndarray, is_ct: bool) -> tuple[np.ndarray, np.ndarray]:
    """How much a disc of 8 mm stands out from the ring around it and how even it is; and the mean in the disc."""
    inner, gap, ring = _disc(8.0), _disc(13.0), _disc(19.0)
    margin = (ring.shape[0] - gap.shape[0]) // 2
    ring[margin : margin + gap.shape[0], margin : margin + gap.shape[1]] -= gap
    # Means wrap around at the border, far from where an aorta is looked for.
    spectrum = fft.rfft2(values)
    mean, around = _mean_over(spectrum, inner, values.shape), _mean_over(spectrum, ring, values.shape)
    square = _mean_over(fft.rfft2(values**2), inner, values.shape)
    score = mean - around - 1.5 * np.sqrt(np.maximum(square - mean**2, 0))
    if is_ct:
        # Neither fat nor bone.
        score -= 2 * np.maximum(15 - mean, 0) + 2 * np.maximum(mean - 450, 0)
    return score, mean


def _mean_over(spectrum: np.ndarray, kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Mean over a kernel centred on each voxel of each slice, from the slices' spectra."""
    plane = np.zeros(shape[1:], np.float32)
    plane[: kernel.shape[0], : kernel.shape[1]] = kernel / kernel.sum()
    plane = np.roll(plane, [-(size // 2) for size in kernel.shape], axis=(0, 1))
    return fft.irfft2(spectrum * fft.rfft2(plane), s=shape[1:])


def _aorta_window(grid: CommonGrid, is_ct: bool) -> np.ndarray:
    depth, _, width = grid.body.shape
    window = np.zeros_like(grid.body)
    columns = np.arange(width)
    for index in range(depth):
        rows = np.flatnonzero(grid.body[index].any(axis=1))
        if len(rows) < 20:
            continue
        near = (columns > grid.midline[index] - 12 / GRID_MM[2]) & (columns < grid.midline[index] + 40 / GRID_MM[2])
        low, high = rows[0] + 0.3 * (rows[-1] - rows[0]), rows[0] + 0.78 * (rows[-1] - rows[0])
        window[index, int(low) : int(high), near] = True
    if is_ct:
        window &= ~_behind_front_of_vertebra(grid)
        window &= ~_always_bright(grid)
    return window


def _always_bright(grid: CommonGrid) -> np.ndarray:
    """(z, y, x) bone: bright and nearly the same in all volumes, where there are several."""
    smooth = np.stack([ndimage.uniform_filter(np.nan_to_num(voxels, nan=-1000.0), 3) for voxels in grid.voxels])
    known = np.isfinite(grid.voxels)
    lowest = np.where(known, smooth, np.inf).min(axis=0)
    highest = np.where(known, smooth, -np.inf).max(axis=0)
    return (known.sum(axis=0) > 1) & (lowest > 180) & (highest < 1.2 * lowest)


def _behind_front_of_vertebra(grid: CommonGrid) -> np.ndarray:
    """(z, y, x) where a vertebra's body and what lies behind it must be, within 16 mm of the midline."""
    offset = _columns_from_midline(grid)
    bone = (np.nan_to_num(grid.typical, nan=-1000.0) > 150) & (abs(offset) < 12) & (_depth_behind_middle(grid) > 0)
    fronts = np.full(len(bone), np.nan)
    for index, plane in enumerate(bone):
        if plane.sum() > 15:
            # Body, arch and spinous process: this share of them lies in the front half of the body.
            fronts[index] = np.percentile(np.nonzero(plane)[0], 40) - 8 / GRID_MM[1]
    if not np.isfinite(fronts).any():
        return np.zeros_like(bone)
    known = np.flatnonzero(np.isfinite(fronts))
    fronts = ndimage.median_filter(np.interp(np.arange(len(bone)), known, fronts[known]), size=9, mode="nearest")
    rows = np.arange(bone.shape[1])
    return (rows[None, :, None] > fronts[:, None, None]) & (abs(offset) < 16)


def _best_path(score: np.ndarray, means: np.ndarray, window: np.ndarray) -> tuple[np.ndarray, float]:
    """Path of greatest score that moves at most one voxel in y and x from slice to slice.

    Values that change from slice to slice count against it: vertebrae alternate with discs, an aorta is even.
    """
    score = np.where(window, score, -1e3)
    total = score.astype(np.float64)
    height, width = score.shape[1:]
    came_from = np.zeros((*score.shape, 2), np.int8)
    steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    for index in range(1, len(score)):
        before = np.pad(total[index - 1], 1, constant_values=-np.inf)
        mean_before = np.pad(means[index - 1], 1)
        options = np.stack(
            [
                before[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
                - 1.5 * abs(means[index] - mean_before[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width])
                for dy, dx in steps
            ]
        )
        choice = options.argmax(axis=0)
        came_from[index] = np.array(steps, np.int8)[choice]
        total[index] += np.take_along_axis(options, choice[None], axis=0)[0]
    path = np.zeros((len(score), 2), int)
    path[-1] = np.unravel_index(total[-1].argmax(), total[-1].shape)
    for index in range(len(score) - 1, 0, -1):
        path[index - 1] = path[index] + came_from[index][tuple(path[index])]
    values = score[np.arange(len(score)), path[:, 0], path[:, 1]]
    return path, float(np.median(values))

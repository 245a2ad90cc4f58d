"""Anatomy of a phantom from a real person's organ label map."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.phantom.anatomy import Anatomy, Grid
from LiverTumorAILib.phantom.anatomy_generator import build_anatomy
from LiverTumorAILib.phantom.body import Habitus
from LiverTumorAILib.phantom.given_organs import GivenOrgans
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.space import Frame

LARGEST_LABEL = Tissue.HEART
ADVICE = "Give an organ label map numbered as LiverTumorAILib.phantom.labels.Tissue, in which the liver is 1"
SMALLEST_LIVER_ML = 100.0


def anatomy_from_label_map(
    path_or_image: str | Path | sitk.Image, rng: np.random.Generator, grid: Grid, cirrhosis: float = 0.0
) -> Anatomy:
    """Anatomy whose annotated organs are a real person's and whose other tissue is generated around them.

    Parameters
    ----------
    path_or_image: str, pathlib.Path or SimpleITK.Image
        Label map; 1-18 as in `Tissue`, 19 (other body) is not used since its meaning differs between maps.
    rng: numpy.random.Generator
        Decides what the map lacks.
    grid: Grid
        The liver's top lies 12-25 mm under its top, the midline in its middle; what does not fit is cut.
    cirrhosis: float
        Handed on; a real liver's shape is not changed.

    Returns
    -------
    Anatomy
        `description` holds, as map_offset_x_mm (y, z), the position of the grid's first voxel from the map's first
        one in LPS.

    Raises
    ------
    LiverTumorAIError
        If this is no label map or holds no liver.

    """
    image = _read(path_or_image)
    name = "" if isinstance(path_or_image, sitk.Image) else Path(path_or_image).name
    organs, spacing = _organs(image, name)
    marks = _Extent(organs, spacing)
    placement, frame, habitus = _fit(marks, rng, grid)
    given = GivenOrgans(_resampled(organs, spacing, placement, grid), habitus)
    anatomy = build_anatomy(rng, grid, frame, cirrhosis, given)
    for axis, offset in zip("zyx", placement, strict=True):
        anatomy.description[f"map_offset_{axis}_mm"] = float(offset)
    return anatomy


def _read(path_or_image: str | Path | sitk.Image) -> sitk.Image:
    if isinstance(path_or_image, sitk.Image):
        return path_or_image
    try:
        return sitk.ReadImage(str(path_or_image))
    except RuntimeError as error:
        raise LiverTumorAIError("The organ label map cannot be read", Path(path_or_image).name, ADVICE) from error


def _organs(image: sitk.Image, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels uint8 (z, y, x) along LPS, and spacing (z, y, x) in mm."""
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise LiverTumorAIError("An organ label map has three dimensions and one value for each voxel", name, ADVICE)
    image = sitk.DICOMOrient(image, "LPS")
    values = sitk.GetArrayFromImage(image)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 255 or np.any(values != np.round(values)):
        what = "This is no organ label map: its values are not whole numbers from 0 to 255"
        raise LiverTumorAIError(what, name, ADVICE)
    labels = values.astype(np.uint8)
    largest = int(labels.max())
    if largest > max(Tissue):
        raise LiverTumorAIError(f"This is no organ label map: label {largest} is unknown", name, ADVICE)
    labels[labels > LARGEST_LABEL] = 0
    spacing = np.array(image.GetSpacing()[::-1])
    if np.count_nonzero(labels == Tissue.LIVER) * np.prod(spacing) / 1000 < SMALLEST_LIVER_ML:
        raise LiverTumorAIError("The organ label map holds no liver", name, ADVICE)
    return labels, spacing


class _Extent:
    """Where organs of a map lie: (z, y, x) in mm from its first voxel."""

    def __init__(self, organs: np.ndarray, spacing: np.ndarray) -> None:
        self.spacing = spacing
        self._organs = organs
        self._boxes = ndimage.find_objects(organs, max_label=max(Tissue))

    def has(self, tissue: Tissue) -> bool:
        return self._boxes[tissue - 1] is not None

    def bounds(self, tissue: Tissue) -> tuple[np.ndarray, np.ndarray]:
        box = self._boxes[tissue - 1]
        return (
            np.array([s.start for s in box]) * self.spacing,
            np.array([s.stop - 1 for s in box]) * self.spacing,
        )

    def centre(self, tissue: Tissue, low_z: float = -np.inf, high_z: float = np.inf) -> np.ndarray | None:
        """Centre of what of an organ lies between two heights (mm), None where that is nothing."""
        if not self.has(tissue):
            return None
        box = self._boxes[tissue - 1]
        points = (np.argwhere(self._organs[box] == tissue) + [s.start for s in box]) * self.spacing
        points = points[(points[:, 0] >= low_z) & (points[:, 0] <= high_z)]
        return points.mean(0) if len(points) else None


def _fit(marks: _Extent, rng: np.random.Generator, grid: Grid) -> tuple[np.ndarray, Frame, Habitus]:
    """Place the map in the grid, and the reference on the map's liver, kidneys and aorta."""
    low, high = marks.bounds(Tissue.LIVER)
    kidneys = [marks.centre(t) for t in (Tissue.RIGHT_KIDNEY, Tissue.LEFT_KIDNEY) if marks.has(t)]
    aorta = marks.centre(Tissue.AORTA, high[0] - 110, high[0] - 40)
    midline = (kidneys[0][2] + kidneys[1][2]) / 2 if len(kidneys) == 2 else low[2] + 128
    if aorta is not None:
        midline = 0.6 * (aorta[2] - 7) + 0.4 * midline
    kidney_y = np.mean([k[1] for k in kidneys]) if kidneys else low[1] + 122
    kidney_z = np.mean([k[0] for k in kidneys]) if kidneys else high[0] - 142
    nz, ny, nx = grid.shape
    dz, dy, dx = grid.spacing_mm
    habitus = Habitus.drawn(rng, (nx * dx / 2.1, ny * dy / 2.1))
    # Along y a straight line through the liver's front and back, the kidneys and the aorta.
    reference = np.array([4 - habitus.front_mm, 44, habitus.back_mm - 6, 17])
    found = np.array([low[1], kidney_y, high[1], kidney_y if aorta is None else aorta[1]])
    weight = np.array([1, 1, 1, 0 if aorta is None else 1])
    scale_y = np.clip(np.polyfit(reference, found, 1, w=weight)[0], 0.8, 1.2)
    middle_y = np.average(found - scale_y * reference, weights=weight)
    scale = (
        float(np.clip((midline - low[2]) / (habitus.half_width_mm - 3), 0.8, 1.15)),
        float(scale_y),
        float(np.clip((high[0] - kidney_z) / 142, 0.75, 1.2)),
    )
    top = rng.uniform(12, 25)
    shift_y = -8.0
    placement = np.array(
        [high[0] + top - (nz - 1) * dz, middle_y - shift_y - (ny - 1) / 2 * dy, midline - (nx - 1) / 2 * dx]
    )
    return placement, Frame(scale, (0.0, shift_y, -float(top)), 0.0, 1.2), habitus


def _resampled(organs: np.ndarray, spacing: np.ndarray, placement: np.ndarray, grid: Grid) -> np.ndarray:
    """Labels on the grid: for each voxel the organ with the largest smoothed share, if that is over a half together."""
    step = np.asarray(grid.spacing_mm) / spacing
    first = placement / spacing
    best = np.zeros(grid.shape, np.float32)
    result = np.zeros(grid.shape, np.uint8)
    covered = np.zeros(grid.shape, np.float32)
    for label, box in enumerate(ndimage.find_objects(organs), start=1):
        if box is None:
            continue
        wide = tuple(slice(max(0, s.start - 4), min(n, s.stop + 4)) for s, n in zip(box, organs.shape, strict=True))
        share = ndimage.gaussian_filter((organs[wide] == label).astype(np.float32), 0.6, truncate=3)
        start = np.array([s.start for s in wide])
        stop = np.array([s.stop - 1 for s in wide])
        from_voxel = np.clip(np.ceil((start - first) / step), 0, grid.shape).astype(int)
        to_voxel = np.clip(np.floor((stop - first) / step) + 1, from_voxel, grid.shape).astype(int)
        if np.any(to_voxel <= from_voxel):
            continue
        target = tuple(slice(a, b) for a, b in zip(from_voxel, to_voxel, strict=True))
        moved = ndimage.affine_transform(
            share, step, first + from_voxel * step - start, tuple(to_voxel - from_voxel), order=1, mode="nearest"
        )
        covered[target] += moved
        more = moved > best[target]
        best[target][more] = moved[more]
        result[target][more] = label
    result[covered < 0.5] = 0
    return result

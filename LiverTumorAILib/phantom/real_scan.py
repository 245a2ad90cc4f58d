"""A phantom inside a real CT: organs and texture stay; vessels, contrast agent and lesions are added."""

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.phantom.anatomy import Anatomy, Grid
from LiverTumorAILib.phantom.enhancement import Perfusion
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.real_anatomy import anatomy_from_label_map

ADDED = (Tissue.HEPATIC_VEINS, Tissue.HEPATIC_ARTERY, Tissue.PORTAL_SPLENIC_VEIN, Tissue.BILE_DUCTS)
"""Generated inside the real liver, which an unenhanced CT shows without them."""

MEASURED = (
    Tissue.LIVER, Tissue.SPLEEN, Tissue.RIGHT_KIDNEY, Tissue.LEFT_KIDNEY, Tissue.PANCREAS, Tissue.AORTA, Tissue.MUSCLE,
)  # fmt: skip
KNOWN_SHARE = 0.8
"""Of a slice's voxels that the CT must show for the slice to be kept."""
KEPT_GRAIN = 0.35
"""Share of the CT's own noise in the liver that stays; each phase gets noise of its own."""
_SMOOTHING_MM = 2.5


@dataclass(frozen=True)
class RealScan:
    """An unenhanced CT and its labels.

    Attributes
    ----------
    labels: SimpleITK.Image
        uint8 (LPS, mm), values of `Tissue` for every voxel of the body.
    ct: SimpleITK.Image
        HU on the labels' grid; below -1100 where there is no image.

    """

    labels: sitk.Image
    ct: sitk.Image


@dataclass(frozen=True)
class ScannedBody:
    """A real body on a phantom's grid.

    Attributes
    ----------
    anatomy: Anatomy
    native: numpy.ndarray
        float32 (z, y, x), HU without contrast agent, NaN where the CT shows nothing.

    """

    anatomy: Anatomy
    native: np.ndarray

    def own_levels(self, perfusion: Perfusion) -> Perfusion:
        """The same contrast agent over this body's own native intensities, which lesions are drawn relative to."""
        native = perfusion.native.copy()
        known = np.isfinite(self.native)
        for tissue in MEASURED:
            values = self.native[known & (self.anatomy.labels == tissue)]
            if values.size > 100:
                native[tissue] = np.median(values)
        for vessel in (Tissue.HEPATIC_VEINS, Tissue.PORTAL_SPLENIC_VEIN, Tissue.INFERIOR_VENA_CAVA):
            native[vessel] = native[Tissue.AORTA]
        return replace(perfusion, native=native)


def body_of_scan(scan: RealScan, rng: np.random.Generator, grid: Grid) -> ScannedBody:
    """Place a real CT in a phantom's grid, cut to the slices that it shows.

    Raises
    ------
    LiverTumorAIError
        If the labels hold no liver, or the CT shows none of it.

    """
    anatomy = anatomy_from_label_map(scan.labels, rng, grid)
    offset = [anatomy.description[f"map_offset_{axis}_mm"] for axis in "zyx"]
    native = _on_grid(scan.ct, grid, offset, sitk.sitkLinear, -2000.0)
    labels = _on_grid(scan.labels, grid, offset, sitk.sitkNearestNeighbor, 0).astype(np.uint8)
    known = native > -1100
    vessels = np.isin(anatomy.labels, ADDED) & (labels == Tissue.LIVER)
    merged = np.where(known & ~vessels, labels, anatomy.labels)
    native = np.where(known, native, np.nan).astype(np.float32)
    slices = np.flatnonzero(known.mean(axis=(1, 2)) >= KNOWN_SHARE * known.mean(axis=(1, 2)).max())
    kept = slice(int(slices[0]), int(slices[-1]) + 1)
    if not (merged[kept] == Tissue.LIVER).any():
        raise LiverTumorAIError("The CT shows no part of the liver", advice="Choose a CT of the upper abdomen")
    native = native[kept]
    _calm(native, np.isin(merged[kept], (Tissue.LIVER, *ADDED)), grid.spacing_mm)
    origin = (grid.origin_mm[0] + kept.start * grid.spacing_mm[0], *grid.origin_mm[1:])
    shown = Grid(native.shape, grid.spacing_mm, origin)
    return ScannedBody(Anatomy(np.ascontiguousarray(merged[kept]), shown, 0.0, anatomy.description), native)


def _on_grid(image: sitk.Image, grid: Grid, offset: list[float], interpolator: int, outside: float) -> np.ndarray:
    """An image on a phantom's grid whose first voxel lies `offset` (z, y, x; mm) from the image's first one."""
    plain = sitk.Image(image)
    plain.SetOrigin([0.0, 0.0, 0.0])
    return sitk.GetArrayFromImage(
        sitk.Resample(
            plain, [int(n) for n in grid.shape[::-1]], sitk.Transform(), interpolator, [float(o) for o in offset[::-1]],
            [float(s) for s in grid.spacing_mm[::-1]], np.eye(3).ravel().tolist(), outside,
        )
    )  # fmt: skip


def _calm(native: np.ndarray, liver: np.ndarray, spacing_mm: tuple[float, float, float]) -> None:
    """Take most of the noise out of the liver, in place: phases do not share it."""
    inside = (liver & np.isfinite(native)).astype(np.float32)
    sigma = [_SMOOTHING_MM / s for s in spacing_mm]
    total = ndimage.gaussian_filter(np.where(inside > 0, native, 0), sigma, truncate=2.5)
    mean = total / np.maximum(ndimage.gaussian_filter(inside, sigma, truncate=2.5), 1e-3)
    chosen = inside > 0
    native[chosen] = mean[chosen] + KEPT_GRAIN * (native[chosen] - mean[chosen])

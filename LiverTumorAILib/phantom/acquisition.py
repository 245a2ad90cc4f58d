"""The scanner: slices, coverage, blur, noise and artefacts of CT and MR."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter

from LiverTumorAILib.phantom.anatomy import Grid
from LiverTumorAILib.phantom.random_fields import smooth_noise
from LiverTumorAILib.study import Modality, Phase

HU_RANGE = (-1024, 3071)


@dataclass(frozen=True)
class Scan:
    """How one phase is acquired.

    Attributes
    ----------
    thickness_mm: float
        Thickness and distance of the slices.
    trim_mm: tuple of two floats
        How much of the anatomy's lower and upper end is not scanned.
    shift_mm: tuple of two floats
        Shift of the field of view along y and x.
    tilt_degrees: float
        Rotation about the x axis.

    """

    thickness_mm: float
    trim_mm: tuple[float, float] = (0.0, 0.0)
    shift_mm: tuple[float, float] = (0.0, 0.0)
    tilt_degrees: float = 0.0


def draw_scan(  # noqa: PLR0917
    rng: np.random.Generator,
    phase: Phase,
    is_reference: bool,
    liver_margin_mm: tuple[float, float],
    thickness_mm: float | None,
    spacing_z_mm: float,
    vary: bool,
) -> Scan:
    """Draw coverage and slices of one phase.

    Parameters
    ----------
    rng: numpy.random.Generator
    phase: Phase
    is_reference: bool
        The reference phase always shows the whole liver, without tilt or shift.
    liver_margin_mm: tuple of two floats
        Room between the anatomy's lower and upper end and the liver.
    thickness_mm: float or None
        None: `spacing_z_mm`, thicker in some studies.
    spacing_z_mm: float
    vary: bool
        Whether coverage varies.

    Returns
    -------
    Scan

    """
    thick = rng.choice([5.0, 7.5, 10.0], p=[0.8, 0.1, 0.1])
    is_thick = rng.random() < (0.3 if phase is Phase.NON_CONTRAST else 0.07)
    share = rng.random(2)
    cuts_liver = rng.random() < 0.08
    shift = rng.normal(0, 4, 2)
    tilt = rng.uniform(-4, 4) if rng.random() < 0.15 else 0.0
    if thickness_mm is None:
        thickness_mm = max(spacing_z_mm, thick) if is_thick and not is_reference and vary else spacing_z_mm
    if not vary:
        return Scan(thickness_mm)
    below, above = (max(margin - 5.0, 0.0) for margin in liver_margin_mm)
    trim_below = share[0] * below if share[0] > 0.4 else 0.0
    if cuts_liver and not is_reference:
        trim_below = below + rng.uniform(5, 30)
    trim = (float(trim_below), float(0.7 * share[1] * above))
    if is_reference:
        return Scan(thickness_mm, trim)
    return Scan(thickness_mm, trim, (float(shift[0]), float(shift[1])), float(tilt))


def scan_grid(grid: Grid, scan: Scan) -> sitk.Image:
    """An empty image with the geometry (LPS, mm) of a scan of that grid."""
    depth, height, width = grid.shape
    extent = depth * grid.spacing_mm[0]
    low, high = scan.trim_mm
    count = max(int((extent - low - high) / scan.thickness_mm + 1e-6), 1)
    image = sitk.Image([width, height, count], sitk.sitkUInt8)
    image.SetSpacing([float(grid.spacing_mm[2]), float(grid.spacing_mm[1]), float(scan.thickness_mm)])
    angle = np.radians(scan.tilt_degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    image.SetDirection([1, 0, 0, 0, cos, -sin, 0, sin, cos])
    start = np.array(
        [
            grid.origin_mm[2] + scan.shift_mm[1],
            grid.origin_mm[1] + scan.shift_mm[0],
            grid.origin_mm[0] + low + (scan.thickness_mm - grid.spacing_mm[0]) / 2,
        ]
    )
    # The tilt turns the scan about its own centre.
    half = 0.5 * (np.array(image.GetSize()) - 1) * image.GetSpacing()
    turned = np.array(image.GetDirection()).reshape(3, 3) @ half
    image.SetOrigin((start + half - turned).tolist())
    return image


def acquire(clean: sitk.Image, scan_image: sitk.Image, transform: sitk.Transform, spacing_z_mm: float) -> np.ndarray:
    """Sample a clean image on a scan's grid, averaged over the slice thickness.

    Parameters
    ----------
    clean: SimpleITK.Image
        float32, LPS, mm.
    scan_image: SimpleITK.Image
        Geometry of the scan.
    transform: SimpleITK.Transform
        From points of the scan to points of the clean image.
    spacing_z_mm: float
        Slice distance of the clean image.

    Returns
    -------
    numpy.ndarray
        float32 (z, y, x).

    """
    thickness = scan_image.GetSpacing()[2]
    factor = max(round(thickness / spacing_z_mm), 1)
    fine = sitk.Image([*scan_image.GetSize()[:2], scan_image.GetSize()[2] * factor], sitk.sitkUInt8)
    fine.SetSpacing([*scan_image.GetSpacing()[:2], thickness / factor])
    fine.SetDirection(scan_image.GetDirection())
    first = scan_image.TransformContinuousIndexToPhysicalPoint((0.0, 0.0, -0.5 + 0.5 / factor))
    fine.SetOrigin(first)
    sampled = resample(clean, fine, transform)
    depth, height, width = sampled.shape
    return sampled.reshape(depth // factor, factor, height, width).mean(axis=1)


def soften(clean: np.ndarray) -> np.ndarray:
    """Blur as much as linear interpolation blurs on average, for the phase that needs none."""
    return gaussian_filter(clean, 0.42, truncate=3)


def resample(
    image: sitk.Image, grid: sitk.Image, transform: sitk.Transform, interpolator: int = sitk.sitkLinear
) -> np.ndarray:
    """An image on another grid (z, y, x); the outermost voxels continue outside."""
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(grid)
    resampler.SetTransform(transform)
    resampler.SetInterpolator(interpolator)
    resampler.SetUseNearestNeighborExtrapolator(True)
    resampler.SetOutputPixelType(image.GetPixelID())
    return sitk.GetArrayFromImage(resampler.Execute(image))


@dataclass(frozen=True)
class Scanner:
    """What stays the same in all phases of a study: noise level, sharpness, signal scale, artefacts.

    Attributes
    ----------
    modality: Modality
    noise: float
        CT: HU at 2.5 mm slices; MR: share of the liver's native signal.
    blur_mm: float
        Standard deviation of the point spread function in the slice.
    streaks: float
        CT: HU of horizontal streaks (arms down).
    clip_mm: tuple of three floats or None
        CT: metal clip (z, y, x) that throws streaks.
    round_view: bool
        CT: whether the corners outside the circular field of view are blank.
    scale: float
        MR: signal of the native liver.
    bias: float
        MR: strength of the coil's shading.

    """

    modality: Modality
    noise: float
    blur_mm: float
    streaks: float = 0.0
    clip_mm: tuple[float, float, float] | None = None
    round_view: bool = False
    scale: float = 1.0
    bias: float = 0.0


def draw_scanner(
    rng: np.random.Generator, modality: Modality, body_width_mm: float, clip_mm: tuple[float, float, float]
) -> Scanner:
    """Draw a study's scanner; big patients (`body_width_mm` near 400) have more noise on CT.

    `clip_mm` is where a metal clip would lie, such as the gallbladder's bed.
    """
    blur = float(rng.uniform(0.65, 1.05))
    if modality is Modality.MR:
        return Scanner(
            modality,
            float(rng.uniform(0.02, 0.06)),
            float(rng.uniform(0.6, 1.1)),
            scale=float(rng.uniform(120, 520)),
            bias=float(rng.uniform(0.08, 0.3)),
        )
    noise = float(np.clip(rng.lognormal(np.log(12.5), 0.28) * np.exp((body_width_mm - 350) / 260), 5, 28))
    streaks = float(rng.uniform(2, 6)) if rng.random() < 0.2 else 0.0
    clip = clip_mm if rng.random() < 0.04 else None
    return Scanner(modality, noise, blur, streaks, clip, bool(rng.random() < 0.25))


def add_scanner_effects(
    rng: np.random.Generator,
    clean: np.ndarray,
    image: sitk.Image,
    scanner: Scanner,
    body_centre_mm: tuple[float, float],
) -> np.ndarray:
    """Blur, noise and artefacts of one phase.

    Parameters
    ----------
    rng: numpy.random.Generator
    clean: numpy.ndarray
        float32 (z, y, x): HU, or MR signal relative to the native liver.
    image: SimpleITK.Image
        Geometry of the scan.
    scanner: Scanner
    body_centre_mm: tuple of two floats
        (y, x), LPS.

    Returns
    -------
    numpy.ndarray
        float32 (z, y, x) of whole numbers: HU within -1024 to 3071, or MR signal from 0.

    """
    x_mm, y_mm, z_mm = image.GetSpacing()
    blurred = gaussian_filter(clean, (0, scanner.blur_mm / y_mm, scanner.blur_mm / x_mm), truncate=3)
    if scanner.modality is Modality.MR:
        return _mr_effects(rng, blurred, (z_mm, y_mm, x_mm), scanner)
    y, x = _in_plane(image, body_centre_mm)
    radius = np.hypot(y / 130.0, x / 175.0)
    # More tissue to cross in the middle of the body, hardly any noise in the air around it.
    profile = 0.35 + 0.75 * np.exp(-((radius / 0.95) ** 2))
    level = scanner.noise * np.sqrt(2.5 / z_mm) * profile
    ct = blurred + level.astype(np.float32) * _ct_noise(rng, blurred.shape, (z_mm, y_mm, x_mm))
    if scanner.streaks:
        ct += scanner.streaks * profile.astype(np.float32) * _horizontal_streaks(rng, blurred.shape, (z_mm, y_mm, x_mm))
    if scanner.clip_mm is not None:
        _add_clip(rng, ct, image, scanner.clip_mm)
    if scanner.round_view:
        outer = np.hypot(y - y.mean(), x - x.mean()) > 0.5 * max(clean.shape[1] * y_mm, clean.shape[2] * x_mm)
        ct[:, outer] = HU_RANGE[0]
    return np.rint(np.clip(ct, *HU_RANGE))


def _in_plane(image: sitk.Image, centre_mm: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    width, height, _ = image.GetSize()
    x_mm, y_mm, _ = image.GetSpacing()
    y = image.GetOrigin()[1] + y_mm * np.arange(height) - centre_mm[0]
    x = image.GetOrigin()[0] + x_mm * np.arange(width) - centre_mm[1]
    return tuple(np.meshgrid(y, x, indexing="ij"))


def _ct_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """Unit noise with the band-pass spectrum that filtered backprojection leaves in the slice."""
    white = rng.standard_normal(shape, dtype=np.float32)
    kernel = 0.85
    noise = gaussian_filter(white, (0.35, kernel / spacing_mm[1], kernel / spacing_mm[2]), truncate=3)
    # The ramp filter takes the lowest frequencies away.
    noise -= 0.85 * gaussian_filter(noise, (0, 3.2 / spacing_mm[1], 3.2 / spacing_mm[2]), truncate=2)
    return noise / noise.std()


def _horizontal_streaks(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    streaks = rng.standard_normal(shape, dtype=np.float32)
    streaks = gaussian_filter(streaks, (0, 0.9 / spacing_mm[1], 45 / spacing_mm[2]), truncate=2)
    return streaks / streaks.std()


def _add_clip(rng: np.random.Generator, ct: np.ndarray, image: sitk.Image, clip_mm: tuple[float, float, float]) -> None:
    index = image.TransformPhysicalPointToContinuousIndex([float(c) for c in clip_mm[::-1]])
    slice_index = round(index[2])
    if not 0 <= slice_index < ct.shape[0]:
        return
    y, x = np.mgrid[: ct.shape[1], : ct.shape[2]].astype(np.float32)
    y = (y - index[1]) * image.GetSpacing()[1]
    x = (x - index[0]) * image.GetSpacing()[0]
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    phases, orders = rng.uniform(0, 2 * np.pi, 6), rng.integers(3, 17, 6)
    rays = sum(np.cos(order * angle + phase) for order, phase in zip(orders, phases, strict=True)) / 2.5
    reach = max(round(4.0 / image.GetSpacing()[2]), 1)
    for offset in range(-reach, reach + 1):
        k = slice_index + offset
        if 0 <= k < ct.shape[0]:
            fade = 1 - abs(offset) / (reach + 1)
            ct[k] += fade * 260 * rays * np.exp(-radius / 22) * (radius > 2)
            ct[k][radius <= 2.4] = 2400 * fade


def _mr_effects(
    rng: np.random.Generator, clean: np.ndarray, spacing_mm: tuple[float, float, float], scanner: Scanner
) -> np.ndarray:
    """Shading by the coil, Rician noise and the scanner's own scale."""
    shading = np.exp(scanner.bias * np.clip(smooth_noise(rng, clean.shape, spacing_mm, 150.0), -2.2, 2.2))
    signal = np.maximum(clean, 0) * shading
    real = rng.standard_normal(clean.shape, dtype=np.float32)
    imaginary = rng.standard_normal(clean.shape, dtype=np.float32)
    kernel = (0.3, 0.5, 0.5)
    level = scanner.noise * np.sqrt(2.5 / spacing_mm[0])
    for part in (real, imaginary):
        gaussian_filter(part, kernel, output=part, truncate=3)
    real *= level / real.std()
    imaginary *= level / imaginary.std()
    return np.rint(scanner.scale * np.hypot(signal + real, imaginary)).astype(np.float32)

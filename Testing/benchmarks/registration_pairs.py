"""Pairs of real anatomy with a known breathing field between them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.phantom import PhantomOptions, generate_phantom
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.registration import warp_points
from LiverTumorAILib.study import Phase

PORTAL_VENOUS = {
    Tissue.LIVER: 55, Tissue.SPLEEN: 75, Tissue.RIGHT_KIDNEY: 140, Tissue.LEFT_KIDNEY: 140, Tissue.AORTA: 110,
    Tissue.INFERIOR_VENA_CAVA: 110, Tissue.PORTAL_SPLENIC_VEIN: 130, Tissue.PANCREAS: 55, Tissue.HEART: 100,
}  # fmt: skip
ARTERIAL = {
    Tissue.LIVER: 12, Tissue.SPLEEN: 95, Tissue.RIGHT_KIDNEY: 110, Tissue.LEFT_KIDNEY: 110, Tissue.AORTA: 260,
    Tissue.INFERIOR_VENA_CAVA: 20, Tissue.PORTAL_SPLENIC_VEIN: 25, Tissue.PANCREAS: 65, Tissue.HEART: 200,
}  # fmt: skip
NON_CONTRAST: dict[Tissue, float] = {}


@dataclass(frozen=True)
class Pair:
    """Two phases of one anatomy.

    Attributes
    ----------
    fixed, moving: SimpleITK.Image
        float32, HU.
    fixed_points, moving_points: numpy.ndarray
        (n, 3), LPS, mm: the same places of the liver in both images.

    """

    name: str
    fixed: sitk.Image
    moving: sitk.Image
    fixed_points: np.ndarray
    moving_points: np.ndarray

    def errors(self, mapped: np.ndarray) -> np.ndarray:
        """Target registration errors (mm) of fixed points mapped into the moving image."""
        return np.linalg.norm(mapped - self.moving_points, axis=1)


def read_anatomy(shared_data: Path) -> tuple[sitk.Image, sitk.Image]:
    """A real CT without contrast and its organ labels, on the CT's grid in LPS."""
    folder = shared_data / "totalsegmentator"
    image = sitk.DICOMOrient(sitk.ReadImage(folder / "example_ct.nii.gz", sitk.sitkFloat32), "LPS")
    labels = sitk.ReadImage(folder / "example_ct_labels.nii.gz")
    labels.SetOrigin(image.GetOrigin())
    return image, labels


def breathing_field(body: sitk.Image, amplitude_mm: float, seed: int, sliding_mm: float = 20.0) -> sitk.Image:
    """A displacement field (LPS, mm): the dome moves along z, the wall does not, plus a smooth random part.

    `sliding_mm` is the thickness of the layer between wall and organs in which the motion sets in.
    """
    random = np.random.default_rng(seed)
    inside = ndimage.binary_fill_holes(sitk.GetArrayViewFromImage(body) > 0)
    spacing = body.GetSpacing()[::-1]
    depth = ndimage.distance_transform_edt(np.pad(inside, ((0, 0), (1, 1), (1, 1))), sampling=spacing)[:, 1:-1, 1:-1]
    wall = ndimage.gaussian_filter(np.clip((depth - 15) / sliding_mm, 0, 1), min(3.0, sliding_mm / 6))
    height = np.arange(inside.shape[0])[:, None, None] / inside.shape[0]
    cranial = np.exp(-(((height - 0.75) / 0.45) ** 2))
    vectors = np.zeros((*inside.shape, 3))
    vectors[..., 2] = amplitude_mm * cranial * wall
    vectors[..., 1] = 0.25 * amplitude_mm * cranial * wall
    for axis in range(3):
        noise = ndimage.gaussian_filter(random.normal(size=inside.shape), 25.0 / np.array(spacing))
        vectors[..., axis] += 2.0 * noise / noise.std()
    field = sitk.GetImageFromArray(vectors, isVector=True)
    field.CopyInformation(body)
    return field


def _enhanced(image: sitk.Image, labels: sitk.Image, enhancement: dict[Tissue, float]) -> sitk.Image:
    """The image with each organ's intensity shifted to that of another phase."""
    table = np.zeros(256, np.float32)
    for tissue, value in enhancement.items():
        table[tissue] = value
    added = sitk.GetImageFromArray(table[sitk.GetArrayFromImage(labels)])
    added.CopyInformation(labels)
    added = sitk.SmoothingRecursiveGaussian(added, 1.5)
    return image + sitk.Resample(added, image, sitk.Transform(), sitk.sitkLinear, 0.0)


def _noisy(image: sitk.Image, deviation: float, seed: int) -> sitk.Image:
    values = sitk.GetArrayFromImage(image)
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=values.shape), 0.7)
    noisy = sitk.GetImageFromArray((values + deviation * noise / noise.std()).astype(np.float32))
    noisy.CopyInformation(image)
    return noisy


def make_pair(
    anatomy: tuple[sitk.Image, sitk.Image],
    name: str,
    amplitude_mm: float,
    seed: int,
    spacing: tuple[float, float, float] = (1.75, 1.75, 1.75),
    moving_spacing: tuple[float, float, float] | None = None,
    slices_mm: float = 189.0,
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    fixed_phase: dict[Tissue, float] = PORTAL_VENOUS,
    moving_phase: dict[Tissue, float] = ARTERIAL,
    noise: float = 12.0,
    sliding_mm: float = 20.0,
) -> Pair:
    """A pair with a breathing field between its images; `shift_mm` displaces the moving image's header too."""
    image, labels = anatomy
    field = breathing_field(image > -300, amplitude_mm, seed, sliding_mm)
    size = np.array(image.GetSize()) * image.GetSpacing()
    origin = list(image.GetOrigin())
    origin[2] += max(0.0, size[2] - slices_mm) * 0.8
    extent = np.array([size[0], size[1], min(size[2], slices_mm)])

    def grid(steps: tuple[float, float, float]) -> sitk.Image:
        reference = sitk.Image([int(n) for n in np.round(extent / steps)], sitk.sitkFloat32)
        reference.SetSpacing(steps)
        reference.SetOrigin(origin)
        return reference

    def sample(source: sitk.Image, reference: sitk.Image, transform: sitk.Transform) -> sitk.Image:
        return sitk.Resample(source, reference, transform, sitk.sitkBSpline, -1000.0)

    transform = sitk.DisplacementFieldTransform(sitk.Image(field))
    fixed = sample(_enhanced(image, labels, fixed_phase), grid(spacing), sitk.Transform())
    moving_grid = grid(moving_spacing or spacing)
    moving = sample(_enhanced(image, labels, moving_phase), moving_grid, transform)
    liver = sitk.Resample(labels, moving_grid, transform, sitk.sitkNearestNeighbor, 0)
    index = np.argwhere(sitk.GetArrayFromImage(liver) == Tissue.LIVER)[:, ::-1]
    index = np.random.default_rng(seed).permutation(index)[:3000]
    moving_points = np.array(moving_grid.GetOrigin()) + index * moving_grid.GetSpacing()
    fixed_points = np.array([transform.TransformPoint(point) for point in moving_points.tolist()])
    last = (np.array(fixed.GetSize()) - 1) * fixed.GetSpacing()
    seen = np.all((fixed_points >= origin) & (fixed_points <= origin + last), axis=1)
    fixed_points, moving_points = fixed_points[seen], moving_points[seen]
    moving = _noisy(moving, noise, seed + 1)
    moving.SetOrigin((np.array(moving.GetOrigin()) + shift_mm).tolist())
    return Pair(name, _noisy(fixed, noise, seed), moving, fixed_points, moving_points + shift_mm)


def make_phantom_pair(name: str, seed: int, breathing_mm: float, phase: Phase = Phase.ARTERIAL) -> Pair:
    """A phase of a synthetic study against its reference phase."""
    options = PhantomOptions(spacing_mm=(2.0, 1.75, 1.75), breathing_mm=breathing_mm, vary_coverage=False)
    phantom = generate_phantom(seed, "ct4", options)
    index = np.argwhere(sitk.GetArrayViewFromImage(phantom.organs) == Tissue.LIVER)[:, ::-1]
    index = np.random.default_rng(seed).permutation(index)[:3000]
    points = np.array([phantom.organs.TransformIndexToPhysicalPoint(i) for i in index.tolist()])
    moved = warp_points(points, phantom.fields[phase])
    return Pair(name, phantom.images[phantom.reference_phase], phantom.images[phase], points, moved)

"""The liver networks on real CT that training never saw, beside the network trained on phantoms alone.

python Testing/benchmarks/real_liver.py [--models FOLDER] [--pictures FOLDER] [--degrade]
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib.cascades.base import segment_liver
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import ModelStore, predict_probabilities
from LiverTumorAILib.inference.liver import find_liver
from LiverTumorAILib.study import Phase

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@dataclass(frozen=True)
class Case:
    """A real CT and its liver mask, both float32/uint8 on one grid (LPS, mm)."""

    name: str
    image: sitk.Image
    liver: sitk.Image


def cases() -> Iterator[Case]:
    """Real CT with liver masks of `shared/data` that the shipped networks were not trained on."""
    ccth = DATA / "ccth"
    yield Case("ccth", *_pair(ccth / "ccth_ct_crop.nii.gz", ccth / "ccth_liver_crop.nii.gz", 1))
    dcmqi = DATA / "dcmqi"
    yield Case("dcmqi (3 slices)", *_dcmqi(dcmqi))


def training_case() -> Case:
    """The CT whose texture the shipped networks saw."""
    folder = DATA / "totalsegmentator"
    image = _read(folder / "example_ct.nii.gz")
    labels = sitk.DICOMOrient(sitk.ReadImage(str(folder / "example_ct_labels.nii.gz")), "LPS")
    # The labels' file starts at 0: it covers the same extent at 2 mm.
    labels.SetOrigin([o - (s - 2) / 2 for o, s in zip(image.GetOrigin(), image.GetSpacing(), strict=True)])
    liver = sitk.Resample(labels == 1, image, sitk.Transform(), sitk.sitkNearestNeighbor)
    return Case("example_ct (seen in training)", image, liver)


def _read(path: Path) -> sitk.Image:
    return sitk.Cast(sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS"), sitk.sitkFloat32)


def _pair(image: Path, mask: Path, label: int) -> tuple[sitk.Image, sitk.Image]:
    return _read(image), sitk.DICOMOrient(sitk.ReadImage(str(mask)), "LPS") == label


def _dcmqi(folder: Path) -> tuple[sitk.Image, sitk.Image]:
    import highdicom

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / "ct-3slice")))
    image = sitk.DICOMOrient(sitk.Cast(reader.Execute(), sitk.sitkFloat32), "LPS")
    segmentation = highdicom.seg.segread(str(folder / "liver.dcm"))
    volume = segmentation.get_volume(combine_segments=True)
    mask = sitk.GetImageFromArray((volume.array > 0).astype(np.uint8))
    affine = volume.get_affine("LPS") if hasattr(volume, "get_affine") else volume.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    mask.SetSpacing(spacing[::-1].tolist())
    mask.SetOrigin(affine[:3, 3].tolist())
    mask.SetDirection((affine[:3, :3] / spacing)[:, ::-1].ravel().tolist())
    return image, sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor)


def two_step(case_image: sitk.Image, models: ModelStore) -> np.ndarray:
    """The shipped liver networks."""
    return sitk.GetArrayFromImage(find_liver(case_image, models).mask) > 0


def phantom_only(case_image: sitk.Image, models: ModelStore) -> np.ndarray:
    """The liver of the base network, trained on phantoms alone, given the image as its nearest phase."""
    values = sitk.GetArrayViewFromImage(case_image)
    phase = Phase.NON_CONTRAST if np.nanmedian(values[(values > 0) & (values < 200)]) < 75 else Phase.PORTAL_VENOUS
    maps = predict_probabilities(models.load("base_unet"), {phase: case_image}, overlap=0.25)
    try:
        return segment_liver(case_image, maps)[2]
    except LiverTumorAIError:
        return np.zeros(values.shape, bool)


def figures(found: np.ndarray, case: Case) -> dict[str, float]:
    """Dice, HD95 (mm) and volume error (%) of a mask (z, y, x)."""
    truth = sitk.GetArrayFromImage(case.liver) > 0
    spacing = case.image.GetSpacing()[::-1]
    dice = 2 * (found & truth).sum() / max(found.sum() + truth.sum(), 1)
    error = 100 * (found.sum() - truth.sum()) / truth.sum()
    return {"dice": float(dice), "hd95": hausdorff95(found, truth, spacing), "volume": float(error)}


def hausdorff95(one: np.ndarray, other: np.ndarray, spacing: Sequence[float]) -> float:
    """95th percentile of the distances (mm) between two masks' surfaces, the larger direction."""
    if not one.any() or not other.any():
        return float("nan")
    box = ndimage.find_objects((one | other).astype(np.uint8))[0]
    one, other = (np.pad(mask[box], 1) for mask in (one, other))
    surfaces = [mask & ~ndimage.binary_erosion(mask) for mask in (one, other)]
    away = [ndimage.distance_transform_edt(~surface, sampling=spacing) for surface in surfaces]
    return float(max(np.percentile(away[1][surfaces[0]], 95), np.percentile(away[0][surfaces[1]], 95)))


def degradations(seed: int = 1) -> dict[str, Callable[[Case], Case]]:
    """What is done to a case."""
    return {
        "noise x3": lambda case: _noisier(case, seed),
        "5 mm slices": lambda case: _thick(case, 5.0),
        "10 mm slices": lambda case: _thick(case, 10.0),
        "top 20 % cut": lambda case: _cut(case, 0.0, 0.8),
        "bottom 20 % cut": lambda case: _cut(case, 0.2, 1.0),
        "liver +60 HU": _enhanced,
        "rotated 20 degrees": _rotated,
        "8-bit window": _windowed,
    }


def _with(case: Case, image: sitk.Image, liver: sitk.Image | None = None) -> Case:
    return Case(case.name, image, case.liver if liver is None else liver)


def _noisier(case: Case, seed: int) -> Case:
    values = sitk.GetArrayFromImage(case.image)
    liver = ndimage.binary_erosion(sitk.GetArrayFromImage(case.liver) > 0, iterations=2)
    grain = values[liver] - ndimage.gaussian_filter(values, 1.5)[liver]
    rng = np.random.default_rng(seed)
    values = values + rng.normal(0, np.sqrt(8) * grain.std(), values.shape).astype(np.float32)
    return _with(case, _like(values, case.image))


def _thick(case: Case, thickness_mm: float) -> Case:
    """Slices of another thickness; the truth stays on the original grid, so the result is brought back there."""
    z = case.image.GetSpacing()[2]
    values = ndimage.gaussian_filter1d(sitk.GetArrayFromImage(case.image), thickness_mm / z / 3.46, axis=0)
    grid = sitk.Image(
        [*case.image.GetSize()[:2], max(int(case.image.GetSize()[2] * z / thickness_mm), 1)], sitk.sitkFloat32
    )
    grid.SetSpacing([*case.image.GetSpacing()[:2], thickness_mm])
    grid.SetOrigin(case.image.TransformContinuousIndexToPhysicalPoint([0, 0, (thickness_mm / z - 1) / 2]))
    grid.SetDirection(case.image.GetDirection())
    thick = sitk.Resample(_like(values, case.image), grid, sitk.Transform(), sitk.sitkLinear, -1000)
    return _with(case, thick)


def _cut(case: Case, low: float, high: float) -> Case:
    liver = sitk.GetArrayViewFromImage(case.liver)
    slices = np.flatnonzero(liver.any(axis=(1, 2)))
    first, last = int(slices[0]), int(slices[-1]) + 1
    start = 0 if low == 0 else first + int(low * (last - first))
    stop = case.image.GetSize()[2] if high == 1 else first + int(high * (last - first))
    return _with(case, case.image[:, :, start:stop], case.liver[:, :, start:stop])


def _enhanced(case: Case) -> Case:
    values = sitk.GetArrayFromImage(case.image)
    soft = ndimage.gaussian_filter((sitk.GetArrayFromImage(case.liver) > 0).astype(np.float32), 1.0)
    return _with(case, _like(values + 60 * soft, case.image))


def _rotated(case: Case) -> Case:
    centre = case.image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in case.image.GetSize()])
    turn = sitk.Euler3DTransform(centre, 0.0, 0.0, np.deg2rad(20))
    return _with(
        case,
        sitk.Resample(case.image, case.image, turn, sitk.sitkLinear, -1000),
        sitk.Resample(case.liver, case.image, turn, sitk.sitkNearestNeighbor, 0),
    )


def _windowed(case: Case) -> Case:
    values = np.clip(sitk.GetArrayFromImage(case.image), -135, 215)
    return _with(case, _like(np.rint((values + 135) / 350 * 255) / 255 * 350 - 135, case.image))


def _like(values: np.ndarray, image: sitk.Image) -> sitk.Image:
    result = sitk.GetImageFromArray(values.astype(np.float32))
    result.CopyInformation(image)
    return result


def _on_truth(found: np.ndarray, image: sitk.Image, case: Case) -> np.ndarray:
    if found.shape == case.liver.GetSize()[::-1]:
        return found
    mask = _like(found.astype(np.float32), image)
    return sitk.GetArrayFromImage(sitk.Resample(mask, case.liver, sitk.Transform(), sitk.sitkLinear)) > 0.5


def draw(case: Case, found: np.ndarray, path: Path) -> None:
    """Truth (green) and result (red) on five axial slices and a coronal one."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    values, truth = (sitk.GetArrayViewFromImage(image) for image in (case.image, case.liver))
    planes = np.flatnonzero(truth.any(axis=(1, 2)) | found.any(axis=(1, 2)))
    picks = [int(z) for z in np.quantile(planes, (0.08, 0.3, 0.5, 0.7, 0.92))]
    spacing = case.image.GetSpacing()
    figure, axes = plt.subplots(2, 3, figsize=(15, 9))
    for axis, z in zip(axes.flat, picks, strict=False):
        axis.imshow(values[z], cmap="gray", vmin=-120, vmax=230, aspect=spacing[1] / spacing[0])
        _outline(axis, truth[z] > 0, found[z])
    y = int(np.median(np.nonzero(truth)[1]))
    coronal = axes.flat[-1]
    coronal.imshow(values[::-1, y], cmap="gray", vmin=-120, vmax=230, aspect=spacing[2] / spacing[0])
    _outline(coronal, truth[::-1, y] > 0, found[::-1, y])
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=60)
    plt.close(figure)


def _outline(axis: object, truth: np.ndarray, found: np.ndarray) -> None:
    for mask, colour in ((truth, "lime"), (found, "red")):
        if mask.any():
            axis.contour(mask, [0.5], colors=colour, linewidths=0.8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--degrade", action="store_true", help="degraded images too")
    parser.add_argument("--only", choices=("two-step", "phantom-only"))
    chosen = parser.parse_args(arguments)
    models = ModelStore(chosen.models)
    methods = {"two-step": two_step, "phantom-only": phantom_only}
    if chosen.only:
        methods = {chosen.only: methods[chosen.only]}
    print(f"{'case':34s} {'network':13s} {'Dice':>6s} {'HD95 mm':>8s} {'volume %':>9s} {'s':>6s}")
    for case in (*cases(), training_case()):
        changes = {"": lambda case: case} | (degradations() if chosen.degrade else {})
        for change, apply in changes.items():
            changed = apply(case)
            for name, method in methods.items():
                begun = time.perf_counter()
                raw = method(changed.image, models)
                seconds = time.perf_counter() - begun
                found = _on_truth(raw, changed.image, changed)
                row = figures(found, Case(case.name, changed.liver, changed.liver))
                title = f"{case.name} {change}".strip()
                print(
                    f"{title:34s} {name:13s} {row['dice']:6.3f} {row['hd95']:8.1f} {row['volume']:+9.1f} {seconds:6.1f}"
                )
                sys.stdout.flush()
                if chosen.pictures and raw.shape == found.shape:
                    chosen.pictures.mkdir(parents=True, exist_ok=True)
                    stem = f"{title} {name}".replace(" ", "_").replace("%", "percent")
                    draw(changed, found, chosen.pictures / f"{stem}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())

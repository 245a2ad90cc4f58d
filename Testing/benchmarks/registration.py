"""Registration against SimpleITK's demons and B-spline on pairs with a known breathing field.

    python Testing/benchmarks/registration.py [--pairs N] [--out FILE.json]

Prints for each method seconds, target registration error in the liver (mean and 95th percentile, mm), the
number of folded voxels, and at the end how many times faster and how many times more exact this project is.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from registration_pairs import ARTERIAL, NON_CONTRAST, Pair, make_pair, read_anatomy

from LiverTumorAILib.registration import register

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
PAIRS = (
    {"name": "arterial, 11 mm", "amplitude_mm": 11.0, "seed": 1, "moving_phase": ARTERIAL},
    {"name": "non-contrast, 18 mm", "amplitude_mm": 18.0, "seed": 2, "moving_phase": NON_CONTRAST},
    {"name": "non-contrast 10 mm slices", "amplitude_mm": 11.0, "seed": 3, "moving_phase": NON_CONTRAST,
     "moving_spacing": (1.75, 1.75, 10.0)},
    {"name": "arterial, table 10 cm higher", "amplitude_mm": 11.0, "seed": 4, "moving_phase": ARTERIAL,
     "shift_mm": (0.0, -100.0, 0.0)},
)  # fmt: skip


def ours(fixed: sitk.Image, moving: sitk.Image) -> sitk.Image:
    """This project's registration."""
    return register(fixed, moving).field


def demons(fixed: sitk.Image, moving: sitk.Image) -> sitk.Image:
    """SimpleITK's symmetric demons after histogram matching, on two resolutions."""
    moving = sitk.HistogramMatching(sitk.Resample(moving, fixed, sitk.Transform(), sitk.sitkLinear, -1000.0), fixed)
    coarse = [sitk.BinShrink(image, [2, 2, 2]) for image in (fixed, moving)]
    method = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    method.SetNumberOfIterations(40)
    method.SetStandardDeviations(2.0)
    field = method.Execute(*coarse)
    method.SetNumberOfIterations(10)
    start = sitk.Resample(field, fixed, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkVectorFloat64, True)
    return method.Execute(fixed, moving, start)


def spline(fixed: sitk.Image, moving: sitk.Image) -> sitk.Image:
    """SimpleITK's B-spline with Mattes mutual information, control points every 30 mm."""
    extent = [size * spacing for size, spacing in zip(fixed.GetSize(), fixed.GetSpacing(), strict=True)]
    mesh = [max(round(length / 30), 3) for length in extent]
    transform = sitk.BSplineTransformInitializer(fixed, mesh)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.05, 1)
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([2, 1])
    method.SetOptimizerAsLBFGSB(numberOfIterations=30)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)
    to_field = sitk.TransformToDisplacementFieldFilter()
    to_field.SetReferenceImage(fixed)
    return to_field.Execute(transform)


METHODS = {"this project": ours, "demons": demons, "B-spline": spline}


def measure(pair: Pair, method: Callable[[sitk.Image, sitk.Image], sitk.Image]) -> dict[str, float]:
    """Seconds, errors and folds of one method on one pair."""
    started = time.monotonic()
    field = method(pair.fixed, pair.moving)
    seconds = time.monotonic() - started
    jacobian = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(field, True))
    transform = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    errors = pair.errors(np.array([transform.TransformPoint(point) for point in pair.fixed_points.tolist()]))
    return {
        "seconds": seconds,
        "tre_mean_mm": float(errors.mean()),
        "tre_95_mm": float(np.percentile(errors, 95)),
        "folds": int((jacobian <= 0).sum()),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=len(PAIRS), help="how many of the pairs")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    anatomy = read_anatomy(DATA)
    make = [make_pair(anatomy, **settings) for settings in PAIRS[: arguments.pairs]]
    # The first call compiles, or reads the compiled kernels from disk.
    register(sitk.BinShrink(make[0].fixed, [3, 3, 3]), sitk.BinShrink(make[0].moving, [3, 3, 3]))
    rows = []
    for pair in make:
        before = pair.errors(pair.fixed_points)
        print(f"\n{pair.name}: before {before.mean():.2f} / {np.percentile(before, 95):.2f} mm", flush=True)
        for name in arguments.methods:
            figures = measure(pair, METHODS[name])
            rows.append({"pair": pair.name, "method": name, **figures})
            print(
                f"  {name:14s} {figures['seconds']:7.1f} s  {figures['tre_mean_mm']:6.2f} / "
                f"{figures['tre_95_mm']:6.2f} mm  {figures['folds']:7d} folds",
                flush=True,
            )
    means = {
        name: {
            key: float(np.mean([row[key] for row in rows if row["method"] == name]))
            for key in ("seconds", "tre_mean_mm", "tre_95_mm")
        }
        for name in arguments.methods
    }
    own = means.get("this project")
    ratios = {
        name: {key: figures[key] / own[key] for key in figures}
        for name, figures in means.items()
        if own and figures is not own
    }
    print()
    for name, ratio in ratios.items():
        print(
            f"{name} takes {ratio['seconds']:.1f} times as long, its error is {ratio['tre_mean_mm']:.1f} times as large"
        )
    if arguments.out:
        arguments.out.write_text(json.dumps({"rows": rows, "means": means, "ratios": ratios}, indent=2))


if __name__ == "__main__":
    main()

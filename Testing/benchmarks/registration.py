"""Registration against its peers on pairs with a known field.

    python Testing/benchmarks/registration.py [--pairs N] [--peers DIR] [--back] [--out FILE.json]

Prints for each method seconds (of the clock, and of all processors), target registration error in the liver (mean and
95th percentile, mm), folded voxels of the body and, with --back, inverse consistency: how far a liver point lies from
itself after the method's field forward and its field of the swapped pair back.

Each method runs in a process of its own. SimpleITK's come with this project. The others are looked for in --peers: the
virtual environments `ants` (with antspyx), `elastix` (itk-elastix) and `convex` (convexAdam), and `deedsBCV` with the
authors' program; what is not there is reported as missing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from registration_methods import METHODS
from registration_pairs import ARTERIAL, NON_CONTRAST, Pair, make_pair, make_phantom_pair, read_anatomy
from scipy import ndimage

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[2] / "shared" / "data"
SLIDING_MM = 6.0
"""Thickness of the layer between wall and organs in which the motion sets in; hard for any smooth field."""
REAL = (
    {"name": "real, arterial, 11 mm, soft wall", "amplitude_mm": 11.0, "seed": 1, "moving_phase": ARTERIAL,
     "sliding_mm": 20.0},
    {"name": "real, arterial, 12 mm", "amplitude_mm": 12.0, "seed": 1, "moving_phase": ARTERIAL},
    {"name": "real, non-contrast, 18 mm", "amplitude_mm": 18.0, "seed": 2, "moving_phase": NON_CONTRAST},
    {"name": "real, arterial, 25 mm", "amplitude_mm": 25.0, "seed": 3, "moving_phase": ARTERIAL},
    {"name": "real, non-contrast 10 mm slices, 10 mm", "amplitude_mm": 10.0, "seed": 4, "moving_phase": NON_CONTRAST,
     "moving_spacing": (1.75, 1.75, 10.0)},
)  # fmt: skip
PHANTOMS = ({"name": "phantom, arterial, 15 mm", "seed": 5, "breathing_mm": 15.0},)
ENVIRONMENTS = {"ANTs SyN": "ants", "elastix B-spline": "elastix", "convexAdam": "convex"}
LONGEST_S = 3600
BODY_HU = -300.0


def pairs(count: int) -> list[Pair]:
    """The first pairs of the list."""
    anatomy = read_anatomy(DATA)
    makers = [lambda s=s: make_pair(anatomy, **{"sliding_mm": SLIDING_MM, **s}) for s in REAL]
    makers += [lambda s=s: make_phantom_pair(**s) for s in PHANTOMS]
    return [make() for make in makers[:count]]


def command(method: str, folder: Path, peers: Path | None) -> list[str] | None:
    """How to run a method; None if it is not installed."""
    line = [str(HERE / "registration_methods.py"), method, str(folder)]
    if method in ENVIRONMENTS:
        python = peers and peers / ENVIRONMENTS[method] / "bin" / "python"
        return [str(python), *line] if python and python.exists() else None
    if method.startswith("deeds"):
        binaries = peers and peers / "deedsBCV"
        there = binaries and (binaries / "deedsBCV").exists()
        return [sys.executable, *line, "--binaries", str(binaries)] if there else None
    return [sys.executable, *line]


def run(method: str, fixed: sitk.Image, moving: sitk.Image, peers: Path | None) -> tuple[sitk.Image, dict] | str:
    """Field (LPS, mm) and seconds of a method; in words why there are none."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        line = command(method, folder, peers)
        if line is None:
            return "missing: not installed"
        sitk.WriteImage(fixed, folder / "fixed.nii.gz")
        sitk.WriteImage(moving, folder / "moving.nii.gz")
        environment = {**os.environ, "PYTHONPATH": "" if method in ENVIRONMENTS else str(HERE.parents[1])}
        try:
            done = subprocess.run(
                line, check=False, env=environment, capture_output=True, text=True, timeout=LONGEST_S, cwd=folder
            )
        except subprocess.TimeoutExpired:
            return f"stopped after {LONGEST_S} s"
        if done.returncode:
            return "failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1]
        field = sitk.ReadImage(next(folder.glob("field.*")), sitk.sitkVectorFloat64)
        return field, json.loads((folder / "seconds.json").read_text())


def through(field: sitk.Image, points: np.ndarray) -> np.ndarray:
    """Points (LPS, mm) through a field."""
    transform = sitk.DisplacementFieldTransform(sitk.Image(field))
    return np.array([transform.TransformPoint(point) for point in points.tolist()])


def folds(field: sitk.Image, fixed: sitk.Image) -> int:
    """Voxels of the body that the field folds."""
    body = np.stack([ndimage.binary_fill_holes(plane) for plane in sitk.GetArrayViewFromImage(fixed) > BODY_HU])
    jacobian = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(field, True))
    return int((jacobian[body] <= 0).sum())


def measure(pair: Pair, method: str, peers: Path | None, back: bool) -> dict[str, float | str]:
    """Figures of one method on one pair."""
    result = run(method, pair.fixed, pair.moving, peers)
    if isinstance(result, str):
        return {"problem": result}
    field, seconds = result
    mapped = through(field, pair.fixed_points)
    errors = pair.errors(mapped)
    figures = {
        **seconds,
        "tre_mean_mm": float(errors.mean()),
        "tre_95_mm": float(np.percentile(errors, 95)),
        "folds": folds(field, pair.fixed),
    }
    returned = run(method, pair.moving, pair.fixed, peers) if back else "not asked for"
    if not isinstance(returned, str):
        distances = np.linalg.norm(through(returned[0], mapped) - pair.fixed_points, axis=1)
        figures["inverse_consistency_mm"] = float(distances.mean())
    return figures


def table_row(name: str, figures: dict[str, float | str]) -> str:
    """One row of the table."""
    if "problem" in figures:
        return f"| {name} | {figures['problem']} | | | | |"
    back = figures.get("inverse_consistency_mm")
    return (
        f"| {name} | {figures['seconds']:.1f} | {figures['processor_seconds']:.1f} | "
        f"{figures['tre_mean_mm']:.2f} / {figures['tre_95_mm']:.2f} | {figures['folds']} | "
        f"{'' if back is None else f'{back:.2f}'} |"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=len(REAL) + len(PHANTOMS), help="how many of the pairs")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--peers", type=Path, help="folder of the peers")
    parser.add_argument("--back", action="store_true", help="measure inverse consistency too; takes twice as long")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    peers = arguments.peers and arguments.peers.resolve()
    rows = []
    for pair in pairs(arguments.pairs):
        before = pair.errors(pair.fixed_points)
        print(f"\n{pair.name}, {' x '.join(map(str, pair.fixed.GetSize()))}, {os.cpu_count()} cores\n")
        print("| | seconds | processor seconds | liver TRE mean / 95% (mm) | folds | inverse consistency (mm) |")
        print(f"|---|---|---|---|---|---|\n| before | | | {before.mean():.2f} / {np.percentile(before, 95):.2f} | | |")
        for method in arguments.methods:
            figures = measure(pair, method, peers, arguments.back)
            rows.append({"pair": pair.name, "method": method, **figures})
            print(table_row(method, figures), flush=True)
            if arguments.out:
                arguments.out.write_text(json.dumps(rows, indent=2))
    _print_ratios(rows)


def _print_ratios(rows: list[dict]) -> None:
    """How many times longer, and how many times less exact, each peer is on the pairs that it did."""
    own = {row["pair"]: row for row in rows if row["method"] == "this project" and "problem" not in row}
    print()
    for method in METHODS:
        done = [row for row in rows if row["method"] == method and "problem" not in row and row["pair"] in own]
        if method != "this project" and done:
            slower, farther = (
                np.mean([row[key] for row in done]) / np.mean([own[row["pair"]][key] for row in done])
                for key in ("processor_seconds", "tre_mean_mm")
            )
            print(f"{method}: {slower:.1f} times the processor seconds, {farther:.1f} times the error")


if __name__ == "__main__":
    main()

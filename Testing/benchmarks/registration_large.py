"""Registration at clinical size: seconds of three phases onto the portal venous one, peak memory of a thin pair.

    python Testing/benchmarks/registration_large.py

The real anatomy of `registration_pairs`, resampled to 512 x 512 x 60 (three phases in turn) and 512 x 512 x 300 (one).
The images' own memory counts into the peak.
"""

import os
import resource
import time

import numpy as np
from registration import DATA
from registration_pairs import ARTERIAL, NON_CONTRAST, PORTAL_VENOUS, Pair, make_pair, read_anatomy

from LiverTumorAILib.registration import register, warp_points

EXTENT_MM = (366.0, 303.0, 189.0)
DELAYED = {tissue: 0.6 * value for tissue, value in PORTAL_VENOUS.items()}


def pair(slices: int, name: str, amplitude_mm: float, phase: dict, seed: int) -> Pair:
    """A pair of 512 x 512 x `slices` voxels."""
    spacing = tuple(length / size for length, size in zip(EXTENT_MM, (512, 512, slices), strict=True))
    return make_pair(read_anatomy(DATA), name, amplitude_mm, seed, spacing=spacing, moving_phase=phase)


def measured(one: Pair) -> float:
    """Seconds of one registration, printed with its error."""
    started = time.monotonic()
    field = register(one.fixed, one.moving).field
    seconds = time.monotonic() - started
    before, after = one.errors(one.fixed_points), one.errors(warp_points(one.fixed_points, field))
    size = " x ".join(map(str, one.fixed.GetSize()))
    print(f"{one.name}, {size}: {seconds:.1f} s, {before.mean():.1f} -> {after.mean():.2f} mm", flush=True)
    return seconds


def main() -> None:
    """Run the benchmark."""
    phases = (("non-contrast", 12.0, NON_CONTRAST), ("arterial", 15.0, ARTERIAL), ("delayed", 8.0, DELAYED))
    total = sum(measured(pair(60, *phase, seed)) for seed, phase in enumerate(phases))
    print(f"three phases: {total:.1f} s on {os.cpu_count()} cores (aim: 35 s)")
    thin = pair(300, "arterial, thin", 15.0, ARTERIAL, 4)
    before = _peak_gib()
    seconds = measured(thin)
    voxels = np.prod(thin.fixed.GetSize())
    print(f"{seconds:.1f} s; peak {_peak_gib():.1f} GiB, {before:.1f} GiB before ({voxels / 1e6:.0f} million voxels)")


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()

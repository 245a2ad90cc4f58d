"""Verdicts on synthetic pairs: how many good ones are green, how many broken on purpose are.

    python Testing/benchmarks/registration_verdicts.py [--good 100] [--broken 50] [--keep DIR]

Good pairs: phantoms (some with real organ shapes), CT and MR, motion up to 30 mm, shifts up to 100 mm, up to a fifth of
the liver cut away. Broken ones: see `registration_cases.BROKEN`. With --keep the fields stay in a folder: a second run
only judges them again, and an interrupted one goes on.
"""

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from registration_cases import BROKEN, Case, broken_case, good_cases, spoiled

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.registration import RegistrationQuality, Verdict, register
from LiverTumorAILib.registration.quality import judge

ANATOMIES = Path(__file__).resolve().parents[3] / "shared" / "data" / "anatomies"
FIRST_SEED = 70000
PAIRS_A_PHANTOM = 3
IMAGES = ("fixed", "moving", "liver")


def register_case(case: Case, folder: Path, seed: int) -> None:
    """Register a pair and keep images, field and errors in a folder; `done.json` is written last."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in IMAGES:
        sitk.WriteImage(getattr(case, name), folder / f"{name}.nrrd", useCompression=True)
    kept = {"name": case.name}
    try:
        result = register(case.fixed, case.moving)
    except LiverTumorAIError as error:
        kept["error"] = str(error)
    else:
        field = spoiled(result.field, case.spoil, seed)
        sitk.WriteImage(sitk.Cast(field, sitk.sitkVectorFloat32), folder / "field.nrrd", useCompression=True)
        kept |= {"ic": result.quality.inverse_consistency_mm, "seconds": result.quality.seconds}
        if case.truth is not None:
            inside = sitk.GetArrayViewFromImage(case.liver) > 0
            truth, found = (sitk.GetArrayFromImage(image)[inside] for image in (case.truth, field))
            kept["tre"] = float(np.linalg.norm(found - truth, axis=1).mean())
            kept["before"] = float(np.linalg.norm(truth, axis=1).mean())
    (folder / "done.json").write_text(json.dumps(kept))


def judged(folder: Path) -> tuple[dict, RegistrationQuality]:
    """What was kept of a pair, and its verdict by the limits of today."""
    kept = json.loads((folder / "done.json").read_text())
    if "error" in kept:
        return kept, RegistrationQuality(Verdict.FAILED, (kept["error"],), match=0.0)
    fixed, moving = (sitk.ReadImage(folder / f"{name}.nrrd", sitk.sitkFloat32) for name in IMAGES[:2])
    field = sitk.ReadImage(folder / "field.nrrd", sitk.sitkVectorFloat64)
    return kept, judge(fixed, moving, field, inverse_consistency_mm=kept["ic"])


def show(folder: Path) -> tuple[dict, RegistrationQuality]:
    """The verdict of a pair, printed."""
    kept, quality = judged(folder)
    error = f", {kept['before']:.1f} -> {kept['tre']:.2f} mm" if "tre" in kept else ""
    print(
        f"{quality.verdict:6s} match {quality.match:5.2f}, misplaced {quality.misplaced_share:4.0%}, volume change "
        f"{quality.volume_change:.2f}, outside {quality.outside_share:4.0%}{error}; {kept['name']}",
        flush=True,
    )
    return kept, quality


def good_folders(count: int, keep: Path, anatomies: list[Path]) -> list[Path]:
    """Good pairs, registered."""
    folders = []
    for number in range(-(-count // PAIRS_A_PHANTOM)):
        here = [keep / f"good-{number:03d}-{pair}" for pair in range(PAIRS_A_PHANTOM)]
        if not all((folder / "done.json").exists() for folder in here):
            for folder, case in zip(here, good_cases(FIRST_SEED + number, anatomies), strict=True):
                if not (folder / "done.json").exists():
                    register_case(case, folder, number)
        folders += here
    return folders[:count]


def broken_folders(count: int, keep: Path, anatomies: list[Path]) -> list[Path]:
    """Broken pairs, registered."""
    folders = [keep / f"broken-{number:03d}" for number in range(count)]
    for number, folder in enumerate(folders):
        if not (folder / "done.json").exists():
            register_case(broken_case(number, anatomies), folder, number)
    return folders


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--good", type=int, default=100)
    parser.add_argument("--broken", type=int, default=50)
    parser.add_argument("--keep", type=Path, help="folder for images and fields")
    arguments = parser.parse_args()
    anatomies = sorted(ANATOMIES.glob("btcv_*.nii.gz"))
    with tempfile.TemporaryDirectory() as temporary:
        keep = arguments.keep or Path(temporary)
        good = [show(folder) for folder in good_folders(arguments.good, keep, anatomies)]
        broken = [show(folder) for folder in broken_folders(arguments.broken, keep, anatomies)]
    print(f"\n{len(good)} good pairs: {_verdicts(good)}")
    worse = [kept["name"] for kept, _ in good if kept.get("tre", np.inf) > kept.get("before", 0.0)]
    print(f"ended worse than before: {len(worse)} {worse or ''}")
    print(f"{len(broken)} broken pairs: {_verdicts(broken)}")
    for kind in BROKEN:
        print(f"  {kind}: {_verdicts([pair for pair in broken if pair[0]['name'].startswith(kind)])}")


def _verdicts(pairs: list[tuple[dict, RegistrationQuality]]) -> str:
    counts = Counter(quality.verdict for _, quality in pairs)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict)


if __name__ == "__main__":
    main()

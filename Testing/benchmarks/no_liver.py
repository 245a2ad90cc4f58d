"""Parts of real CT that hold no liver, and whether the liver stage says so.

python Testing/benchmarks/no_liver.py [--models FOLDER] [CT ...]

Of each CT the slices above and below its liver (as the networks find it, 15 mm away from it) are given alone, and the
whole CT with its liver painted over with fat. Right is "no liver"; anything else is shown with its volume.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from real_liver import DATA
from scipy import ndimage

from LiverTumorAILib.cascades.base import known_liver, segment_liver
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import ModelStore, predict_probabilities
from LiverTumorAILib.inference.liver import find_liver
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Modality, Phase, Study, StudyVolume

DISTANCE_MM = 15.0
LEAST_MM = 45.0
"""A thinner stack tells nothing."""
DONORS = Path(__file__).resolve().parents[2] / "runs" / "donors"


def default_paths() -> list[Path]:
    """The CT at hand."""
    found = [DATA / "ccth" / "ccth_ct_crop.nii.gz", DATA / "totalsegmentator" / "example_ct.nii.gz"]
    found += sorted(path for path in DONORS.glob("*.nii.gz") if not path.name.endswith("_labels.nii.gz"))
    names = set()
    return [path for path in found if path.is_file() and not (path.name in names or names.add(path.name))]


def parts_without_liver(image: sitk.Image, liver: np.ndarray) -> Iterator[tuple[str, sitk.Image]]:
    """Below, above, and all of it without the liver."""
    slices = np.flatnonzero(liver.any(axis=(1, 2)))
    away = int(np.ceil(DISTANCE_MM / image.GetSpacing()[2]))
    below, above = int(slices[0]) - away, int(slices[-1]) + 1 + away
    least = LEAST_MM / image.GetSpacing()[2]
    if below >= least:
        yield "below the liver", image[:, :, :below]
    if image.GetSize()[2] - above >= least:
        yield "above the liver", image[:, :, above:]
    values = sitk.GetArrayFromImage(image)
    rng = np.random.default_rng(1)
    around = ndimage.binary_dilation(liver, iterations=2)
    values[around] = rng.normal(-100, 15, int(around.sum()))
    painted = sitk.GetImageFromArray(values)
    painted.CopyInformation(image)
    yield "its liver painted over with fat", painted


def verdict(image: sitk.Image, models: ModelStore) -> str:
    """What the base cascade would say of the liver of a CT whose phase nobody knows."""
    phase = Phase.PORTAL_VENOUS
    study = RegisteredStudy(Study(Modality.CT, (StudyVolume(image, phase),)), phase, {phase: image})
    try:
        liver, _ = known_liver(study, models, "auto")
        maps = predict_probabilities(models.load("base_unet"), study.images, region=liver.mask)
        segment_liver(image, maps, liver=liver)
    except LiverTumorAIError as error:
        return f"refused: {str(error).splitlines()[0]}"
    return f"LIVER of {liver.volume_ml:.0f} ml, confidence {liver.confidence:.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ct", type=Path, nargs="*", help="default: those of shared/data and runs/donors")
    parser.add_argument("--models", type=Path)
    chosen = parser.parse_args(arguments)
    models = ModelStore(chosen.models)
    wrong = 0
    for path in chosen.ct or default_paths():
        image = sitk.Cast(sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS"), sitk.sitkFloat32)
        liver = sitk.GetArrayFromImage(find_liver(image, models).mask) > 0
        for part, cut in parts_without_liver(image, liver):
            said = verdict(cut, models)
            wrong += said.startswith("LIVER")
            print(f"{path.name.split('.')[0]}, {part}: {said}", flush=True)
    print(f"{wrong} wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())

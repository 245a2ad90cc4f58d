"""How well one click segments a lesion that the network missed, on synthetic studies with their truth.

    python Testing/benchmarks/click_segmentation.py --studies 4 --first-seed 91000

Each lesion of 10 mm and more is clicked once, somewhere in its inner half; the network's map is not used, all other
lesions are known. Phases are aligned with their true fields. Prints Dice, seconds and what was refused.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import Organ
from LiverTumorAILib.phantom import Phantom, generate_phantom
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.review.grow import grow_lesion
from LiverTumorAILib.review.reading import box_image, box_of

SMALLEST_MM = 10.0


def aligned(phantom: Phantom) -> dict:
    """The phases on the reference grid by their true fields."""
    reference = phantom.images[phantom.reference_phase]
    images = {phantom.reference_phase: reference}
    for phase, field in phantom.fields.items():
        transform = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
        images[phase] = sitk.Resample(phantom.images[phase], reference, transform, sitk.sitkLinear, float("nan"))
    return images


def organ_labels(phantom: Phantom) -> sitk.Image:
    """The true organs as findings have them."""
    tissue = sitk.GetArrayViewFromImage(phantom.organs)
    values = np.where(sitk.GetArrayViewFromImage(phantom.lesions) > 0, Organ.LIVER, 0).astype(np.uint8)
    for name, organ in (
        (Tissue.LIVER, Organ.LIVER),
        (Tissue.HEPATIC_VEINS, Organ.HEPATIC_VESSELS),
        (Tissue.PORTAL_SPLENIC_VEIN, Organ.PORTAL_SPLENIC_VEIN),
        (Tissue.GALLBLADDER, Organ.GALLBLADDER),
        (Tissue.STOMACH, Organ.STOMACH),
        (Tissue.SPLEEN, Organ.SPLEEN),
    ):
        values[(tissue == name) & (values == 0)] = organ
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(phantom.organs)
    return image


def click(phantom: Phantom, random: np.random.Generator) -> list[tuple[str, float, float, float]]:
    """Type, diameter (mm), Dice and seconds of each clicked lesion; Dice 0 where the click was refused."""
    images, organs, grid = aligned(phantom), organ_labels(phantom), phantom.lesions
    labels = sitk.GetArrayViewFromImage(grid)
    masks = {}
    for lesion in phantom.lesion_truth:
        index = np.nonzero(labels == lesion.label)
        if index[0].size:
            box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in index)
            masks[lesion.label] = box_image(labels[box] == lesion.label, box, grid)
    results = []
    for lesion in phantom.lesion_truth:
        if lesion.label not in masks or lesion.long_axis_mm < SMALLEST_MM:
            continue
        truth = labels == lesion.label
        depth = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(masks[lesion.label], True, False, True, 0.0))
        inner = np.argwhere(depth >= depth.max() / 2)
        place = inner[random.integers(len(inner))]
        point = masks[lesion.label].TransformIndexToPhysicalPoint([int(i) for i in place[::-1]])
        others = {str(label): mask for label, mask in masks.items() if label != lesion.label}
        started = time.perf_counter()
        try:
            mask = grow_lesion(point, images, organs, others).mask
            found = np.zeros(truth.shape, bool)
            found[box_of(mask, grid)] = sitk.GetArrayViewFromImage(mask) > 0
            dice = 2 * (found & truth).sum() / (found.sum() + truth.sum())
        except LiverTumorAIError:
            dice = 0.0
        results.append((lesion.type, lesion.long_axis_mm, float(dice), time.perf_counter() - started))
    return results


def main() -> None:
    """Print each click and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4)
    parser.add_argument("--first-seed", type=int, default=91000)
    options = parser.parse_args()
    results = []
    for seed in range(options.first_seed, options.first_seed + options.studies):
        for kind, size, dice, seconds in click(generate_phantom(seed, "ct4"), np.random.default_rng(seed)):
            print(f"{seed} {kind:12} {size:5.0f} mm  Dice {dice:.2f}  {seconds:.2f} s", flush=True)
            results.append((dice, seconds))
    if results:
        dice, seconds = np.array(results).T
        print(
            f"{len(dice)} clicks: refused {(dice == 0).mean():.0%}, Dice median {np.median(dice):.2f}, "
            f"above 0.7 in {(dice > 0.7).mean():.0%}; seconds median {np.median(seconds):.2f}, most {seconds.max():.2f}"
        )


if __name__ == "__main__":
    main()

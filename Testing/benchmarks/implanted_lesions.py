"""Lesions implanted into the livers of real CT, where their truth is known, and what the base cascade finds of them.

python Testing/benchmarks/implanted_lesions.py [--models FOLDER] [--count 30] [--work runs/implanted]

Every study is a real unenhanced CT that the phantom gives contrast agent, vessels, noise and sixteen lesions; every
third one is looked at once more without lesions. Phases are displaced by up to 2 mm, what a good registration leaves,
and not registered.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from real_liver import DATA
from scipy import ndimage
from tqdm import tqdm

from LiverTumorAILib.cascades.base import BaseCascade
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.evaluation.evaluate import evaluate_case
from LiverTumorAILib.evaluation.truth import Truth, liver_mask
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.lesions.match import Outcome
from LiverTumorAILib.phantom import Phantom, PhantomOptions, generate_phantom
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.real_scan import RealScan
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Phase, Study, StudyVolume
from LiverTumorAILib.training.make_data import real_scan
from LiverTumorAILib.training.materials import read_map, scan_material

UNSEEN, SEEN = "ccth", "example_ct"
"""Bodies; the networks saw the texture of the second in training."""
FIRST_SEED = 90_000
GREATEST_RESIDUAL_MM = 2.0
FURTHER_LESIONS = 8
"""Beside one of each type."""
CLEAN_EVERY = 3
"""Such studies are looked at without lesions too: a liver without any is much alike each time."""
SIZES_MM = (5.0, 80.0)
LIMITS_MM = (10.0, 20.0, 40.0)
DETAIL_MM = 5.0
FROM_BORDER_MM = 3.0
"""Parenchyma nearer to a lesion, a vessel or the capsule does not tell the liver's level and noise."""
SURE = 3.0
"""A contrast of so many times the noise hardly comes by chance in one of four phases."""


@dataclass(frozen=True)
class ImplantedLesion:
    """A lesion and what became of it.

    Attributes
    ----------
    type: LesionType
    long_axis_mm: float
    contrast: float
        See `contrasts`.
    outcome: Outcome

    """

    type: LesionType
    long_axis_mm: float
    contrast: float
    outcome: Outcome

    @property
    def found(self) -> bool:
        return self.outcome is not Outcome.FALSE_NEGATIVE

    @property
    def right(self) -> bool:
        return self.outcome is Outcome.TRUE_POSITIVE


@dataclass(frozen=True)
class Result:
    """One study with lesions and, for some, the same one without; the Dice is NaN where no liver was found."""

    body: str
    seed: int
    liver_dice: float
    lesions: tuple[ImplantedLesion, ...]
    false_beside: int
    clean_liver_dice: float | None
    false_in_clean: int | None

    @classmethod
    def read(cls, path: Path) -> "Result":
        values = json.loads(path.read_text())
        lesions = (
            {**each, "type": LesionType(each["type"]), "outcome": Outcome(each["outcome"])}
            for each in values["lesions"]
        )
        return cls(**{**values, "lesions": tuple(ImplantedLesion(**each) for each in lesions)})

    def write(self, path: Path) -> None:
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=1))
        partial.replace(path)


@cache
def body(name: str) -> RealScan:
    """A real CT as a phantom's body; what its label map leaves open is told by HU."""
    if name == UNSEEN:
        folder = DATA / "ccth"
        ct, labels = (read_map(folder / f"ccth_{what}_crop.nii.gz") for what in ("ct", "liver"))
    else:
        folder = DATA / "totalsegmentator"
        ct, labels = (read_map(folder / f"{what}.nii.gz") for what in ("example_ct", "example_ct_labels"))
        # The labels' file starts at 0: it covers the CT's extent with voxels of its own.
        corner = np.asarray(ct.origin_mm) - np.asarray(ct.spacing_mm) / 2
        labels = replace(labels, origin_mm=tuple((corner + np.asarray(labels.spacing_mm) / 2).tolist()))
    return real_scan(scan_material(name, ct, labels))


def implanted(name: str, seed: int, *, lesions: bool) -> Phantom:
    """A study of a body with one lesion of each type and a few more, or with none."""
    rng = np.random.default_rng([seed, 5])
    residual = float(rng.uniform(0, GREATEST_RESIDUAL_MM))
    types = [*LesionType, *rng.choice(list(LesionType), FURTHER_LESIONS)] if lesions else []
    options = PhantomOptions(
        breathing_mm=residual,
        vary_coverage=False,
        lesions=tuple(LesionType(kind) for kind in types),
        scan=body(name),
    )
    return generate_phantom(seed, "ct4", options)


def on_reference(phantom: Phantom) -> RegisteredStudy:
    """The phases on the reference phase's grid, as they are."""
    reference = phantom.images[phantom.reference_phase]
    images = {
        phase: sitk.Resample(image, reference, sitk.Transform(), sitk.sitkLinear, float("nan"))
        for phase, image in phantom.images.items()
    }
    study = Study(phantom.modality, tuple(StudyVolume(image, phase) for phase, image in images.items()))
    return RegisteredStudy(study, phantom.reference_phase, images)


def contrasts(phantom: Phantom, images: dict[Phase, sitk.Image]) -> dict[int, float]:
    """How well each lesion can be seen at best, by instance number.

    The greatest difference of mean HU between lesion and liver in any phase, in standard deviations of the means over
    `DETAIL_MM` that the liver shows there: its noise and its texture.
    """
    organs, instances = (sitk.GetArrayFromImage(labels) for labels in (phantom.organs, phantom.lesions))
    box = ndimage.find_objects((organs == Tissue.LIVER).astype(np.uint8))[0]
    organs, instances = organs[box], instances[box]
    spacing = phantom.organs.GetSpacing()[::-1]
    plain = np.pad((organs == Tissue.LIVER) & (instances == 0), 1)
    depth = ndimage.distance_transform_edt(plain, sampling=spacing)[1:-1, 1:-1, 1:-1]
    parenchyma = depth > FROM_BORDER_MM
    detail = [max(round(DETAIL_MM / step), 1) for step in spacing]
    labels = [lesion.label for lesion in phantom.lesion_truth]
    best = np.zeros(len(labels))
    for image in images.values():
        values = sitk.GetArrayFromImage(image)[box]
        noise = ndimage.uniform_filter(values, detail)[parenchyma].std()
        away = np.abs(ndimage.mean(values, instances, labels) - values[parenchyma].mean())
        best = np.maximum(best, away / noise)
    return dict(zip(labels, best.tolist(), strict=True))


def find(phantom: Phantom, images: RegisteredStudy, models: ModelStore) -> tuple[float, dict[int, Outcome], int]:
    """Liver Dice, outcome of each true lesion, and number of false lesions."""
    truth = Truth(
        liver_mask(phantom.organs, phantom.lesions),
        phantom.lesions,
        {lesion.label: lesion.type for lesion in phantom.lesion_truth},
        {lesion.label: lesion.long_axis_mm for lesion in phantom.lesion_truth},
    )
    try:
        findings = BaseCascade(explains=False).run(images, models, Progress())
    except LiverTumorAIError as error:
        print(error, file=sys.stderr)
        return float("nan"), dict.fromkeys(truth.types, Outcome.FALSE_NEGATIVE), 0
    case = evaluate_case("", findings, truth)
    outcomes = {match.true_label: match.outcome for match in case.matches if match.true_label is not None}
    return case.liver_dice, outcomes, len(case.matches) - len(outcomes)


def run_study(name: str, seed: int, models: ModelStore, *, clean_too: bool) -> Result:
    """Make a study with lesions, and without if wanted, and look for them."""
    clean_dice, false_in_clean = None, None
    if clean_too:
        clean = implanted(name, seed, lesions=False)
        clean_dice, _, false_in_clean = find(clean, on_reference(clean), models)
    phantom = implanted(name, seed, lesions=True)
    images = on_reference(phantom)
    seen = contrasts(phantom, images.images)
    dice, outcomes, false_beside = find(phantom, images, models)
    lesions = tuple(
        ImplantedLesion(lesion.type, lesion.long_axis_mm, seen[lesion.label], outcomes[lesion.label])
        for lesion in phantom.lesion_truth
    )
    return Result(name, seed, dice, lesions, false_beside, clean_dice, false_in_clean)


def table(results: Sequence[Result]) -> list[str]:
    """Figures of one body's studies as lines of text."""
    lesions = [each for result in results for each in result.lesions if SIZES_MM[0] <= each.long_axis_mm <= SIZES_MM[1]]
    clean = [result for result in results if result.false_in_clean is not None]
    groups: dict[str, Callable[[ImplantedLesion], bool]] = {}
    for low, high in zip((0.0, *LIMITS_MM), (*LIMITS_MM, np.inf), strict=True):
        title = f"> {low:.0f} mm" if np.isinf(high) else f"{low:.0f}-{high:.0f} mm"
        groups[title] = lambda each, low=low, high=high: low <= each.long_axis_mm < high
    groups |= {kind.value: lambda each, kind=kind: each.type is kind for kind in LesionType}
    groups["all"] = lambda each: True
    return [
        f"{'':14}lesions  contrast > 1 / > {SURE:.0f} noise  found  right type",
        *(_row(title, [each for each in lesions if belongs(each)]) for title, belongs in groups.items()),
        f"False lesions a study: {_mean(result.false_in_clean for result in clean):.2f} in {len(clean)} without any "
        f"(at most {max((result.false_in_clean for result in clean), default=0)}), "
        f"{_mean(result.false_beside for result in results):.2f} beside lesions",
        f"Liver Dice: {_mean(result.liver_dice for result in results):.3f} with lesions, "
        f"{_mean(result.clean_liver_dice for result in clean):.3f} without",
    ]


def _row(title: str, lesions: Sequence[ImplantedLesion]) -> str:
    if not lesions:
        return f"{title:14}{0:7}"
    seen, sure = (_mean(each.contrast > limit for each in lesions) for limit in (1.0, SURE))
    found, right = _mean(each.found for each in lesions), _mean(each.right for each in lesions)
    return f"{title:14}{len(lesions):7}  {seen:12.2f} / {sure:.2f}        {found:5.2f}  {right:10.2f}"


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([*values] or [np.nan]))


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, help="model store; default: the one that comes with the library")
    parser.add_argument("--count", type=int, default=30, help="studies; every third is in a body seen in training")
    parser.add_argument("--work", type=Path, default=Path("runs/implanted"), help="results of each study are kept here")
    chosen = parser.parse_args()
    if not DATA.is_dir():
        parser.error(f"the real CT are missing: {DATA}")
    models = ModelStore(chosen.models)
    hashes = "".join(models.card(name).sha256 for name in models.names())
    work = chosen.work / hashlib.sha256(hashes.encode()).hexdigest()[:12]
    work.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[Result]] = {UNSEEN: [], SEEN: []}
    for index in tqdm(range(chosen.count), desc="studies", file=sys.stderr):
        name, seed = SEEN if index % 3 == 2 else UNSEEN, FIRST_SEED + index
        path = work / f"{name}_{seed}.json"
        if not path.is_file():
            run_study(name, seed, models, clean_too=index // 3 % CLEAN_EVERY == 0).write(path)
        results[name].append(Result.read(path))
    for name, those in results.items():
        if those:
            note = " (texture seen in training)" if name == SEEN else " (never seen in training)"
            print("\n".join([f"\n{name}{note}: {len(those)} studies, lesions of 5-80 mm", *table(those)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

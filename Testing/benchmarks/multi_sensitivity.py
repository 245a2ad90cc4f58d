"""Tables I-V and Figures 10 and 11 of the multi-sensitivity paper on held-out phantoms.

    python Testing/benchmarks/multi_sensitivity.py [--cases 200] [--validation 20] [--work runs/multi-sensitivity]
        [--models FOLDER] [--processes 2]

Two thirds of the patients have a malignant leading lesion, a tenth none at all. Phantoms (seeds 50000 and up, which
no training or selection saw) are generated once, their phases displaced by what registration leaves (up to 3 mm; the
first `--registered` ones breathe and are registered by this project). Each is then seen once by both networks in the
diagnosis setting (all phases) and once in the screening setting (the non-contrast phase alone, in the liver that the
liver networks found in the portal venous one), and what they said is kept in the work folder. Everything is
resumable, and all tables come from what is kept. The plain baseline's size filter is tuned on further phantoms. All
figures are synthetic-data figures.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import current_process, get_context
from pathlib import Path

import matplotlib as mpl
import numpy as np
import SimpleITK as sitk
from base_cascade import prepare, registered_study
from multi_sensitivity_markdown import markdown

from LiverTumorAILib.cascades.base import known_liver, suited_network
from LiverTumorAILib.cascades.multi_sensitivity import (
    HIGH_FACTOR,
    RECLASSIFICATION,
    give_opinions,
    networks_of,
    segment,
)
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.evaluation import read_truth
from LiverTumorAILib.evaluation.multi_sensitivity import (
    DIAGNOSIS,
    SCREENING,
    KeptCase,
    keep_truth,
    paper_tables,
    tune_size_filter,
)
from LiverTumorAILib.evaluation.multi_sensitivity_table import table_lines
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.inference.liver import Liver
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.lesions.sensitivity import LOW_FACTOR
from LiverTumorAILib.lesions.sensitivity_file import SensitivityData, read_sensitivity, write_sensitivity
from LiverTumorAILib.phantom import PhantomOptions
from LiverTumorAILib.phantom.lesions import draw_leading_type
from LiverTumorAILib.phantom.phantom import PHANTOM_VERSION
from LiverTumorAILib.phantom.random_fields import stream
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training.make_data import GREATEST_RESIDUAL_MM

FIRST_SEED, FIRST_VALIDATION_SEED = 50_000, 48_000
LIVER, REFUSED = "liver.nii.gz", "refused.txt"
"""What is kept of a case for both settings: the liver, and why it cannot be used."""
REGION_MM = 15.0
"""Around the liver in which the first network looks for lesions; it sees more."""
WITHOUT_SHUFFLE = f"{RECLASSIFICATION}_no_shuffle"
PATTERN = ("malignant", "malignant", "benign") * 3 + ("normal",)
"""Which kind of patient comes next: 60 % malignant, 30 % benign, 10 % normal before incidental lesions."""


def seeds(first: int, count: int) -> list[int]:
    """The first seeds whose patients are of the kinds that `PATTERN` asks for."""
    waiting: dict[str, Iterator[int]] = {}

    def of_kind(kind: str) -> Iterator[int]:
        for seed in range(first, first + 100 * count + 1000):
            leading = draw_leading_type(stream(PHANTOM_VERSION, seed, "plan"))
            if kind == ("normal" if leading is None else "malignant" if leading.is_malignant else "benign"):
                yield seed

    return [next(waiting.setdefault(kind, of_kind(kind))) for kind in (PATTERN * (count // 10 + 1))[:count]]


def residual(seed: int) -> PhantomOptions:
    """Phases as far apart as registration leaves them, which its own benchmark measures."""
    return PhantomOptions(breathing_mm=float(np.random.default_rng([seed, 78]).uniform(0, GREATEST_RESIDUAL_MM)))


def in_setting(study: RegisteredStudy, setting: str) -> RegisteredStudy:
    """The study as the setting sees it; LiverTumorAIError if it has no non-contrast phase for the screening setting."""
    if setting == DIAGNOSIS:
        return study
    if Phase.NON_CONTRAST not in study.images:
        raise LiverTumorAIError("The study has no non-contrast phase")
    return replace(study, reference_phase=Phase.NON_CONTRAST, images={Phase.NON_CONTRAST: _filled(study)})


def _filled(study: RegisteredStudy) -> sitk.Image:
    """The registered non-contrast phase with air where it shows nothing."""
    image = study.images[Phase.NON_CONTRAST]
    filled = sitk.GetImageFromArray(np.nan_to_num(sitk.GetArrayViewFromImage(image), nan=-1000.0))
    filled.CopyInformation(image)
    return filled


def keep(folder: Path, models: ModelStore) -> dict[str, float]:
    """Keep in a case's folder what the networks say of it in both settings; what is kept already stays.

    Returns
    -------
    dict of str to float
        Seconds of what was computed: the liver, and each setting without the ablation.

    """
    seconds: dict[str, float] = {}
    try:
        study, started = registered_study(folder), time.monotonic()
        if not (folder / LIVER).is_file():
            sitk.WriteImage(known_liver(study, models, "auto")[0].mask, folder / LIVER, useCompression=True)
            seconds["liver"] = time.monotonic() - started
        mask = sitk.ReadImage(folder / LIVER)
        for setting in (DIAGNOSIS, SCREENING):
            shown, started = in_setting(study, setting), time.monotonic()
            if not kept_file(folder, setting, True).is_file():
                _keep_setting(folder, setting, shown, mask, models)
                seconds[setting] = time.monotonic() - started
            if WITHOUT_SHUFFLE in models.names() and not kept_file(folder, setting, False).is_file():
                _keep_ablation(folder, setting, shown, models)
    except LiverTumorAIError as error:
        (folder / REFUSED).write_text(str(error), encoding="utf-8")
    return seconds


def _keep_setting(folder: Path, setting: str, study: RegisteredStudy, mask: sitk.Image, models: ModelStore) -> None:
    around = sitk.BinaryDilate(mask, [math.ceil(REGION_MM / step) for step in mask.GetSpacing()])
    volume_ml = float(sitk.GetArrayViewFromImage(mask).sum() * np.prod(mask.GetSpacing()) / 1000)
    liver = Liver(mask, sitk.Cast(mask, sitk.sitkFloat32), volume_ml, 1.0)
    first, second = (models.load(name) for name in networks_of(study.images, models))
    organs, probabilities = segment(study, first, liver=liver, region=around)
    sitk.WriteImage(organs, organs_file(folder, setting), useCompression=True)
    opinions = give_opinions(study.images, organs, probabilities, second, HIGH_FACTOR)
    write_sensitivity(SensitivityData(probabilities, opinions, HIGH_FACTOR), kept_file(folder, setting, True))


def _keep_ablation(folder: Path, setting: str, study: RegisteredStudy, models: ModelStore) -> None:
    """The paper's ablation is one of the low sensitivity alone."""
    organs = sitk.ReadImage(organs_file(folder, setting))
    probabilities = read_sensitivity(kept_file(folder, setting, True)).probabilities
    model = models.load(suited_network(WITHOUT_SHUFFLE, study.images, models))
    opinions = give_opinions(study.images, organs, probabilities, model, LOW_FACTOR, shuffle=False)
    write_sensitivity(SensitivityData(probabilities, opinions, LOW_FACTOR), kept_file(folder, setting, False))


def kept_file(folder: Path, setting: str, shuffle: bool) -> Path:
    """Where what the networks say of a case is kept."""
    return folder / f"{setting.split(maxsplit=1)[0]}{'' if shuffle else '-no-shuffle'}.npz"


def organs_file(folder: Path, setting: str) -> Path:
    """Where the organs that the first network found are kept."""
    return folder / f"{setting.split(maxsplit=1)[0]}-organs.nii.gz"


def kept_case(folder: Path, setting: str) -> KeptCase | None:
    """A case with its truth; None where it could not be used."""
    if not kept_file(folder, setting, True).is_file():
        return None
    truth, bare = read_truth(folder), kept_file(folder, setting, False)
    return keep_truth(
        folder.name,
        read_sensitivity(kept_file(folder, setting, True)),
        truth.lesions,
        truth.types,
        read_sensitivity(bare).opinions if bare.is_file() else None,
    )


def keep_all(folders: list[Path], models: ModelStore, processes: int) -> dict[str, list[float]]:
    """Keep all cases, several at a time; the seconds of each part for those that were not kept yet."""
    cores = None if processes == 1 else sorted(os.sched_getaffinity(0))
    spent: dict[str, list[float]] = {}
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=stay_on_core, initargs=[cores]) as pool:
        for seconds in pool.map(keep, folders, [models] * len(folders)):
            for part, value in seconds.items():
                spent.setdefault(part, []).append(value)
    return spent


def stay_on_core(cores: list[int] | None) -> None:
    """Let this process of a pool have one core alone, so that the networks of several don't wait for each other."""
    if cores:
        number = int(current_process().name.rpartition("-")[2])
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def visible_share(folders: list[Path], contrast_hu: float = 5.0) -> tuple[int, int]:
    """How many of the lesions of Table I differ from the liver around by so much in the non-contrast phase."""
    seen = total = 0
    for folder in folders:
        study, truth = registered_study(folder), read_truth(folder)
        if Phase.NON_CONTRAST not in study.images:
            continue
        image = study.images[Phase.NON_CONTRAST]
        values = sitk.GetArrayViewFromImage(image)
        labels, liver = (
            sitk.GetArrayFromImage(sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0))
            for mask in (truth.lesions, truth.liver)
        )
        level = np.nanmedian(values[(liver > 0) & (labels == 0)])
        for label in truth.types:
            inside = values[labels == label]
            if inside.size * np.prod(image.GetSpacing()) >= 500 and np.isfinite(inside).any():
                total += 1
                seen += abs(np.nanmean(inside) - level) >= contrast_hu
    return seen, total


def draw(tables: dict, path: Path) -> None:
    """Fig. 10 and 11 of every setting."""
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(tables), 2, figsize=(13, 5.2 * len(tables)), squeeze=False)
    for (setting, table), (left, right) in zip(tables.items(), axes, strict=True):
        rows, columns = list(table["figure_10"]), list(next(iter(table["figure_10"].values())))
        counts = np.array([[table["figure_10"][row][column] for column in columns] for row in rows])
        left.imshow(np.sqrt(counts), cmap="Blues")
        for (y, x), count in np.ndenumerate(counts):
            left.text(x, y, count, ha="center", va="center", color="white" if count > 0.5 * counts.max() else "black")
        left.set_xticks(range(len(columns)), list(map(_title, columns)), rotation=40, ha="right")
        left.set_yticks(range(len(rows)), list(map(_title, rows)))
        left.set(xlabel="joint model", ylabel="truth", title=f"{setting}: patients (Fig. 10)")
        points = table["figure_11"]
        for name, style in (("without ReCls", "--"), ("with ReCls", "-")):
            shown = [point for point in points if point[name]]
            for figure_name, colour in (("fp", "#d55e00"), ("fn", "#0072b2")):
                values = [point[name][figure_name] for point in shown]
                label = f"false {'positives' if figure_name == 'fp' else 'negatives'}, {name}"
                right.plot([point["factor"] for point in shown], values, style, color=colour, marker="o", label=label)
        right.axvline(table["high_factor"], color="0.7", lw=1)
        right.set(xscale="log", xlabel="sensitivity factor", ylabel="lesions", title=f"{setting}: factor (Fig. 11)")
        right.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _title(name: str) -> str:
    return LesionType(name).title if name in set(LesionType) else name.lower()


def main() -> None:
    """Print the tables, write them as JSON and draw the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--validation", type=int, default=20, help="cases on which the baseline's size filter is tuned")
    parser.add_argument("--registered", type=int, default=0, help="so many of the cases breathe and are registered")
    parser.add_argument("--work", type=Path, default=Path("runs/multi-sensitivity"))
    parser.add_argument("--models", type=Path, help="model store; the ablation needs one with its network, too")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--prepare-only", action="store_true")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    test = [
        prepare(seed, arguments.work, options=options, register=options is None)
        for index, seed in enumerate(seeds(FIRST_SEED, arguments.cases))
        for options in [None if index < arguments.registered else residual(seed)]
    ]
    validation = [
        prepare(seed, arguments.work, options=residual(seed), register=False)
        for seed in seeds(FIRST_VALIDATION_SEED, arguments.validation)
    ]
    if arguments.prepare_only:
        return
    seconds = keep_all([*validation, *test], ModelStore(arguments.models), arguments.processes)
    tables = {}
    for setting in (DIAGNOSIS, SCREENING):
        tuning, cases = (
            [case for case in (kept_case(folder, setting) for folder in folders) if case]
            for folders in (validation, test)
        )
        if len(cases) < len(test):
            print(f"{setting}: {len(test) - len(cases)} of {len(test)} cases could not be used")
        tables[setting] = paper_tables(cases, smallest_cm3=tune_size_filter(tuning) if tuning else 0.0)
        print("\n".join(["", *table_lines(tables[setting], setting.capitalize())]), flush=True)
    seen, total = visible_share(test)
    print(f"\nNon-contrast phase: {seen} of {total} lesions differ from the liver by 5 HU or more")
    for part, values in seconds.items():
        print(f"{part.capitalize()}: {np.mean(values):.1f} s a case (longest {max(values):.1f} s)")
    (arguments.work / "tables.json").write_text(json.dumps(tables, indent=1))
    (arguments.work / "tables.md").write_text(markdown(tables), encoding="utf-8")
    draw(tables, arguments.work / "figures.png")


if __name__ == "__main__":
    main()

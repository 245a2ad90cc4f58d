"""How often phase recognition names the phases of synthetic studies rightly from the image alone.

No header words, no times, no order: the volumes of each study come shuffled. Four ways are measured: all volumes of
a study together, random subsets of two and three volumes, and each volume alone.

    python Testing/benchmarks/phase_recognition.py --protocol ct4 --studies 100
"""

import argparse
import json
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from LiverTumorAILib.phantom import PROTOCOLS, PhantomOptions, generate_phantom
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Phase
from LiverTumorAILib.study.phase_recognition import recognise_phases
from LiverTumorAILib.study.raw_volume import RawVolume

_SPACING_MM = (4.0, 3.0, 3.0)
_FIRST_SEED = 70_000


def _recognise(images, phases, modality):
    volumes = [RawVolume(images[phase], f"volume {number}") for number, phase in enumerate(phases)]
    found = recognise_phases(volumes, modality, Progress())
    return [
        {
            "truth": phase.value,
            "found": result.phase.value if result.phase else None,
            "probability": result.probabilities.get(result.phase, 0.0),
            "reason": result.reason,
        }
        for phase, result in zip(phases, found, strict=True)
    ]


def measure_study(task: tuple[int, str, bool]) -> dict:
    """Results for one phantom: lists of truth, found, probability by way of judging."""
    seed, protocol, together_only = task
    phantom = generate_phantom(seed, protocol, PhantomOptions(spacing_mm=_SPACING_MM))
    random = np.random.default_rng(seed)
    phases = [Phase(phase) for phase in random.permutation(list(phantom.images))]
    ways = {"all": _recognise(phantom.images, phases, phantom.modality)}
    if together_only:
        return {"seed": seed, "ways": ways}
    for count in (2, 3):
        if len(phases) > count:
            ways[f"{count} of them"] = _recognise(phantom.images, phases[:count], phantom.modality)
    ways["alone"] = [row for phase in phases for row in _recognise(phantom.images, [phase], phantom.modality)]
    return {"seed": seed, "ways": ways}


def summarise(studies: list[dict]) -> dict:
    """Accuracy by volume and by study, accuracy and share of the sure ones, and confusion, by way of judging."""
    summary = {}
    for way in studies[0]["ways"]:
        rows = [row for study in studies for row in study["ways"][way]]
        right = np.array([row["found"] == row["truth"] for row in rows])
        sure = np.array([row["probability"] >= 0.7 for row in rows])
        whole = [all(row["found"] == row["truth"] for row in study["ways"][way]) for study in studies]
        summary[way] = {
            "volumes": len(rows),
            "accuracy": float(right.mean()),
            "studies_all_right": float(np.mean(whole)),
            "sure_share": float(sure.mean()),
            "accuracy_of_sure": float(right[sure].mean()) if sure.any() else None,
            "confusion": {
                f"{truth} -> {found}": count
                for (truth, found), count in sorted(Counter((row["truth"], str(row["found"])) for row in rows).items())
            },
        }
    return summary


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", choices=PROTOCOLS, default="ct4")
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=_FIRST_SEED)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--together", action="store_true", help="only judge all volumes of a study together: quicker")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--errors", action="store_true", help="also list each volume that was named wrongly")
    arguments = parser.parse_args()
    tasks = [
        (arguments.first_seed + index, arguments.protocol, arguments.together) for index in range(arguments.studies)
    ]
    studies = []
    with ProcessPoolExecutor(arguments.workers) as pool:
        for study in pool.map(measure_study, tasks):
            studies.append(study)
            print(f"\r{len(studies)}/{len(tasks)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    summary = summarise(studies)
    if arguments.json:
        print(json.dumps({"protocol": arguments.protocol, "studies": len(studies), "ways": summary}, indent=1))
        return 0
    for way, figures in summary.items():
        print(
            f"{way}: {figures['accuracy']:.1%} of {figures['volumes']} volumes right, "
            f"{figures['studies_all_right']:.0%} of studies wholly; sure of {figures['sure_share']:.0%}, "
            f"of these right: {figures['accuracy_of_sure'] or 0:.1%}"
        )
        for pair, count in figures["confusion"].items():
            print(f"    {pair}: {count}")
    if arguments.errors:
        for study in studies:
            for way, rows in study["ways"].items():
                for row in rows:
                    if row["found"] != row["truth"]:
                        print(
                            study["seed"],
                            way,
                            row["truth"],
                            "->",
                            row["found"],
                            f"{row['probability']:.2f}",
                            row["reason"],
                        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

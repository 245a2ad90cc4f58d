"""The command line `livertumorai`: a thin shell around the library.

Exit status 0 (done), 1 (one line on standard error: what, where, what to do) or 2 (wrong call). Progress goes to
standard error; machine-readable results go to files, or to standard output with `--json`.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from LiverTumorAILib import __version__
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.progress import Cancelled, Progress, ProgressEvent


class ProgressBar:
    """Stage, bar, percentage and remaining time on standard error; a line for each step where that is no terminal."""

    def __init__(self) -> None:
        self._shown = ""
        self._bar = tqdm(
            total=100,
            file=sys.stderr,
            leave=False,
            bar_format="{desc:<44.44} {bar:20} {percentage:3.0f}%{postfix}",
            disable=None,
        )

    def show(self, event: ProgressEvent) -> None:
        """Draw an event."""
        text = ": ".join(filter(None, (event.stage, event.message))) or self._shown
        if self._bar.disable:
            if text != self._shown:
                print(f"{text} ...", file=sys.stderr, flush=True)
            self._shown = text
            return
        self._bar.set_description_str(text, refresh=False)
        if event.remaining_seconds is not None:
            self._bar.set_postfix_str(f"{event.remaining_seconds:.0f} s left", refresh=False)
        self._bar.n = round(100 * event.fraction)
        self._bar.refresh()

    def close(self) -> None:
        """Take the line away."""
        self._bar.close()


def _print_json(value: Any) -> None:  # noqa: ANN401
    print(json.dumps(value, indent=2, allow_nan=False))


def _demo(arguments: argparse.Namespace, progress: Progress) -> None:
    from LiverTumorAILib.demo import run_demo

    run_demo(arguments.out, arguments.headless, progress)


def _phantom(arguments: argparse.Namespace, progress: Progress) -> None:
    from LiverTumorAILib.folders import require_free
    from LiverTumorAILib.phantom import generate_phantom, write_case

    require_free(arguments.out)
    phantom = generate_phantom(arguments.seed, arguments.protocol, progress=progress)
    write_case(phantom, arguments.out, dicom=arguments.dicom, seed=arguments.seed)
    print(f"Synthetic {arguments.protocol} study {arguments.seed} with its truth: {arguments.out}")


def _load(arguments: argparse.Namespace, progress: Progress) -> None:
    from dataclasses import asdict

    from LiverTumorAILib.study import load_study
    from LiverTumorAILib.worker.run import phases_found

    found = phases_found(load_study(arguments.path, progress))
    if arguments.json:
        _print_json(asdict(found))
        return
    for volume in found.volumes:
        phase = volume.phase.replace("_", " ") if volume.phase else "unknown phase"
        sure = "" if volume.sure else " (unsure)"
        spacing = " x ".join(f"{value:.2f}" for value in volume.spacing_mm)
        print(f"{volume.source}: {phase}, {volume.probability:.0%}{sure}; {volume.slices} slices, {spacing} mm")
        print(f"    {volume.reason}")
        for warning in volume.warnings:
            print(f"    Note: {warning}")
    for warning in found.warnings:
        print(f"Note: {warning}")


def _register(arguments: argparse.Namespace, progress: Progress) -> None:
    from dataclasses import asdict

    from LiverTumorAILib.registration import register_files

    result = register_files(
        arguments.fixed, arguments.moving, arguments.out, arguments.field, progress, device=arguments.device
    )
    quality = result.quality
    if arguments.json:
        _print_json({**asdict(quality), "notes": result.notes})
        return
    print(f"Registration: {quality.verdict}")
    for line in (*quality.reasons, *result.notes):
        print(f"    {line}")
    print(
        f"    similarity {quality.similarity_before:.3f} -> {quality.similarity_after:.3f}, match {quality.match:.2f}, "
        f"{quality.misplaced_share:.0%} better 6 mm off, volume change {quality.volume_change:.0%}, "
        f"Jacobian {quality.jacobian_min:.2f} to {quality.jacobian_max:.2f}, "
        f"inverse consistency {quality.inverse_consistency_mm:.2f} mm, "
        f"outside {quality.outside_share:.0%}, {quality.seconds:.1f} s"
    )


def _analyze(arguments: argparse.Namespace, progress: Progress) -> None:
    from LiverTumorAILib.cascades import get_cascade
    from LiverTumorAILib.folders import new_folder
    from LiverTumorAILib.inference import ModelStore
    from LiverTumorAILib.pipeline import analyze
    from LiverTumorAILib.report import summary_lines, write_results

    get_cascade(arguments.cascade, substitutes=dict(arguments.substitute))
    models = ModelStore(arguments.models)
    with new_folder(arguments.out) as folder:
        analysis = analyze(
            arguments.path,
            arguments.cascade,
            models,
            progress.part(0, 0.9),
            arguments.device,
            substitutes=dict(arguments.substitute),
        )
        last = progress.part(0.9, 1, "Writing the results")
        write_results(analysis, folder, last, with_identity=arguments.with_identity)
    print("\n".join(summary_lines(analysis.findings)))
    print(f"Results: {arguments.out / 'report.html'}")


def _measure(arguments: argparse.Namespace, progress: Progress) -> None:
    from dataclasses import asdict

    from LiverTumorAILib.measurement import measure_files

    measurements = measure_files(arguments.mask, arguments.image, progress)
    if arguments.json:
        _print_json({str(label): asdict(measurement) for label, measurement in measurements.items()})
        return
    print("label  long axis mm  short axis mm  3D diameter mm  volume ml")
    for label, measurement in measurements.items():
        print(
            f"{label:5}  {measurement.long_axis.length_mm:12.1f}  {measurement.short_axis.length_mm:13.1f}  "
            f"{measurement.max_3d_diameter_mm:14.1f}  {measurement.volume_mm3 / 1000:9.2f}"
        )


def _evaluate(arguments: argparse.Namespace, progress: Progress) -> None:
    from LiverTumorAILib.evaluation import evaluate, evaluation_lines
    from LiverTumorAILib.inference import ModelStore

    result = evaluate(arguments.cascade, arguments.cases, ModelStore(arguments.models), progress)
    if arguments.json:
        _print_json(result)
    else:
        print("\n".join(evaluation_lines(result)))


def _train(arguments: argparse.Namespace, progress: Progress) -> None:
    try:
        from LiverTumorAILib.training import train_model
    except ModuleNotFoundError as error:
        raise LiverTumorAIError(
            "Training needs a package that is not installed",
            error.name or "",
            "Install it with: pip install 'livertumorai[training]'",
        ) from error
    from LiverTumorAILib.inference import ModelStore

    folder = train_model(
        arguments.model,
        arguments.data,
        run_folder=arguments.run or Path("runs") / arguments.model,
        models_folder=arguments.models or ModelStore().folder,
        steps=arguments.steps,
        start=arguments.start,
        progress=progress,
    )
    print(f"Model: {folder}")


def _models(arguments: argparse.Namespace, _progress: Progress) -> None:
    from LiverTumorAILib.inference import ModelStore

    store = ModelStore(arguments.models)
    if arguments.action == "list":
        cards = [store.card(name) for name in store.names()]
        if arguments.json:
            from dataclasses import asdict

            _print_json([asdict(card) for card in cards])
        for card in () if arguments.json else cards:
            print(f"{card.name} {card.version}: {card.title} ({', '.join(card.inputs)}; {len(card.classes)} classes)")
        return
    results = store.verify()
    broken = [result for result in results if not result.ok]
    for result in results:
        print(result.words)
    if broken:
        raise LiverTumorAIError(
            f"{len(broken)} of {len(results)} models are broken", store.folder, "Install the extension again"
        )


def _substitute(text: str) -> tuple[Any, Any]:
    """MISSING=PRESENT as two phases."""
    from LiverTumorAILib.study import Phase

    missing, _, present = text.partition("=")
    try:
        return Phase(missing), Phase(present)
    except ValueError:
        known = ", ".join(Phase)
        raise argparse.ArgumentTypeError(f"'{text}' is not MISSING=PRESENT with two of {known}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="livertumorai",
        description="Multi-phase liver studies: registered, segmented, typed and measured. Not for clinical use.",
    )
    parser.add_argument("--version", action="version", version=f"livertumorai {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[..., None], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(execute=run)
        return sub

    def add_models(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--models", type=Path, metavar="DIR", help="model folder (default: the one that ships)")

    demo = command("demo", _demo, "Make a sample study, analyze it and open the module's window on it")
    demo.add_argument("--out", type=Path, default=Path("demo-output"), metavar="DIR", help="default: demo-output")
    demo.add_argument("--headless", action="store_true", help="write pictures instead of opening the window")

    phantom = command("phantom", _phantom, "Write one synthetic study with its truth")
    phantom.add_argument("--seed", type=int, required=True, metavar="N")
    phantom.add_argument("--protocol", required=True, metavar="P", help="ct4, ct3, nc, dce-mr or hbp-mr")
    phantom.add_argument("--out", type=Path, required=True, metavar="DIR")
    phantom.add_argument("--dicom", action="store_true", help="write DICOM series instead of NIfTI files")

    load = command("load", _load, "Tell which phases a folder of DICOM or volumes holds, how sure, and why")
    load.add_argument("path", type=Path, metavar="PATH")
    load.add_argument("--json", action="store_true")

    register = command("register", _register, "Register one image onto another")
    register.add_argument("--fixed", type=Path, required=True, metavar="F")
    register.add_argument("--moving", type=Path, required=True, metavar="M")
    register.add_argument("--out", type=Path, required=True, metavar="O", help="the moved image")
    register.add_argument("--field", type=Path, metavar="D", help="the displacement field (LPS, mm)")
    register.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    register.add_argument("--json", action="store_true")

    analyze = command("analyze", _analyze, "Run the whole pipeline on a study")
    analyze.add_argument("path", type=Path, metavar="PATH")
    analyze.add_argument("--out", type=Path, required=True, metavar="DIR")
    analyze.add_argument("--cascade", default="base", metavar="NAME")
    analyze.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    analyze.add_argument(
        "--substitute",
        action="append",
        default=[],
        type=_substitute,
        metavar="MISSING=PRESENT",
        help="let a phase stand in for one that the method needs and the study lacks, such as arterial=portal_venous",
    )
    analyze.add_argument(
        "--with-identity", action="store_true", help="print the patient's name, ID and dates in report.html"
    )
    add_models(analyze)

    measure = command("measure", _measure, "Measure each lesion of a label map")
    measure.add_argument("--mask", type=Path, required=True, metavar="M")
    measure.add_argument("--image", type=Path, metavar="I", help="for mean intensities")
    measure.add_argument("--json", action="store_true")

    evaluate = command("evaluate", _evaluate, "Compute the papers' figures on cases with truth")
    evaluate.add_argument("--cascade", default="base", metavar="NAME")
    evaluate.add_argument("--cases", type=Path, required=True, metavar="DIR")
    evaluate.add_argument("--json", action="store_true")
    add_models(evaluate)

    train = command("train", _train, "Train one network (resumes where it was stopped), export it with its card")
    train.add_argument("--model", required=True, metavar="NAME")
    train.add_argument("--data", type=Path, required=True, metavar="DIR", help="prepared training cases")
    train.add_argument("--run", type=Path, default=None, metavar="DIR", help="checkpoints (default: runs/NAME)")
    train.add_argument("--steps", type=int, default=None, metavar="N", help="default: those of the recipe")
    train.add_argument("--start", type=Path, default=None, metavar="ONNX", help="begin with this network's weights")
    add_models(train)

    models = command("models", _models, "List or verify the models")
    models.add_argument("action", choices=("list", "verify"))
    models.add_argument("--json", action="store_true")
    add_models(models)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line and give its exit status."""
    arguments = _parser().parse_args(argv)
    # These libraries quote header values in their warnings, patients' names among them.
    warnings.filterwarnings("ignore", module=r"pydicom|highdicom")
    bar = ProgressBar()
    try:
        arguments.execute(arguments, Progress(bar.show))
    except LiverTumorAIError as error:
        bar.close()
        print(f"livertumorai: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Cancelled):
        bar.close()
        print("livertumorai: Cancelled; nothing was written.", file=sys.stderr)
        return 1
    except MemoryError:
        bar.close()
        print("livertumorai: Not enough memory. Close other programs or use a larger machine.", file=sys.stderr)
        return 1
    finally:
        bar.close()
    return 0

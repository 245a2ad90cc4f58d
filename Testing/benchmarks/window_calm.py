"""How long the window's thread works without a pause while a study is shown, reviewed and corrected.

    python Testing/benchmarks/window_calm.py --slices 75 --lesions 30 --studies 20 --sensitivity RESULTS --study FOLDER

RESULTS is what `analyze --cascade multi-sensitivity` left; without it the slider is not measured. FOLDER is a study
that is loaded (with --analyze: analyzed too) by the worker process. The other study is made here: 512 x 512 voxels,
two phases with a registration field, many lesions. Times are the thread's own processor time for each turn of the
event loop, so that other programs do not count; what the reader waits for is told on the clock as well. Memory is the
process's, after each of several studies.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "Testing", ROOT / "Testing" / "SlicerHost"):
    sys.path.insert(0, str(folder))

import SimpleITK as sitk  # noqa: E402
from analytic_findings import analytic_study, inside, make_image  # noqa: E402
from module_host import load_panel, write_results_folder  # noqa: E402
from slicer_host import Host  # noqa: E402

from LiverTumorAILib.lesions.findings_io import read_findings  # noqa: E402
from LiverTumorAILib.measurement import measure_lesions  # noqa: E402
from LiverTumorAILib.mrml.segmentation import set_segment_mask  # noqa: E402
from LiverTumorAILib.study import Phase  # noqa: E402


def large_study(slices: int, lesions: int) -> tuple:
    """Findings and images of two phases on 512 x 512 voxels with balls of 8 mm as lesions."""
    spacing = (340 / 512, 240 / 512, 160 / slices)
    findings, images = analytic_study(spacing=spacing)
    images = {phase: images[phase] for phase in (Phase.ARTERIAL, Phase.PORTAL_VENOUS)}
    grid = findings.lesion_labels
    labels = sitk.GetArrayFromImage(grid)
    places = [(x, y, z) for z in (-35, 35) for y in (-60, -40, 0, 20) for x in (-100, -80, -50, -30)]
    for label, place in enumerate(places[: lesions - 3], start=4):
        labels[inside(grid, place, (5, 5, 5)) & (labels == 0)] = label
    drawn = make_image(labels, grid)
    measurements = measure_lesions(drawn, images, findings.organ_labels)
    extra = [
        replace(findings.lesions[1], uid=f"2.25.{1000 + label}", label=label, measurement=measurements[label])
        for label in range(4, int(labels.max()) + 1)
        if label in measurements
    ]
    return replace(findings, lesions=(*findings.lesions, *extra), lesion_labels=drawn), images


class Turns:
    """Longest turn of the event loop, in the thread's processor time."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def run(
        self,
        what: str,
        act: Callable[[], None],
        until: Callable[[], bool] = lambda: True,
        visible: Callable[[], bool] | None = None,
    ) -> None:
        """Act, then turn the loop until something is true and a second more; print the longest turn.

        Where `visible` is given, print when it became true as well.
        """
        begin, started, worked, seen = time.thread_time(), time.perf_counter(), time.process_time(), None
        act()
        longest = time.thread_time() - begin
        end = None
        while end is None or time.monotonic() < end:
            begin = time.thread_time()
            self._host.app.processEvents()
            longest = max(longest, time.thread_time() - begin)
            time.sleep(0.002)
            if seen is None and visible is not None and visible():
                seen = time.perf_counter() - started, time.process_time() - worked
            if end is None and until():
                end = time.monotonic() + 1
        print(f"{what:32} {1000 * longest:6.0f} ms", flush=True)
        if seen is not None:
            print(f"  first results seen after {seen[0]:.1f} s on the clock, {seen[1]:.1f} s of processor time")


def write_large_study(slices: int, lesions: int, results: Path) -> None:
    """The results folder of `large_study`."""
    findings, images = large_study(slices, lesions)
    write_results_folder(findings, images, results)
    write_field(images, results)


def write_field(images: dict, results: Path) -> None:
    """A registration field of 4 mm, as an analysis leaves it."""
    image = images[Phase.ARTERIAL]
    size = [round(voxels * mm / 4) for voxels, mm in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    field = sitk.Image(size, sitk.sitkVectorFloat32, 3)
    field.SetOrigin(image.GetOrigin())
    field.SetSpacing((4.0, 4.0, 4.0))
    (results / "fields").mkdir()
    sitk.WriteImage(field, results / "fields" / f"{Phase.ARTERIAL}.nrrd")


def is_settled(panel: object) -> bool:
    """Whether nothing is on its way."""
    return not panel.busy and not panel.findings.details.is_busy


def analyze(turns: Turns, panel: object) -> None:
    """Analyze the study that is loaded with the worker process."""
    turns.run("analyze the study", panel.ui.runButton.click, lambda: not panel.activity.is_cancellable)
    turns.run(
        "show what was found",
        lambda: None,
        lambda: is_settled(panel),
        lambda: panel.findings.shown is not None and panel.findings.review.selected is not None,
    )
    print(f"  {panel.ui.statusLabel.text()}")


def move_slider(turns: Turns, panel: object, step: int) -> None:
    """Move the sensitivity by some factors; print the longest turn, and how long until the lesions are shown."""
    slider, sensitivity = panel.ui.sensitivitySlider, panel.findings.sensitivity
    started = time.perf_counter()
    turns.run("sensitivity", lambda: slider.setValue(slider.value() + step), until=lambda: not sensitivity.is_busy)
    count = len(panel.findings.shown.reading.lesions)
    print(f"  {panel.ui.sensitivityLabel.text()}, {count} lesions, wall time {time.perf_counter() - started - 1:.1f} s")


def main() -> None:
    """Print the longest turn of each action, then memory over studies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=75)
    parser.add_argument("--lesions", type=int, default=30)
    parser.add_argument("--studies", type=int, default=5)
    parser.add_argument("--sensitivity", type=Path)
    parser.add_argument("--study", type=Path)
    parser.add_argument("--analyze", action="store_true", help="analyze this study too, which takes minutes")
    parser.add_argument("--keep", type=Path, help="keep the study that is made here, or use it again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Host(size=(1280, 800)) as host:
        results = options.keep or Path(folder) / "results"
        if not results.exists():
            write_large_study(options.slices, options.lesions, results)
        findings = read_findings(results)
        panel = load_panel(host)
        turns = Turns(host)
        if options.study:
            turns.run("load the study", lambda: panel.openStudy(str(options.study)), lambda: not panel.busy)
        if options.study and options.analyze:
            analyze(turns, panel)
        turns.run(
            "show results",
            lambda: panel.showResults(results),
            lambda: is_settled(panel),
            lambda: panel.ui.lesionTable.rowCount() == options.lesions,
        )
        turns.run("show them again", lambda: panel.showResults(results), lambda: is_settled(panel))
        ui, shown = panel.ui, panel.findings.shown
        turns.run("next lesion", lambda: panel.findings.review.step(1))
        turns.run("accept", ui.acceptButton.click)
        turns.run("undo", ui.undoButton.click)
        panel.findings.selectLesion(findings.lesions[1].uid)
        grid = findings.lesion_labels
        stroke = inside(grid, (-30, -45, -18), (14, 12, 12)).astype(np.uint8)
        data = make_image(stroke, grid)
        turns.run("brush stroke", lambda: set_segment_mask(shown.segmentation, "lesion-2", data))
        turns.run("delete", ui.deleteLesionButton.click)
        corrections = panel.findings.corrections
        started = time.perf_counter()
        turns.run("click on a lesion", lambda: corrections.addAt((-30, -45, -18)), lambda: not corrections.is_busy)
        print(f"  until it is drawn, wall time: {time.perf_counter() - started - 1:.1f} s")
        if options.sensitivity:
            turns.run("show them", lambda: panel.showResults(options.sensitivity), lambda: is_settled(panel))
            sensitivity = panel.findings.sensitivity
            turns.run("find ahead", lambda: None, lambda: sensitivity.is_prepared and not sensitivity.is_finding_ahead)
            for step in (-3, 4, -1):
                move_slider(turns, panel, step)
        for number in range(options.studies):
            panel.showResults(results)
            host.wait_until(lambda: is_settled(panel), 600)
            print(f"study {number + 1}: {psutil.Process().memory_info().rss / 2**20:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()

"""The demonstration: a sample study through the whole pipeline and onto the screen."""

import os
import subprocess
import sys
from pathlib import Path

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.folders import new_folder, require_free
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.phantom import generate_phantom, write_case
from LiverTumorAILib.pipeline import analyze
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.report import summary_lines, write_results

SAMPLE_SEED = 40_004
"""A study that no network was trained on: from 40001, the first with a malignant lesion of 30 mm and two others."""

HOST = Path(__file__).resolve().parents[1] / "Testing" / "SlicerHost" / "run.py"


def run_demo(out: Path, headless: bool, progress: Progress) -> None:
    """Make the sample study in `out/study`, its results in `out/results`, and show or draw the window.

    Raises
    ------
    LiverTumorAIError
        If the window cannot be shown because its packages are missing.

    """
    require_free(out)
    study, results = out / "study", out / "results"
    phantom = generate_phantom(SAMPLE_SEED, "ct4", progress=progress.part(0, 0.3, "Making the sample study"))
    write_case(phantom, study, dicom=True, seed=SAMPLE_SEED)
    with new_folder(results) as folder:
        analysis = analyze(study, models=ModelStore(), progress=progress.part(0.3, 0.9))
        write_results(analysis, folder, progress.part(0.9, 1, "Writing the results"))
    print("\n".join(summary_lines(analysis.findings)))
    print(f"Sample study (synthetic): {study}")
    print(f"Report: {results / 'report.html'}")
    _show_window(study, results, out / "screenshots", headless or not _has_display())


def _has_display() -> bool:
    return sys.platform in {"win32", "darwin"} or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _show_window(study: Path, results: Path, screenshots: Path, headless: bool) -> None:
    if not HOST.is_file():
        raise LiverTumorAIError(
            "The window outside Slicer is part of the source tree only",
            advice=f"Open the module in 3D Slicer, or look at {results / 'report.html'}",
        )
    command = [sys.executable, str(HOST), "--study", str(study), "--results", str(results)]
    if headless:
        command += ["--headless", "--screenshot", str(screenshots)]
    finished = subprocess.run(command, check=False)
    if finished.returncode:
        raise LiverTumorAIError(
            "The module's window could not be shown",
            f"status {finished.returncode}",
            "Install its packages with: pip install 'livertumorai[window]'; the report is complete without it",
        )
    if headless:
        print(f"Pictures of the window: {screenshots}")

"""Pictures of the window in every state, for Docs/window.md.

    python Testing/benchmarks/window_pictures.py --study demo-output/study --results demo-output/results --hfs RESULTS

Both folders are what `make demo` leaves; RESULTS is what `analyze --cascade hfs-net` makes of the same study, and left
out if not given. Each picture is 1280 x 800 (one at 200 %), with few colours to be small.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
from PIL import Image
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtWidgets import QApplication, QDialog

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "Testing", ROOT / "Testing" / "SlicerHost"):
    sys.path.insert(0, str(folder))

from module_host import load_panel, wait  # noqa: E402
from slicer_host import Host  # noqa: E402

SIZE = (1280, 800)
COLOURS = 256
"""Fewer in the larger picture."""
PATIENCE = 900


class Camera:
    """Takes pictures of a panel's window."""

    def __init__(self, host: Host, panel: object, out: Path) -> None:
        self.host, self.panel, self._out = host, panel, out

    def wait(self, until: Callable[[], bool] | None = None) -> None:
        """Wait until something is true; until the panel is idle if nothing is given."""
        if until is None:
            wait(self.host, self.panel, PATIENCE)
        else:
            self.host.wait_until(until, PATIENCE)

    def take(self, name: str, top: str = "") -> None:
        """Take a picture, with a widget of the panel scrolled into view."""
        self.host.process_events(0.3)
        if top:
            area, widget = _scroll_area(self.panel), getattr(self.panel.ui, top)
            bar = area.verticalScrollBar()
            bar.setValue(bar.value() + widget.mapTo(area.viewport(), widget.rect().topLeft()).y() - 4)
            self.host.process_events(0.3)
        self._shoot(name)

    def take_dialog(self, name: str) -> None:
        """Take a picture of the window under the dialog that comes next, as Slicer makes it, and dismiss that."""
        # The dialog asks to be deleted before it is shown, which only a running event loop puts off.
        loop, timer = QEventLoop(), QTimer()

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            if dialog is not None:
                timer.stop()
                self._shoot(name, dialog)
                dialog.accept()
                loop.quit()

        timer.timeout.connect(look)
        timer.start(100)
        self.host.messages.headless = False
        loop.exec()
        self.host.messages.headless = True

    def _shoot(self, name: str, dialog: QDialog | None = None) -> None:
        path = self._out / f"{name}.png"
        self.host.grab(path)
        if dialog is not None:
            _draw_over(path, dialog)
        with Image.open(path) as picture:
            small = picture.convert("RGB").quantize(
                COLOURS * SIZE[0] // picture.width, kmeans=2, dither=Image.Dither.NONE
            )
        small.save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def _draw_over(path: Path, dialog: QDialog) -> None:
    """Draw a dialog in the middle of a picture of the window, without the frame that a desktop gives it."""
    window, box = QPixmap(str(path)), dialog.grab()
    painter = QPainter(window)
    corner = window.rect().center() - box.rect().center()
    painter.drawPixmap(corner, box)
    painter.drawRect(box.rect().translated(corner).adjusted(-1, -1, 0, 0))
    painter.end()
    window.save(str(path))


def _scroll_area(panel: object) -> object:
    widget = panel.ui.LiverTumorAI
    while not hasattr(widget, "verticalScrollBar"):
        widget = widget.parentWidget()
    return widget


def before_results(camera: Camera, study: Path) -> None:
    """Empty, loading, running and a worker that was ended from outside."""
    ui = camera.panel.ui
    camera.take("empty")
    camera.panel.openStudy(str(study))
    camera.wait(lambda: ui.progressBar.value() > 0)
    camera.take("loading")
    camera.wait()
    camera.take("loaded")
    ui.runButton.click()
    camera.wait(lambda: "egister" in ui.statusLabel.text())
    camera.take("running")
    for child in psutil.Process().children():
        if "LiverTumorAILib.worker" in " ".join(child.cmdline()):
            child.kill()
    camera.take_dialog("error")
    camera.wait()


def with_results(camera: Camera, results: Path) -> None:
    """Results, an uncertain lesion, phases beside each other, a heatmap, and the editor."""
    ui, panel = camera.panel.ui, camera.panel
    panel.showResults(results)
    camera.wait()
    camera.take("results")
    doubtful = next(lesion for lesion in panel.findings.shown.reading.lesions if lesion.certainty_reasons)
    panel.findings.selectLesion(doubtful.uid)
    ui.compareButton.click()
    camera.take("uncertain", top="findingsSection")
    ui.heatmapButton.click()
    panel.findings.shown.zoom(doubtful)
    camera.take("heatmap", top="viewsSection")
    ui.heatmapButton.click()
    ui.singleButton.click()
    ui.editingSection.collapsed = False
    panel.findings.editing.editor.setActiveEffectByName("Paint")
    camera.take("edit", top="editingSection")
    ui.editingSection.collapsed = True
    ui.settingsSection.collapsed = False
    ui.checkModelsButton.click()
    camera.wait()
    camera.take("settings", top="settingsSection")


def take(options: argparse.Namespace, dark: bool = False, scaled: bool = False) -> None:
    """Take the pictures of one window."""
    with tempfile.TemporaryDirectory() as folder, Host(size=SIZE, dark=dark) as host:
        # A review of these results must not be kept beside them.
        results = shutil.copytree(options.results, Path(folder) / "results")
        camera = Camera(host, load_panel(host), options.out)
        if dark or scaled:
            camera.panel.showResults(results)
            camera.wait()
            camera.take("dark" if dark else "scaled-200")
            return
        before_results(camera, options.study)
        host.messages.shown.clear()
        with_results(camera, results)
        if options.hfs:
            camera.panel.showResults(shutil.copytree(options.hfs, Path(folder) / "hfs"))
            camera.wait()
            camera.panel.ui.compareButton.click()
            camera.take("hfs-net", top="findingsSection")


def main() -> None:
    """Take all pictures; the scaled one in a process of its own, since Qt scales whole programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=ROOT / "demo-output" / "study")
    parser.add_argument("--results", type=Path, default=ROOT / "demo-output" / "results")
    parser.add_argument("--hfs", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "Docs" / "window")
    parser.add_argument("--scaled", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.scaled:
        take(options, scaled=True)
        return
    take(options)
    take(options, dark=True)
    folders = ["--study", options.study, "--results", options.results, "--out", options.out]
    subprocess.run(
        [sys.executable, __file__, *map(str, folders), "--scaled"],
        check=True,
        env=os.environ | {"QT_SCALE_FACTOR": "2"},
    )


if __name__ == "__main__":
    main()

"""SlicerHost's window: sizes, light and dark, started from the command line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6")

from PIL import Image
from slicer_host import Host, environment

FOLDER = Path(__file__).parent / "SlicerHost"
SAMPLE = FOLDER / "samples" / "HostSample" / "HostSample.py"


def picture(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
@pytest.mark.parametrize("dark", [False, True])
def test_window_is_drawn_in_its_size_and_style(tmp_path, size, dark):
    with Host(size, dark) as host:
        widget = host.load_module(SAMPLE).widget
        image = picture(host.grab(tmp_path / "window.png"))
        button = widget.ui.failButton
        corner = button.mapTo(host.window, button.rect().topLeft())
        host.check()
    assert image.shape == (size[1], size[0], 3)
    background = image[size[1] * 3 // 4, 8]
    assert background.max() < 80 if dark else background.min() > 200
    face = image[corner.y() : corner.y() + button.height(), corner.x() : corner.x() + button.width()]
    assert np.ptp(face.mean(axis=2)) > 100, "the button's text is not readable"


def test_bars_have_slicers_colours(tmp_path):
    with Host() as host:
        image = picture(host.grab(tmp_path / "window.png"))
        manager = host.app.layoutManager()
        bars = [manager.sliceWidget(name).sliceController() for name in ("Red", "Green", "Yellow")]
        colours = []
        for bar in bars:
            at = bar.mapTo(host.window, bar.rect().center())
            colours.append(image[at.y() + 10, at.x()])
    red, green, yellow = colours
    assert red.argmax() == 0
    assert red[1] < 120
    assert green.argmax() == 1
    assert yellow[:2].min() > 180
    assert yellow[2] < 150


def test_panel_is_never_cut_off():
    with Host((1280, 800)) as host:
        widget = host.load_module(SAMPLE).widget
        host.process_events()
        for child in (widget.ui.applyButton, widget.ui.thresholdSlider, widget.ui.folderEdit):
            right = child.mapTo(host.window, child.rect().topRight()).x()
            assert right <= host.window.viewport.x()


def test_command_line_writes_a_picture(tmp_path):
    command = [sys.executable, str(FOLDER / "run.py"), "--headless", "--module", str(SAMPLE)]
    done = subprocess.run(
        [*command, "--size", "1300x820", "--dark", "--screenshot", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert picture(tmp_path / "window.png").shape == (820, 1300, 3)


def test_missing_libraries_are_named(monkeypatch):
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux needs these packages")
    monkeypatch.delenv("VTK_DEFAULT_OPENGL_WINDOW", raising=False)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setattr(environment, "_egl_devices", lambda: 0)
    monkeypatch.setattr(environment, "_loads", lambda library: "OSMesa" not in library)
    with pytest.raises(RuntimeError, match="apt-get install libegl"):
        environment.prepare(headless=True)
    monkeypatch.setattr(environment, "_loads", lambda library: library != "libfontconfig.so.1")
    with pytest.raises(RuntimeError, match="libfontconfig1"):
        environment.prepare(headless=True)


def test_no_window_without_a_display(monkeypatch):
    if not sys.platform.startswith("linux"):
        pytest.skip("other systems always have a display")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert environment.window_problem() == "there is no display"
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(environment, "_loads", lambda library: library != "libxcb-cursor.so.0")
    assert "libxcb-cursor0" in environment.window_problem()

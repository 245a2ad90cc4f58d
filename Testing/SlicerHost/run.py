"""Open the Liver Tumor AI module's window without Slicer."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from slicer_host import Host  # noqa: E402
from slicer_host.environment import window_problem  # noqa: E402

MODULE = HERE.parents[1] / "LiverTumorAI" / "LiverTumorAI.py"


def _size(text: str) -> tuple[int, int]:
    width, height = text.lower().split("x")
    return int(width), int(height)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, help="study folder to open")
    parser.add_argument("--results", type=Path, help="folder that analyze wrote")
    parser.add_argument("--screenshot", type=Path, metavar="DIR", help="write window.png there and end")
    parser.add_argument("--headless", action="store_true", help="no window on screen")
    parser.add_argument("--size", type=_size, default=(1280, 800), metavar="WIDTHxHEIGHT")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--module", type=Path, default=MODULE, help="scripted module to load")
    parser.add_argument("--patience", type=float, default=600, help="seconds to wait for the module before a picture")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    problem = "" if options.headless else window_problem()
    headless = options.headless or bool(problem)
    try:
        host = Host(options.size, options.dark, headless)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    with host:
        widget = host.load_module(options.module).widget
        if options.study:
            widget.openStudy(str(options.study))
        if options.results:
            widget.showResults(str(options.results))
        if options.screenshot:
            host.wait_until(lambda: not getattr(widget, "busy", False), options.patience)
            print(host.grab(options.screenshot / "window.png"))
        elif headless:
            print(f"No window: {problem or 'headless'}. --screenshot DIR writes a picture.", file=sys.stderr)
        else:
            # Lets Ctrl+C end the window.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            host.app.exec()
        return 1 if host.errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Training curves: a CSV that grows, and a picture of it."""

import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib.figure import Figure

_FIELDS = ("step", "kind", "name", "value")


class Curves:
    """Appends values to `curves.csv` and draws `curves.png` from it."""

    def __init__(self, folder: Path, from_step: int) -> None:
        self._path = folder / "curves.csv"
        self._picture = folder / "curves.png"
        self.rows = [row for row in self._read() if row[0] < from_step]
        with self._path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([_FIELDS, *self.rows])

    def _read(self) -> list[tuple[int, str, str, float]]:
        if not self._path.is_file():
            return []
        with self._path.open(newline="", encoding="utf-8") as file:
            return [(int(r["step"]), r["kind"], r["name"], float(r["value"])) for r in csv.DictReader(file)]

    def add(self, step: int, kind: str, values: dict[str, float]) -> None:
        """Append values of one kind ('training' or 'validation') by name."""
        rows = [(step, kind, name, float(value)) for name, value in values.items()]
        self.rows.extend(rows)
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)

    def draw(self) -> None:
        """Draw the training loss and every validation figure against the step."""
        figure = Figure(figsize=(11, 4.5), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axes, kind in ((left, "training"), (right, "validation")):
            for name in sorted({row[2] for row in self.rows if row[1] == kind}):
                points = np.array([(row[0], row[3]) for row in self.rows if row[1:3] == (kind, name)])
                axes.plot(*points.T, label=name, marker="" if len(points) > 40 else ".")
            axes.set(title=kind, xlabel="step")
            axes.grid(alpha=0.3)
            if axes.has_data():
                axes.legend(fontsize=7)
        figure.savefig(self._picture, dpi=100)

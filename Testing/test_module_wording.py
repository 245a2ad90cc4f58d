"""What the panel says, in words."""

import importlib
import sys

import pytest
from analytic_findings import analytic_study
from conftest import ROOT

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

from slicer_host import translation

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.worker.events import FoundVolume, ProgressReported

sys.path.insert(0, str(ROOT / "LiverTumorAI"))
translation.install()
packages, wording = (importlib.import_module(f"LiverTumorAIModule.{name}") for name in ("packages", "wording"))


def volume(**changes):
    values = {"index": 0, "source": "series 4", "phase": "arterial", "probability": 0.97, "reason": "bright aorta"}
    values |= {"sure": True, "slices": 75, "spacing_mm": (0.8, 0.8, 2.5)}
    return FoundVolume(**values | changes)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (41, "41 s"), (100, "2 min"), (3000, "50 min"), (4200, "1 h 10 min")]
)
def test_durations_are_said_as_people_say_them(seconds, words):
    assert wording.duration(seconds) == words


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (ProgressReported("Registering", 0.4, "arterial", 42.0), "Registering: arterial (about 42 s left)"),
        (ProgressReported("load", 0.1), "Load"),
        (ProgressReported("", 0.9, "", 10.0), "Working (about 10 s left)"),
        (ProgressReported("Done", 1.0, "", 0.0), "Done"),
    ],
)
def test_progress_says_stage_detail_and_remaining_time(event, line):
    assert wording.progress_line(event) == line


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "97%"),
        ({"probability": 1.0}, "given"),
        ({"probability": 0.45, "sure": False}, "45% ?"),
        ({"phase": None, "probability": 0.0, "sure": False}, "?"),
    ],
)
def test_an_unsure_phase_bears_a_question_mark(changes, words):
    assert wording.sureness(volume(**changes)) == words


def test_a_volume_is_described_by_slices_reason_and_warnings():
    assert wording.slices(volume()) == "75 × 2.5 mm"
    assert wording.volume_hint(volume(warnings=("2 slices are missing.",))) == "bright aorta. 2 slices are missing"


@pytest.mark.parametrize(("probability", "words"), [(1.0, "100%"), (0.99999, ">99%"), (0.994, "99%"), (0.004, "0%")])
def test_what_is_not_quite_sure_is_not_said_to_be(probability, words):
    assert wording.percent(probability) == words


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("right lobe, about VIII, portal vein 2 mm", "right VIII"),
        ("right lobe, about V/VIII, subcapsular", "V/VIII, subcapsular"),
        ("between the lobes, about IV/VIII", "IV/VIII"),
        ("left lobe", "left lobe"),
        ("right upper part, subcapsular", "right upper part, subcapsular"),
        ("", ""),
    ],
)
def test_a_place_in_the_table_is_short(place, words):
    assert wording.short_place(place) == words


@pytest.mark.parametrize(("mm3", "words"), [(22_150, "22 ml"), (4_180, "4.2 ml"), (120, "0.1 ml"), (33, "0.03 ml")])
def test_small_volumes_keep_their_digits(mm3, words):
    assert wording.millilitres(mm3) == words


def test_a_summary_cannot_smuggle_markup_into_the_panel():
    findings, _ = analytic_study(spacing=(8.0, 8.0, 8.0))
    from dataclasses import replace

    text = wording.summary(replace(findings, warnings=("<img src=x> & more",)))
    assert "<img" not in text
    assert "&lt;img src=x&gt; &amp; more" in text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LiverTumorAIError("A lesion is there already", advice="Choose it"), "A lesion is there already. Choose it."),
        (MemoryError(), "Not enough memory. Close other programs, then try again."),
        (
            OSError(28, "No space left on device", "/home/someone/review.json"),
            "No space left on device (review.json). "
            "Check that the disk is there, has room and may be used, then try again.",
        ),
        (
            ModuleNotFoundError("No module named 'numba'", name="numba"),
            "A Python package cannot be used (numba). Restart Slicer: this panel then offers to install it.",
        ),
        (
            RuntimeError("Exception thrown in SimpleITK\nsitk: odd.\n"),
            "Unexpected error (RuntimeError: sitk: odd). Try again; if it comes back, report it with the version.",
        ),
        (ValueError(), "Unexpected error (ValueError). Try again; if it comes back, report it with the version."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_says_in_one_line_what_is_wrong_and_what_to_do(error, words):
    assert wording.problem(error) == words


def test_requirements_that_are_met_are_not_missing(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("# needed\nnumpy>=1\nnumpy>=999  # not yet\nno-such-package\n", encoding="utf-8")
    listed = packages.read_requirements(file)
    assert listed == ["numpy>=1", "numpy>=999", "no-such-package"]
    assert packages.missing_packages(listed) == ["numpy>=999", "no-such-package"]

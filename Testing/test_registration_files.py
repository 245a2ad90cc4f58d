"""`livertumorai register` on files: what it writes, and one clear line for input that it cannot use."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import SimpleITK as sitk
from registration_anatomy import volume

from LiverTumorAILib.cli import main

SMALL = (70.0, 60.0, 50.0)


def portal() -> sitk.Image:
    return volume("portal", size_mm=SMALL)


def constant() -> sitk.Image:
    return portal() * 0 + 40


def single_slice() -> sitk.Image:
    return portal()[:, :, 5:6]


def only_nan() -> sitk.Image:
    return portal() + float("nan")


def coloured() -> sitk.Image:
    image = sitk.Cast(portal(), sitk.sitkUInt8)
    return sitk.Compose(image, image, image)


def over_time() -> sitk.Image:
    return sitk.JoinSeries([portal(), portal()])


def coarse() -> sitk.Image:
    image = portal()
    image.SetSpacing((80.0, 80.0, 80.0))
    return image


def only_air() -> sitk.Image:
    return portal() / 100 - 1000


def register(fixed: Path, moving: Path, *more: object) -> int:
    return main(["register", "--fixed", str(fixed), "--moving", str(moving), *map(str, more)])


@pytest.fixture
def fixed(tmp_path: Path) -> Path:
    sitk.WriteImage(portal(), tmp_path / "fixed.nrrd")
    return tmp_path / "fixed.nrrd"


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (constant, "constant"),
        (single_slice, "single slice"),
        (only_nan, "NaN"),
        (coloured, "colour"),
        (over_time, "4"),
        (coarse, "80 x 80 x 80 mm makes no sense"),
        (only_air, "nothing but air"),
    ],
)
def test_a_moving_image_that_cannot_be_used_ends_in_one_line_and_leaves_no_file(
    fixed: Path, image: Callable[[], sitk.Image], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    moving, out = fixed.parent / "moving.nrrd", fixed.parent / "out"
    sitk.WriteImage(image(), moving)
    out.mkdir()
    assert register(fixed, moving, "--out", out / "moved.nrrd", "--field", out / "field.nrrd") == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.endswith("...")]
    assert len(lines) == 1
    assert words in lines[0]
    assert not list(out.iterdir())


def test_images_with_nothing_in_common_are_refused(fixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = sitk.GetArrayFromImage(portal())
    values[2:] = np.nan
    moving = sitk.GetImageFromArray(values)
    moving.CopyInformation(portal())
    moving.SetOrigin((500.0, 500.0, 900.0))
    sitk.WriteImage(moving, fixed.parent / "moving.nrrd")
    assert register(fixed, fixed.parent / "moving.nrrd", "--out", fixed.parent / "moved.nrrd") == 1
    assert "no part in common" in capsys.readouterr().err
    assert not (fixed.parent / "moved.nrrd").exists()


def test_an_image_larger_than_memory_is_refused_by_its_header(fixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    side = 20_000
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nElementSpacing = 1 1 1\nElementType = MET_SHORT\n"
        f"DimSize = {side} {side} {side}\nElementDataFile = giant.raw\n"
    )
    moving = fixed.parent / "giant.mhd"
    moving.write_text(header, encoding="ascii")
    assert side**3 * 2 > psutil.virtual_memory().total
    assert register(fixed, moving, "--out", fixed.parent / "moved.nrrd") == 1
    assert "GiB" in capsys.readouterr().err
    assert not (fixed.parent / "moved.nrrd").exists()


def test_json_tells_the_figures_and_where_the_image_was_found(fixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moving = portal()
    moving.SetOrigin(np.add(moving.GetOrigin(), (0.0, -100.0, 400.0)).tolist())
    sitk.WriteImage(moving, fixed.parent / "moving.nrrd")
    assert register(fixed, fixed.parent / "moving.nrrd", "--out", fixed.parent / "moved.nrrd", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["inverse_consistency_mm"] < 0.5
    assert "apart by their headers" in told["notes"][0]
    assert sitk.ReadImage(fixed.parent / "moved.nrrd").GetOrigin() == portal().GetOrigin()

"""A view of a SimpleITK image dies with the image: whoever takes one has to keep the image."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [file for room in ("LiverTumorAI", "LiverTumorAILib", "Testing") for file in (ROOT / room).rglob("*.py")]


def views_of_nothing(source: str) -> list[int]:
    """Lines in which a view is taken of an image that a call gives and nobody keeps."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        call.lineno
        for call in calls
        if getattr(call.func, "attr", "") == "GetArrayViewFromImage"
        and any(isinstance(part, ast.Call) for part in ast.walk(call.args[0]))
    ]


def test_nobody_takes_a_view_of_an_image_that_is_gone():
    found = {str(file.relative_to(ROOT)): views_of_nothing(file.read_text(encoding="utf-8")) for file in SOURCES}
    assert not {file: lines for file, lines in found.items() if lines}


@pytest.mark.parametrize("image", ["resample(image)", "read(path).labels", "images()[0]"])
def test_the_search_finds_such_views(image):
    assert views_of_nothing(f"import SimpleITK as sitk\nvoxels = sitk.GetArrayViewFromImage({image})") == [2]
    assert views_of_nothing(f"image = {image}\nvoxels = sitk.GetArrayViewFromImage(image)") == []

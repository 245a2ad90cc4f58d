"""Pictures of registrations, and how the report shows verdicts."""

import importlib
import re
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import analytic_study
from conftest import ROOT

from LiverTumorAILib.lesions import Lesion
from LiverTumorAILib.pipeline import Analysis
from LiverTumorAILib.registration import RegisteredStudy, RegistrationQuality, Verdict, warp_image
from LiverTumorAILib.report import write_results
from LiverTumorAILib.report.html import write_report
from LiverTumorAILib.report.registration_pictures import (
    LINE_COLOUR,
    LINE_DISTANCE_MM,
    PIXEL_MM,
    UNKNOWN_COLOUR,
    Cut,
    Plane,
    checkerboard,
    deformed_grid,
    difference,
    registration_pictures,
)
from LiverTumorAILib.study import Modality, Phase, Study, StudyVolume

SHIFT_MM = 20.0


def shifting_field(image: sitk.Image, up_mm: float = SHIFT_MM) -> sitk.Image:
    """What the image shows at x, a phase that lies higher shows at x + (0, 0, up_mm)."""
    vectors = np.zeros((*image.GetSize()[::-1], 3))
    vectors[..., 2] = up_mm
    field = sitk.GetImageFromArray(vectors, isVector=True)
    field.CopyInformation(image)
    return field


def without(lesion: Lesion, phase: Phase) -> Lesion:
    """The lesion as it is measured where a phase was left out."""
    enhancement = {other: value for other, value in lesion.measurement.enhancement.items() if other is not phase}
    return replace(lesion, measurement=replace(lesion.measurement, enhancement=enhancement))


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    """The arterial phase lay 20 mm higher, the delayed one failed, the non-contrast one is to be checked."""
    findings, images = analytic_study()
    reference = images[Phase.PORTAL_VENOUS]
    acquired = {phase: image for phase, image in images.items() if phase is not Phase.HEPATOBILIARY}
    acquired[Phase.ARTERIAL] = sitk.Image(images[Phase.ARTERIAL])
    acquired[Phase.ARTERIAL].SetOrigin(np.add(reference.GetOrigin(), (0, 0, SHIFT_MM)).tolist())
    study = Study(Modality.CT, tuple(StudyVolume(image, phase) for phase, image in acquired.items()))
    field = shifting_field(reference)
    registered = {
        Phase.NON_CONTRAST: images[Phase.NON_CONTRAST],
        Phase.ARTERIAL: warp_image(acquired[Phase.ARTERIAL], field),
        Phase.PORTAL_VENOUS: reference,
    }
    quality = {
        Phase.NON_CONTRAST: RegistrationQuality(Verdict.CHECK, ("41% of the liver matches better 6 mm off",)),
        Phase.ARTERIAL: RegistrationQuality(Verdict.GREEN, match=0.31),
        Phase.DELAYED: RegistrationQuality(Verdict.FAILED, ("the field folds",)),
    }
    fields = {Phase.ARTERIAL: field, Phase.NON_CONTRAST: shifting_field(reference, 0.0)}
    findings = replace(findings, lesions=tuple(without(lesion, Phase.DELAYED) for lesion in findings.lesions))
    return Analysis(RegisteredStudy(study, Phase.PORTAL_VENOUS, registered, fields, quality), findings)


def test_a_checkerboard_shows_both_pictures_in_turn():
    board = np.array(checkerboard(np.zeros((60, 80), np.uint8), np.full((60, 80), 200, np.uint8)))[..., 0]
    assert set(np.unique(board)) == {0, 200}
    assert (board == 0).mean() == pytest.approx(0.5, abs=0.1)
    assert board[0, 0] != board[0, 25] != board[25, 25]


def test_a_difference_is_grey_where_equal_and_marked_where_unknown():
    grey = np.full((4, 4), 90, np.uint8)
    known = np.ones((4, 4), bool)
    known[0] = False
    brighter = grey.copy()
    brighter[2] += 40
    picture = np.array(difference(grey, brighter, known))
    assert (picture[1] == 128).all()
    assert (picture[2] == 148).all()
    assert (picture[0] == UNKNOWN_COLOUR).all()


def test_registering_makes_the_difference_even(analysis):
    registered = analysis.registered
    for plane in Plane:
        cut = Cut.through((-55.0, -20.0, 0.0), registered.reference, plane)
        pictures = registration_pictures(registered, Phase.ARTERIAL, cut)
        before, after = (
            np.array(pictures[f"difference, {state}"]).astype(float) for state in ("as acquired", "registered")
        )
        known = (before != UNKNOWN_COLOUR).any(axis=-1) & (after != UNKNOWN_COLOUR).any(axis=-1)
        edges_before, edges_after = (abs(np.diff(image[..., 0], axis=0))[known[1:]].mean() for image in (before, after))
        assert edges_after < edges_before


def test_the_grid_is_drawn_where_the_phase_lies(analysis):
    cut = Cut.through((0.0, 0.0, 0.0), analysis.registered.reference, Plane.CORONAL)
    black = np.zeros(cut.grid.GetSize()[1::-1], np.uint8)
    rows = []
    for up_mm in (0.0, SHIFT_MM):
        field = shifting_field(analysis.registered.reference, up_mm)
        lines = (np.array(deformed_grid(black, cut.displaced(field))) == LINE_COLOUR).all(axis=-1)
        rows.append(np.flatnonzero(lines.all(axis=1)))
    # Down in the picture is towards the feet: what lies 20 mm higher in the phase moves its lines down by 20 mm.
    shift = (rows[1][:, None] - rows[0]) * PIXEL_MM % LINE_DISTANCE_MM
    assert np.isclose(np.minimum(abs(shift - SHIFT_MM % LINE_DISTANCE_MM), 99), 0, atol=PIXEL_MM).any(axis=1).all()


def test_a_coronal_cut_has_the_head_up_and_the_right_on_the_left(analysis):
    reference = analysis.registered.reference
    grid = Cut.through((0.0, 0.0, 0.0), reference, Plane.CORONAL).grid
    columns, rows, _ = grid.GetSize()
    first = grid.TransformIndexToPhysicalPoint((0, 0, 0))
    last = grid.TransformIndexToPhysicalPoint((columns - 1, rows - 1, 0))
    assert first[0] < last[0]
    assert first[2] > last[2]


def test_the_report_shows_each_verdict_with_its_pictures(analysis, tmp_path):
    write_results(analysis, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    text = re.sub(r"data:image/[^\"]*", "", page)
    captions = re.findall(r'alt="(\w[\w-]* phase), (\w+) ([^"]+)"', text)
    states = {phase: {caption for title, _, caption in captions if title == phase} for phase, *_ in captions}
    everything = {
        f"{kind}, {state}" for kind in ("checkerboard", "difference") for state in ("as acquired", "registered")
    }
    assert states["Arterial phase"] == everything | {"its grid, registered"}
    assert states["Delayed phase"] == {"checkerboard, as acquired", "difference, as acquired"}
    assert "left out: the field folds" in text
    assert "check: 41% of the liver matches better 6 mm off" in text
    assert "match 0.31" in text


def test_a_study_saved_again_shows_its_registrations_without_what_was_acquired(analysis, tmp_path):
    registered = analysis.registered
    volumes = tuple(StudyVolume(image, phase) for phase, image in registered.images.items())
    again = replace(registered, study=Study(Modality.CT, volumes))
    write_report(again, analysis.findings, {}, tmp_path / "report.html")
    text = re.sub(r"data:image/[^\"]*", "", (tmp_path / "report.html").read_text(encoding="utf-8"))
    assert set(re.findall(r'alt="Arterial phase, \w+ ([^"]+)"', text)) == {
        "checkerboard, registered",
        "difference, registered",
        "its grid, registered",
    }
    assert "left out: the field folds" in text
    assert 'alt="Delayed phase' not in text


def test_the_fields_are_written_for_the_window(analysis, tmp_path):
    write_results(analysis, tmp_path)
    field = sitk.ReadImage(tmp_path / "fields" / "arterial.nrrd")
    assert {path.name for path in (tmp_path / "fields").iterdir()} == {"arterial.nrrd", "non_contrast.nrrd"}
    transform = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    for corner in ((0, 0, 0), tuple(size - 1 for size in analysis.registered.reference.GetSize())):
        point = analysis.registered.reference.TransformIndexToPhysicalPoint(corner)
        assert transform.TransformPoint(point) == pytest.approx(np.add(point, (0, 0, SHIFT_MM)), abs=1e-3)


def test_the_window_reads_the_fields(analysis, tmp_path, monkeypatch):
    pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
    pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")
    from slicer_host import translation

    translation.install()
    monkeypatch.syspath_prepend(ROOT / "LiverTumorAI")
    write_results(analysis, tmp_path)
    field = sitk.ReadImage(tmp_path / "fields" / "arterial.nrrd")
    read = importlib.import_module("LiverTumorAIModule.results").read_results(tmp_path).fields
    assert set(read) == {Phase.ARTERIAL, Phase.NON_CONTRAST}
    assert np.array_equal(sitk.GetArrayViewFromImage(read[Phase.ARTERIAL]), sitk.GetArrayViewFromImage(field))


def test_a_study_without_registration_has_no_such_pictures(analysis, tmp_path):
    alone = replace(analysis.registered, quality={}, fields={})
    write_results(Analysis(alone, analysis.findings), tmp_path)
    assert "checkerboard" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / "fields").exists()

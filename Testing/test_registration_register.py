"""A pair with a known breathing field, and a study of thick and thin phases."""

from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK as sitk
from registration_anatomy import breathing, liver_points, volume, with_bias

from LiverTumorAILib.progress import Cancelled, Progress
from LiverTumorAILib.registration import RegistrationResult, Verdict, register, register_study, warp_image, warp_points
from LiverTumorAILib.study import Modality, Phase, Study, StudyVolume

SIZE_MM = (160.0, 130.0, 120.0)
FOREIGN_MM = np.array((40.0, -100.0, 700.0))


def liver_error(field: sitk.Image, shift_mm: np.ndarray | float = 0.0) -> np.ndarray:
    moving = liver_points()
    fixed = moving + breathing(moving)
    seen = np.abs(fixed[:, 2]) < SIZE_MM[2] / 2
    return np.linalg.norm(warp_points(fixed[seen], field) - moving[seen] - shift_mm, axis=1)


@pytest.fixture(scope="module")
def pair() -> tuple[sitk.Image, sitk.Image]:
    fixed = volume("portal", size_mm=SIZE_MM)
    moving = volume("arterial", displacement=breathing, size_mm=SIZE_MM, seed=1)
    moving.SetOrigin((np.array(moving.GetOrigin()) + FOREIGN_MM).tolist())
    return fixed, moving


@pytest.fixture(scope="module")
def result(pair: tuple[sitk.Image, sitk.Image]) -> RegistrationResult:
    return register(*pair)


def test_a_phase_in_a_foreign_position_is_brought_onto_the_liver(result: RegistrationResult) -> None:
    points = liver_points()
    before = np.linalg.norm(breathing(points), axis=1)
    error = liver_error(result.field, FOREIGN_MM)
    assert before.mean() > 7
    assert error.mean() < 2.0
    assert np.percentile(error, 95) < 5.0


def test_the_field_lies_on_the_fixed_grid_and_does_not_fold(
    pair: tuple[sitk.Image, sitk.Image], result: RegistrationResult
) -> None:
    fixed = pair[0]
    for image in (result.field, result.moved):
        assert image.GetSize() == fixed.GetSize()
        assert image.GetOrigin() == fixed.GetOrigin()
        assert image.GetSpacing() == fixed.GetSpacing()
        assert image.GetDirection() == fixed.GetDirection()
    assert result.field.GetPixelID() == sitk.sitkVectorFloat64
    jacobian = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(result.field, True))
    assert jacobian.min() > 0


def test_the_moved_image_is_the_moving_one_through_the_field(
    pair: tuple[sitk.Image, sitk.Image], result: RegistrationResult
) -> None:
    transform = sitk.DisplacementFieldTransform(sitk.Image(result.field))
    expected = sitk.GetArrayFromImage(
        sitk.Resample(pair[1], pair[0], transform, sitk.sitkLinear, float("nan"), sitk.sitkFloat32)
    )
    moved = sitk.GetArrayFromImage(result.moved)
    inside = np.isfinite(moved) & np.isfinite(expected)
    assert inside.mean() > 0.85
    np.testing.assert_allclose(moved[inside], expected[inside], atol=0.5)
    assert np.isnan(moved).any()


def test_quality_tells_of_a_good_registration(result: RegistrationResult) -> None:
    quality = result.quality
    assert quality.verdict is Verdict.GREEN
    assert quality.reasons == ()
    assert quality.similarity_after > quality.similarity_before
    assert 0 < quality.jacobian_min < 1 < quality.jacobian_max
    assert quality.inverse_consistency_mm < 0.5
    assert quality.outside_share < 0.3


def test_where_a_phase_was_found_is_told(result: RegistrationResult) -> None:
    assert len(result.notes) == 1
    assert "apart" in result.notes[0]


def test_a_turned_phase_is_turned_back() -> None:
    turn = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.05, -0.04, np.radians(13.0), (30.0, -20.0, 15.0))
    matrix = np.array(turn.GetMatrix()).reshape(3, 3)

    def displacement(points: np.ndarray) -> np.ndarray:
        return points @ matrix.T + turn.GetTranslation() - points

    fixed = volume("portal", size_mm=SIZE_MM)
    moving = volume("arterial", displacement=displacement, size_mm=SIZE_MM, seed=1)
    found = register(fixed, moving)
    points = liver_points()
    moved = (points - turn.GetTranslation()) @ matrix
    seen = (np.abs(moved) < np.array(SIZE_MM) / 2 - 5).all(axis=1) & (np.abs(points[:, 2]) < SIZE_MM[2] / 2 - 5)
    error = np.linalg.norm(warp_points(points[seen], found.field) - moved[seen], axis=1)
    assert error.mean() < 2.0
    assert np.percentile(error, 95) < 5.0
    assert any("turned" in note for note in found.notes)


def reoriented() -> tuple[sitk.Image, sitk.Image]:
    moving = volume("arterial", displacement=breathing, size_mm=SIZE_MM, seed=1)
    return volume("portal", size_mm=SIZE_MM), sitk.DICOMOrient(moving, "PSR")


def mr_with_bias() -> tuple[sitk.Image, sitk.Image]:
    moving = volume("mr", displacement=breathing, size_mm=SIZE_MM, seed=1)
    return with_bias(volume("mr", size_mm=SIZE_MM), 0.5), with_bias(moving, -0.5)


def ct_and_mr() -> tuple[sitk.Image, sitk.Image]:
    return volume("portal", size_mm=SIZE_MM), volume("mr", displacement=breathing, size_mm=SIZE_MM, seed=1)


@pytest.mark.parametrize("images", [reoriented, mr_with_bias, ct_and_mr])
def test_orientation_bias_and_modality_do_not_mislead(images: Callable[[], tuple[sitk.Image, sitk.Image]]) -> None:
    error = liver_error(register(*images()).field)
    assert error.mean() < 2.0
    assert np.percentile(error, 95) < 5.0


def test_what_the_moving_image_does_not_show_pulls_nothing() -> None:
    fixed = volume("portal", size_mm=SIZE_MM)
    moving = volume("plain", displacement=breathing, size_mm=SIZE_MM, seed=1)
    values = sitk.GetArrayFromImage(moving)
    values[: len(values) // 3] = np.nan
    values[:, :, :10] = np.nan
    part = sitk.GetImageFromArray(values)
    part.CopyInformation(moving)
    found = register(fixed, part)
    points = liver_points()
    known = points[:, 2] > SIZE_MM[2] * (1 / 3 - 1 / 2)
    on_fixed = points + breathing(points)
    seen = known & (np.abs(on_fixed[:, 2]) < SIZE_MM[2] / 2)
    error = np.linalg.norm(warp_points(on_fixed[seen], found.field) - points[seen], axis=1)
    assert error.mean() < 2.5
    assert np.percentile(error, 95) < 6.0


def test_cancel_ends_a_registration(pair: tuple[sitk.Image, sitk.Image]) -> None:
    fractions = []
    progress = Progress(lambda event: fractions.append(event.fraction), lambda: bool(fractions) and fractions[-1] > 0.1)
    with pytest.raises(Cancelled):
        register(*pair, progress)
    assert 0.1 < fractions[-1] < 0.5


@pytest.fixture(scope="module")
def study() -> Study:
    reference = volume("portal", (3.0, 3.0, 3.0), size_mm=SIZE_MM)
    thick = volume("plain", (1.5, 1.5, 10.0), breathing, (160.0, 130.0, 80.0), seed=1)
    constant = sitk.Image(reference.GetSize(), sitk.sitkFloat32)
    constant.CopyInformation(reference)
    return Study(
        Modality.CT,
        (
            StudyVolume(thick, Phase.NON_CONTRAST),
            StudyVolume(constant, Phase.ARTERIAL),
            StudyVolume(reference, Phase.PORTAL_VENOUS, {Phase.PORTAL_VENOUS: 0.9, Phase.DELAYED: 0.1}, source="A"),
            StudyVolume(constant, Phase.PORTAL_VENOUS, {Phase.PORTAL_VENOUS: 0.6, Phase.DELAYED: 0.4}, source="B"),
            StudyVolume(reference, None),
        ),
    )


def test_a_study_is_registered_onto_its_reference_phase(study: Study) -> None:
    registered = register_study(study)
    assert registered.reference_phase is Phase.PORTAL_VENOUS
    assert list(registered.images) == [Phase.NON_CONTRAST, Phase.PORTAL_VENOUS]
    assert list(registered.fields) == [Phase.NON_CONTRAST]
    assert registered.images[Phase.NON_CONTRAST].GetSize() == registered.reference.GetSize()
    error = liver_error(registered.fields[Phase.NON_CONTRAST])
    assert error.mean() < 4.0
    # The thick slices cover 80 of 120 mm; what they do not show is unknown.
    unknown = np.isnan(sitk.GetArrayViewFromImage(registered.images[Phase.NON_CONTRAST]))
    assert 0.2 < unknown.mean() < 0.6

    assert registered.quality[Phase.ARTERIAL].verdict is Verdict.FAILED
    assert any(text.startswith("Arterial phase left out") and "constant" in text for text in registered.warnings)
    assert any("twice" in text and "A is used" in text and "B is not" in text for text in registered.warnings)


def test_a_study_of_one_phase_is_its_own_reference(study: Study) -> None:
    alone = Study(Modality.CT, study.volumes[:1])
    registered = register_study(alone)
    assert list(registered.images) == [Phase.NON_CONTRAST]
    assert registered.fields == {}
    assert registered.warnings == ()


def test_warping_fills_with_the_default_outside(pair: tuple[sitk.Image, sitk.Image]) -> None:
    fixed = pair[0]
    away = np.full((*fixed.GetSize()[::-1], 3), (500.0, 0.0, 0.0))
    field = sitk.GetImageFromArray(away, isVector=True)
    field.CopyInformation(fixed)
    moved = sitk.GetArrayFromImage(warp_image(fixed, field, default=-1024.0))
    assert (moved == -1024.0).all()

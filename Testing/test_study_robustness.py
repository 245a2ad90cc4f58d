"""Studies that lost their HU, lie in unusual axes, have unusual slices, or show no human trunk at all."""

from itertools import permutations, product

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.phantom import Tissue
from LiverTumorAILib.phantom.dicom_writer import write_dicom_study
from LiverTumorAILib.study import Modality, Phase, load_study, read_image
from LiverTumorAILib.study.body_check import why_no_adult_trunk
from LiverTumorAILib.study.grey_values import read_grey_values


def like(image, values):
    result = sitk.GetImageFromArray(values)
    result.CopyInformation(image)
    return result


def values_of(image):
    return sitk.GetArrayFromImage(image)


def windowed(image, width, level):
    """As a viewer exports it: 256 grey levels of a display window."""
    grey = np.rint((values_of(image) - level + width / 2) / width * 255)
    return like(image, np.clip(grey, 0, 255).astype(np.uint8))


def load_file(folder, image, name="scan.nii.gz"):
    sitk.WriteImage(image, str(folder / name))
    return load_study(folder / name)


def write_dicom(folder, image, stored=None, **attributes):
    """A CT series; `stored` replaces its pixels, (z, y, x)."""
    write_dicom_study({Phase.PORTAL_VENOUS: image}, Modality.CT, folder, 1)
    for index, path in enumerate(sorted(folder.rglob("*.dcm"))):
        dataset = pydicom.dcmread(path)
        if stored is not None:
            dataset.PixelData = stored[index].astype("<u2").tobytes()
        for name, value in attributes.items():
            setattr(dataset, name, value)
        dataset.save_as(path)
    return folder


def text_of(study):
    return " ".join(study.warnings)


@pytest.fixture(scope="module")
def scan(small_phantom):
    return small_phantom.images[Phase.PORTAL_VENOUS]


# Lost HU.


@pytest.mark.parametrize("phase", [Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS])
@pytest.mark.parametrize("intercept", [-1024, -1000])
def test_a_lost_rescale_intercept_is_found_again(tmp_path, small_phantom, phase, intercept):
    image = small_phantom.images[phase]
    values = np.maximum(values_of(image), intercept)
    study = load_file(tmp_path, like(image, (values - intercept).astype(np.uint16)), f"{phase}.nii.gz")
    assert study.modality is Modality.CT
    assert np.array_equal(values_of(study.volumes[0].image), values)
    assert f"{-intercept} was subtracted" in text_of(study) and "rescale intercept" in text_of(study)


def test_a_series_whose_header_lost_the_intercept_is_corrected(tmp_path, scan):
    study = load_study(write_dicom(tmp_path, scan, RescaleIntercept="0"))
    assert np.array_equal(values_of(study.volumes[0].image), np.maximum(values_of(scan), -1024))
    assert "rescale intercept" in text_of(study)


def test_negative_values_stored_as_unsigned_numbers_are_found_again(tmp_path, scan):
    study = load_file(tmp_path, like(scan, values_of(scan).astype(np.int16).view(np.uint16)), "arterial.nii.gz")
    assert study.modality is Modality.CT
    assert np.array_equal(values_of(study.volumes[0].image), values_of(scan))
    assert "unsigned" in text_of(study)


@pytest.mark.parametrize(("width", "level"), [(400, 40), (350, 50), (300, 40), (380, 60), (500, 50)])
def test_a_burned_in_window_is_mapped_back_to_about_the_right_hu(tmp_path, small_phantom, scan, width, level):
    study = load_file(tmp_path, windowed(scan, width, level), "portal_venous.nii.gz")
    found, truth, organs = (values_of(image) for image in (study.volumes[0].image, scan, small_phantom.organs))
    assert study.modality is Modality.CT
    for organ in (Tissue.LIVER, Tissue.SPLEEN):
        assert np.median(found[organs == organ]) == pytest.approx(np.median(truth[organs == organ]), abs=30)
    assert np.mean(found[truth < -800] == -1000) > 0.9
    assert np.mean(found[(truth > -140) & (truth < 200)] > -250) > 0.98
    assert "display window" in text_of(study) and "doubtful" in text_of(study)


def test_the_phase_of_an_export_with_a_window_is_never_sure(tmp_path, scan):
    (volume,) = load_file(tmp_path, windowed(scan, 400, 40)).volumes
    assert volume.phase is not None and not volume.phase_is_sure
    assert sum(volume.phase_probabilities.values()) == pytest.approx(1)
    assert any("unsure" in warning for warning in volume.warnings)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_series_of_8_bits_is_mapped_back_whether_inverted_or_not(tmp_path, scan, photometric):
    grey = values_of(windowed(scan, 400, 40))
    stored = 255 - grey if photometric == "MONOCHROME1" else grey
    folder = write_dicom(tmp_path, scan, stored, RescaleIntercept="0", PhotometricInterpretation=photometric)
    study = load_study(folder)
    found, truth = values_of(study.volumes[0].image), values_of(scan)
    tissue = (truth > -100) & (truth < 200)
    assert np.median(abs(found - truth)[tissue]) < 20
    assert "display window" in text_of(study)


def test_hu_cut_to_a_window_keep_their_values_and_get_their_air_back(tmp_path, scan):
    truth = values_of(scan)
    study = load_file(tmp_path, like(scan, np.clip(truth, -160, 240)), "portal_venous.nii.gz")
    found = values_of(study.volumes[0].image)
    inside = (truth > -160) & (truth < 240)
    assert np.array_equal(found[inside], truth[inside])
    assert np.mean(found[truth < -800] == -1000) > 0.95
    assert "W 400 L 40" in text_of(study)


def test_a_window_that_hides_fat_is_refused_with_the_way_out(tmp_path, scan):
    folder = write_dicom(tmp_path, scan, values_of(windowed(scan, 150, 60)), RescaleIntercept="0")
    with pytest.raises(LiverTumorAIError) as caught:
        load_study(folder)
    assert "display window" in caught.value.what
    assert "original series" in caught.value.advice


@settings(max_examples=25)
@given(top=st.floats(90, 100), gain=st.floats(0.2, 30), in_8_bits=st.booleans())
def test_real_mr_stays_mr_at_any_gain(shared_data, top, gain, in_8_bits):
    image = read_image(shared_data / "totalsegmentator" / "example_mr_sm.nii.gz")
    values = np.maximum(values_of(image), 0)
    values = np.clip(np.rint(values / np.percentile(values, top) * 255), 0, 255) if in_8_bits else values * gain
    grey = read_grey_values(like(image, values.astype(np.float32)), None, "scan")
    assert grey.modality is Modality.MR
    assert np.array_equal(values_of(grey.image), values.astype(np.float32))
    assert not grey.note or "read as MR" in grey.note


REAL_CT = ["totalsegmentator/example_ct.nii.gz", "totalsegmentator/example_ct_sm.nii.gz"]


@pytest.mark.parametrize("name", REAL_CT)
def test_real_ct_raises_no_alarm_until_it_is_spoiled(shared_data, name):
    image = read_image(shared_data / name)
    grey = read_grey_values(image, None, "scan")
    assert grey.note == "" and grey.image is image and grey.modality is Modality.CT
    assert why_no_adult_trunk(image, Modality.CT, "scan") is None
    truth = np.maximum(values_of(image), -1024)
    lost = read_grey_values(like(image, truth + 1024), None, "scan")
    assert np.array_equal(values_of(lost.image), truth)
    burned = read_grey_values(sitk.Cast(windowed(image, 400, 40), sitk.sitkFloat32), None, "scan")
    tissue = (truth > -60) & (truth < 200)
    assert burned.are_approximate
    assert np.median(abs(values_of(burned.image) - truth)[tissue]) < 25
    assert why_no_adult_trunk(burned.image, Modality.CT, "scan") is None


# Axes and slices.


def block(shape=(9, 10, 12)):
    """A small volume where every voxel differs from every other."""
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) - 200
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((6.0, 9.0, 14.0))
    image.SetOrigin((-60.0, -50.0, 200.0))
    return image


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("axes", list(permutations(range(3))))
def test_all_orders_and_directions_of_axes_show_the_same_body(tmp_path, axes, suffix):
    image = block()
    path = tmp_path / f"portal_venous{suffix}"
    for flips in product((False, True), repeat=3):
        sitk.WriteImage(sitk.Flip(sitk.PermuteAxes(image, axes), flips), str(path))
        (volume,) = load_study(path).volumes
        assert np.allclose(volume.image.GetDirection(), np.eye(3).ravel())
        assert np.allclose(volume.image.GetOrigin(), image.GetOrigin(), atol=1e-3)
        assert np.array_equal(values_of(volume.image), values_of(image))


@settings(max_examples=20)
@given(
    angles=st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    axes=st.permutations(range(3)),
    flips=st.tuples(*[st.booleans()] * 3),
    suffix=st.sampled_from([".nii.gz", ".nrrd", ".mha"]),
)
def test_oblique_volumes_show_the_same_values_at_the_same_places(tmp_path_factory, angles, axes, flips, suffix):
    image = block()
    turn = sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles)
    image.SetDirection(turn.GetMatrix())
    path = tmp_path_factory.mktemp("oblique") / f"portal_venous{suffix}"
    sitk.WriteImage(sitk.Flip(sitk.PermuteAxes(image, axes), flips), str(path))
    (volume,) = load_study(path).volumes
    at_the_same_places = sitk.Resample(volume.image, image, sitk.Transform(), sitk.sitkNearestNeighbor, -1.0e6)
    assert np.array_equal(values_of(at_the_same_places), values_of(image))


def with_slices_of(image, thickness_mm):
    """The same body in slices of another thickness: each is the mean of what it covers."""
    columns, rows, slices = image.GetSize()
    count = round(slices * image.GetSpacing()[2] / thickness_mm)
    spacing = (*image.GetSpacing()[:2], thickness_mm)
    blurred = sitk.SmoothingRecursiveGaussian(image, (0.1, 0.1, max(0.1, 0.35 * thickness_mm)))
    return sitk.Resample(
        blurred, (columns, rows, count), sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), spacing,
        image.GetDirection(), -1000.0, sitk.sitkFloat32,
    )  # fmt: skip


@pytest.mark.parametrize("thickness_mm", [0.6, 10.0])
def test_thin_and_thick_slices_are_recognised_like_any_other(tmp_path, scan, thickness_mm):
    image = sitk.Round(with_slices_of(scan, thickness_mm)) if thickness_mm > 5 else with_slices_of(scan, thickness_mm)
    (volume,) = (study := load_file(tmp_path, image, "scan.nrrd")).volumes
    assert volume.image.GetSpacing()[2] == pytest.approx(thickness_mm)
    assert volume.phase is Phase.PORTAL_VENOUS
    assert all("one phase only" in warning for warning in study.warnings)


# What is no trunk of an adult.


def grid(shape=(20, 100, 100), spacing=(4.0, 4.0, 5.0)):
    z, y, x = np.indices(shape)
    centre = [(length - 1) / 2 for length in shape]
    return [(axis - at) * step for axis, at, step in zip((z, y, x), centre, spacing[::-1], strict=True)]


def painted(*parts, shape=(20, 100, 100), spacing=(4.0, 4.0, 5.0)):
    """Air with noise, and parts (mask, HU) in it."""
    values = np.random.default_rng(2).normal(-1000, 10, shape)
    for mask, hu in parts:
        values[mask] += hu + 1000
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing(spacing)
    return image


def test_a_phantom_cylinder_is_called_one(tmp_path):
    _, y, x = grid()
    study = load_file(tmp_path, painted((np.hypot(x, y) < 110, 0.0), ((abs(y - 150) < 9) & (abs(x) < 180), 40.0)))
    assert "no body is seen" in text_of(study) and "even density" in text_of(study)


def test_a_couch_alone_is_called_one(tmp_path):
    _, y, x = grid()
    study = load_file(tmp_path, painted(((abs(y - 100 + x**2 / 900) < 18) & (abs(x) < 190), -120.0)))
    assert "couch" in text_of(study)


def test_air_alone_is_called_air(tmp_path):
    assert "only air" in text_of(load_file(tmp_path, painted()))


@pytest.mark.parametrize("scale", [0.3, 0.45])
def test_a_body_too_narrow_for_an_adult_is_said(tmp_path, scan, scale):
    image = sitk.Image(scan)
    image.SetSpacing([scale * step for step in scan.GetSpacing()])
    study = load_file(tmp_path, image, "portal_venous.nii.gz")
    assert "too narrow for an adult's trunk" in text_of(study)


def test_a_mouse_is_refused(tmp_path, scan):
    image = sitk.Image(scan)
    image.SetSpacing([0.1 * step for step in scan.GetSpacing()])
    sitk.WriteImage(image, str(tmp_path / "portal_venous.nii.gz"))
    with pytest.raises(LiverTumorAIError) as caught:
        load_study(tmp_path)
    assert "wide: no human trunk" in caught.value.what and "spacing" in caught.value.advice

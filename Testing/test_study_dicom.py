"""DICOM series become volumes whatever their order, grouping and defects."""

import shutil

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEGLosslessSV1, RLELossless, generate_uid
from scipy import ndimage

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.phantom.dicom_writer import write_dicom_study
from LiverTumorAILib.study import Modality, Phase, load_study

SPACING = (2.0, 2.0, 4.0)
ORIGIN = (-40.0, -30.0, 100.0)


def ramp(points):
    """A value, HU, that is linear in LPS, so that interpolation must give it exactly."""
    return 1.0 * points[..., 0] + 2.0 * points[..., 1] + 3.0 * points[..., 2] - 300.0


def points_of(image):
    size = image.GetSize()
    index = np.stack(np.meshgrid(*(np.arange(n) for n in size[::-1]), indexing="ij"), axis=-1)[..., ::-1]
    direction = np.array(image.GetDirection()).reshape(3, 3)
    return index * np.array(image.GetSpacing()) @ direction.T + np.array(image.GetOrigin())


def ramp_image(slices=12, offset=0.0):
    image = sitk.Image(40, 30, slices, sitk.sitkFloat32)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    result = sitk.GetImageFromArray(np.rint(ramp(points_of(image)) + offset).astype(np.float32))
    result.CopyInformation(image)
    return result


@pytest.fixture
def series(tmp_path):
    """One portal venous CT series of 12 slices, as a list of its files."""
    write_dicom_study({Phase.PORTAL_VENOUS: ramp_image()}, Modality.CT, tmp_path, 1)
    return sorted(tmp_path.rglob("*.dcm"))


def change(path, **attributes):
    dataset = pydicom.dcmread(path)
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.save_as(path)


def load_one(folder):
    study = load_study(folder)
    assert len(study.volumes) == 1
    return study.volumes[0]


def assert_is_ramp(image, tolerance=0.51, edge=0):
    values, points = sitk.GetArrayFromImage(image), points_of(image)
    inner = (slice(None), *(slice(edge, -edge or None),) * 2)
    assert np.abs(values - ramp(points))[inner].max() <= tolerance


def test_a_series_becomes_a_volume_in_hu_at_its_place(tmp_path, series):
    volume = load_one(tmp_path)
    assert volume.image.GetPixelID() == sitk.sitkFloat32
    assert volume.image.GetSize() == (40, 30, 12)
    assert np.allclose(volume.image.GetOrigin(), ORIGIN)
    assert np.allclose(volume.image.GetSpacing(), SPACING)
    assert_is_ramp(volume.image)
    assert volume.warnings == ()
    assert list(volume.dicom_files) == series


def test_other_readers_see_the_same_voxels(tmp_path, series):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series[0].parent)))
    expected = sitk.GetArrayFromImage(reader.Execute())
    assert np.array_equal(sitk.GetArrayFromImage(load_one(tmp_path).image), expected)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(12)), keep_numbers=st.booleans())
def test_neither_file_names_nor_instance_numbers_matter_for_the_order(tmp_path_factory, order, keep_numbers):
    folder = tmp_path_factory.mktemp("shuffled")
    write_dicom_study({Phase.ARTERIAL: ramp_image()}, Modality.CT, folder, 1)
    for number, path in zip(order, sorted(folder.rglob("*.dcm")), strict=True):
        if not keep_numbers:
            change(path, InstanceNumber=int(number))
        nested = folder / f"part{number % 3}"
        nested.mkdir(exist_ok=True)
        path.rename(nested / f"image_{number}")
    volume = load_one(folder)
    assert volume.image.GetSize() == (40, 30, 12)
    assert_is_ramp(volume.image)


@pytest.mark.parametrize("flip", [(1, -1), (-1, 1), (-1, -1)])
def test_rows_and_columns_that_run_the_other_way_still_lie_right(tmp_path, series, flip):
    for path in series:
        dataset = pydicom.dcmread(path)
        pixels = dataset.pixel_array[:: flip[1], :: flip[0]]
        x, y, z = dataset.ImagePositionPatient
        x = x + SPACING[0] * 39 if flip[0] < 0 else x
        y = y + SPACING[1] * 29 if flip[1] < 0 else y
        dataset.PixelData = np.ascontiguousarray(pixels).tobytes()
        dataset.ImagePositionPatient = [x, y, z]
        dataset.ImageOrientationPatient = [flip[0], 0, 0, 0, flip[1], 0]
        dataset.save_as(path)
    volume = load_one(tmp_path)
    assert_is_ramp(volume.image)
    assert np.allclose(volume.image.GetDirection(), np.eye(3).ravel())
    assert list(volume.dicom_files) == series


def test_the_rescale_of_each_slice_is_its_own(tmp_path, series):
    for number, path in enumerate(series):
        dataset = pydicom.dcmread(path)
        slope, intercept = 1 + number % 3, -1024 - 10 * number
        stored = (dataset.pixel_array.astype(int) - 1024 - intercept) / slope
        dataset.PixelData = np.rint(stored).astype("<u2").tobytes()
        dataset.RescaleSlope, dataset.RescaleIntercept = str(slope), str(intercept)
        dataset.save_as(path)
    assert_is_ramp(load_one(tmp_path).image, tolerance=2.1)


def merge_into_one_series(folder, remove=(), **varying):
    """Make the phases of a study one series; `varying` gives an attribute's value for each phase."""
    uid = generate_uid()
    for index, phase_folder in enumerate(sorted(folder.glob("series-*"))):
        for number, path in enumerate(sorted(phase_folder.iterdir())):
            dataset = pydicom.dcmread(path)
            dataset.SeriesInstanceUID = uid
            dataset.SeriesNumber = 4
            dataset.SeriesDescription = "LIVER 3 PHASE"
            dataset.InstanceNumber = 12 * index + number + 1
            for name in ("AcquisitionNumber", "AcquisitionTime", "ContentTime", *remove):
                if name in dataset:
                    delattr(dataset, name)
            for name, values in varying.items():
                setattr(dataset, name, values[index])
            dataset.save_as(path)


@pytest.mark.parametrize(
    "varying",
    [
        {"AcquisitionNumber": [1, 2, 3]},
        {"TemporalPositionIdentifier": [1, 2, 3]},
        {"AcquisitionTime": ["100000", "100035", "100110"]},
        {"ContentTime": ["100000", "100035.5", "100110"]},
        {"TriggerTime": [100.0, 35000.0, 70000.0]},
        {"AcquisitionNumber": [1, 1, 2], "TemporalPositionIdentifier": [1, 2, 1]},
        {},
    ],
    ids=lambda varying: "+".join(varying) or "instance numbers only",
)
def test_acquisitions_in_one_series_are_split(tmp_path, varying):
    phases = (Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS)
    images = {phase: ramp_image(12, 50.0 * index) for index, phase in enumerate(phases)}
    write_dicom_study(images, Modality.CT, tmp_path, 1)
    merge_into_one_series(tmp_path, **varying)
    volumes = load_study(tmp_path).volumes
    assert len(volumes) == 3
    for volume, image in zip(volumes, images.values(), strict=True):
        assert np.array_equal(sitk.GetArrayFromImage(volume.image), sitk.GetArrayFromImage(image))


def test_phases_that_alternate_at_each_position_are_split(tmp_path):
    images = {Phase.NON_CONTRAST: ramp_image(), Phase.ARTERIAL: ramp_image(12, 50.0)}
    write_dicom_study(images, Modality.CT, tmp_path, 1)
    merge_into_one_series(tmp_path)
    for phase_index, folder in enumerate(sorted(tmp_path.glob("series-*"))):
        for number, path in enumerate(sorted(folder.iterdir())):
            change(path, InstanceNumber=2 * number + phase_index + 1)
    first, second = load_study(tmp_path).volumes
    assert np.array_equal(sitk.GetArrayFromImage(second.image), sitk.GetArrayFromImage(images[Phase.ARTERIAL]))
    assert first.image.GetSize() == second.image.GetSize()


def test_acquisitions_of_different_range_are_split_without_any_tag(tmp_path):
    longer = ramp_image(16, 50.0)
    write_dicom_study({Phase.NON_CONTRAST: ramp_image(), Phase.ARTERIAL: longer}, Modality.CT, tmp_path, 1)
    merge_into_one_series(tmp_path)
    sizes = [volume.image.GetSize()[2] for volume in load_study(tmp_path).volumes]
    assert sizes == [12, 16]


def test_missing_slices_are_filled_in_and_counted(tmp_path, series):
    series[4].unlink()
    series[8].unlink()
    volume = load_one(tmp_path)
    assert volume.image.GetSize()[2] == 12
    assert_is_ramp(volume.image, tolerance=0.8)
    assert any("2 slices missing" in warning for warning in volume.warnings)


def test_doubled_slices_count_once(tmp_path, series):
    shutil.copy(series[3], series[3].with_name("copy.dcm"))
    dataset = pydicom.dcmread(series[5])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.save_as(series[5].with_name("again.dcm"))
    volume = load_one(tmp_path)
    assert volume.image.GetSize()[2] == 12
    assert_is_ramp(volume.image)
    assert any("1 slice doubled" in warning for warning in volume.warnings)


def test_uneven_slice_distances_are_resampled_to_an_even_grid(tmp_path, series):
    for number, path in enumerate(series):
        dataset = pydicom.dcmread(path)
        x, y, z = dataset.ImagePositionPatient
        shift = 1.2 * np.sin(number)
        dataset.ImagePositionPatient = [x, y, round(z + shift, 3)]
        dataset.PixelData = (dataset.pixel_array + np.rint(3 * shift)).astype("<u2").tobytes()
        dataset.save_as(path)
    volume = load_one(tmp_path)
    assert_is_ramp(volume.image, tolerance=4.0)
    assert any("uneven" in warning for warning in volume.warnings)


def test_a_wide_gap_keeps_the_longer_part(tmp_path, series):
    for path in series[2:8]:
        path.unlink()
    volume = load_one(tmp_path)
    assert volume.image.GetSize()[2] == 4
    assert any("beyond a wide gap" in warning for warning in volume.warnings)


@pytest.mark.parametrize("degrees", [-12.0, 20.0])
def test_gantry_tilt_is_undone(tmp_path, series, degrees):
    tilt = np.radians(degrees)
    column = np.array([0.0, np.cos(tilt), np.sin(tilt)])
    for path in series:
        dataset = pydicom.dcmread(path)
        rows, columns = np.mgrid[0:30, 0:40]
        position = np.array(dataset.ImagePositionPatient, float)
        points = position + columns[..., None] * [2.0, 0, 0] + rows[..., None] * 2.0 * column
        dataset.PixelData = np.rint(ramp(points) + 1024).astype("<u2").tobytes()
        dataset.ImageOrientationPatient = [1, 0, 0, *(float(round(value, 12)) for value in column)]
        dataset.GantryDetectorTilt = degrees
        dataset.save_as(path)
    volume = load_one(tmp_path)
    values, expected = sitk.GetArrayFromImage(volume.image), ramp(points_of(volume.image))
    covered = values > -1000
    inside = ndimage.binary_erosion(covered, np.ones((1, 3, 3)))
    assert covered.sum() >= 0.9 * 40 * 30 * 12
    assert np.abs(values - expected)[inside].max() < 1.1
    assert any("gantry tilted" in warning for warning in volume.warnings)


def test_an_enhanced_multi_frame_file_is_read_like_its_slices(tmp_path, series):
    datasets = [pydicom.dcmread(path) for path in series]
    uid, instance = generate_uid(), generate_uid()
    enhanced = highdicom.legacy.LegacyConvertedEnhancedCTImage(datasets, uid, 1, instance, 1)
    folder = tmp_path / "enhanced"
    folder.mkdir()
    enhanced.save_as(folder / "enhanced.dcm")
    volume = load_one(folder)
    assert volume.image.GetSize() == (40, 30, 12)
    assert_is_ramp(volume.image)


def test_run_length_compression_is_read(tmp_path, series):
    for path in series:
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    assert_is_ramp(load_one(tmp_path).image)


def test_monochrome1_keeps_hu_but_turns_a_negative_round(tmp_path):
    values = np.full((6, 64, 64), -1000.0, np.float32)
    values[:, 16:48, 16:48] = 60.0
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((4.0, 4.0, 5.0))
    for name, is_negative in (("right", False), ("negative", True)):
        folder = tmp_path / name
        write_dicom_study({Phase.ARTERIAL: image}, Modality.CT, folder, 1)
        for path in folder.rglob("*.dcm"):
            dataset = pydicom.dcmread(path)
            dataset.PhotometricInterpretation = "MONOCHROME1"
            if is_negative:
                dataset.PixelData = (1108 - dataset.pixel_array).astype("<u2").tobytes()
            dataset.save_as(path)
        result = sitk.GetArrayFromImage(load_one(folder).image)
        assert result[3, 32, 32] == 60
        assert result[3, 2, 2] == -1000


def test_series_that_are_no_phase_are_left_out_with_the_reason(tmp_path):
    write_dicom_study({Phase.ARTERIAL: ramp_image()}, Modality.CT, tmp_path, 1)
    template = pydicom.dcmread(next(tmp_path.rglob("0001.dcm")))
    others = {
        "localizer": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        "colour": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "SamplesPerPixel": 3, "Modality": "OT"},
        "report": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.22", "Modality": "SR"},
        "coronal": {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
    }
    for number, (name, attributes) in enumerate(others.items()):
        for key, value in attributes.items():
            setattr(template, key, value)
        template.SeriesInstanceUID, template.SOPInstanceUID = generate_uid(), generate_uid()
        template.SeriesNumber = 50 + number
        template.save_as(tmp_path / f"{name}.dcm")
        template = pydicom.dcmread(next(tmp_path.rglob("0001.dcm")))
    (tmp_path / "notes.txt").write_text("nothing")
    study = load_study(tmp_path)
    assert [volume.source for volume in study.volumes] == ["series 2"]
    text = " ".join(study.warnings)
    for word in ("localizers", "another kind (SR)", "another kind (OT)", "not axial"):
        assert word in text


def test_header_words_name_the_phases_and_times_order_them(tmp_path):
    phases = (Phase.PORTAL_VENOUS, Phase.ARTERIAL, Phase.NON_CONTRAST)
    write_dicom_study(dict.fromkeys(phases, ramp_image()), Modality.CT, tmp_path, 1)
    study = load_study(tmp_path)
    assert [volume.phase for volume in study.volumes] == [Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS]
    assert all("header" in volume.phase_reason for volume in study.volumes)


# Bad input: one clear line that names file or series, never the patient.


def refusal(folder):
    with pytest.raises(LiverTumorAIError) as caught:
        load_study(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert "Phantom^" not in text and "PHANTOM" not in text
    assert caught.value.advice
    return text


def test_a_truncated_file_is_named(tmp_path, series):
    series[6].write_bytes(series[6].read_bytes()[:-500])
    text = refusal(tmp_path)
    assert "truncated" in text and series[6].name in text


@pytest.mark.parametrize("length", [200, 600, 900])
def test_a_file_cut_within_its_header_is_named(tmp_path, series, length):
    series[6].write_bytes(series[6].read_bytes()[:length])
    assert series[6].name in refusal(tmp_path)


def test_compression_without_a_decoder_is_named(tmp_path, series):
    for path in series:
        dataset = pydicom.dcmread(path)
        dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(60)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
        dataset.save_as(path)
    if pydicom.pixels.get_decoder(JPEGLosslessSV1).is_available:
        pytest.skip("a decoder is installed")
    text = refusal(tmp_path)
    assert "JPEG Lossless" in text and "pylibjpeg" in text


def test_two_patients_are_refused(tmp_path, series):
    write_dicom_study({Phase.ARTERIAL: ramp_image()}, Modality.CT, tmp_path, 2)
    assert "2 patients" in refusal(tmp_path)


def test_two_studies_of_one_patient_are_refused(tmp_path, series):
    write_dicom_study({Phase.ARTERIAL: ramp_image()}, Modality.CT, tmp_path / "later", 2)
    for path in (tmp_path / "later").rglob("*.dcm"):
        change(path, PatientID="PHANTOM-001", PatientName="Phantom^001")
    assert "2 studies" in refusal(tmp_path)


def test_a_single_slice_is_refused(tmp_path, series):
    for path in series[1:]:
        path.unlink()
    assert "single slice" in refusal(tmp_path)


def test_slices_all_at_one_position_are_refused(tmp_path, series):
    for path in series:
        change(path, ImagePositionPatient=[0, 0, 0], InstanceNumber=1)
    assert "single slice" in refusal(tmp_path)


def test_localizers_alone_are_refused(tmp_path, series):
    for path in series:
        change(path, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert "localizers" in refusal(tmp_path)


def test_colour_images_alone_are_refused(tmp_path, series):
    for path in series:
        dataset = pydicom.dcmread(path)
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
        dataset.PixelData = bytes(40 * 30 * 3 * 2)
        dataset.save_as(path)
    assert "RGB" in refusal(tmp_path)


@pytest.mark.parametrize("spacing", [["0", "0"], ["400", "400"]])
def test_an_absurd_pixel_spacing_is_refused(tmp_path, series, spacing):
    for path in series:
        change(path, PixelSpacing=spacing)
    assert "spacing" in refusal(tmp_path)


def test_slices_hundreds_of_millimetres_apart_are_refused(tmp_path, series):
    for number, path in enumerate(series):
        change(path, ImagePositionPatient=[0, 0, 300.0 * number])
    assert "spacing" in refusal(tmp_path)


def test_missing_positions_are_refused(tmp_path, series):
    for path in series:
        dataset = pydicom.dcmread(path)
        del dataset.ImagePositionPatient
        dataset.save_as(path)
    assert "Position" in refusal(tmp_path)


def test_a_constant_series_is_refused(tmp_path):
    image = ramp_image() * 0.0 + 40.0
    write_dicom_study({Phase.ARTERIAL: image}, Modality.CT, tmp_path, 1)
    assert "same value" in refusal(tmp_path)


def test_a_study_beyond_the_memory_is_refused_before_it_is_read(tmp_path, series):
    for path in series:
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.Rows = dataset.Columns = 65535
        dataset.save_as(path)
    assert "GiB" in refusal(tmp_path)

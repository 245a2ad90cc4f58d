"""The DICOM series of phantoms are valid and carry the volume unchanged."""

import json
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from LiverTumorAILib.phantom.dicom_writer import write_dicom_study
from LiverTumorAILib.study import Modality, Phase


def make_image(low, high, tilt=0.0):
    values = np.random.default_rng(0).integers(low, high, (5, 7, 9)).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-31.5, 12.25, -480.3))
    cosine, sine = np.cos(tilt), np.sin(tilt)
    image.SetDirection((1, 0, 0, 0, cosine, -sine, 0, sine, cosine))
    return image


def read_with_gdcm(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


@pytest.mark.parametrize("tilt", [0.0, 0.2])
def test_gdcm_reads_back_the_same_volume(tmp_path, tilt):
    image = make_image(-1024, 3000, tilt)
    write_dicom_study({Phase.ARTERIAL: image}, Modality.CT, tmp_path, 3)
    again = read_with_gdcm(tmp_path / "series-2-arterial")
    assert np.array_equal(sitk.GetArrayFromImage(again), sitk.GetArrayFromImage(image))
    assert np.allclose(again.GetOrigin(), image.GetOrigin(), atol=1e-6)
    assert np.allclose(again.GetSpacing(), image.GetSpacing(), atol=1e-6)
    assert np.allclose(again.GetDirection(), image.GetDirection(), atol=1e-6)


def test_one_series_a_phase_in_one_anonymous_study(tmp_path):
    image = make_image(0, 900)
    phases = (Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.HEPATOBILIARY)
    write_dicom_study(dict.fromkeys(phases, image), Modality.MR, tmp_path, 12)
    headers = [pydicom.dcmread(path) for path in sorted(tmp_path.rglob("*.dcm"))]
    assert len({header.SeriesInstanceUID for header in headers}) == 3
    assert len({header.StudyInstanceUID for header in headers}) == 1
    assert len({header.SOPInstanceUID for header in headers}) == 15
    assert {str(header.PatientName) for header in headers} == {"Phantom^012"}
    times = [float(header.AcquisitionTime) for header in headers[::5]]
    assert times == sorted(times)
    assert "ContrastBolusAgent" not in headers[0]
    assert "Gadoxetate" in headers[-1].ContrastBolusAgent


def test_the_ratio_of_mr_phases_survives(tmp_path):
    image = make_image(1, 900)
    images = {Phase.NON_CONTRAST: image, Phase.ARTERIAL: image * 2.0}
    write_dicom_study(images, Modality.MR, tmp_path, 1)
    before, after = (
        sitk.GetArrayFromImage(read_with_gdcm(tmp_path / name)).astype(float)
        for name in ("series-2-non_contrast", "series-3-arterial")
    )
    assert np.mean(after) == pytest.approx(2 * np.mean(before), rel=1e-3)


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    image = make_image(-1000, 1000)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_dicom_study({Phase.DELAYED: image}, Modality.CT, tmp_path / name, seed)
    first, second, other = (
        (tmp_path / name / "series-2-delayed" / "0003.dcm").read_bytes() for name in ("a", "b", "c")
    )
    assert first == second != other


@pytest.mark.parametrize("modality", list(Modality))
def test_the_attributes_that_the_standard_requires_are_there(tmp_path, modality):
    tables = Path(highdicom.__file__).parent / "_standard"
    iod_of_sop_class, modules_of_iod, attributes_of_module = (
        json.loads((tables / name).read_text())
        for name in ("sop_class_iod_map.json", "iod_module_map.json", "module_attribute_map.json")
    )
    write_dicom_study({Phase.ARTERIAL: make_image(0, 900)}, modality, tmp_path, 1)
    dataset = pydicom.dcmread(tmp_path / "series-2-arterial" / "0001.dcm")
    modules = modules_of_iod[iod_of_sop_class[dataset.SOPClassUID]]
    missing = [
        attribute["keyword"]
        for module in modules
        if module["usage"] == "M"
        for attribute in attributes_of_module[module["key"]]
        if not attribute["path"] and attribute["type"] in ("1", "2") and attribute["keyword"] not in dataset
    ]
    assert missing == []

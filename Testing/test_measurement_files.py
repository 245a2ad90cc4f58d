"""Measuring label map files."""

import numpy as np
import pytest
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.measurement import measure_files
from LiverTumorAILib.study import Phase


def write(path, array, spacing=(0.8, 0.8, 2.0)):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    sitk.WriteImage(image, path)
    return path


@pytest.fixture
def mask(tmp_path):
    labels = np.zeros((10, 30, 30), np.uint8)
    labels[2:6, 5:15, 5:25] = 1
    labels[7:9, 20:24, 20:24] = 4
    return write(tmp_path / "lesions.nii.gz", labels)


def test_every_label_of_a_file_is_measured(mask):
    measured = measure_files(mask)
    assert list(measured) == [1, 4]
    assert measured[1].volume_mm3 == pytest.approx(4 * 10 * 20 * 0.8 * 0.8 * 2, rel=1e-5)


def test_an_image_gives_the_mean_of_the_phase_that_its_name_says(mask, tmp_path):
    ramp = np.broadcast_to(np.arange(30, dtype=np.float32), (10, 30, 30))
    image = write(tmp_path / "arterial.nii.gz", np.ascontiguousarray(ramp))
    measured = measure_files(mask, image)
    assert list(measured[1].enhancement) == [Phase.ARTERIAL]
    assert measured[1].enhancement[Phase.ARTERIAL].lesion == pytest.approx(14.5)


@pytest.mark.parametrize("value", [0.5, 0.0])
def test_what_is_no_label_map_is_refused(tmp_path, value):
    with pytest.raises(LiverTumorAIError, match="mask"):
        measure_files(write(tmp_path / "mask.nrrd", np.full((4, 4, 4), value, np.float32)))

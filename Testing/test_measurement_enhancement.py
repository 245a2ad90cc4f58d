"""Enhancement of lesions and liver by phase."""

import numpy as np
import pytest
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import Organ
from LiverTumorAILib.measurement import measure_lesions
from LiverTumorAILib.study import Phase


@pytest.fixture
def scene():
    """Organ labels, lesion labels and an arterial image: liver 100, vessel 250, lesion 160, elsewhere -1000."""
    organs, lesions = np.zeros((8, 20, 20), np.uint8), np.zeros((8, 20, 20), np.uint16)
    organs[1:7, 2:18, 2:18] = Organ.LIVER
    organs[1:7, 5, 5] = Organ.HEPATIC_VESSELS
    lesions[3:5, 8:12, 8:12] = 1
    arterial = np.select([lesions > 0, organs == Organ.HEPATIC_VESSELS, organs > 0], [160.0, 250.0, 100.0], -1000.0)
    return organs, lesions, arterial.astype(np.float32)


def image(array):
    return sitk.GetImageFromArray(array)


def test_lesion_and_liver_are_averaged_without_each_other_and_without_vessels(scene):
    organs, lesions, arterial = scene
    measured = measure_lesions(image(lesions), {Phase.ARTERIAL: image(arterial)}, image(organs))
    enhancement = measured[1].enhancement[Phase.ARTERIAL]
    assert enhancement.lesion == pytest.approx(160)
    assert enhancement.liver == pytest.approx(100)


def test_voxels_that_a_phase_does_not_show_do_not_count(scene):
    organs, lesions, arterial = scene
    arterial[:4] = np.nan
    measured = measure_lesions(image(lesions), {Phase.ARTERIAL: image(arterial)}, image(organs))
    assert measured[1].enhancement[Phase.ARTERIAL].lesion == pytest.approx(160)
    assert measured[1].enhancement[Phase.ARTERIAL].liver == pytest.approx(100)


def test_a_phase_that_misses_the_lesion_has_no_enhancement(scene):
    organs, lesions, arterial = scene
    delayed = arterial.copy()
    delayed[2:6] = np.nan
    images = {Phase.ARTERIAL: image(arterial), Phase.DELAYED: image(delayed)}
    assert list(measure_lesions(image(lesions), images, image(organs))[1].enhancement) == [Phase.ARTERIAL]


def test_without_organs_the_liver_is_unknown(scene):
    _, lesions, arterial = scene
    enhancement = measure_lesions(image(lesions), {Phase.ARTERIAL: image(arterial)})[1].enhancement
    assert np.isnan(enhancement[Phase.ARTERIAL].liver)


def test_images_on_another_grid_are_refused(scene):
    _, lesions, arterial = scene
    shifted = image(arterial)
    shifted.SetOrigin((5, 0, 0))
    with pytest.raises(LiverTumorAIError, match="arterial phase"):
        measure_lesions(image(lesions), {Phase.ARTERIAL: shifted})

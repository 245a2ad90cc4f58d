"""What is called liver and does not look like it is said, noise, vessels and marked lesions are not."""

import numpy as np
import pytest
import SimpleITK as sitk

from LiverTumorAILib.lesions import Organ
from LiverTumorAILib.lesions.uneven_liver import uneven_liver_warnings

SPACING = (1.5, 1.5, 2.5)


def study(hu: float = 100.0, noise: float = 15.0):
    """Organs, lesions and HU (z, y, x) of a box of liver with a portal vein."""
    organs = np.zeros((50, 100, 100), np.uint8)
    organs[5:45, 10:90, 10:90] = Organ.LIVER
    organs[20:26, 46:54, 10:90] = Organ.PORTAL_SPLENIC_VEIN
    values = np.where(organs > 0, hu, -100) + np.random.default_rng(1).normal(0, noise, organs.shape)
    values[organs == Organ.PORTAL_SPLENIC_VEIN] += 80
    return organs, np.zeros(organs.shape, np.uint16), values.astype(np.float32)


def warnings_of(*arrays):
    images = [sitk.GetImageFromArray(array) for array in arrays]
    for image in images:
        image.SetSpacing(SPACING)
    return uneven_liver_warnings(*images)


def test_an_even_liver_with_bright_vessels_and_noise_is_fine():
    assert warnings_of(*study()) == ()


@pytest.mark.parametrize(("hu", "word"), [(10, "darker"), (190, "brighter")])
def test_a_large_part_that_is_no_liver_is_told_with_its_volume(hu, word):
    organs, lesions, values = study()
    values[5:45, 60:90, 10:90] += hu - 100
    (warning,) = warnings_of(organs, lesions, values)
    assert word in warning
    # Without the outer 4 mm and half of what the averaging mixes.
    millilitres = float(warning.split("(")[1].split(" ml")[0])
    whole = 40 * 30 * 80 * np.prod(SPACING) / 1000
    assert 0.6 * whole < millilitres < whole


def test_a_marked_lesion_explains_itself():
    organs, lesions, values = study()
    values[12:38, 60:85, 20:60] = 10
    assert len(warnings_of(organs, lesions, values)) == 1
    lesions[12:38, 60:85, 20:60] = 1
    assert warnings_of(organs, lesions, values) == ()


def test_small_parts_and_what_is_not_shown_are_passed_over():
    organs, lesions, values = study()
    values[20:26, 70:80, 20:30] = 0
    values[40:] = np.nan
    assert warnings_of(organs, lesions, values) == ()
    assert warnings_of(organs, lesions, np.full_like(values, np.nan)) == ()
    assert warnings_of(organs * 0, lesions, values) == ()

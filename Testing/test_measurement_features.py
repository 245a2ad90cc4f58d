"""LI-RADS major features as evidence, and mRECIST's viable part, on lesions whose make-up is known."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from LiverTumorAILib.lesions import Axis, Enhancement, Lesion, LesionType
from LiverTumorAILib.lesions.lesion import Certainty
from LiverTumorAILib.measurement import measure_mask
from LiverTumorAILib.measurement.lirads import major_features
from LiverTumorAILib.measurement.viable import viable_part
from LiverTumorAILib.study import Modality, Phase

PLAIN, ARTERIAL, VENOUS, DELAYED = Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED
LIVER = {PLAIN: 55, ARTERIAL: 75, VENOUS: 115, DELAYED: 95}
RADIUS_MM = 15.0
SPACING = (1.5, 1.5, 2.5)
SIZE = (48, 48, 30)


def distances():
    """Of each voxel (z, y, x) from the centre, mm."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(SIZE, SPACING, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return np.sqrt(x**2 + y**2 + z**2).T


def image(voxels):
    result = sitk.GetImageFromArray(voxels)
    result.SetSpacing(SPACING)
    return result


def make(core, rim=None, border=None):
    """A ball in liver: HU of its core and, where they differ, of its outer 3 mm and of a layer at its border."""
    away, noise = distances(), np.random.default_rng(1).normal(0, 6, SIZE[::-1])
    images = {}
    for phase, hu in core.items():
        voxels = np.where(away <= RADIUS_MM, hu, LIVER[phase])
        if rim and phase in rim:
            voxels = np.where((away <= RADIUS_MM) & (away > RADIUS_MM - 3), rim[phase], voxels)
        if border and phase in border:
            voxels = np.where(abs(away - RADIUS_MM) <= 1.5, border[phase], voxels)
        images[phase] = image((voxels + noise).astype(np.float32))
    inside = away <= RADIUS_MM
    box = image(inside.astype(np.uint8))[12:36, 12:36, 7:23]
    enhancement = {
        phase: Enhancement(float(sitk.GetArrayViewFromImage(images[phase])[inside].mean()), LIVER[phase])
        for phase in core
    }
    measurement = replace(measure_mask(box), enhancement=enhancement)
    corners = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    lesion = Lesion(
        "1.2", 1, LesionType.HCC, {LesionType.HCC: 1.0}, Certainty.CERTAIN, 1.0, (0, 0, 0), corners, measurement
    )
    return lesion, box, images


def seen(case, modality=Modality.CT):
    return {feature.name.split(",")[0]: feature.seen for feature in major_features(*case, modality)}


HCC = {PLAIN: 50, ARTERIAL: 120, VENOUS: 90, DELAYED: 75}


def test_a_typical_hcc_shows_hyperenhancement_and_washout():
    found = seen(make(HCC))
    assert found["Arterial hyperenhancement"]
    assert found["Washout"]
    assert not found["Enhancing capsule"]


def test_a_cyst_shows_nothing():
    found = seen(make({PLAIN: 8, ARTERIAL: 9, VENOUS: 9, DELAYED: 8}))
    assert found == {"Arterial hyperenhancement": False, "Washout": False, "Enhancing capsule": False, "Size": None}


def test_hyperenhancement_of_the_rim_only_does_not_count():
    core = {PLAIN: 45, ARTERIAL: 70, VENOUS: 100, DELAYED: 100}
    assert not seen(make(core, rim={ARTERIAL: 160}))["Arterial hyperenhancement"]


def test_a_bright_border_in_a_late_phase_is_a_capsule():
    assert seen(make(HCC, border={DELAYED: 130}))["Enhancing capsule"]


def test_what_phases_do_not_show_cannot_be_judged():
    found = seen(make({PLAIN: 50}))
    assert set(found.values()) == {None}
    without_arterial = seen(make({VENOUS: 90}))
    assert without_arterial["Washout"] is None
    assert without_arterial["Enhancing capsule"] is False


def test_numbers_stand_behind_each_feature():
    case = make(HCC)
    features = {feature.name.split(",")[0]: feature.numbers for feature in major_features(*case, Modality.CT)}
    assert "lesion 120, liver 75" in features["Arterial hyperenhancement"]
    assert "portal venous: lesion 90, liver 115" in features["Washout"]
    assert features["Size"] == f"{case[0].measurement.long_axis.length_mm:.0f} mm (20 mm or more)"


def test_the_viable_part_is_what_enhances():
    lesion, box, images = make(HCC)
    whole = viable_part(box, images, Modality.CT)
    assert whole.share > 0.95
    assert whole.diameter_mm == pytest.approx(lesion.measurement.long_axis.length_mm, rel=0.05)
    away = distances()
    necrotic = np.where(away <= 15, 40, 75).astype(np.float32)
    shell = np.where((away <= 15) & (away > 9), 120, necrotic).astype(np.float32)
    plain = images[PLAIN] * 0 + 40
    assert viable_part(box, {PLAIN: plain, ARTERIAL: image(necrotic)}, Modality.CT).share < 0.1
    ring = viable_part(box, {PLAIN: plain, ARTERIAL: image(shell)}, Modality.CT)
    assert ring.share == pytest.approx(1 - (9 / 15) ** 3, abs=0.12)


def test_viability_needs_a_plain_and_an_arterial_ct_phase():
    _, box, images = make(HCC)
    assert viable_part(box, {ARTERIAL: images[ARTERIAL]}, Modality.CT) is None
    assert viable_part(box, images, Modality.MR) is None


def test_axes_set_by_hand_outlive_edits_until_they_are_measured_again():
    from LiverTumorAILib.review.remeasure import remeasure, with_axis, with_measured_axes

    lesion, box, images = make(HCC)
    dragged = with_axis(lesion, "long_axis", (0.0, 0.0, 0.0), (3.0, 4.0, 0.0))
    assert dragged.measurement.long_axis == Axis((0.0, 0.0, 0.0), (3.0, 4.0, 0.0), 5.0, by_hand=True)
    smaller = box[4:20, 4:20, 3:13]
    edited = remeasure(dragged, smaller, images)
    assert edited.measurement.long_axis == dragged.measurement.long_axis
    assert edited.measurement.short_axis.length_mm < lesion.measurement.short_axis.length_mm
    again = with_measured_axes(edited, smaller)
    assert again.measurement.long_axis == measure_mask(smaller).long_axis

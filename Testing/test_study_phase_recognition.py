"""Phases are recognised from the image, judged together, and doubt is said."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from LiverTumorAILib.phantom.dicom_writer import write_dicom_study
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Modality, Phase, load_study
from LiverTumorAILib.study.enhancement import OrganValues, measure_organs
from LiverTumorAILib.study.phase_model import Stage, VolumeEvidence, stage_probabilities

# HU of aorta, liver, spleen and kidneys as published for a normal liver.
TYPICAL = {
    Phase.NON_CONTRAST: (40, 55, 48, 32),
    Phase.ARTERIAL: (280, 75, 125, 160),
    Phase.PORTAL_VENOUS: (155, 108, 122, 185),
    Phase.DELAYED: (110, 92, 98, 165),
}


def model_abdomen(organs):
    """A body with spine, aorta, liver, spleen and kidneys of the given HU; 4 x 3 x 3 mm voxels."""
    aorta, liver, spleen, kidneys = organs
    z, y, x = np.meshgrid(np.arange(45) * 4.0, np.arange(90) * 3.0 - 135, np.arange(120) * 3.0 - 180, indexing="ij")

    def ellipsoid(centre, radii):
        return sum(((axis - at) / radius) ** 2 for axis, at, radius in zip((z, y, x), centre, radii, strict=True)) < 1

    def tube(centre, radius):
        return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2

    values = np.full(z.shape, -1000.0, np.float32)
    values[(y / 110) ** 2 + (x / 165) ** 2 < 1] = -90.0
    values[ellipsoid((120, -10, -80), (65, 75, 65))] = liver
    values[ellipsoid((130, 45, 105), (40, 35, 22))] = spleen
    for side in (-60, 60):
        values[ellipsoid((45, 45, side), (42, 24, 24))] = kidneys
    values[tube((55, 0), 21)] = 170.0
    values[tube((85, 0), 9)] = 250.0
    values[tube((22, 14), 11)] = aorta
    noise = np.random.default_rng(1).normal(0, 12, values.shape)
    image = sitk.GetImageFromArray((values + np.where(values > -900, noise, 0)).astype(np.float32))
    image.SetSpacing((3.0, 3.0, 4.0))
    return image


def save(folder, **volumes):
    for name, organs in volumes.items():
        sitk.WriteImage(model_abdomen(organs), str(folder / f"{name}.nrrd"))
    return folder


@pytest.fixture(scope="module")
def four_phases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unnamed")
    order = (Phase.DELAYED, Phase.NON_CONTRAST, Phase.PORTAL_VENOUS, Phase.ARTERIAL)
    save(folder, **{f"volume_{number}": TYPICAL[phase] for number, phase in enumerate(order)})
    return order, load_study(folder)


def test_unnamed_volumes_are_recognised_from_the_image(four_phases):
    order, study = four_phases
    assert tuple(volume.phase for volume in study.volumes) == order


def test_probabilities_add_up_and_the_reason_names_what_was_measured(four_phases):
    for volume in four_phases[1].volumes:
        assert sum(volume.phase_probabilities.values()) == pytest.approx(1)
        assert "aorta" in volume.phase_reason and "HU" in volume.phase_reason


def test_the_organs_measured_are_the_right_ones():
    measured = measure_organs([model_abdomen(TYPICAL[phase]) for phase in TYPICAL], True, Progress())
    for organs, expected in zip(measured, TYPICAL.values(), strict=True):
        found = (organs.aorta, organs.liver, organs.spleen, organs.kidneys)
        assert np.allclose(found, expected, atol=12)


def test_header_and_image_that_disagree_are_said_and_lower_the_probability(tmp_path):
    save(tmp_path, delayed_series=TYPICAL[Phase.ARTERIAL], native=TYPICAL[Phase.NON_CONTRAST])
    (agreeing,) = (volume for volume in load_study(tmp_path).volumes if "native" in volume.source)
    (disagreeing,) = (volume for volume in load_study(tmp_path).volumes if "delayed" in volume.source)
    assert agreeing.phase is Phase.NON_CONTRAST and agreeing.phase_is_sure
    assert max(disagreeing.phase_probabilities.values()) < max(agreeing.phase_probabilities.values())
    assert "the header says" in disagreeing.phase_reason
    assert any("disagree" in warning for warning in disagreeing.warnings)


def test_an_image_between_two_phases_is_unsure_and_says_so(tmp_path):
    between = tuple((a + b) / 2 for a, b in zip(TYPICAL[Phase.PORTAL_VENOUS], TYPICAL[Phase.DELAYED], strict=True))
    volume = load_study(save(tmp_path, scan=between)).volumes[0]
    assert not volume.phase_is_sure
    assert "unsure" in volume.phase_reason


def test_no_organs_and_no_words_give_no_phase(tmp_path):
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(-900, 20, (10, 40, 40)).astype(np.float32))
    image.SetSpacing((3.0, 3.0, 4.0))
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    volume = load_study(tmp_path).volumes[0]
    assert volume.phase is None
    assert "no liver" in volume.phase_reason


def evidence(organs, **rest):
    return VolumeEvidence(OrganValues(*organs), np.zeros(len(Stage)), **rest)


def test_early_and_late_arterial_are_told_apart():
    early, late, portal = (300, 55, 75, 110), (230, 80, 140, 180), TYPICAL[Phase.PORTAL_VENOUS]
    found = stage_probabilities([evidence(organs) for organs in (early, late, portal)], is_ct=True).argmax(axis=1)
    assert [Stage(stage) for stage in found] == [Stage.EARLY_ARTERIAL, Stage.LATE_ARTERIAL, Stage.PORTAL_VENOUS]


def test_the_order_of_time_decides_between_similar_volumes():
    similar = (130, 98, 108, 175)
    for swap in (False, True):
        seconds = (70.0, 180.0)[:: -1 if swap else 1]
        volumes = [evidence(similar, seconds=time) for time in seconds]
        found = stage_probabilities(volumes, is_ct=True)[:, [Stage.PORTAL_VENOUS, Stage.DELAYED]].argmax(axis=1)
        assert list(found) == ([1, 0] if swap else [0, 1])


@pytest.mark.parametrize("gain", [1.0, 7.3, 250.0])
def test_mr_phases_do_not_depend_on_the_gain_of_the_scanner(gain):
    signal = {
        Stage.NON_CONTRAST: (70, 100, 72, 80),
        Stage.LATE_ARTERIAL: (240, 120, 190, 220),
        Stage.PORTAL_VENOUS: (190, 170, 170, 230),
        Stage.HEPATOBILIARY: (95, 215, 100, 150),
    }
    volumes = [evidence([gain * value for value in organs]) for organs in signal.values()]
    found = stage_probabilities(volumes, is_ct=False).argmax(axis=1)
    assert [Stage(stage) for stage in found] == list(signal)


def test_many_volumes_do_not_exhaust_the_memory():
    probabilities = stage_probabilities([evidence(TYPICAL[Phase.PORTAL_VENOUS])] * 30, is_ct=True)
    assert np.allclose(probabilities.sum(axis=1), 1)


# Real studies.


def load_real(folder):
    if not folder.exists():
        pytest.skip(f"real study missing: {folder.name}")
    study = load_study(folder)
    assert not any(word in warning for word in ("body", "intercept", "window") for warning in study.warnings)
    return study


def test_a_real_series_with_two_acquisitions_and_a_native_one(shared_data):
    study = load_real(shared_data / "hcc_tace_seg" / "HCC_007")
    assert study.modality is Modality.CT
    assert [volume.phase for volume in study.volumes] == [Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS]
    assert [volume.image.GetSize()[2] for volume in study.volumes] == [18, 75, 75]
    assert [round(volume.image.GetSpacing()[2], 2) for volume in study.volumes] == [10.0, 2.5, 2.5]
    assert study.reference_phase is Phase.PORTAL_VENOUS


def test_a_real_series_with_early_and_late_arterial_phase(shared_data):
    study = load_real(shared_data / "hcc_tace_seg" / "HCC_011")
    assert [volume.phase for volume in study.volumes] == [Phase.ARTERIAL, Phase.ARTERIAL, Phase.PORTAL_VENOUS]
    assert [volume.image.GetSize()[2] for volume in study.volumes] == [79, 79, 87]
    assert study.volume(Phase.ARTERIAL) is study.volumes[1]


@pytest.mark.parametrize(
    ("name", "slices"), [("ccth/ccth_ct_crop.nii.gz", 76), ("totalsegmentator/example_ct.nii.gz", 112)]
)
def test_real_scans_without_contrast(shared_data, name, slices):
    volume = load_real(shared_data / name).volumes[0]
    assert volume.image.GetSize()[2] == slices
    assert volume.phase is Phase.NON_CONTRAST


def test_a_real_folder_with_segmentations_in_it(shared_data):
    study = load_real(shared_data / "dcmqi")
    assert [volume.image.GetSize() for volume in study.volumes] == [(512, 512, 3)]
    assert any("SEG" in warning for warning in study.warnings)


def test_a_synthetic_study_survives_dicom_without_its_words(tmp_path):
    phases = {phase: model_abdomen(organs) for phase, organs in TYPICAL.items()}
    write_dicom_study(phases, Modality.CT, tmp_path, 5)
    for path in tmp_path.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        for name in ("SeriesDescription", "ProtocolName", "ContrastBolusAgent", "AcquisitionTime"):
            if name in dataset:
                delattr(dataset, name)
        dataset.save_as(path)
    assert [volume.phase for volume in load_study(tmp_path).volumes] == list(TYPICAL)

"""Synthetic studies: the same seed is the same patient, lesions behave as in the textbook, and the truth is true."""

import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom import PROTOCOLS, PhantomOptions, Tissue, generate_phantom, write_case
from LiverTumorAILib.phantom.acquisition import Scanner, add_scanner_effects
from LiverTumorAILib.phantom.anatomy import Grid
from LiverTumorAILib.phantom.enhancement import draw_perfusion
from LiverTumorAILib.phantom.lesions import draw_leading_type
from LiverTumorAILib.phantom.motion import draw_breathing, invert
from LiverTumorAILib.phantom.truth import lesion_sizes
from LiverTumorAILib.study import Modality, Phase

NC, ART, PV, DEL, HBP = Phase
SPACING = (5.0, 3.0, 3.0)
COARSE = PhantomOptions(spacing_mm=(6.0, 4.0, 4.0))
STILL = PhantomOptions(spacing_mm=SPACING, breathing_mm=0.0, vary_coverage=False)
IN_LIVER = (
    Tissue.LIVER, Tissue.HEPATIC_VEINS, Tissue.PORTAL_SPLENIC_VEIN, Tissue.HEPATIC_ARTERY, Tissue.BILE_DUCTS,
)  # fmt: skip


def array(image):
    return sitk.GetArrayFromImage(image)


def assert_same_grid(image, other):
    assert image.GetSize() == other.GetSize()
    for get in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(image, get)(), getattr(other, get)())


def contrasts(phantom):
    """Lesion minus liver by type and phase, HU or signal relative to the liver, of lesions over 10 mm."""
    lesions, organs = array(phantom.lesions), array(phantom.organs)
    liver = (organs == Tissue.LIVER) & (lesions == 0)
    found = {}
    for truth in phantom.lesion_truth:
        if truth.long_axis_mm < 10 and truth.type is not LesionType.CALCIFICATION:
            continue
        values = {}
        for phase, image in phantom.images.items():
            voxels = array(image)
            reference = np.median(voxels[liver])
            difference = voxels[lesions == truth.label].mean() - reference
            values[phase] = difference if phantom.modality is Modality.CT else difference / reference
        found.setdefault(truth.type, []).append(values)
    return found


@pytest.fixture(scope="module")
def study():
    return generate_phantom(206, "ct4", PhantomOptions(spacing_mm=SPACING))


@pytest.fixture(scope="module")
def typical_study():
    """One lesion of each type in a liver that is not fatty (fat turns the signs around)."""
    phantom = generate_phantom(102, "ct4", replace(STILL, lesions=tuple(LesionType)))
    assert phantom.description["steatosis"] < 0.2
    return phantom


@pytest.fixture(scope="module")
def ct_contrasts(typical_study):
    other = generate_phantom(101, "ct4", replace(STILL, lesions=tuple(LesionType)))
    assert other.description["steatosis"] < 0.2
    found = contrasts(typical_study)
    for lesion_type, values in contrasts(other).items():
        found.setdefault(lesion_type, []).extend(values)
    return found


def mean(values, phase):
    return np.mean([value[phase] for value in values])


def test_the_same_seed_gives_the_same_study():
    first, second = (generate_phantom(5, "ct3", COARSE) for _ in range(2))
    for phase in first.images:
        np.testing.assert_array_equal(array(first.images[phase]), array(second.images[phase]))
        assert_same_grid(first.images[phase], second.images[phase])
    np.testing.assert_array_equal(array(first.lesions), array(second.lesions))
    assert first.lesion_truth == second.lesion_truth


def test_protocols_of_one_seed_show_one_patient_and_other_seeds_show_others():
    three, four, other = (generate_phantom(s, p, COARSE) for s, p in ((6, "ct3"), (6, "dce-mr"), (7, "ct3")))
    ignoring_couch = [np.where(array(p.organs) == Tissue.COUCH, 0, array(p.organs)) for p in (three, four)]
    np.testing.assert_array_equal(*ignoring_couch)
    np.testing.assert_array_equal(array(three.lesions), array(four.lesions))
    assert other.description != three.description


@pytest.mark.parametrize(
    ("protocol", "phases", "reference"),
    [
        ("ct4", (NC, ART, PV, DEL), PV),
        ("ct3", (NC, ART, PV), PV),
        ("nc", (NC,), NC),
        ("dce-mr", (NC, ART, PV, DEL), PV),
        ("hbp-mr", (NC, ART, PV, DEL, HBP), PV),
    ],
)
def test_each_protocol_has_its_phases(protocol, phases, reference):
    phantom = generate_phantom(8, protocol, COARSE)
    assert protocol in PROTOCOLS
    assert tuple(phantom.images) == phases
    assert phantom.reference_phase is reference
    assert set(phantom.fields) == set(phases) - {reference}
    for image in phantom.images.values():
        voxels = array(image)
        assert voxels.dtype == np.float32
        np.testing.assert_array_equal(voxels, np.rint(voxels))
        low, high = (-1024, 3071) if phantom.modality is Modality.CT else (0, 32767)
        assert low <= voxels.min() < voxels.max() <= high


def test_truth_lies_on_the_reference_grid(study):
    reference = study.images[study.reference_phase]
    for image in (study.organs, study.lesions, *study.fields.values()):
        assert_same_grid(image, reference)
    np.testing.assert_allclose(reference.GetSpacing(), SPACING[::-1])


def test_lesions_lie_inside_the_liver(study):
    lesions, organs = array(study.lesions), array(study.organs)
    assert len(study.lesion_truth) > 1
    assert np.isin(organs[lesions > 0], IN_LIVER).all()


def test_truth_sizes_are_those_of_the_mask(study):
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.ComputeFeretDiameterOn()
    statistics.Execute(study.lesions)
    assert {truth.label for truth in study.lesion_truth} == set(statistics.GetLabels())
    for truth in study.lesion_truth:
        assert truth.volume_mm3 == pytest.approx(statistics.GetPhysicalSize(truth.label))
        np.testing.assert_allclose(truth.centroid_mm, statistics.GetCentroid(truth.label), atol=0.01)
        voxel = np.linalg.norm(SPACING)
        feret = statistics.GetFeretDiameter(truth.label)
        assert feret - 0.1 <= truth.max_3d_diameter_mm + voxel
        assert truth.max_3d_diameter_mm <= feret + voxel
        assert truth.short_axis_mm <= truth.long_axis_mm <= truth.max_3d_diameter_mm + 1e-6


@settings(max_examples=15, deadline=None)
@given(st.tuples(*[st.floats(8, 25)] * 3), st.floats(0, np.pi))
def test_sizes_of_a_turned_ellipsoid_are_its_axes(radii, angle):
    spacing = (2.0, 1.0, 0.8)
    z, y, x = np.meshgrid(*[np.arange(-30, 30, s) for s in spacing], indexing="ij")
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    mask = (z / radii[0]) ** 2 + (across / radii[1]) ** 2 + (along / radii[2]) ** 2 <= 1
    long_axis, short_axis, diameter = lesion_sizes(mask, spacing)
    assert long_axis == pytest.approx(2 * max(radii[1:]), abs=1.5)
    assert short_axis == pytest.approx(2 * min(radii[1:]), abs=1.5)
    assert diameter == pytest.approx(2 * max(radii), abs=2.5)


def test_hcc_enhances_in_the_arterial_phase_and_washes_out(ct_contrasts):
    values = ct_contrasts[LesionType.HCC]
    assert mean(values, ART) > 15
    assert mean(values, PV) < -5
    assert mean(values, DEL) < -5


def test_icc_fills_in_late(ct_contrasts):
    values = ct_contrasts[LesionType.ICC]
    assert mean(values, PV) < -8
    assert mean(values, DEL) > mean(values, PV) + 8


def test_metastases_are_dark_in_the_portal_venous_phase(ct_contrasts):
    assert mean(ct_contrasts[LesionType.METASTASIS], PV) < -8


def test_hemangiomas_are_dark_before_and_bright_after_contrast_agent(ct_contrasts):
    values = ct_contrasts[LesionType.HEMANGIOMA]
    assert mean(values, NC) < -4
    assert mean(values, ART) > 15
    assert mean(values, DEL) > mean(values, NC) + 8


def test_fnh_is_bright_only_in_the_arterial_phase(ct_contrasts):
    values = ct_contrasts[LesionType.FNH]
    assert mean(values, ART) > 25
    assert abs(mean(values, PV)) < 18
    assert abs(mean(values, DEL)) < 15


def test_cysts_never_enhance(ct_contrasts):
    values = ct_contrasts[LesionType.CYST]
    assert mean(values, NC) < -20
    assert mean(values, PV) < mean(values, NC) - 20


def test_calcifications_are_dense_before_contrast_agent():
    found = contrasts(generate_phantom(102, "nc", replace(STILL, lesions=(LesionType.CALCIFICATION,) * 8)))
    assert mean(found[LesionType.CALCIFICATION], NC) > 80


def test_only_fnh_takes_up_hepatobiliary_agent():
    found = contrasts(generate_phantom(102, "hbp-mr", replace(STILL, lesions=tuple(LesionType))))
    assert mean(found[LesionType.FNH], HBP) > -0.15
    for lesion_type in (LesionType.HCC, LesionType.METASTASIS, LesionType.HEMANGIOMA, LesionType.CYST):
        assert mean(found[lesion_type], HBP) < -0.2, lesion_type


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1))
def test_organs_enhance_in_their_order_in_every_patient(seed, cirrhosis):
    patient = draw_perfusion(np.random.default_rng(seed), Modality.CT, (NC, ART, PV, DEL), cirrhosis)

    def hu(phase, tissue):
        return patient.native[tissue] + patient.level(phase, tissue)

    assert patient.level(NC, Tissue.AORTA) == 0
    assert hu(ART, Tissue.AORTA) > hu(PV, Tissue.AORTA) > hu(DEL, Tissue.AORTA) > hu(NC, Tissue.AORTA)
    assert 160 < hu(ART, Tissue.AORTA) < 480
    assert hu(PV, Tissue.PORTAL_SPLENIC_VEIN) > hu(PV, Tissue.LIVER)
    assert hu(PV, Tissue.LIVER) > hu(ART, Tissue.LIVER)
    assert hu(ART, Tissue.RIGHT_KIDNEY) > hu(ART, Tissue.RENAL_MEDULLA) + 30
    assert hu(ART, Tissue.HEPATIC_VEINS) < hu(PV, Tissue.HEPATIC_VEINS)
    assert hu(DEL, Tissue.RENAL_PELVIS) > 130


def test_about_a_quarter_of_the_patients_is_normal():
    rng = np.random.default_rng(0)
    leading = [draw_leading_type(rng) for _ in range(3000)]
    assert 0.24 < leading.count(None) / len(leading) < 0.31
    assert set(leading) == {None, *LesionType}


def test_a_normal_liver_has_no_lesion():
    phantom = generate_phantom(9, "nc", replace(COARSE, lesions=()))
    assert phantom.lesion_truth == ()
    assert not array(phantom.lesions).any()
    assert (array(phantom.organs) == Tissue.LIVER).any()


def test_the_true_field_brings_a_phase_back_onto_the_reference():
    options = PhantomOptions(spacing_mm=SPACING, breathing_mm=16.0, vary_coverage=False, lesions=())
    breathing = generate_phantom(12, "ct3", options)
    still = generate_phantom(12, "ct3", replace(options, breathing_mm=0.0))
    moving = max(breathing.fields, key=lambda phase: np.abs(array(breathing.fields[phase])).max())
    field = breathing.fields[moving]
    assert 12 < np.abs(array(field)[..., 2]).max() < 26
    transform = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    aligned = sitk.Resample(breathing.images[moving], still.images[moving], transform, sitk.sitkLinear, -1000.0)
    truth = array(still.images[moving])
    organs = array(still.organs)
    liver = organs == Tissue.LIVER
    # Around the dome, where the motion is greatest; smoothed, since noise does not move with the patient.
    near = gaussian_filter(liver.astype(np.float32), 2) > 0.02
    near[: int(np.argwhere(liver)[:, 0].mean())] = False

    def error(image):
        return np.abs(gaussian_filter(array(image) - truth, 1.0)[near]).mean()

    assert error(aligned) < 0.3 * error(breathing.images[moving])


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000), st.floats(-20, 20))
def test_breathing_can_be_undone(seed, amplitude):
    grid = Grid((24, 28, 30), (8.0, 8.0, 8.0))
    forward = draw_breathing(np.random.default_rng(seed), grid, (120.0, 110.0, 110.0), amplitude)
    there = sitk.DisplacementFieldTransform(sitk.Image(forward))
    back = sitk.DisplacementFieldTransform(invert(forward))
    for point in ((110.0, 110.0, 120.0), (90.0, 60.0, 80.0), (150.0, 140.0, 100.0)):
        np.testing.assert_allclose(back.TransformPoint(there.TransformPoint(point)), point, atol=0.05)


@pytest.mark.parametrize("thickness", [1.5, 8.0])
def test_slices_have_the_chosen_thickness(thickness):
    cysts = (LesionType.CYST,) * 5
    still = replace(STILL, spacing_mm=(4.0, 4.0, 4.0))
    options = replace(still, slice_thickness_mm=thickness, lesions=cysts)
    phantom = generate_phantom(13, "nc", options)
    image = phantom.images[NC]
    assert image.GetSpacing()[2] == pytest.approx(thickness)
    assert_same_grid(phantom.organs, image)
    truth = array(phantom.lesions) > 0
    liver = (array(phantom.organs) == Tissue.LIVER) & ~truth
    assert array(image)[truth].mean() < array(image)[liver].mean() - 10


def test_phases_differ_in_coverage_unless_told_otherwise(study, typical_study):
    def geometries(phantom):
        return {(image.GetSize(), image.GetOrigin(), image.GetSpacing()) for image in phantom.images.values()}

    assert len(geometries(study)) > 1
    assert len(geometries(typical_study)) == 1


def test_ct_noise_has_grain_but_no_drift():
    clean = np.zeros((12, 128, 128), np.float32)
    image = sitk.Image([128, 128, 12], sitk.sitkUInt8)
    image.SetSpacing([1.5, 1.5, 2.5])
    scanner = Scanner(Modality.CT, noise=15.0, blur_mm=0.7)
    noise = add_scanner_effects(np.random.default_rng(0), clean, image, scanner, (96.0, 96.0))
    middle = noise[:, 48:80, 48:80]
    assert 12 < middle.std() < 20

    def correlation(first, second):
        return np.corrcoef(first.ravel(), second.ravel())[0, 1]

    assert 0.15 < correlation(middle[..., 1:], middle[..., :-1]) < 0.8
    assert correlation(middle[..., 4:], middle[..., :-4]) < 0.05
    assert correlation(middle[1:], middle[:-1]) < 0.3
    assert noise[:, :8, :8].std() < middle.std()


def test_mr_noise_never_is_negative_and_lifts_the_background():
    image = sitk.Image([64, 64, 8], sitk.sitkUInt8)
    scanner = Scanner(Modality.MR, noise=0.05, blur_mm=0.7, scale=300.0)
    signal = add_scanner_effects(
        np.random.default_rng(0), np.zeros((8, 64, 64), np.float32), image, scanner, (32.0, 32.0)
    )
    assert signal.min() >= 0
    # Rayleigh distribution: mean and standard deviation keep a fixed ratio.
    assert signal.mean() / signal.std() == pytest.approx(np.sqrt(np.pi / (4 - np.pi)), rel=0.05)


def test_a_real_label_map_serves_as_anatomy(shared_data):
    path = shared_data / "anatomies" / "btcv_0007.nii.gz"
    phantom = generate_phantom(15, "nc", replace(COARSE, anatomy=path, lesions=(LesionType.CYST,)))
    real = array(sitk.ReadImage(str(path)))
    volume = np.isin(array(phantom.organs), IN_LIVER).sum() * np.prod(COARSE.spacing_mm)
    assert volume == pytest.approx((real == 1).sum() * 8.0, rel=0.12)


def test_a_case_holds_the_phases_and_their_truth(study, tmp_path):
    folder = tmp_path / "case"
    write_case(study, folder)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    phases = {"non_contrast", "arterial", "portal_venous", "delayed"}
    assert files == {f"{phase}.nii.gz" for phase in phases} | {
        f"truth/{name}" for name in ("organs.nii.gz", "lesions.nii.gz", "lesions.json", "labels.json")
    } | {f"truth/fields/{phase}.nrrd" for phase in phases - {"portal_venous"}}
    for phase, image in study.images.items():
        read = sitk.ReadImage(str(folder / f"{phase}.nii.gz"))
        np.testing.assert_array_equal(array(read), array(image))
        np.testing.assert_allclose(read.GetOrigin(), image.GetOrigin(), atol=1e-3)
    lesions = json.loads((folder / "truth" / "lesions.json").read_text())["lesions"]
    assert [lesion["type"] for lesion in lesions] == [truth.type for truth in study.lesion_truth]
    assert lesions[0]["long_axis_mm"] == pytest.approx(study.lesion_truth[0].long_axis_mm)
    field = sitk.ReadImage(str(folder / "truth" / "fields" / "arterial.nrrd"))
    np.testing.assert_array_equal(array(field), array(study.fields[ART]))
    assert json.loads((folder / "truth" / "labels.json").read_text())["1"] == "liver"
    assert [path.name for path in tmp_path.iterdir()] == ["case"]


def test_a_case_can_be_dicom(study, tmp_path):
    write_case(study, tmp_path / "case", dicom=True)
    slices = [pydicom.dcmread(path) for path in (tmp_path / "case").rglob("*.dcm")]
    assert len(slices) == sum(image.GetSize()[2] for image in study.images.values())
    assert len({item.SeriesInstanceUID for item in slices}) == len(study.images)
    assert (tmp_path / "case" / "truth" / "lesions.nii.gz").is_file()


def test_an_empty_folder_is_filled_and_a_full_one_refused(study, tmp_path):
    (tmp_path / "empty").mkdir()
    write_case(study, tmp_path / "empty")
    assert (tmp_path / "empty" / "arterial.nii.gz").is_file()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(LiverTumorAIError, match="not empty"):
        write_case(study, tmp_path / "empty")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_case_that_cannot_be_completed_leaves_nothing(study, tmp_path):
    broken = replace(study, description={"unwritable": object()})
    with pytest.raises(TypeError):
        write_case(broken, tmp_path / "case")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(LiverTumorAIError, match="Cannot write"):
        write_case(study, tmp_path / "file" / "case")


def test_bad_input_gets_one_clear_line(tmp_path):
    with pytest.raises(LiverTumorAIError, match=r"Unknown protocol 'ct5'.*ct4, ct3, nc, dce-mr, hbp-mr"):
        generate_phantom(1, "ct5")
    with pytest.raises(LiverTumorAIError, match=r"Seed .* -1"):
        generate_phantom(-1, "ct4")
    with pytest.raises(LiverTumorAIError, match=r"Slice thickness .* 12.*0\.8-10 mm"):
        PhantomOptions(slice_thickness_mm=12.0)
    with pytest.raises(LiverTumorAIError, match="Spacing"):
        PhantomOptions(spacing_mm=(2.5, 0.0, 1.5))
    empty = tmp_path / "empty.nii.gz"
    sitk.WriteImage(sitk.Image([40, 40, 40], sitk.sitkUInt8), str(empty))
    with pytest.raises(LiverTumorAIError, match="liver"):
        generate_phantom(1, "nc", replace(COARSE, anatomy=empty))

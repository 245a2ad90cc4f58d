"""The base cascade on an analytic abdomen, with a real ONNX network whose answers are known."""

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import inside, make_image
from analytic_liver import write_liver_networks
from analytic_network import CLASS_HU, class_probabilities, write_network

from LiverTumorAILib.cascades import CASCADES, get_cascade
from LiverTumorAILib.cascades.base import segment_liver
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import NetworkGrid, ProbabilityMaps
from LiverTumorAILib.inference.liver import Liver
from LiverTumorAILib.lesions import Certainty, LesionType, Organ
from LiverTumorAILib.progress import Cancelled, Progress
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Modality, Phase, Study, StudyVolume

LIVER = ((-40.0, 0.0, 0.0), (70.0, 55.0, 60.0))
FOUR_PHASES = (Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED)


def grid():
    image = sitk.Image(130, 90, 56, sitk.sitkFloat32)
    image.SetSpacing((2.0, 2.0, 3.0))
    image.SetOrigin((-129.0, -89.0, -82.5))
    return image


def abdomen(*structures):
    """Portal venous HU: a liver, a spleen far from it, and ellipsoids (centre, half axes, class or HU)."""
    like = grid()
    voxels = np.full(like.GetSize()[::-1], -1000.0, np.float32)
    voxels[inside(like, (0, 0, 0), (125, 85, 200))] = -150
    for centre, half_axes, kind in [(*LIVER, "liver"), ((90, 20, 10), (20, 25, 30), "spleen"), *structures]:
        voxels[inside(like, centre, half_axes)] = CLASS_HU.get(kind, kind)
    return make_image(voxels, like)


def study_of(image, phases=FOUR_PHASES, modality=Modality.CT):
    volumes = tuple(StudyVolume(image, phase, source=f"{phase}.nii.gz") for phase in phases)
    reference = Phase.PORTAL_VENOUS if Phase.PORTAL_VENOUS in phases else phases[0]
    return RegisteredStudy(Study(modality, volumes), reference, dict.fromkeys(phases, image))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("models"))


@pytest.fixture
def run(models):
    return lambda study, progress=None: get_cascade("base", "cpu").run(study, models, progress or Progress())


def test_lesions_are_found_typed_and_measured_where_they_are(run):
    findings = run(
        study_of(
            abdomen(
                ((-60, 0, 10), (16, 12, 12), "HCC"),
                ((0, 10, -10), (9, 9, 9), "CYST"),
                ((-30, -30, 20), (4, 4, 4), "METASTASIS"),
            )
        )
    )
    assert [lesion.type for lesion in findings.lesions] == ["HCC", "CYST", "METASTASIS"]
    assert [lesion.label for lesion in findings.lesions] == [1, 2, 3]
    hcc, cyst, metastasis = findings.lesions
    assert hcc.centroid_mm == pytest.approx((-60, 0, 10), abs=0.5)
    assert hcc.measurement.volume_mm3 == pytest.approx(4 / 3 * np.pi * 16 * 12 * 12, rel=0.04)
    assert hcc.measurement.long_axis.length_mm == pytest.approx(32, abs=2)
    assert np.array(hcc.bounding_box_mm) == pytest.approx(np.array([(-76, -12, -2), (-44, 12, 22)]), abs=2)
    assert hcc.measurement.enhancement[Phase.ARTERIAL].lesion == pytest.approx(160)
    assert hcc.measurement.enhancement[Phase.ARTERIAL].liver == pytest.approx(100)
    assert hcc.certainty is Certainty.CERTAIN
    assert cyst.certainty is Certainty.CERTAIN
    assert "8 mm: too small to characterise" in " ".join(metastasis.certainty_reasons)
    assert findings.patient.classification == "HCC"
    assert findings.patient.is_malignant
    assert findings.patient.certainty is Certainty.CERTAIN
    assert findings.warnings == ()


def test_liver_volume_counts_lesions_and_vessels_inside_and_labels_keep_the_vessels(run):
    vein = ((-30, 0, 0), (6, 6, 40), "hepatic_vessels")
    portal = ((25, 0, -75), (6, 6, 40), "portal_splenic_vein")
    findings = run(study_of(abdomen(((-60, 0, 10), (16, 12, 12), "HCC"), vein, portal)))
    assert findings.liver_volume_mm3 == pytest.approx(4 / 3 * np.pi * 70 * 55 * 60, rel=0.02)
    organs = sitk.GetArrayViewFromImage(findings.organ_labels)
    assert (organs == Organ.HEPATIC_VESSELS).sum() * 12 == pytest.approx(4 / 3 * np.pi * 6 * 6 * 40, rel=0.1)
    assert (organs == Organ.PORTAL_SPLENIC_VEIN).any()
    assert (organs == Organ.SPLEEN).sum() * 12 == pytest.approx(4 / 3 * np.pi * 20 * 25 * 30, rel=0.05)
    assert (organs[sitk.GetArrayViewFromImage(findings.lesion_labels) > 0] == Organ.LIVER).all()


def test_what_looks_like_a_lesion_outside_the_liver_is_none(run):
    findings = run(study_of(abdomen(((90, 20, 10), (9, 9, 9), "CYST"))))
    assert findings.lesions == ()
    assert findings.patient.classification == "NORMAL"
    assert findings.patient.certainty is Certainty.CERTAIN
    assert set(findings.patient.probabilities.values()) == {0.0}


def test_one_blob_of_two_types_is_one_lesion_of_the_more_probable_type(run):
    findings = run(study_of(abdomen(((-60, 0, 10), (15, 12, 12), "ICC"), ((-46, 0, 10), (6, 6, 6), "HEMANGIOMA"))))
    (lesion,) = findings.lesions
    assert lesion.type is LesionType.ICC
    assert lesion.type_probabilities[LesionType.HEMANGIOMA] > 0.05
    assert sum(lesion.type_probabilities.values()) == pytest.approx(1)


def test_probabilities_are_the_networks_among_the_lesion_types(run):
    findings = run(study_of(abdomen(((-60, 0, 10), (16, 16, 16), 54.8))))
    (lesion,) = findings.lesions
    expected = class_probabilities(54.8)
    share = expected["OTHER"] / (expected["OTHER"] + expected["METASTASIS"])
    assert lesion.type is LesionType.OTHER
    assert lesion.type_probabilities[LesionType.OTHER] == pytest.approx(share, abs=0.02)
    assert lesion.score == pytest.approx(expected["OTHER"] + expected["METASTASIS"], abs=0.02)
    assert lesion.certainty is Certainty.UNCERTAIN
    best = lesion.type_probabilities[LesionType.OTHER]
    assert lesion.certainty_reasons == (f"best type only {best:.0%} (metastasis {1 - best:.0%})",)
    patient = findings.patient.probabilities
    assert patient["METASTASIS"] == pytest.approx(lesion.score * lesion.type_probabilities[LesionType.METASTASIS])


def test_specks_are_dropped_into_the_liver(run):
    findings = run(study_of(abdomen(((-59, 1, 10.5), (1.2, 1.2, 1.2), "HCC"))))
    assert findings.lesions == ()
    assert findings.liver_volume_mm3 == pytest.approx(4 / 3 * np.pi * 70 * 55 * 60, rel=0.02)


def test_heatmaps_show_the_probability_of_the_type_around_the_lesion(run):
    findings = run(study_of(abdomen(((-60, 0, 10), (16, 12, 12), "HCC"))))
    (lesion,) = findings.lesions
    heatmap = findings.heatmaps[lesion.heatmap]
    assert heatmap[heatmap.TransformPhysicalPointToIndex(lesion.centroid_mm)] == pytest.approx(1, abs=0.01)
    values = sitk.GetArrayViewFromImage(heatmap)
    assert values.dtype == np.float32
    assert values[0, 0, 0] == pytest.approx(0, abs=0.01)
    assert np.array(heatmap.GetSize()) * heatmap.GetSpacing() == pytest.approx([32 + 30, 24 + 30, 24 + 30], abs=6)


def test_missing_phases_are_named_with_their_cost(run):
    image = abdomen(((-60, 0, 10), (16, 12, 12), "HCC"), ((0, 10, -10), (9, 9, 9), "CYST"))
    findings = run(study_of(image, (Phase.NON_CONTRAST, Phase.PORTAL_VENOUS)))
    assert [warning.split(" is missing")[0] for warning in findings.warnings] == [
        "The arterial phase",
        "The delayed phase",
    ]
    hcc, cyst = findings.lesions
    assert hcc.certainty_reasons == ("arterial phase missing: arterial hyperenhancement cannot be judged",)
    assert cyst.certainty is Certainty.CERTAIN
    assert findings.patient.certainty is Certainty.UNCERTAIN
    assert findings.patient.certainty_reasons == (f"lesion 1: {hcc.certainty_reasons[0]}",)


def test_a_lesion_that_one_phase_shows_in_part_is_uncertain(run):
    image = abdomen(((-60, 0, 10), (16, 12, 12), "HCC"))
    cut = sitk.GetArrayFromImage(image)
    cut[:31] = np.nan
    study = study_of(image)
    images = {**study.images, Phase.ARTERIAL: make_image(cut, image)}
    findings = run(RegisteredStudy(study.study, study.reference_phase, images))
    assert findings.lesions[0].certainty_reasons == ("arterial phase does not show it whole",)


def test_a_liver_that_is_cut_off_is_named_and_makes_normal_uncertain(run):
    image = abdomen()[:, :, 20:]
    findings = run(study_of(image))
    assert any("edge of the images" in warning for warning in findings.warnings)
    assert findings.patient.classification == "NORMAL"
    assert findings.patient.certainty is Certainty.UNCERTAIN


def test_what_is_too_small_for_a_whole_liver_is_said(run):
    image = abdomen()
    values = sitk.GetArrayFromImage(image)
    values[inside(image, *LIVER) & ~inside(image, LIVER[0], (40, 35, 40))] = -150
    (warning,) = run(study_of(make_image(values, image))).warnings
    assert warning.startswith("Only 2") and "ml of liver" in warning


def test_a_study_without_liver_is_refused(run):
    chest = abdomen(((-40, 0, 0), (75, 60, 65), -150), ((0, 0, 0), (15, 15, 15), "liver"))
    with pytest.raises(LiverTumorAIError, match="No liver found in the field of view"):
        run(study_of(chest))


def test_mr_is_refused(run):
    with pytest.raises(LiverTumorAIError, match="trained for CT"):
        run(study_of(abdomen(), modality=Modality.MR))


def test_cancel_stops_it(run):
    with pytest.raises(Cancelled):
        run(study_of(abdomen()), Progress(is_cancelled=lambda: True))


def test_provenance_names_model_hash_and_times(run, models):
    provenance = run(study_of(abdomen())).provenance
    assert provenance.models == {"base_unet": models.card("base_unet").sha256}
    assert list(provenance.seconds) == ["liver", "network", "lesions", "measurement"]
    assert provenance.cascade == "base"


def test_the_non_contrast_phase_alone_has_a_network_of_its_own(tmp_path):
    write_network(tmp_path)
    models = write_network(tmp_path, name="base_unet_screening", phase=Phase.NON_CONTRAST)
    image = abdomen(((-60, 0, 10), (16, 12, 12), "HCC"))
    for phases, name in (((Phase.NON_CONTRAST,), "base_unet_screening"), ((Phase.PORTAL_VENOUS,), "base_unet")):
        findings = get_cascade("base", "cpu").run(study_of(image, phases), models, Progress())
        assert set(findings.provenance.models) == {name}
        assert [lesion.type for lesion in findings.lesions] == [LesionType.HCC]


def test_an_unknown_cascade_is_refused_with_the_known_ones():
    with pytest.raises(LiverTumorAIError, match="'bass'.*base"):
        get_cascade("bass")


@pytest.mark.parametrize("name", CASCADES)
def test_every_cascade_keeps_the_interface(name):
    cascade = get_cascade(name)
    assert cascade.name == name
    assert cascade.title
    assert set(cascade.protocols) <= {"ct4", "ct3", "nc", "dce-mr", "hbp-mr"}
    assert cascade.required_models


def test_where_the_store_has_liver_networks_their_liver_counts(tmp_path):
    write_network(tmp_path)
    models = write_liver_networks(tmp_path)
    image = abdomen(((-60, 0, 10), (16, 12, 12), "HCC"))
    findings = get_cascade("base", "cpu").run(study_of(image), models, Progress())
    # These networks call everything above 0 HU liver: the spleen is its far part and is dropped.
    liver = sitk.GetArrayViewFromImage(findings.organ_labels) == Organ.LIVER
    truth = inside(image, *LIVER)
    assert 2 * (liver & truth).sum() / (liver.sum() + truth.sum()) > 0.95
    assert {"base_unet", "liver_coarse", "liver_fine"} == set(findings.provenance.models)
    assert [lesion.type for lesion in findings.lesions] == [LesionType.HCC]


def test_what_the_liver_networks_do_not_call_liver_holds_no_lesion(tmp_path):
    write_network(tmp_path)
    models = write_liver_networks(tmp_path)
    outside = ((90, 20, 60), (9, 9, 9), "HCC")
    findings = get_cascade("base", "cpu").run(study_of(abdomen(outside)), models, Progress())
    assert findings.lesions == ()


@pytest.fixture
def doubtful():
    """A box of liver with a tumour around some liver; each of its types alone is less likely than liver."""
    classes = ("background", "HCC", "ICC", "liver")
    shares = np.zeros((4, 12, 20, 20), np.float16)
    shares[3] = 1
    shares[:, 4:8, 6:14, 6:14] = np.array([0, 0.3, 0.3, 0.4], np.float16)[:, None, None, None]
    shares[:, 4:8, 9:11, 9:11] = np.array([0, 0, 0, 1], np.float16)[:, None, None, None]
    network_grid = NetworkGrid((12, 20, 20), (2.0,) * 3, (0.0,) * 3)
    mask = network_grid.image(np.ones((12, 20, 20), np.uint8))
    return ProbabilityMaps(classes, shares, network_grid), Liver(mask, mask, 38.4, 1.0)


def test_a_tumour_of_doubtful_type_is_a_tumour_and_what_it_encloses_belongs_to_it(doubtful):
    maps, liver = doubtful
    organs, lesions, _ = segment_liver(liver.mask, maps, liver=liver)
    expected = np.zeros((12, 20, 20), bool)
    expected[4:8, 6:14, 6:14] = True
    np.testing.assert_array_equal(lesions, expected)
    assert (sitk.GetArrayViewFromImage(organs) == Organ.LIVER).all()

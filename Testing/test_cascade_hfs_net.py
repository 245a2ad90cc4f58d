"""HFS-Net on an analytic abdomen, with real ONNX networks whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import inside, make_image
from analytic_hfs import write_networks
from analytic_liver import write_liver_networks
from hypothesis import given
from hypothesis import strategies as st

from LiverTumorAILib.cascades import get_cascade
from LiverTumorAILib.cascades.hfs_net import NO_OTHER_TYPES, PHASES, SCOPE
from LiverTumorAILib.cascades.hierarchy import PRIORS, first_stages, large_territory, liver_box, longest_axes_px
from LiverTumorAILib.cli import main
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import Model, ModelStore, slice_grid
from LiverTumorAILib.inference.liver import LIVER_MODELS
from LiverTumorAILib.inference.preprocess import sample_phase
from LiverTumorAILib.lesions import Certainty, LesionType, Organ
from LiverTumorAILib.lesions.lesion import ONE_TYPE
from LiverTumorAILib.phantom import PhantomOptions, generate_phantom
from LiverTumorAILib.pipeline import analyze
from LiverTumorAILib.progress import Cancelled, Progress
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Modality, Phase, Study, StudyVolume

LIVER = ((-40.0, 0.0, 0.0), (72.0, 58.0, 60.0))
HU = {"body": -60, "liver": 90, "both": (160, 160), "arterial": (160, 90), "portal": (90, 160)}
LARGE = ((-70, 0, 0), (30, 26, 26), "both")
SMALL = ((5, 10, 0), (10, 10, 10), "arterial")


def grid(size=(130, 90, 56), spacing=(2.0, 2.0, 3.0)):
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    image.SetOrigin([-(n - 1) * s / 2 for n, s in zip(size, spacing, strict=True)])
    return image


def abdomen(*tumours, like=None):
    """HU of the three phases: a liver and ellipsoids (centre, half axes, in which phases they are bright)."""
    like = like or grid()
    images = {}
    for phase, column in ((Phase.NON_CONTRAST, None), (Phase.ARTERIAL, 0), (Phase.PORTAL_VENOUS, 1)):
        voxels = np.full(like.GetSize()[::-1], -1000.0, np.float32)
        voxels[inside(like, (0, 0, 0), (125, 85, 200))] = HU["body"]
        voxels[inside(like, *LIVER)] = HU["liver"]
        for centre, half_axes, bright in tumours:
            voxels[inside(like, centre, half_axes)] = HU["liver"] if column is None else HU[bright][column]
        images[phase] = make_image(voxels, like)
    return images


def study_of(images, volumes=None, modality=Modality.CT):
    volumes = tuple(StudyVolume(image, phase, source=f"{phase}.nii.gz") for phase, image in (volumes or images).items())
    reference = next(phase for phase in (Phase.PORTAL_VENOUS, Phase.ARTERIAL) if phase in images)
    return RegisteredStudy(Study(modality, volumes), reference, images)


def volume_ml(half_axes):
    return 4 / 3 * np.pi * np.prod(half_axes) / 1000


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_networks(tmp_path_factory.mktemp("models"))


@pytest.fixture
def run(models):
    return lambda study, progress=None, **options: get_cascade("hfs-net", "cpu", **options).run(
        study, models, progress or Progress()
    )


def test_each_tumour_of_a_slice_goes_to_the_network_for_its_size(run):
    findings = run(study_of(abdomen(LARGE, SMALL)))
    large, small = findings.lesions
    assert large.centroid_mm == pytest.approx(LARGE[0], abs=0.7)
    assert large.measurement.volume_mm3 / 1000 == pytest.approx(volume_ml(LARGE[1]), rel=0.05)
    assert large.measurement.long_axis.length_mm == pytest.approx(60, abs=2)
    assert large.measurement.short_axis.length_mm == pytest.approx(52, abs=2)
    assert small.centroid_mm == pytest.approx(SMALL[0], abs=0.7)
    assert small.measurement.long_axis.length_mm == pytest.approx(20, abs=2)


def test_where_a_tumour_is_large_the_network_for_small_ones_does_not_decide(run):
    findings = run(study_of(abdomen((*LARGE[:2], "arterial"), SMALL)))
    labels = sitk.GetArrayFromImage(findings.lesion_labels)
    heights = (np.arange(56) - 27.5) * 3.0
    # The longest axis in a slice at height z of the tumour is 60 mm * sqrt(1 - (z / 26 mm)^2).
    axes_mm = 60 * np.sqrt(np.clip(1 - (heights / LARGE[1][2]) ** 2, 0, 1))
    found = (labels[:, :, :50] > 0).any(axis=(1, 2))
    assert not found[axes_mm > 46].any()
    assert found[(axes_mm > 20) & (axes_mm < 38)].all()
    assert labels[28, 50, 67] > 0


def test_a_small_tumour_is_not_looked_for_in_the_portal_venous_phase_alone(run):
    assert run(study_of(abdomen((*SMALL[:2], "portal")))).lesions == ()


def test_everything_is_called_hcc_and_the_findings_say_so(run):
    findings = run(study_of(abdomen(LARGE)))
    (lesion,) = findings.lesions
    assert lesion.type is LesionType.HCC
    assert lesion.score > 0.95
    assert lesion.probability == lesion.score
    assert (lesion.certainty, lesion.certainty_reasons) == (Certainty.UNCERTAIN, (ONE_TYPE,))
    assert findings.patient.classification == "HCC"
    assert findings.patient.certainty is Certainty.UNCERTAIN
    assert findings.patient.probabilities["HCC"] == pytest.approx(lesion.score)
    assert findings.patient.probabilities["METASTASIS"] == 0
    assert findings.warnings == (SCOPE,)
    assert set(findings.provenance.models) == set(get_cascade("hfs-net").required_models)
    heatmap = findings.heatmaps[lesion.heatmap]
    assert heatmap[heatmap.TransformPhysicalPointToIndex(lesion.centroid_mm)] > 0.95


def test_a_liver_without_tumours_leaves_other_types_open(run):
    findings = run(study_of(abdomen()))
    assert findings.patient.classification == "NORMAL"
    assert findings.patient.certainty is Certainty.UNCERTAIN
    assert findings.patient.certainty_reasons == (NO_OTHER_TYPES,)
    assert findings.liver_volume_mm3 / 1000 == pytest.approx(volume_ml(LIVER[1]), rel=0.02)
    organs = sitk.GetArrayViewFromImage(findings.organ_labels)
    assert set(np.unique(organs)) == {0, Organ.LIVER}


def test_slices_without_liver_and_sizes_that_are_not_there_cost_nothing(models):
    images = abdomen(SMALL)
    card = models.card("hfs_liver")
    lattice = slice_grid(images[Phase.PORTAL_VENOUS], card.spacing_mm, card.patch[-1], card.normalisation)
    phases = {phase: sample_phase(image, lattice) for phase, image in images.items()}
    computed = {}

    def counting(name):
        model = models.load(name, "cpu")

        def session(batch):
            computed[name] = computed.get(name, 0) + batch.shape[2]
            return model.session(batch)

        return Model(model.card, session)

    stages = first_stages({name: counting(name) for name in PRIORS}, phases)
    assert lattice.shape[1:] == (128, 176)
    assert computed == {"hfs_liver": 68, "hfs_size": 48, "hfs_small": 48}
    assert stages.box[0].stop - stages.box[0].start == 48 == 2 * LIVER[1][2] / 2.5
    assert not stages.probabilities[2].any()


class TestKnownLiver:
    """The liver networks beside HFS-Net's call liver what exceeds 0 HU and holds together."""

    BESIDE = ((42, 44, 36), (9, 9, 9), "both")

    @pytest.fixture(scope="class")
    @classmethod
    def both(cls, tmp_path_factory):
        write_networks(folder := tmp_path_factory.mktemp("models"))
        return write_liver_networks(folder)

    def test_what_is_bright_beside_the_liver_is_no_tumour(self, both):
        study = study_of(abdomen(SMALL, self.BESIDE))
        findings = get_cascade("hfs-net", "cpu").run(study, both, Progress())
        assert [lesion.centroid_mm for lesion in findings.lesions] == [pytest.approx(SMALL[0], abs=0.7)]
        assert findings.liver_volume_mm3 / 1000 == pytest.approx(volume_ml(LIVER[1]), rel=0.04)

    def test_its_networks_are_named(self, both):
        findings = get_cascade("hfs-net", "cpu").run(study_of(abdomen(SMALL)), both, Progress())
        assert set(findings.provenance.models) == {*get_cascade("hfs-net").required_models, *LIVER_MODELS}

    def test_slices_without_it_are_not_looked_at(self, both):
        phases = {phase: np.full((20, 64, 64), 90.0, np.float32) for phase in PHASES}
        within = np.zeros((20, 64, 64), bool)
        networks = {name: both.load(name, "cpu") for name in PRIORS}
        assert first_stages(networks, phases, within=within) is None
        within[8:12, 30:34, 30:34] = True
        assert first_stages(networks, phases, within=within).box[0] == slice(8, 12)


class TestPhases:
    def test_a_missing_phase_is_refused_with_a_way_out(self, run):
        images = abdomen(LARGE)
        del images[Phase.ARTERIAL]
        with pytest.raises(LiverTumorAIError) as caught:
            run(study_of(images))
        message = str(caught.value)
        assert "needs phases that are missing or could not be registered (arterial)" in message
        assert "can do without (base" in message
        assert "--substitute arterial=non_contrast" in message

    def test_another_phase_stands_in_only_where_the_user_says_so_and_the_findings_tell(self, run):
        images = abdomen((*SMALL[:2], "portal"))
        del images[Phase.ARTERIAL]
        findings = run(study_of(images), substitutes={Phase.ARTERIAL: Phase.PORTAL_VENOUS})
        (lesion,) = findings.lesions
        assert findings.warnings[1].startswith(
            "By the user's choice the portal venous phase stands in for the arterial phase"
        )
        assert Phase.ARTERIAL not in lesion.measurement.enhancement
        assert "arterial phase missing: arterial hyperenhancement cannot be judged" in lesion.certainty_reasons

    def test_a_substitute_must_be_there_and_needed(self, run):
        images = abdomen(LARGE)
        del images[Phase.ARTERIAL]
        with pytest.raises(LiverTumorAIError, match="delayed"):
            run(study_of(images), substitutes={Phase.ARTERIAL: Phase.DELAYED})
        with pytest.raises(LiverTumorAIError, match="can do without the arterial phase"):
            get_cascade("base", "cpu", {Phase.ARTERIAL: Phase.DELAYED})

    def test_the_command_line_takes_substitutes_by_the_phases_names(self, tmp_path, capsys):
        call = ["analyze", str(tmp_path), "--out", str(tmp_path / "out"), "--substitute"]
        with pytest.raises(SystemExit) as caught:
            main([*call, "arterial=late"])
        assert caught.value.code == 2
        assert "'arterial=late' is not MISSING=PRESENT with two of non_contrast, arterial" in capsys.readouterr().err
        assert main([*call, "arterial=delayed", "--cascade", "base"]) == 1
        assert "can do without the arterial phase" in capsys.readouterr().err

    def test_the_pipeline_refuses_before_it_registers(self, models):
        images = abdomen(LARGE)
        del images[Phase.NON_CONTRAST]
        stages = []
        with pytest.raises(LiverTumorAIError, match="non-contrast"):
            analyze(study_of(images).study, "hfs-net", models, Progress(listener=lambda e: stages.append(e.stage)))
        assert not [stage for stage in stages if "egister" in stage]

    def test_missing_models_are_named(self, tmp_path):
        with pytest.raises(LiverTumorAIError, match="no model 'hfs_liver'"):
            analyze(study_of(abdomen(LARGE)).study, "hfs-net", ModelStore(tmp_path))

    def test_a_phase_that_shows_only_a_part_is_used_where_it_does(self, run):
        images = abdomen(LARGE, SMALL)
        voxels = sitk.GetArrayFromImage(images[Phase.NON_CONTRAST])
        voxels[:30] = np.nan
        images[Phase.NON_CONTRAST] = make_image(voxels, grid())
        findings = run(study_of(images))
        assert len(findings.lesions) == 2
        assert "non-contrast phase does not show it whole" in findings.lesions[0].certainty_reasons


class TestUnusualStudies:
    def test_few_thick_slices_are_enough_and_said(self, run):
        thick = grid((130, 90, 14), (2.0, 2.0, 12.0))
        findings = run(study_of(abdomen(LARGE, like=thick)))
        (lesion,) = findings.lesions
        assert lesion.measurement.volume_mm3 / 1000 == pytest.approx(volume_ml(LARGE[1]), rel=0.2)
        assert [warning.split(" phase has slices 12.0 mm")[0] for warning in findings.warnings[1:]] == [
            "The non-contrast",
            "The arterial",
            "The portal venous",
        ]

    def test_a_thick_non_contrast_phase_alone_is_named(self, run):
        images = abdomen(LARGE)
        series = {**images, Phase.NON_CONTRAST: grid((130, 90, 17), (2.0, 2.0, 10.0))}
        assert run(study_of(images, series)).warnings == (
            SCOPE,
            "The non-contrast phase has slices 10.0 mm apart; HFS-Net was made for 5 mm or less, and small tumours "
            "may be missed",
        )

    def test_slices_of_1024_pixels_give_the_same_tumours(self, run):
        fine = grid((1024, 1024, 9), (0.26, 0.26, 14.0))
        (lesion,) = run(study_of(abdomen(((-50, 0, 0), (24, 24, 24), "both"), like=fine))).lesions
        assert lesion.measurement.long_axis.length_mm == pytest.approx(48, abs=2)

    def test_a_wide_patient_gets_wider_slices(self, models):
        card = replace(models.card("hfs_liver"), patch=(8, 256, 256))
        wide = grid((240, 150, 6), (2.0, 2.0, 5.0))
        body = np.where(inside(wide, (0, 0, 0), (220, 130, 200)), 40.0, -1000.0).astype(np.float32)
        shape = slice_grid(make_image(body, wide), card.spacing_mm, card.patch[-1], card.normalisation).shape
        assert shape == (12, 256, 320)

    def test_magnetic_resonance_and_studies_without_liver_are_refused(self, run):
        images = abdomen(LARGE)
        with pytest.raises(LiverTumorAIError, match="was trained for CT"):
            run(study_of(images, modality=Modality.MR))
        empty = {phase: make_image(np.full((56, 90, 130), -1000, np.float32), grid()) for phase in PHASES}
        with pytest.raises(LiverTumorAIError, match="No liver found"):
            run(study_of(empty))

    def test_it_can_be_cancelled_between_slices(self, run):
        seen = []
        progress = Progress(listener=lambda event: seen.append(event.message), is_cancelled=lambda: len(seen) > 6)
        with pytest.raises(Cancelled):
            run(study_of(abdomen(LARGE)), progress)
        assert any("slice" in message for message in seen)


def disc(centre, radius, shape=(96, 128)):
    y, x = np.indices(shape)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


class TestHierarchy:
    @given(radius=st.integers(2, 30), y=st.integers(32, 64), x=st.integers(32, 96))
    def test_the_longest_axis_of_a_disc_is_its_diameter(self, radius, y, x):
        parts, (length,) = longest_axes_px(disc((y, x), radius))
        assert parts.max() == 1
        assert length == pytest.approx(2 * radius, abs=1.3)

    def test_each_pixel_goes_with_the_nearest_tumour(self):
        both = disc((48, 30), 20) | disc((48, 100), 8)
        territory = large_territory(np.stack([both, disc((48, 30), 20), disc((48, 100), 8), np.zeros((96, 128), bool)]))
        assert territory[0, 48, 30] and territory[0, 0, 0]
        assert not territory[0, 48, 100]
        assert territory[0, 48, 70] and not territory[0, 48, 72]
        assert territory[1].all()
        assert not territory[2].any() and not territory[3].any()

    def test_a_tumour_of_the_limit_is_small(self):
        square = np.zeros((1, 96, 128), bool)
        square[0, 10, 10:40] = True
        assert longest_axes_px(square[0])[1] == pytest.approx([30], abs=0.5)
        length = float(longest_axes_px(square[0])[1][0])
        assert not large_territory(square, length).any()
        assert large_territory(square, length - 0.01).all()

    @given(
        start=st.tuples(st.integers(0, 100), st.integers(0, 100)),
        size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    )
    def test_the_box_holds_liver_and_margin_in_multiples_of_the_stride(self, start, size):
        liver = np.zeros((5, 160, 160), np.float32)
        stop = [min(first + length, 160) for first, length in zip(start, size, strict=True)]
        liver[1:4, start[0] : stop[0], start[1] : stop[1]] = 0.9
        z, y, x = liver_box(liver, margin=16)
        assert (z.start, z.stop) == (1, 4)
        for side, first, last in ((y, start[0], stop[0]), (x, start[1], stop[1])):
            assert (side.stop - side.start) % 16 == 0
            assert 0 <= side.start <= max(first - 8, 0)
            assert min(last + 8, 160) <= side.stop <= 160

    def test_only_the_largest_part_counts_as_liver(self):
        liver = np.zeros((5, 64, 64), np.float32)
        liver[3:, :20, :20] = liver[0, 60:, 60:] = 1
        assert liver_box(liver)[0] == slice(3, 5)
        assert liver_box(liver * 0.4) is None


def test_the_scope_is_ct_with_three_phases():
    cascade = get_cascade("hfs-net")
    assert cascade.required_phases == PHASES
    swapped = replace(cascade, substitutes={Phase.NON_CONTRAST: Phase.DELAYED})
    assert swapped.required_phases == (Phase.DELAYED, Phase.ARTERIAL, Phase.PORTAL_VENOUS)


def test_the_networks_that_ship_outline_a_large_hcc_that_no_training_saw():
    options = PhantomOptions(lesions=(LesionType.HCC,), slice_thickness_mm=5.0, breathing_mm=1.0)
    phantom = generate_phantom(61_202, "ct3", options)
    like = phantom.images[Phase.PORTAL_VENOUS]
    images = {
        phase: sitk.Resample(image, like, sitk.Transform(), sitk.sitkLinear, -1000.0, sitk.sitkFloat32)
        for phase, image in phantom.images.items()
    }
    findings = replace(get_cascade("hfs-net"), explains=False).run(study_of(images), ModelStore(), Progress())
    (lesion,) = findings.lesions
    truth = sitk.Resample(phantom.lesions, findings.lesion_labels, sitk.Transform(), sitk.sitkNearestNeighbor)
    found, true = (sitk.GetArrayViewFromImage(image) > 0 for image in (findings.lesion_labels, truth))
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.85
    assert findings.maximum_diameter_mm == pytest.approx(phantom.lesion_truth[0].long_axis_mm, rel=0.15)
    assert lesion.score > 0.8

"""The multi-sensitivity cascade on an analytic abdomen, with real ONNX networks whose answers are known."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import inside
from analytic_network import CLASS_HU, class_probabilities, write_network
from test_cascade_base import LIVER, abdomen, study_of

from LiverTumorAILib.cascades import get_cascade, liver_patches
from LiverTumorAILib.cascades.liver_patches import PATCHES, LiverOnly, ask
from LiverTumorAILib.cascades.multi_sensitivity import (
    RECLASSIFICATION,
    SCREENING_NETWORKS,
    SEGMENTATION,
    SensitivityControl,
    assemble,
    detect_jointly,
)
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.explanation import explained_by
from LiverTumorAILib.explanation.titles import SECOND_NETWORK, heatmap_titles
from LiverTumorAILib.inference import ModelStore, Session
from LiverTumorAILib.lesions import Certainty, Organ, read_findings, write_findings
from LiverTumorAILib.lesions.reclassification import NOT_ASKED
from LiverTumorAILib.measurement.location import locate_lesions
from LiverTumorAILib.pipeline import Analysis, analyze
from LiverTumorAILib.progress import Cancelled, Progress
from LiverTumorAILib.report import write_results
from LiverTumorAILib.report.html import write_report
from LiverTumorAILib.study import Modality, Phase

HCC = ((-60, 0, 10), (16, 12, 12), "HCC")
CYST = ((0, 10, -10), (9, 9, 9), "CYST")
FAINT = ((-30, 30, 20), (9, 9, 9), 86.0)
"""The segmentation network finds a metastasis there only at high sensitivity."""
HEMANGIOMA = ((-30, -30, 20), (9, 9, 9), "HEMANGIOMA")


def store(folder, **class_hu):
    """Both networks; the second one recognises classes by other HU where they are given."""
    write_network(folder, name=SEGMENTATION)
    return write_network(folder, name=RECLASSIFICATION, class_hu=CLASS_HU | class_hu)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The second network takes 86 HU for a metastasis, and what the first one calls hemangioma for liver."""
    return store(tmp_path_factory.mktemp("models"), METASTASIS=84, liver=104, HEMANGIOMA=700)


def run(study, models, progress=None):
    return get_cascade("multi-sensitivity", "cpu").run(study, models, progress or Progress())


@pytest.fixture(scope="module")
def study():
    return study_of(abdomen(CYST, FAINT))


@pytest.fixture(scope="module")
def findings(study, models):
    return run(study, models)


def test_what_only_high_sensitivity_finds_leaves_the_patient_uncertain_with_both_opinions(findings):
    faint, cyst = sorted(findings.lesions, key=lambda lesion: lesion.centroid_mm[0])
    odds = {name: value for name, value in class_probabilities(86).items() if name in {"METASTASIS", "liver"}}
    assert 1 < odds["liver"] / odds["METASTASIS"] < 10
    assert (faint.type, faint.found_at, faint.certainty) == ("METASTASIS", (10.0,), Certainty.UNCERTAIN)
    assert faint.certainty_reasons[0] == "found only at high sensitivity (factor 10)"
    assert (cyst.type, cyst.found_at, cyst.certainty) == ("CYST", (1.0, 10.0), Certainty.CERTAIN)
    patient = findings.patient
    assert patient.opinions == {"Base+ReCls": "CYST", "High+ReCls": "METASTASIS"}
    assert (patient.classification, patient.certainty) == ("METASTASIS", Certainty.UNCERTAIN)
    assert patient.deciding_lesions == (faint.label,)
    assert f"lesion {faint.label} decides" in patient.certainty_reasons[0]


def test_every_lesion_says_what_the_patches_said(findings):
    for lesion in findings.lesions:
        assert any(line.startswith(f"{PATCHES} patches: {PATCHES} {lesion.type.title}") for line in lesion.evidence)
        assert any("mean overlap" in line for line in lesion.evidence)
        assert 0.9 < lesion.score <= 1
        assert lesion.measurement.volume_mm3 == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.05)


def test_heatmaps_show_what_spoke_for_both_types_where_the_network_can_tell(findings, study, models):
    pytest.importorskip("torch", reason="needs torch (extra 'training')")
    from LiverTumorAILib.networks import UNet3D
    from LiverTumorAILib.training.export import onnx_bytes

    network = UNet3D(8, len(CLASS_HU), channels=(4, 6), encoder_convolutions=(1, 1), decoder_convolutions=(1,))
    model = models.load(SEGMENTATION, "cpu")
    model = replace(model, session=Session(onnx_bytes(network, 8, model.card.patch), "cpu"))
    decision = detect_jointly(findings.sensitivity, findings.sensitivity.factor, study.reference)
    explained = assemble(
        study,
        findings.organ_labels,
        decision,
        findings.sensitivity,
        provenance=findings.provenance,
        warnings=(),
        explain=explained_by(model, study.images),
        second=model,
    )
    assert explained.lesions
    for lesion in explained.lesions:
        both = [explained.heatmaps[name] for name in (lesion.heatmap, lesion.opposing_heatmap)]
        assert max(sitk.GetArrayViewFromImage(image).max() for image in both) == pytest.approx(1)
        titles = heatmap_titles(lesion)
        assert "instead" in titles[lesion.opposing_heatmap]
        second = lesion.second_heatmaps
        assert titles[second.supporting] == f"{SECOND_NETWORK}Spoke for {lesion.type.title}"
        assert titles[second.opposing].startswith(SECOND_NETWORK)
        assert second.types[0] is lesion.type is not second.types[1]
        both = [sitk.GetArrayViewFromImage(explained.heatmaps[name]) for name in (second.supporting, second.opposing)]
        assert max(values.max() for values in both) == pytest.approx(1)
    assert not any(lesion.opposing_heatmap for lesion in findings.lesions), "the analytic network cannot tell"
    assert not any(lesion.second_heatmaps for lesion in findings.lesions), "nor can the second one"


def test_agreement_is_certain(models):
    patient = run(study_of(abdomen(HCC, CYST)), models).patient
    assert patient.opinions == {"Base+ReCls": "HCC", "High+ReCls": "HCC"}
    assert (patient.certainty, patient.deciding_lesions) == (Certainty.CERTAIN, ())


def test_what_the_second_network_takes_for_liver_is_discarded(models):
    study = study_of(abdomen(HEMANGIOMA))
    assert [lesion.type for lesion in get_cascade("base", "cpu").run(study, models, Progress()).lesions] == [
        "HEMANGIOMA"
    ]
    findings = run(study, models)
    assert findings.lesions == ()
    assert findings.patient.classification == "NORMAL" and findings.patient.certainty is Certainty.CERTAIN


def test_the_second_network_decides_the_type(tmp_path):
    models = store(tmp_path, METASTASIS=1000, OTHER=70)
    (lesion,) = run(study_of(abdomen(((-30, -30, 20), (9, 9, 9), "METASTASIS"))), models).lesions
    assert lesion.type == "OTHER"
    assert lesion.evidence[0] == "segmentation: metastasis 100%"


def test_findings_come_back_from_disk_with_what_another_sensitivity_needs(findings, study, tmp_path):
    write_findings(findings, tmp_path / "out")
    schema = Path(__file__).parents[1] / "Resources" / "findings.schema.json"
    content = json.loads((tmp_path / "out" / "findings.json").read_text())
    jsonschema.validate(content, json.loads(schema.read_text()))
    assert content["patient"]["opinions"] == {"Base+ReCls": "CYST", "High+ReCls": "METASTASIS"}
    back = read_findings(tmp_path / "out")
    assert repr(back.lesions) == repr(findings.lesions) and back.patient == findings.patient
    for factor in (1.0, 4.0, 30.0):
        one, other = (SensitivityControl(study, each).findings_at(factor) for each in (findings, back))
        assert (sitk.GetArrayViewFromImage(one.lesion_labels) == sitk.GetArrayViewFromImage(other.lesion_labels)).all()
    assert (tmp_path / "out" / "sensitivity.npz").stat().st_size < 300_000


def test_moving_the_sensitivity_changes_the_lesions(findings, study):
    control = SensitivityControl(study, findings)
    assert [lesion.type for lesion in control.findings_at(1).lesions] == ["CYST"]
    more = control.findings_at(20)
    assert sorted(lesion.type for lesion in more.lesions) == ["CYST", "METASTASIS"]
    assert more.patient.opinions["High+ReCls"] == "METASTASIS"
    assert more.warnings == findings.warnings and more.provenance.models == findings.provenance.models
    again = control.findings_at(findings.sensitivity.factor)
    assert again.patient.opinions == findings.patient.opinions
    assert [lesion.evidence for lesion in again.lesions] == [lesion.evidence for lesion in findings.lesions]


def test_the_control_around_the_liver_finds_the_same_where_it_lies(findings, study):
    whole, around = SensitivityControl(study, findings), SensitivityControl.around_liver(findings, study.images)
    assert np.prod(around.study.reference.GetSize()) < 0.5 * np.prod(study.reference.GetSize())
    for factor in (1.0, 20.0):
        expected, found = whole.findings_at(factor), around.findings_at(factor)
        assert found.patient == expected.patient
        assert found.liver_volume_mm3 == expected.liver_volume_mm3
        for one, other in zip(found.lesions, expected.lesions, strict=True):
            same = replace(one, uid="", centroid_mm=other.centroid_mm, measurement=other.measurement)
            assert repr(same) == repr(replace(other, uid=""))
            assert one.centroid_mm == pytest.approx(other.centroid_mm)
            assert one.measurement.long_axis.start_mm == pytest.approx(other.measurement.long_axis.start_mm)
            assert one.measurement.volume_mm3 == other.measurement.volume_mm3


def test_a_results_folder_is_all_that_another_sensitivity_needs(findings, study, tmp_path):
    tmp_path = tmp_path / "results"
    tmp_path.mkdir()
    write_results(Analysis(study, findings), tmp_path)
    control = SensitivityControl.open(tmp_path)
    found, expected = control.findings_at(20), SensitivityControl(study, findings).findings_at(20)
    assert [lesion.measurement for lesion in found.lesions] == [lesion.measurement for lesion in expected.lesions]
    assert found.patient == expected.patient
    (tmp_path / "registered" / "portal_venous.nrrd").unlink()
    with pytest.raises(LiverTumorAIError, match="lacks the registered phases"):
        SensitivityControl.open(tmp_path)


def test_the_report_tells_what_the_networks_saw_and_both_opinions(findings, study, tmp_path):
    write_report(study, findings, locate_lesions(findings), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Opinions: low sensitivity cyst; high sensitivity metastasis" in page
    for lesion in findings.lesions:
        factors = " and ".join(f"× {factor:g}" for factor in lesion.found_at)
        assert f"Score {lesion.score:.2f} (how sure that it is a lesion), found at sensitivity {factors}" in page
        assert "; ".join(lesion.evidence) in page


def test_findings_of_another_cascade_have_no_sensitivity_to_move(models, study):
    with pytest.raises(LiverTumorAIError, match="cascade multi-sensitivity"):
        SensitivityControl(study, get_cascade("base", "cpu").run(study, models, Progress()))


def test_without_contrast_it_works_in_the_screening_setting_and_says_so(models):
    findings = run(study_of(abdomen(CYST), (Phase.PORTAL_VENOUS,)), models)
    assert "non-contrast phase is missing" in findings.warnings[0].lower()
    # The analytic networks look at the portal venous channel alone, so they find nothing without it.
    with pytest.raises(LiverTumorAIError, match="No liver found"):
        run(study_of(abdomen(CYST), (Phase.NON_CONTRAST,)), models)


def test_the_screening_setting_is_named(tmp_path):
    for name in (SEGMENTATION, RECLASSIFICATION):
        write_network(tmp_path, name=name, phase=Phase.NON_CONTRAST)
    findings = run(study_of(abdomen(CYST), (Phase.NON_CONTRAST,)), ModelStore(tmp_path))
    assert [lesion.type for lesion in findings.lesions] == ["CYST"]
    assert len(findings.warnings) == 1 and "screening setting" in findings.warnings[0]
    assert findings.patient.certainty is Certainty.CERTAIN


def test_the_screening_setting_has_networks_of_its_own(tmp_path):
    models = store(tmp_path)
    for name in SCREENING_NETWORKS.values():
        write_network(tmp_path, name=name, phase=Phase.NON_CONTRAST)
    screened = run(study_of(abdomen(CYST), (Phase.NON_CONTRAST,)), models)
    assert [lesion.type for lesion in screened.lesions] == ["CYST"]
    assert set(screened.provenance.models) == set(SCREENING_NETWORKS.values())
    diagnosed = run(study_of(abdomen(CYST), (Phase.NON_CONTRAST, Phase.PORTAL_VENOUS)), models)
    assert set(diagnosed.provenance.models) == set(SCREENING_NETWORKS)


def test_a_tumour_that_fills_half_of_the_liver_passes_by_and_belongs_to_the_liver(models):
    findings = run(study_of(abdomen(((-70, 0, 0), (38, 45, 50), "HCC"))), models)
    (lesion,) = findings.lesions
    assert "larger than 64 cm³" in lesion.evidence[0]
    organs, labels = (sitk.GetArrayViewFromImage(image) for image in (findings.organ_labels, findings.lesion_labels))
    assert (organs[labels > 0] == Organ.LIVER).all()
    assert findings.liver_volume_mm3 == pytest.approx(4 / 3 * np.pi * 70 * 55 * 60, rel=0.03)


def test_a_liver_cut_off_is_named(models):
    findings = run(study_of(abdomen()[:, :, 20:]), models)
    assert any("edge of the images" in warning for warning in findings.warnings)
    assert findings.patient.certainty is Certainty.UNCERTAIN


def test_many_small_lesions_share_patches_so_that_time_stays_bounded(models, monkeypatch):
    monkeypatch.setattr(liver_patches, "MOST_LESIONS", 3)
    rng = np.random.default_rng(5)
    image = abdomen()
    places = [tuple(LIVER[0] + rng.uniform(-0.55, 0.55, 3) * LIVER[1]) for _ in range(30)]
    voxels = sitk.GetArrayFromImage(image)
    for place in places:
        voxels[inside(image, place, (4, 4, 4))] = CLASS_HU["CYST"]
    crowded = sitk.GetImageFromArray(voxels)
    crowded.CopyInformation(image)
    seen = []
    findings = run(study_of(crowded), models, Progress(listener=lambda event: seen.append(event.message)))
    assert len(findings.lesions) > 10
    assert all(lesion.type == "CYST" for lesion in findings.lesions)
    own = {message for message in seen if message.startswith("lesion ") and " of " in message}
    assert len(own) == 3


@pytest.mark.parametrize("missing", [SEGMENTATION, RECLASSIFICATION])
def test_a_missing_model_is_named_before_anything_is_computed(tmp_path, small_study, missing):
    models = store(tmp_path)
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(LiverTumorAIError, match=f"no model '{missing}'"):
        analyze(small_study, "multi-sensitivity", models)


def test_mr_and_a_factor_out_of_range_are_refused(models):
    with pytest.raises(LiverTumorAIError, match="trained for CT"):
        run(study_of(abdomen(), modality=Modality.MR), models)
    with pytest.raises(LiverTumorAIError, match="sensitivity factor"):
        replace(get_cascade("multi-sensitivity", "cpu"), factor=0.0).run(study_of(abdomen()), models, Progress())


def test_cancel_stops_it(models, study):
    with pytest.raises(Cancelled):
        run(study, models, Progress(is_cancelled=lambda: True))


def test_provenance_names_both_models_and_the_time_of_each_step(findings, models):
    assert set(findings.provenance.models) == {SEGMENTATION, RECLASSIFICATION}
    assert list(findings.provenance.seconds) == [
        "models",
        "segmentation",
        "reclassification",
        "decision",
        "measurement",
    ]


def test_shuffled_patches_show_the_lesion_elsewhere_in_the_liver(models):
    """A network that only knows where a liver is thick: the lesion's surroundings differ from patch to patch."""
    image = abdomen(CYST)
    mask = sitk.Cast(sitk.And(image > -50, image < 110), sitk.sitkUInt8)
    detection = sitk.Cast(sitk.And(image > 5, image < 15), sitk.sitkUInt16)
    seen = []
    model = models.load(RECLASSIFICATION, "cpu")

    class Watched:
        def __call__(self, batch):
            seen.append(batch[0])
            return model.session(batch)

    watched = replace(model, session=Watched())
    liver = LiverOnly.of({Phase.PORTAL_VENOUS: image}, mask, watched)
    opinions = ask(watched, liver, detection)
    assert len(seen) == PATCHES
    cyst_channel = [np.round(patch[2], 3) for patch in seen]
    level = (10 - 50) / 250
    volumes = [np.isclose(channel, level, atol=0.1).sum() for channel in cyst_channel]
    assert min(volumes) > 0.7 * max(volumes) > 0
    surroundings = [np.isfinite(patch[6]).sum() and int(patch[6].sum()) for patch in seen]
    assert len(set(surroundings)) > 1
    asked = opinions.labels != NOT_ASKED
    assert (asked == asked[0]).all()
    assert (opinions.labels[:, asked[0]] == list(CLASS_HU).index("CYST")).mean() > 0.9

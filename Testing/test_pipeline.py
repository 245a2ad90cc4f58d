"""From a folder of volumes to findings, through every real stage."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import inside, make_image
from analytic_network import CLASS_HU, write_network

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import ModelStore
from LiverTumorAILib.lesions import read_findings, write_findings
from LiverTumorAILib.pipeline import analyze
from LiverTumorAILib.progress import Cancelled, Progress
from LiverTumorAILib.registration import Verdict
from LiverTumorAILib.study import Phase, load_study

LIVER = ((-40.0, 0.0, 0.0), (70.0, 55.0, 60.0))
HCC = ((-60.0, 0.0, 10.0), (18.0, 12.0, 14.0))
CYST = ((0.0, 10.0, -10.0), (10.0, 10.0, 10.0))
ENHANCEMENT = {Phase.ARTERIAL: (70, 140), Phase.PORTAL_VENOUS: (CLASS_HU["liver"], CLASS_HU["HCC"])}
"""HU of liver and of the large lesion."""


def write_study(folder, shift_mm=0.0):
    """Two phases with anatomy to register by; the arterial one displaced towards the head."""
    like = sitk.Image(86, 60, 56, sitk.sitkFloat32)
    like.SetSpacing((3.0, 3.0, 3.0))
    like.SetOrigin((-127.5, -88.5, -82.5))
    folder.mkdir()
    for phase, (liver, lesion) in ENHANCEMENT.items():
        up = np.array([0, 0, shift_mm if phase is Phase.ARTERIAL else 0])
        voxels = np.full(like.GetSize()[::-1], -1000.0, np.float32)
        voxels[inside(like, (0, 0, 0), (125, 85, 200))] = -130
        for (centre, half_axes), value in (
            (LIVER, liver),
            (((90, 20, 10), (20, 25, 30)), 130),
            (((0, 70, 0), (15, 12, 200)), 290),
            (HCC, lesion),
            (CYST, CLASS_HU["CYST"]),
        ):
            voxels[inside(like, centre + up, half_axes)] = value
        sitk.WriteImage(sitk.Cast(make_image(voxels, like), sitk.sitkInt16), folder / f"{phase}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("models"), spacing_mm=(3.0, 3.0, 3.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study") / "case", shift_mm=6.0)


@pytest.fixture(scope="module")
def events():
    return []


@pytest.fixture(scope="module")
def analysis(folder, models, events):
    return analyze(folder, "base", models, Progress(events.append), "cpu")


def test_a_folder_becomes_typed_and_measured_lesions(analysis):
    hcc, cyst = analysis.findings.lesions
    assert (hcc.type, cyst.type) == ("HCC", "CYST")
    assert hcc.centroid_mm == pytest.approx(HCC[0], abs=1.5)
    assert hcc.measurement.long_axis.length_mm == pytest.approx(36, abs=2.5)
    assert cyst.measurement.max_3d_diameter_mm == pytest.approx(20, abs=3)
    assert analysis.findings.patient.classification == "HCC"


def test_phases_are_compared_after_registration(analysis):
    enhancement = analysis.findings.lesions[0].measurement.enhancement[Phase.ARTERIAL]
    assert enhancement.lesion == pytest.approx(140, abs=12)
    assert enhancement.liver == pytest.approx(70, abs=12)


def test_every_volume_has_its_record(analysis):
    records = {record.phase: record for record in analysis.findings.phases}
    assert set(records) == set(ENHANCEMENT)
    assert records[Phase.PORTAL_VENOUS].registration is None
    assert records[Phase.ARTERIAL].registration == analysis.registered.quality[Phase.ARTERIAL]
    assert records[Phase.ARTERIAL].source.startswith("arterial")


def test_every_stage_is_timed_and_reported(analysis, events):
    assert list(analysis.findings.provenance.seconds) == [
        "load",
        "register",
        "liver",
        "network",
        "lesions",
        "measurement",
    ]
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    assert len({event.stage for event in events}) >= 4


def test_missing_phases_are_warned_of(analysis):
    assert [warning for warning in analysis.findings.warnings if "phase is missing" in warning] == [
        "The non-contrast phase is missing: calcification and haemorrhage may be taken for enhancement",
        "The delayed phase is missing: late washout, capsule and fill-in cannot be judged",
    ]


def test_its_findings_survive_a_folder(analysis, tmp_path):
    write_findings(analysis.findings, tmp_path / "out")
    again = read_findings(tmp_path / "out")
    assert again.lesions == analysis.findings.lesions
    assert again.phases == analysis.findings.phases
    assert again.provenance == analysis.findings.provenance


def test_a_loaded_study_whose_phase_the_user_corrected_is_taken_as_it_is(folder, models):
    study = load_study(folder)
    arterial = next(index for index, volume in enumerate(study.volumes) if volume.phase is Phase.ARTERIAL)
    analysis = analyze(study.with_phase(arterial, None), models=models, device="cpu")
    assert list(analysis.registered.images) == [Phase.PORTAL_VENOUS]
    assert any("arterial phase is missing" in warning for warning in analysis.findings.warnings)


def test_a_phase_that_fits_nowhere_is_not_used_and_the_findings_say_so(folder, models):
    study = load_study(folder)
    index = next(index for index, volume in enumerate(study.volumes) if volume.phase is Phase.ARTERIAL)
    noise = np.random.default_rng(0).uniform(-1000, 1000, study.volumes[index].image.GetSize()[::-1])
    foreign = replace(study.volumes[index], image=make_image(noise.astype(np.float32), study.volumes[index].image))
    volumes = (*study.volumes[:index], foreign, *study.volumes[index + 1 :])
    analysis = analyze(replace(study, volumes=volumes), models=models, device="cpu")
    assert list(analysis.registered.images) == [Phase.PORTAL_VENOUS]
    assert Phase.ARTERIAL not in analysis.findings.lesions[0].measurement.enhancement
    assert any(warning.startswith("Arterial phase left out: ") for warning in analysis.findings.warnings)
    assert any("The arterial phase is missing" in warning for warning in analysis.findings.warnings)
    (record,) = [record for record in analysis.findings.phases if record.phase is Phase.ARTERIAL]
    assert record.registration.verdict is Verdict.FAILED
    assert record.registration.reasons


def test_an_unknown_cascade_and_a_missing_model_are_refused_before_anything_is_loaded(folder, models, tmp_path):
    with pytest.raises(LiverTumorAIError, match="no cascade 'lidia2'"):
        analyze(tmp_path / "nowhere", "lidia2", models)
    with pytest.raises(LiverTumorAIError, match="no model 'base_unet'"):
        analyze(tmp_path / "nowhere", "base", ModelStore(tmp_path))


def test_a_study_too_large_for_the_memory_is_refused(folder, models, monkeypatch):
    import psutil

    little = psutil.virtual_memory()._replace(available=10 * 2**20)
    study = load_study(folder)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: little)
    with pytest.raises(LiverTumorAIError, match="GiB of memory"):
        analyze(study, models=models)


def test_cancel_stops_at_the_next_step(folder, models):
    seen = []
    with pytest.raises(Cancelled):
        analyze(folder, models=models, progress=Progress(seen.append, lambda: len(seen) > 3))
    assert len(seen) <= 4

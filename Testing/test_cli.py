"""The command line: exit status, one clear line for each bad input, and nothing left behind."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from analytic_findings import analytic_study
from analytic_network import write_network

from LiverTumorAILib.cli import main
from LiverTumorAILib.phantom.dicom_writer import write_dicom_study
from LiverTumorAILib.study import Modality, Phase


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """A model folder with the network whose answers are known."""
    folder = tmp_path_factory.mktemp("models")
    write_network(folder)
    return folder


@pytest.fixture(scope="module")
def images() -> dict[Phase, sitk.Image]:
    """The four phases of the analytic study, with fat around the organs: the network takes muscle for lesions."""
    findings, images = analytic_study(spacing=(4.0, 4.0, 8.0))
    organs = sitk.GetArrayFromImage(findings.organ_labels) + sitk.GetArrayFromImage(findings.lesion_labels)
    noise = np.random.default_rng(5).normal(-110, 8, organs.shape).astype(np.float32)
    return {
        phase: changed(image, lambda values: np.where((organs > 0) | (values < -500), values, noise))
        for phase, image in images.items()
    }


@pytest.fixture(scope="module")
def study(images, tmp_path_factory) -> Path:
    """The analytic study as DICOM."""
    folder = tmp_path_factory.mktemp("study") / "dicom"
    write_dicom_study(images, Modality.CT, folder, seed=3)
    return folder


def run(capsys, *arguments: object) -> tuple[int, str, list[str]]:
    """Exit status, standard output, and the last line of standard error."""
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, [line for line in captured.err.splitlines() if not line.endswith("...")]


def write_phase(image: sitk.Image, folder: Path, name: str = "portal_venous.nii.gz") -> Path:
    folder.mkdir(exist_ok=True)
    sitk.WriteImage(image, folder / name)
    return folder


def changed(image: sitk.Image, change) -> sitk.Image:
    """A copy of an image whose voxels `change` has altered."""
    values = sitk.GetArrayFromImage(image)
    altered = sitk.GetImageFromArray(change(values))
    altered.CopyInformation(image)
    return altered


def empty_folder(folder, _images, _study):
    folder.mkdir()


def text_file(folder, _images, _study):
    folder.mkdir()
    (folder / "portal_venous.nii.gz").write_text("not an image")


def truncated_dicom(folder, _images, study):
    shutil.copytree(study, folder)
    victim = sorted(folder.rglob("*.dcm"))[3]
    victim.write_bytes(victim.read_bytes()[:-500])


def undecodable_dicom(folder, _images, study):
    shutil.copytree(study, folder)
    for file in folder.rglob("*.dcm"):
        dataset = pydicom.dcmread(file)
        dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9" * 50])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLosslessSV1
        dataset.save_as(file)


def single_slice(folder, images, _study):
    write_phase(images[Phase.PORTAL_VENOUS][:, :, 5:6], folder)


def localizer_only(folder, _images, study):
    folder.mkdir()
    for file in sorted(study.rglob("*.dcm"))[:6]:
        dataset = pydicom.dcmread(file)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        dataset.save_as(folder / file.name)


def colour(folder, images, _study):
    grey = sitk.Cast(images[Phase.PORTAL_VENOUS], sitk.sitkUInt8)
    write_phase(sitk.Compose(grey, grey, grey), folder, "portal_venous.mha")


def not_a_number(folder, images, _study):
    def change(values):
        values[3, 4, 5] = np.nan
        return values

    write_phase(changed(images[Phase.PORTAL_VENOUS], change), folder)


def constant(folder, images, _study):
    write_phase(images[Phase.PORTAL_VENOUS] * 0, folder)


def absurd_spacing(folder, images, _study):
    image = sitk.Image(images[Phase.PORTAL_VENOUS])
    image.SetSpacing((4.0, 4.0, 400.0))
    write_phase(image, folder)


def no_liver(folder, images, _study):
    def change(values):
        return np.where(values > -500, 30, -1000) + np.random.default_rng(1).normal(0, 3, values.shape)

    write_phase(changed(images[Phase.PORTAL_VENOUS], change), folder)


BAD_STUDIES = {
    empty_folder: "",
    text_file: "no image",
    truncated_dicom: "truncated",
    undecodable_dicom: "JPEG",
    single_slice: "single slice",
    localizer_only: "localizer",
    colour: "colour",
    not_a_number: "NaN",
    constant: "same value",
    absurd_spacing: "spacing",
    no_liver: "No liver",
}


@pytest.mark.parametrize("make", BAD_STUDIES, ids=lambda make: make.__name__)
def test_a_bad_study_gives_one_clear_line_and_leaves_nothing(make, images, study, models, tmp_path, capsys):
    make(tmp_path / "in", images, study)
    out = tmp_path / "out"
    status, _, lines = run(capsys, "analyze", tmp_path / "in", "--out", out, "--models", models)
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith("livertumorai: ")
    assert BAD_STUDIES[make].lower() in lines[0].lower()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_study_beyond_the_memory_is_refused_before_it_is_read(models, tmp_path, capsys):
    header = sitk.Image(8, 8, 8, sitk.sitkInt16)
    sitk.WriteImage(header, tmp_path / "portal_venous.mha")
    text = (tmp_path / "portal_venous.mha").read_bytes().replace(b"DimSize = 8 8 8", b"DimSize = 9000 9000 9000")
    (tmp_path / "portal_venous.mha").write_bytes(text.replace(b"ElementSpacing = 1 1 1", b"ElementSpacing = .1 .1 .1"))
    status, _, lines = run(capsys, "analyze", tmp_path, "--out", tmp_path / "out", "--models", models)
    assert status == 1
    assert "memory" in lines[0]


def test_an_output_folder_with_content_is_kept(study, models, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    status, _, lines = run(capsys, "analyze", study, "--out", tmp_path, "--models", models)
    assert status == 1
    assert "not empty" in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_cascade_is_answered_with_the_known_ones(study, models, tmp_path, capsys):
    status, _, lines = run(capsys, "analyze", study, "--out", tmp_path / "out", "--cascade", "best")
    assert status == 1
    assert "'best'" in lines[0]
    assert "base" in lines[0]


def test_a_missing_and_a_changed_model_are_named(study, models, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    status, _, lines = run(capsys, "analyze", study, "--out", tmp_path / "out", "--models", tmp_path / "none")
    assert status == 1
    assert "base_unet" in lines[0]
    shutil.copytree(models, tmp_path / "changed")
    with (tmp_path / "changed" / "base_unet" / "model.onnx").open("ab") as file:
        file.write(b"\0")
    status, _, lines = run(capsys, "analyze", study, "--out", tmp_path / "out", "--models", tmp_path / "changed")
    assert status == 1
    assert "base_unet" in lines[0]
    assert not (tmp_path / "out").exists()
    status, out, _ = run(capsys, "models", "verify", "--models", tmp_path / "changed")
    assert status == 1
    assert "base_unet" in out


def test_a_full_disk_is_told_and_leaves_nothing(study, models, tmp_path, capsys):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        status, _, lines = run(capsys, "analyze", study, "--out", small / "out", "--models", models)
        assert status == 1
        assert "disk is full" in lines[0]
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_folder_without_permission_to_write_is_told(study, models, tmp_path, capsys):
    status, _, lines = run(capsys, "analyze", study, "--out", "/proc/nowhere/out", "--models", models)
    assert status == 1
    assert len(lines) == 1
    assert "/proc/nowhere" in lines[0]


def test_one_phase_alone_is_analyzed_and_its_cost_is_said(images, models, tmp_path, capsys):
    write_phase(images[Phase.PORTAL_VENOUS], tmp_path / "in")
    status, out, _ = run(capsys, "analyze", tmp_path / "in", "--out", tmp_path / "out", "--models", models)
    assert status == 0
    assert "arterial" in out
    assert "Not for clinical use" in out
    findings = json.loads((tmp_path / "out" / "findings.json").read_text(encoding="utf-8"))
    assert any("arterial" in warning for warning in findings["warnings"])
    assert not (tmp_path / "out" / "seg.dcm").exists()


def test_a_study_is_analyzed_into_the_folder_of_the_contract(study, models, tmp_path, capsys):
    out = tmp_path / "out"
    status, text, _ = run(capsys, "analyze", study, "--out", out, "--models", models)
    assert status == 0
    assert {path.name for path in out.iterdir()} == {
        "findings.json",
        "segmentation.seg.nrrd",
        "lesions.csv",
        "heatmaps",
        "report.html",
        "seg.dcm",
        "fields",
        "sr.dcm",
        "registered",
    }
    assert "report.html" in text


def test_the_phases_of_a_study_are_told_as_text_and_json(study, capsys):
    status, text, _ = run(capsys, "load", study)
    assert status == 0
    assert "portal venous" in text
    status, text, _ = run(capsys, "load", study, "--json")
    found = json.loads(text)
    assert [volume["phase"] for volume in found["volumes"]] == [phase.value for phase in list(Phase)[:4]]


def test_two_files_are_registered(images, tmp_path, capsys):
    fixed, moving = tmp_path / "fixed.nrrd", tmp_path / "moving.nrrd"
    sitk.WriteImage(images[Phase.PORTAL_VENOUS], fixed)
    sitk.WriteImage(images[Phase.ARTERIAL], moving)
    out, field = tmp_path / "out.nrrd", tmp_path / "field.nrrd"
    status, text, _ = run(
        capsys, "register", "--fixed", fixed, "--moving", moving, "--out", out, "--field", field, "--json"
    )
    assert status == 0
    assert json.loads(text)["verdict"] in {"green", "check", "failed"}
    assert sitk.ReadImage(out).GetSize() == sitk.ReadImage(fixed).GetSize()
    assert sitk.ReadImage(field).GetNumberOfComponentsPerPixel() == 3


def test_a_label_map_is_measured(tmp_path, capsys):
    values = np.zeros((20, 40, 40), np.uint8)
    values[5:15, 10:30, 10:20] = 4
    mask = sitk.GetImageFromArray(values)
    mask.SetSpacing((1.0, 2.0, 3.0))
    sitk.WriteImage(mask, tmp_path / "mask.nrrd")
    status, text, _ = run(capsys, "measure", "--mask", tmp_path / "mask.nrrd", "--json")
    assert status == 0
    assert json.loads(text)["4"]["volume_mm3"] == pytest.approx(10 * 20 * 10 * 6)


def test_a_phantom_is_written_with_its_truth(tmp_path, capsys):
    status, _, lines = run(capsys, "phantom", "--seed", 1, "--protocol", "x", "--out", tmp_path / "p")
    assert status == 1
    assert "ct4" in lines[0]
    assert not (tmp_path / "p").exists()
    status, _, _ = run(capsys, "phantom", "--seed", 1, "--protocol", "nc", "--out", tmp_path / "p")
    assert status == 0
    assert {path.name for path in (tmp_path / "p").iterdir()} == {"non_contrast.nii.gz", "truth"}


def test_the_cascade_is_evaluated_on_cases_with_truth(small_study, capsys):
    status, text, _ = run(capsys, "evaluate", "--cases", small_study, "--json")
    assert status == 0
    result = json.loads(text)
    assert set(result) == {"cases", "liver", "lesion", "patient", "segmentation", "mtd_mae_mm", "tables"}
    assert set(result["lesion"]) == {"precision", "recall", "rough_recall", "by_type", "by_size"}
    assert set(result["patient"]) == {"sensitivity", "specificity", "auc", "uncertain_share"}
    assert set(result["segmentation"]) == {"dice_per_case", "dice_global"}
    assert result["cases"] == 1
    assert 0 < result["liver"]["dice"] < 1


@pytest.mark.parametrize("arguments", [[], ["dance"], ["analyze"], ["phantom", "--seed", "x"]])
def test_a_wrong_call_ends_with_two(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    "command", ["demo", "phantom", "load", "register", "analyze", "measure", "evaluate", "train", "models"]
)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "usage" in capsys.readouterr().out


def test_no_patient_name_reaches_the_console(study, models, tmp_path):
    named = tmp_path / "in"
    shutil.copytree(study, named)
    for file in named.rglob("*.dcm"):
        dataset = pydicom.dcmread(file)
        dataset.PatientName = "SECRETNAME"
        dataset.PatientID = "SECRETID"
        dataset.save_as(file)
    command = [sys.executable, "-m", "LiverTumorAILib", "analyze", named, "--out", tmp_path / "out", "--models", models]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "SECRET" not in finished.stdout + finished.stderr

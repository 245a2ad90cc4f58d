"""Findings in a folder, and back without loss."""

import json
import math
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import TILT, analytic_study

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import (
    Certainty,
    Enhancement,
    Findings,
    LesionType,
    Organ,
    PhaseRecord,
    Provenance,
    SecondHeatmaps,
    read_findings,
    write_findings,
)
from LiverTumorAILib.registration import RegistrationQuality, Verdict
from LiverTumorAILib.study import Phase

SCHEMA = json.loads((Path(__file__).parents[1] / "Resources" / "findings.schema.json").read_text())


@pytest.fixture(scope="module", params=[(1, 0, 0, 0, 1, 0, 0, 0, 1), TILT], ids=["straight", "tilted"])
def findings(request):
    """Findings that use every field, heatmaps, a vessel through a lesion and NaN included."""
    findings, images = analytic_study(spacing=(3.1, 3.3, 5.7), direction=request.param)
    organs = sitk.GetArrayFromImage(findings.organ_labels)
    middle = findings.organ_labels.TransformPhysicalPointToIndex((-75.0, -25.0, 6.0))[::-1]
    organs[middle[0], middle[1], middle[2] - 12 : middle[2] + 12] = Organ.PORTAL_SPLENIC_VEIN
    organ_labels = sitk.GetImageFromArray(organs)
    organ_labels.CopyInformation(findings.organ_labels)
    first, *others = findings.lesions
    enhancement = {**first.measurement.enhancement, Phase.HEPATOBILIARY: Enhancement(12.5, math.nan)}
    first = replace(first, heatmap="lesion-1.nii.gz", measurement=replace(first.measurement, enhancement=enhancement))
    first = replace(first, heatmap_types=(LesionType.ICC, LesionType.CYST))
    second_heatmaps = SecondHeatmaps("second.nii.gz", "second-opposing.nii.gz", (LesionType.HCC, LesionType.ICC))
    first = replace(first, second_heatmaps=second_heatmaps)
    heatmap = sitk.Clamp(images[Phase.ARTERIAL] / 300, sitk.sitkFloat32, 0, 1)[10:40, 12:50, 5:20]
    quality = RegistrationQuality(
        Verdict.CHECK, ("folds at the dome",), 0.31, 0.72, -0.1, 2.4, 0.6, 0.05, 3.25, 0.2, 0.4
    )
    return replace(
        findings,
        organ_labels=organ_labels,
        lesions=(first, *others),
        heatmaps={
            "lesion-1.nii.gz": heatmap,
            "second.nii.gz": heatmap * 0.5,
            "second-opposing.nii.gz": heatmap * 0.25,
        },
        provenance=Provenance("0.1.0", "base", {"base_unet": "ab" * 32}, "cpu", {"load": 1.25, "network": 17.5}),
        phases=(
            *findings.phases,
            PhaseRecord(None, "series 9", "no match", 0.0),
            replace(findings.phases[1], registration=quality),
        ),
        warnings=("The delayed phase is missing: late washout cannot be judged",),
    )


def assert_equal(first: Findings, second: Findings) -> None:
    """All fields, voxels and geometry."""
    for name in ("modality", "reference_phase", "patient", "liver_volume_mm3", "provenance", "phases", "warnings"):
        assert getattr(first, name) == getattr(second, name), name
    assert repr(first.lesions) == repr(second.lesions)
    pairs = [(first.organ_labels, second.organ_labels), (first.lesion_labels, second.lesion_labels)]
    assert set(first.heatmaps) == set(second.heatmaps)
    pairs += [(first.heatmaps[name], second.heatmaps[name]) for name in first.heatmaps]
    for one, other in pairs:
        assert one.GetPixelID() == other.GetPixelID()
        assert (sitk.GetArrayViewFromImage(one) == sitk.GetArrayViewFromImage(other)).all()
        for get in ("GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(one, get)() == pytest.approx(getattr(other, get)(), abs=1e-7)


def test_reading_gives_back_what_was_written(findings, tmp_path):
    write_findings(findings, tmp_path / "out")
    assert_equal(read_findings(tmp_path / "out"), findings)


def test_findings_without_lesions_come_back_too(findings, tmp_path):
    empty = replace(findings, lesions=(), heatmaps={}, lesion_labels=findings.lesion_labels * 0)
    write_findings(empty, tmp_path / "out")
    assert_equal(read_findings(tmp_path / "out"), empty)


def test_folders_of_versions_without_heatmaps_by_the_second_network_can_be_read(findings, tmp_path):
    write_findings(findings, tmp_path / "out")
    file = tmp_path / "out" / "findings.json"
    content = json.loads(file.read_text())
    for lesion in content["lesions"]:
        del lesion["second_heatmaps"]
    jsonschema.validate(content, SCHEMA)
    file.write_text(json.dumps(content))
    for name in ("second.nii.gz", "second-opposing.nii.gz"):
        (tmp_path / "out" / "heatmaps" / name).unlink()
    lesions = tuple(replace(lesion, second_heatmaps=None) for lesion in findings.lesions)
    heatmaps = {"lesion-1.nii.gz": findings.heatmaps["lesion-1.nii.gz"]}
    assert_equal(read_findings(tmp_path / "out"), replace(findings, lesions=lesions, heatmaps=heatmaps))


def test_the_json_keeps_its_schema(findings, tmp_path):
    write_findings(findings, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "findings.json").read_text())
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(content, SCHEMA)
    lesion = content["lesions"][0]
    assert lesion["long_axis_mm"] == findings.lesions[0].measurement.long_axis.length_mm
    assert lesion["enhancement"]["hepatobiliary"] == {"lesion": 12.5, "liver": None}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content["lesions"][0].pop("score"),
        lambda content: content["lesions"][0].update(type="LIPOMA"),
        lambda content: content["lesions"][0].update(certainty="uncertain", certainty_reasons=[]),
        lambda content: content["patient"].update(classification="SICK"),
        lambda content: content["provenance"]["models"].update(base_unet="latest"),
        lambda content: content.update(patient_name="someone"),
    ],
)
def test_the_schema_refuses_what_breaks_the_contract(findings, tmp_path, spoil):
    write_findings(findings, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "findings.json").read_text())
    assert content["lesions"][0]["certainty"] == Certainty.CERTAIN
    spoil(content)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA)


def test_a_folder_with_something_in_it_is_left_alone(findings, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(LiverTumorAIError, match="not empty"):
        write_findings(findings, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_full_disk_leaves_nothing(findings, tmp_path):
    import signal

    resource = pytest.importorskip("resource", reason="file size limits are a matter of POSIX")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(LiverTumorAIError):
            write_findings(findings, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["findings.json", "segmentation.seg.nrrd", "heatmaps/lesion-1.nii.gz"])
@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:150])])
def test_missing_and_truncated_files_are_named_in_one_line(findings, tmp_path, name, spoil):
    write_findings(findings, tmp_path / "out")
    spoil(tmp_path / "out" / name)
    with pytest.raises(LiverTumorAIError) as caught:
        read_findings(tmp_path / "out")
    assert "Run the analysis again" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def loaded_by_slicer(findings, tmp_path_factory):
    slicer = pytest.importorskip("slicer_core", reason="slicer-core is not installed")
    folder = tmp_path_factory.mktemp("slicer") / "out"
    write_findings(findings, folder)
    scene = slicer.vtkMRMLScene()
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage.SetFileName(str(folder / "segmentation.seg.nrrd"))
    assert storage.ReadData(node)
    return slicer, scene, node


def test_slicer_reads_every_segment_with_name_colour_and_term(findings, loaded_by_slicer):
    _, _, node = loaded_by_slicer
    segmentation = node.GetSegmentation()
    names = [segmentation.GetNthSegment(index).GetName() for index in range(segmentation.GetNumberOfSegments())]
    assert names == [
        "liver",
        "portal and splenic vein",
        "spleen",
        "1 HCC 92%",
        "2 metastasis? 48%",
        "3 cyst 97%",
    ]
    hcc = segmentation.GetSegment("lesion-1")
    assert hcc.GetColor() == pytest.approx((213 / 255, 94 / 255, 0), abs=1e-5)
    assert "SCT^25370001^Hepatocellular carcinoma" in tag(hcc, "TerminologyEntry")
    assert tag(hcc, "LiverTumorAI.LesionUID") == findings.lesions[0].uid


def tag(segment, name):
    from vtkmodules.vtkCommonCore import reference

    value = reference("")
    assert segment.GetTag(name, value)
    return str(value)


def test_slicer_sees_the_voxels_where_they_are(findings, loaded_by_slicer):
    slicer, _, node = loaded_by_slicer
    voxel_mm3 = np.prod(findings.organ_labels.GetSpacing())
    organs, lesions = (sitk.GetArrayViewFromImage(image) for image in (findings.organ_labels, findings.lesion_labels))
    vein = (organs == Organ.PORTAL_SPLENIC_VEIN).sum()
    expected = {
        "lesion-1": ((lesions == 1).sum(), findings.lesions[0].centroid_mm),
        "lesion-2": ((lesions == 2).sum(), findings.lesions[1].centroid_mm),
        "portal-splenic-vein": (vein, None),
    }
    for name, (count, centroid_mm) in expected.items():
        voxels, points = segment_points(slicer, node, name)
        assert voxels == count
        if centroid_mm:
            assert points.mean(axis=0) == pytest.approx(centroid_mm, abs=0.05)
    liver, _ = segment_points(slicer, node, "liver")
    inside = (organs == Organ.LIVER) | (lesions > 0)
    assert inside.sum() < liver <= inside.sum() + vein
    assert voxel_mm3 > 0


def segment_points(slicer, node, name):
    """Number of voxels, and their centres in LPS mm."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(name, image)
    first = np.array(image.GetExtent())[::2]
    shape = image.GetDimensions()[::-1]
    voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
    matrix = vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    to_ras = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    index = np.argwhere(voxels)[:, ::-1] + first
    ras = index @ to_ras[:3, :3].T + to_ras[:3, 3]
    return len(index), ras * [-1, -1, 1]

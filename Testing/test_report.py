"""Reports: read back by pydicom, highdicom and a parser, and compared with the findings they were written from."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from analytic_findings import LESIONS, TILT, analytic_study, inside
from pydicom.sr.codedict import codes

from LiverTumorAILib.lesions import Certainty, Findings, LesionType, Organ, read_findings
from LiverTumorAILib.lesions.lesion import ONE_TYPE
from LiverTumorAILib.measurement.location import locate_lesions
from LiverTumorAILib.phantom.dicom_writer import write_dicom_study
from LiverTumorAILib.pipeline import Analysis
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.report import summary_lines, write_results
from LiverTumorAILib.report.heatmap_pictures import heatmap_pictures
from LiverTumorAILib.report.html import write_report
from LiverTumorAILib.report.lesions_csv import write_lesions_csv
from LiverTumorAILib.report.pictures import Frame, grey_picture, lesion_frame, outline
from LiverTumorAILib.report.window import Window, liver_window
from LiverTumorAILib.review.boxes import box_image
from LiverTumorAILib.review.corrections import Corrector
from LiverTumorAILib.review.reading import begin_reading, reviewed_findings
from LiverTumorAILib.study import Modality, Phase, Study, StudyVolume, load_study


@pytest.fixture(scope="module", params=["straight", "tilted"])
def results(request, tmp_path_factory) -> tuple[Findings, Path]:
    """The results folder of the analytic study, written as DICOM first."""
    folder = tmp_path_factory.mktemp("report")
    findings, images = analytic_study(**({"direction": TILT} if request.param == "tilted" else {}))
    write_dicom_study(images, Modality.CT, folder / "dicom", seed=1)
    study = load_study(folder / "dicom")
    registered = RegisteredStudy(study, Phase.PORTAL_VENOUS, images)
    (folder / "results").mkdir()
    write_results(Analysis(registered, findings), folder / "results")
    return findings, folder / "results"


def test_the_folder_holds_what_the_contract_names(results):
    _, folder = results
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "findings.json",
        "segmentation.seg.nrrd",
        "lesions.csv",
        "heatmaps",
        "report.html",
        "seg.dcm",
        "sr.dcm",
    }
    assert {path.name for path in (folder / "registered").iterdir()} == {f"{phase}.nrrd" for phase in list(Phase)[:4]}
    assert len(read_findings(folder).lesions) == len(LESIONS)


def test_dicom_segments_lie_where_the_findings_have_them(results):
    findings, folder = results
    segmentation = hd.seg.segread(folder / "seg.dcm")
    labels = sitk.GetArrayFromImage(findings.lesion_labels)
    for lesion in findings.lesions:
        (number,) = segmentation.get_segment_numbers(segment_label=f"Lesion {lesion.label}")
        volume = segmentation.get_volume(segment_numbers=[number], combine_segments=False)
        described = segmentation.get_segment_description(number)
        assert described.tracking_uid == lesion.uid
        mask = volume.array[..., 0] > 0
        assert mask.sum() == (labels == lesion.label).sum()
        centre = volume.affine @ [*np.argwhere(mask).mean(axis=0), 1]
        index = np.argwhere(labels == lesion.label).mean(axis=0)[::-1]
        expected = findings.lesion_labels.TransformContinuousIndexToPhysicalPoint(index.tolist())
        assert centre[:3] == pytest.approx(expected, abs=0.01)


def test_the_liver_segment_includes_its_lesions(results):
    findings, folder = results
    segmentation = hd.seg.segread(folder / "seg.dcm")
    (number,) = segmentation.get_segment_numbers(segment_label="liver")
    mask = segmentation.get_volume(segment_numbers=[number], combine_segments=False).array > 0
    organs = sitk.GetArrayFromImage(findings.organ_labels) == 1
    assert mask.sum() == (organs | (sitk.GetArrayFromImage(findings.lesion_labels) > 0)).sum()


def test_the_structured_report_holds_the_measurements(results):
    findings, folder = results
    report = hd.sr.srread(folder / "sr.dcm")
    for lesion in findings.lesions:
        (group,) = report.content.get_volumetric_roi_measurement_groups(tracking_uid=lesion.uid)
        assert group.finding_type.meaning
        expected = {
            codes.SCT.LongAxis: lesion.measurement.long_axis.length_mm,
            codes.SCT.ShortAxis: lesion.measurement.short_axis.length_mm,
            codes.SCT.Volume: lesion.measurement.volume_mm3,
        }
        for name, value in expected.items():
            (measurement,) = group.get_measurements(name=name)
            assert measurement.value == pytest.approx(value, abs=1e-3)
        segment = group.referenced_segment
        assert segment.referenced_sop_instance_uid == hd.seg.segread(folder / "seg.dcm").SOPInstanceUID


def test_both_dicom_files_belong_to_the_study_they_came_from(results):
    _, folder = results
    source = pydicom.dcmread(next(folder.parent.glob("dicom/**/*.dcm")), stop_before_pixels=True)
    for name in ("seg.dcm", "sr.dcm"):
        written = pydicom.dcmread(folder / name, stop_before_pixels=True)
        assert written.StudyInstanceUID == source.StudyInstanceUID
        assert written.PatientID == source.PatientID


def test_the_table_has_a_row_for_each_lesion_with_its_numbers(results):
    findings, folder = results
    with (folder / "lesions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [lesion.uid for lesion in findings.lesions]
    for row, lesion in zip(rows, findings.lesions, strict=True):
        assert row["type"] == lesion.type.value
        assert row["place"] == locate_lesions(findings)[lesion.uid].words
        assert float(row["long_axis_mm"]) == pytest.approx(lesion.measurement.long_axis.length_mm, abs=0.01)
        arterial = lesion.measurement.enhancement[Phase.ARTERIAL]
        assert float(row["arterial_lesion"]) == pytest.approx(arterial.lesion, abs=0.1)
        assert sum(float(row[key]) for key in row if key.startswith("probability_")) == pytest.approx(1, abs=0.001)


class Page(HTMLParser):
    """Pictures, text and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures, self.links, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "img":
            self.pictures.append(attributes)
        self.links += [value for key, value in attributes.items() if key in {"href", "src"}]

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_shows_every_lesion_in_every_phase_and_needs_no_network(results):
    findings, folder = results
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    for lesion in findings.lesions:
        for phase in list(Phase)[:4]:
            assert any(picture["alt"] == f"Lesion {lesion.label}, {phase.title} phase" for picture in page.pictures)
    assert all(link.startswith("data:image/") for link in page.links)
    text = " ".join(page.words)
    assert "not for clinical use" in text
    assert "no type reaches a probability of 50%" in text
    for lesion, place in zip(findings.lesions, locate_lesions(findings).values(), strict=True):
        assert f"Lesion {lesion.label}, {place.words}" in text
        arterial = lesion.measurement.enhancement[Phase.ARTERIAL]
        assert f"arterial: lesion {arterial.lesion:.0f}, liver {arterial.liver:.0f} HU" in text


def test_no_patient_identity_is_in_page_table_or_findings(results):
    _, folder = results
    source = pydicom.dcmread(next(folder.parent.glob("dicom/**/*.dcm")), stop_before_pixels=True)
    identity = [str(source.PatientName), source.PatientID, source.StudyDate, source.StudyInstanceUID]
    for name in ("report.html", "lesions.csv", "findings.json"):
        text = re.sub(r"base64,[^\"]*", "", (folder / name).read_text(encoding="utf-8"))
        assert not [value for value in identity if value and value in text]


def test_the_page_says_whose_study_it_is_only_when_asked(tmp_path):
    findings, images = analytic_study()
    write_dicom_study(images, Modality.CT, tmp_path / "dicom", seed=1)
    source = pydicom.dcmread(next((tmp_path / "dicom").glob("**/*.dcm")), stop_before_pixels=True)
    registered = RegisteredStudy(load_study(tmp_path / "dicom"), Phase.PORTAL_VENOUS, images)
    (tmp_path / "results").mkdir()
    write_results(Analysis(registered, findings), tmp_path / "results", with_identity=True)
    text = " ".join(Page((tmp_path / "results" / "report.html").read_text(encoding="utf-8")).words)
    assert f"{str(source.PatientName).replace('^', ' ')}, ID {source.PatientID}" in text
    assert f"study of {source.StudyDate}" in text


def test_a_heatmap_in_which_nothing_can_be_seen_is_said_to_be_empty(tmp_path):
    findings, images = analytic_study()
    lesion = replace(findings.lesions[0], heatmap="a.nii.gz", opposing_heatmap="b.nii.gz")
    bright = sitk.Cast(findings.lesion_labels == 1, sitk.sitkFloat32)
    study = Study(Modality.CT, tuple(StudyVolume(image, phase) for phase, image in images.items()))
    registered = RegisteredStudy(study, Phase.PORTAL_VENOUS, images)
    for strongest, titles in ((0.01, ["Spoke for HCC", "Nothing spoke"]), (0.5, ["Spoke for HCC", "Spoke for"])):
        shown = replace(findings, heatmaps={"a.nii.gz": bright, "b.nii.gz": bright * strongest})
        found = [*heatmap_pictures(registered, shown, lesion)]
        assert all(title.startswith(words) for title, words in zip(found, titles, strict=True))


@pytest.fixture
def reviewed():
    """The analytic study as a reader leaves it: a target, a type set, a lesion rejected and one drawn."""
    findings, images = analytic_study()
    first, second, third = (lesion.uid for lesion in findings.lesions)
    ball = inside(findings.lesion_labels, (-60.0, 20.0, 0.0), (8.0, 8.0, 8.0))
    reading = begin_reading(findings).accepted(first).with_target(first).with_type(second, LesionType.HEMANGIOMA)
    mask = box_image(ball, tuple(slice(0, size) for size in ball.shape), findings.lesion_labels)
    drawn = Corrector(findings.lesion_labels, images).add(reading.rejected(third), mask, None)
    study = Study(Modality.CT, tuple(StudyVolume(image, phase) for phase, image in images.items()))
    return RegisteredStudy(study, Phase.PORTAL_VENOUS, images), reviewed_findings(findings, drawn), drawn


def test_the_page_tells_what_the_reader_decided(reviewed, tmp_path):
    registered, findings, reading = reviewed
    write_report(registered, findings, locate_lesions(findings), tmp_path / "report.html", reading=reading)
    text = " ".join(" ".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).words).split())
    first = reading.lesions[0].measurement.long_axis.length_mm
    for said in (
        "4 of 4 reviewed, 1 rejected",
        "HCC 92% certain accepted, target",
        "hemangioma, set by the reader certain changed",
        "other, not judged uncertain new",
        f"Target lesions (RECIST 1.1): 1 ({first:.0f} mm). Sum {first:.0f} mm",
    ):
        assert said in text
    write_report(registered, findings, locate_lesions(findings), tmp_path / "unread.html")
    text = " ".join(Page((tmp_path / "unread.html").read_text(encoding="utf-8")).words)
    assert "reviewed," not in text
    assert "accepted" not in text
    assert "RECIST 1.1):" not in text


def test_the_table_tells_what_the_reader_decided(reviewed, tmp_path):
    _, findings, reading = reviewed
    write_lesions_csv(findings, locate_lesions(findings), tmp_path / "lesions.csv", reading)
    with (tmp_path / "lesions.csv").open(encoding="utf-8") as file:
        rows = {row["number"]: (row["state"], row["target"]) for row in csv.DictReader(file)}
    assert rows == {"1": ("accepted", "True"), "2": ("changed", "False"), "4": ("new", "False")}


def test_a_type_of_a_network_that_knows_no_other_is_as_probable_as_the_lesion(tmp_path):
    findings, images = analytic_study()
    lesion = replace(
        findings.lesions[0],
        type_probabilities={LesionType.HCC: 1.0},
        score=0.64,
        certainty=Certainty.UNCERTAIN,
        certainty_reasons=(ONE_TYPE,),
    )
    study = Study(Modality.CT, tuple(StudyVolume(image, phase) for phase, image in images.items()))
    registered = RegisteredStudy(study, Phase.PORTAL_VENOUS, images)
    write_report(registered, replace(findings, lesions=(lesion,)), {}, tmp_path / "report.html")
    text = " ".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).words)
    assert text.count("HCC 64%") == 2


def test_findings_json_is_plain_json(results):
    _, folder = results
    content = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    assert {lesion["type"] for lesion in content["lesions"]} == {kind.value for *_, kind, _ in LESIONS.values()}


def test_a_picture_shows_the_patient_from_the_feet_with_right_on_the_left():
    findings, images = analytic_study()
    lesion = findings.lesions[0]
    frame = Frame((0.0, 0.0, lesion.centroid_mm[2]), 340.0)
    window = liver_window(images[Phase.ARTERIAL], Phase.ARTERIAL, Modality.CT)
    grey = np.array(grey_picture(images[Phase.ARTERIAL], frame, window))[..., 0]
    x, y = ((position + 170) / 340 * frame.pixels for position in lesion.centroid_mm[:2])
    assert grey[int(y), int(x)] > 1.2 * grey[frame.pixels // 2, frame.pixels // 2]
    assert x < frame.pixels / 2


def test_the_outline_surrounds_the_lesion():
    findings, _ = analytic_study()
    lesion = findings.lesions[0]
    frame = lesion_frame(lesion)
    rows, columns = np.nonzero(outline(findings.lesion_labels, lesion.label, frame))
    scale = frame.side_mm / (frame.pixels * 3)
    low, high = np.array(lesion.bounding_box_mm)
    assert (np.ptp(columns) * scale, np.ptp(rows) * scale) == pytest.approx((high - low)[:2], abs=4)


def test_windows_map_their_limits_to_black_and_white():
    window = Window(50, 200)
    assert window.to_grey(np.array([-50.0, 50.0, 150.0, np.nan])).tolist() == [0, 127, 255, 0]


def test_a_liver_alone_is_archived_too(tmp_path):
    findings, images = analytic_study()
    write_dicom_study(images, Modality.CT, tmp_path / "dicom", seed=1)
    organs = sitk.Cast(findings.organ_labels == int(Organ.LIVER), sitk.sitkUInt8) * int(Organ.LIVER)
    alone = replace(findings, lesions=(), lesion_labels=findings.lesion_labels * 0, organ_labels=organs)
    registered = RegisteredStudy(load_study(tmp_path / "dicom"), Phase.PORTAL_VENOUS, images)
    (tmp_path / "results").mkdir()
    write_results(Analysis(registered, alone), tmp_path / "results")
    segmentation = hd.seg.segread(tmp_path / "results" / "seg.dcm")
    (group,) = hd.sr.srread(tmp_path / "results" / "sr.dcm").content.get_volumetric_roi_measurement_groups()
    assert [segment.SegmentLabel for segment in segmentation.SegmentSequence] == [Organ.LIVER.title]
    assert group.referenced_segment.referenced_sop_instance_uid == segmentation.SOPInstanceUID
    (volume,) = group.get_measurements(name=codes.SCT.Volume)
    assert volume.value == pytest.approx(findings.liver_volume_mm3, abs=1e-3)


def test_a_study_without_lesions_is_reported_without_reassurance(tmp_path):
    findings, images = analytic_study()
    patient = replace(findings.patient, classification="NORMAL", certainty=Certainty.UNCERTAIN)
    empty = replace(
        findings, lesions=(), lesion_labels=findings.lesion_labels * 0, patient=replace(patient, probabilities={})
    )
    study = Study(Modality.CT, tuple(StudyVolume(image, phase) for phase, image in images.items()))
    write_results(Analysis(RegisteredStudy(study, Phase.PORTAL_VENOUS, images), empty), tmp_path)
    assert "That does not exclude one" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / "seg.dcm").exists()
    assert (tmp_path / "heatmaps").is_dir()
    assert any("no lesion" in line for line in summary_lines(empty))

"""Volumes that are one file each, by phase name or any other, and what is refused."""

import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.progress import Cancelled, Progress
from LiverTumorAILib.study import Modality, Phase, load_study

SPACING = (3.0, 3.0, 5.0)


def make_image(low=-1000.0, high=120.0, shape=(8, 40, 40)):
    values = np.full(shape, low, np.float32)
    values[:, 8:32, 6:34] = high
    values[:, 18:22, 18:22] += np.arange(shape[0], dtype=np.float32)[:, None, None]
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(SPACING)
    image.SetOrigin((-60.0, -50.0, 200.0))
    return image


def refusal(path):
    with pytest.raises(LiverTumorAIError) as caught:
        load_study(path)
    assert "\n" not in str(caught.value)
    assert caught.value.what and caught.value.advice
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha", ".mhd"])
def test_files_named_by_phase_are_that_phase(tmp_path, suffix):
    for phase in (Phase.PORTAL_VENOUS, Phase.NON_CONTRAST):
        sitk.WriteImage(make_image(), str(tmp_path / f"{phase}{suffix}"))
    study = load_study(tmp_path)
    assert study.modality is Modality.CT
    assert [volume.phase for volume in study.volumes] == [Phase.NON_CONTRAST, Phase.PORTAL_VENOUS]
    for volume in study.volumes:
        assert volume.phase_is_sure and volume.phase_probabilities == {}
        assert np.array_equal(sitk.GetArrayFromImage(volume.image), sitk.GetArrayFromImage(make_image()))
        assert np.allclose(volume.image.GetSpacing(), SPACING)
        assert np.allclose(volume.image.GetOrigin(), (-60, -50, 200))


def test_words_in_a_file_name_count_as_header_words(tmp_path):
    sitk.WriteImage(make_image(), str(tmp_path / "case_12-Leber_arteriell.nii.gz"))
    volume = load_study(tmp_path).volumes[0]
    assert volume.phase is Phase.ARTERIAL
    assert "arteriell" in volume.phase_reason


def test_truth_and_label_maps_are_not_phases(tmp_path):
    sitk.WriteImage(make_image(), str(tmp_path / "portal_venous.nii.gz"))
    labels = sitk.Cast(make_image(0, 5) > 1, sitk.sitkUInt8)
    (tmp_path / "truth").mkdir()
    for name in ("truth/organs.nii.gz", "lesions.nii.gz", "something.nii.gz", "liver_seg.nii.gz"):
        sitk.WriteImage(labels, str(tmp_path / name))
    study = load_study(tmp_path)
    assert [volume.source for volume in study.volumes] == ["portal_venous.nii.gz"]
    text = " ".join(study.warnings)
    assert all(name in text for name in ("lesions.nii.gz", "something.nii.gz", "liver_seg.nii.gz"))
    assert "organs" not in text


def test_one_file_is_a_study_and_says_what_a_single_phase_costs(tmp_path):
    path = tmp_path / "portal_venous.nrrd"
    sitk.WriteImage(make_image(), str(path))
    study = load_study(path)
    assert study.phases == (Phase.PORTAL_VENOUS,)
    assert any("one phase only" in warning for warning in study.warnings)


def test_each_time_of_a_4d_file_is_a_volume(tmp_path):
    times = [make_image(0.0, 300.0 + 10 * index) for index in range(3)]
    sitk.WriteImage(sitk.JoinSeries(times), str(tmp_path / "dynamic.nii.gz"))
    study = load_study(tmp_path)
    assert study.modality is Modality.MR
    assert len(study.volumes) == 3
    assert sitk.GetArrayFromImage(study.volumes[2].image).max() == sitk.GetArrayFromImage(times[2]).max()


def test_the_same_phase_twice_is_said(tmp_path):
    for name in ("portal_venous.nii.gz", "Portal_Venous.nrrd"):
        sitk.WriteImage(make_image(), str(tmp_path / name))
    study = load_study(tmp_path)
    assert [volume.phase for volume in study.volumes] == [Phase.PORTAL_VENOUS] * 2
    assert any("2 volumes" in warning and "portal venous" in warning for warning in study.warnings)


def test_a_cancelled_load_stops(tmp_path):
    sitk.WriteImage(make_image(), str(tmp_path / "portal_venous.nrrd"))
    with pytest.raises(Cancelled):
        load_study(tmp_path, Progress(is_cancelled=lambda: True))


def test_progress_grows_to_the_end(tmp_path):
    sitk.WriteImage(make_image(), str(tmp_path / "volume.nrrd"))
    fractions = []
    load_study(tmp_path, Progress(listener=lambda event: fractions.append(event.fraction)))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


# Bad input.


def test_an_empty_folder_is_refused(tmp_path):
    assert "empty" in refusal(tmp_path)


def test_a_missing_path_is_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "nowhere")


def test_a_link_that_leads_nowhere_is_refused(tmp_path):
    (tmp_path / "portal_venous.nii.gz").symlink_to(tmp_path / "gone")
    assert "cannot be read" in refusal(tmp_path)


@contextmanager
def ordinary_user():
    """Permissions bind root only after it has stepped down."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
@pytest.mark.parametrize("closed", ["folder", "file"])
def test_what_may_not_be_read_is_refused(closed):
    with TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        folder = Path(parent) / "folder"
        folder.mkdir(mode=0o755)
        sitk.WriteImage(make_image(), str(folder / "arterial.nrrd"))
        (folder if closed == "folder" else folder / "arterial.nrrd").chmod(0)
        with ordinary_user():
            assert "permission" in refusal(folder)
        folder.chmod(0o755)


def test_files_that_are_no_images_are_refused(tmp_path):
    (tmp_path / "letter.docx").write_bytes(b"PK no image at all")
    assert "medical image" in refusal(tmp_path)
    assert "no medical image" in refusal(tmp_path / "letter.docx")


@pytest.mark.parametrize("name", ["arterial.nii.gz", "arterial.nrrd", "arterial.mha"])
def test_a_volume_file_with_other_content_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"this is a letter, not a volume" * 20)
    assert name in refusal(tmp_path)


@pytest.mark.parametrize("name", ["arterial.nrrd", "arterial.mha", "arterial.nii", "arterial.nii.gz"])
def test_a_truncated_volume_is_refused(tmp_path, name):
    path = tmp_path / name
    sitk.WriteImage(make_image(), str(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert name in refusal(tmp_path)


@pytest.mark.parametrize("name", ["arterial.nrrd", "arterial.nii", "arterial.nii.gz", "arterial.mha"])
def test_nan_is_refused(tmp_path, name):
    values = sitk.GetArrayFromImage(make_image())
    values[3, 4, 5:8] = np.nan
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(SPACING)
    sitk.WriteImage(image, str(tmp_path / name))
    assert "3 voxels are not numbers" in refusal(tmp_path)


def test_a_constant_volume_is_refused(tmp_path):
    sitk.WriteImage(make_image(40.0, 40.0) * 0.0, str(tmp_path / "arterial.nrrd"))
    assert "same value" in refusal(tmp_path)


def test_a_single_slice_is_refused(tmp_path):
    sitk.WriteImage(make_image(shape=(1, 40, 40)), str(tmp_path / "arterial.nii.gz"))
    assert "single slice" in refusal(tmp_path)
    (tmp_path / "arterial.nii.gz").unlink()
    sitk.WriteImage(make_image()[:, :, 0], str(tmp_path / "arterial.mha"))
    assert "single slice" in refusal(tmp_path)


def test_colour_is_refused(tmp_path):
    colour = sitk.Compose(*[sitk.Cast(make_image(0), sitk.sitkUInt8)] * 3)
    sitk.WriteImage(colour, str(tmp_path / "arterial.nrrd"))
    assert "RGB" in refusal(tmp_path)


@pytest.mark.parametrize("spacing", [(0.001, 0.001, 5.0), (3.0, 3.0, 80.0), (30.0, 30.0, 5.0)])
def test_an_absurd_spacing_is_refused(tmp_path, spacing):
    image = make_image()
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(tmp_path / "arterial.nrrd"))
    assert "spacing" in refusal(tmp_path)


def test_a_size_and_spacing_that_contradict_each_other_are_refused(tmp_path):
    image = make_image(shape=(70, 40, 40))
    image.SetSpacing((3.0, 3.0, 45.0))
    sitk.WriteImage(image, str(tmp_path / "arterial.nrrd"))
    assert "contradict" in refusal(tmp_path)


def test_a_volume_beyond_the_memory_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "arterial.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 20000 20000 4000\nElementSpacing = 0.1 0.1 0.1\n"
        "ElementType = MET_SHORT\nElementDataFile = arterial.raw\n"
    )
    assert "GiB" in refusal(tmp_path)


def test_label_maps_alone_are_refused(tmp_path):
    sitk.WriteImage(sitk.Cast(make_image(0, 1), sitk.sitkUInt8), str(tmp_path / "organs.nii.gz"))
    assert "label maps only" in refusal(tmp_path)


def test_ct_and_mr_in_one_folder_are_refused(tmp_path):
    sitk.WriteImage(make_image(), str(tmp_path / "arterial.nrrd"))
    sitk.WriteImage(make_image(0.0, 900.0), str(tmp_path / "delayed.nrrd"))
    assert "CT and MR" in refusal(tmp_path)

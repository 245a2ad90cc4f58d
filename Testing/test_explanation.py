"""Heatmaps lie where the evidence is, follow the network's weights, and have even colours."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch", reason="needs torch (extra 'training')")

from analytic_findings import analytic_study  # noqa: E402
from analytic_network import write_network  # noqa: E402

from LiverTumorAILib.cascades.hfs_net import TUMOUR_NETWORKS, explained_by_size  # noqa: E402
from LiverTumorAILib.cascades.hierarchy import PRIORS  # noqa: E402
from LiverTumorAILib.explanation import can_explain, lesion_evidence  # noqa: E402
from LiverTumorAILib.explanation.colours import FAINTEST, heat_colours  # noqa: E402
from LiverTumorAILib.explanation.titles import heatmap_titles  # noqa: E402
from LiverTumorAILib.inference import (  # noqa: E402
    IntensityNormalisation,
    Model,
    ModelCard,
    NetworkGrid,
    ProbabilityMaps,
    Session,
)
from LiverTumorAILib.lesions import LesionType  # noqa: E402
from LiverTumorAILib.networks import SliceWise, UNet3D, build_unet2d  # noqa: E402
from LiverTumorAILib.study import Phase  # noqa: E402
from LiverTumorAILib.training.export import onnx_bytes  # noqa: E402

CLASSES = ("background", "HCC", "CYST", "liver")
PATCH = (16, 32, 32)
CENTRE = (12.0, -20.0, 30.0)
RADIUS_MM = 9.0


def make_model(seed):
    """A tiny network with random weights, exported, as the store gives it."""
    torch.manual_seed(seed)
    network = UNet3D(2, len(CLASSES), channels=(6, 8), encoder_convolutions=(1, 1), decoder_convolutions=(1,))
    content = onnx_bytes(network, 2, PATCH)
    card = ModelCard(
        name="tiny",
        version="1",
        title="Random weights",
        sha256=hashlib.sha256(content).hexdigest(),
        inputs=(Phase.ARTERIAL,),
        presence_channels=True,
        spacing_mm=(3.0, 2.0, 2.0),
        patch=PATCH,
        normalisation=IntensityNormalisation("window", -100.0, 200.0),
        classes=CLASSES,
        training="Not trained",
        licence="Apache-2.0",
        intended_use="Tests",
    )
    return Model(card, Session(content, device="cpu", threads=1))


def make_case(centre=CENTRE):
    """A bright ball in noise, on an oblique grid."""
    labels = sitk.Image([60, 56, 30], sitk.sitkUInt16)
    labels.SetSpacing((1.5, 1.5, 3.0))
    cosine, sine = np.cos(0.2), np.sin(0.2)
    labels.SetDirection((cosine, -sine, 0, sine, cosine, 0, 0, 0, 1))
    labels.SetOrigin((np.array(CENTRE) - (35, 50, 45)).tolist())
    indices = np.stack(np.meshgrid(*map(np.arange, labels.GetSize()), indexing="ij"), axis=-1)
    matrix = np.reshape(labels.GetDirection(), (3, 3)) * labels.GetSpacing()
    points = indices @ matrix.T + labels.GetOrigin()
    inside = (np.linalg.norm(points - centre, axis=-1) <= RADIUS_MM).T
    mask = sitk.GetImageFromArray(inside.astype(np.uint16))
    mask.CopyInformation(labels)
    noise = np.random.default_rng(5).normal(50, 5, inside.shape)
    image = sitk.GetImageFromArray((noise + 90 * inside).astype(np.float32))
    image.CopyInformation(labels)
    return mask, {Phase.ARTERIAL: image}


@pytest.fixture(scope="module")
def model():
    return make_model(1)


@pytest.fixture(scope="module")
def evidence(model):
    mask, images = make_case()
    return lesion_evidence(model, images, mask, 1, ("HCC", "CYST"))


def values(image):
    return sitk.GetArrayFromImage(image)


def test_maps_lie_around_the_lesion_on_the_reference_grid(evidence):
    mask, _ = make_case()
    for image in (evidence.supporting, evidence.opposing):
        assert image.GetSpacing() == mask.GetSpacing()
        assert image.GetDirection() == mask.GetDirection()
        corner = mask.TransformPhysicalPointToContinuousIndex(image.GetOrigin())
        assert corner == pytest.approx(np.round(corner), abs=1e-6)
        assert image.TransformPhysicalPointToContinuousIndex(CENTRE) == pytest.approx(
            (np.array(image.GetSize()) - 1) / 2, abs=1.5
        )


def test_maps_are_comparable_shares_of_the_strongest_evidence(evidence):
    both = np.stack([values(evidence.supporting), values(evidence.opposing)])
    assert both.min() == 0
    assert both.max() == pytest.approx(1)


def test_evidence_is_concentrated_where_the_score_is_summed(evidence):
    """A network this shallow sees 20 mm at most: nothing farther away can speak for its score."""
    for image in (evidence.supporting, evidence.opposing):
        found = values(image)
        indices = np.argwhere(found > 0.02)[:, ::-1]
        points = [image.TransformIndexToPhysicalPoint(index.tolist()) for index in indices]
        if points:
            assert np.linalg.norm(np.array(points) - CENTRE, axis=1).max() < RADIUS_MM + 20


def test_other_weights_give_another_map(evidence):
    mask, images = make_case()
    other = lesion_evidence(make_model(2), images, mask, 1, ("HCC", "CYST"))
    assert _similarity(values(evidence.supporting), values(other.supporting)) < 0.5


def _similarity(first, second):
    """Structural similarity (Wang et al. 2004) over the whole map, data range 1."""
    covariance = np.cov(first.ravel(), second.ravel())
    luminance = (2 * first.mean() * second.mean() + 1e-4) / (first.mean() ** 2 + second.mean() ** 2 + 1e-4)
    return luminance * (2 * covariance[0, 1] + 9e-4) / (covariance[0, 0] + covariance[1, 1] + 9e-4)


def test_a_phase_that_is_missing_changes_the_map(model, evidence):
    mask, images = make_case()
    unknown = images[Phase.ARTERIAL] * float("nan")
    blind = lesion_evidence(model, {Phase.ARTERIAL: unknown}, mask, 1, ("HCC", "CYST"))
    assert np.isfinite(values(blind.supporting)).all()
    assert not np.allclose(values(blind.supporting), values(evidence.supporting), atol=0.05)


def test_models_of_earlier_versions_cannot_explain(model, tmp_path):
    assert can_explain(model)
    assert not can_explain(write_network(tmp_path).load("base_unet", "cpu"))


def make_slice_model(name, seed):
    """A tiny 2D network with random weights, exported, that takes the arterial phase."""
    torch.manual_seed(seed)
    content = onnx_bytes(SliceWise(build_unet2d("dense_unet", 1, 2, (4, 6))).eval(), 1, (4, 32, 32))
    changes = {"name": name, "presence_channels": False, "patch": (4, 32, 32), "classes": ("background", "HCC")}
    return Model(replace(make_model(1).card, **changes), Session(content, device="cpu", threads=1))


def test_hfs_net_explains_a_tumour_by_the_network_that_marked_it():
    mask, images = make_case()
    networks = {name: make_slice_model(name, seed) for seed, name in enumerate(TUMOUR_NETWORKS)}
    grid = NetworkGrid.covering([mask], (3.0, 2.0, 2.0))
    for name, model in networks.items():
        answers = np.zeros((len(PRIORS), *grid.shape), np.float16)
        answers[PRIORS.index(name)] = 0.9
        found = explained_by_size(networks, images, ProbabilityMaps(PRIORS, answers, grid))(mask, 1, ("HCC", "HCC"))
        slices = (2 + int(values(mask).any(axis=(1, 2)).sum()), 32, 32)
        expected = lesion_evidence(model, images, mask, 1, ("HCC", "background"), patch=slices)
        np.testing.assert_allclose(values(found.supporting), values(expected.supporting), atol=1e-5)
        shown = values(found.supporting) + values(found.opposing)
        lesion = values(sitk.Resample(mask, found.supporting, sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
        levels = np.flatnonzero(lesion.any(axis=(1, 2)))
        assert (shown[levels].max(axis=(1, 2)) > 0).all(), "every slice of the tumour has a map, however tall it is"


def test_the_second_map_is_named_by_the_second_type_or_against_the_only_one():
    lesion = analytic_study()[0].lesions[0]
    with_maps = replace(lesion, heatmap="a.nii.gz", opposing_heatmap="b.nii.gz")
    one = {LesionType.HCC: 1.0}
    assert heatmap_titles(replace(with_maps, type=LesionType.HCC, type_probabilities=one)) == {
        "a.nii.gz": "Spoke for HCC",
        "b.nii.gz": "Spoke against HCC",
    }
    two = {LesionType.HCC: 0.6, LesionType.ICC: 0.1, LesionType.CYST: 0.3}
    assert heatmap_titles(replace(with_maps, type_probabilities=two))["b.nii.gz"] == "Spoke for cyst instead"


def test_colours_grow_lighter_in_even_steps():
    colours = heat_colours(64)
    lab = np.array([_lab(colour[:3]) for colour in colours])
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert (np.diff(lab[:, 0]) > 0).all()
    assert steps.std() / steps.mean() < 0.25
    assert colours[0, 3] == 0
    assert (colours[np.linspace(0, 1, 64) > 3 * FAINTEST, 3] == 1).all()


def _lab(rgb):
    """SRGB (0-1) as CIELAB under D65, by the definition."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = [(0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)]
    xyz = np.array(matrix) @ linear / (0.95047, 1.0, 1.08883)
    roots = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return 116 * roots[1] - 16, 500 * (roots[0] - roots[1]), 200 * (roots[1] - roots[2])

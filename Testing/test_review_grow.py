"""A missed lesion from one click, against ellipsoids whose voxels are known."""

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import HU, LESIONS, LIVER, TILT, analytic_study, inside, make_image
from hypothesis import given, settings
from hypothesis import strategies as st

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import NetworkGrid, ProbabilityMaps
from LiverTumorAILib.lesions import LesionType, Organ
from LiverTumorAILib.review.grow import grow_lesion
from LiverTumorAILib.review.reading import begin_reading, box_image, box_of
from LiverTumorAILib.study import Phase

FINDINGS, IMAGES = analytic_study(spacing=(2.0, 2.0, 3.0), direction=TILT)
GRID = FINDINGS.lesion_labels


def others_than(label):
    masks = begin_reading(FINDINGS).masks
    return {uid: mask for uid, mask in masks.items() if uid != f"2.25.{1000 + label}"}


def on_grid(mask):
    voxels = np.zeros(GRID.GetSize()[::-1], bool)
    voxels[box_of(mask, GRID)] = sitk.GetArrayViewFromImage(mask) > 0
    return voxels


def dice(mask, truth):
    found = on_grid(mask)
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


@settings(max_examples=15)
@given(
    st.sampled_from(sorted(LESIONS)),
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda direction: np.linalg.norm(direction) > 0.1),
    st.floats(0, 0.6),
)
def test_a_click_anywhere_well_inside_a_lesion_draws_it(label, direction, depth):
    centre, half_axes, *_ = LESIONS[label]
    point = np.array(centre) + depth * np.array(half_axes) * direction / np.linalg.norm(direction)
    grown = grow_lesion(tuple(point), IMAGES, FINDINGS.organ_labels, others_than(label))
    assert dice(grown.mask, inside(GRID, centre, half_axes)) > 0.93
    assert grown.type_probabilities is None


def test_a_lesion_seen_in_one_phase_only_is_drawn():
    centre, radii = (-60, 30, -20), (12, 12, 12)
    truth = inside(GRID, centre, radii)
    arterial = sitk.GetArrayFromImage(IMAGES[Phase.ARTERIAL])
    arterial[truth] += 40
    images = {**IMAGES, Phase.ARTERIAL: make_image(arterial, GRID)}
    grown = grow_lesion(centre, images, FINDINGS.organ_labels, begin_reading(FINDINGS).masks)
    assert dice(grown.mask, truth) > 0.9


def test_a_lesion_that_fills_the_first_box_is_drawn_whole():
    centre, radii = LIVER[0], (42, 36, 40)
    truth = inside(GRID, centre, radii)
    portal = sitk.GetArrayFromImage(IMAGES[Phase.PORTAL_VENOUS])
    portal[truth] = 70 + np.random.default_rng(1).normal(0, 8, truth.sum())
    grown = grow_lesion(centre, {Phase.PORTAL_VENOUS: make_image(portal, GRID)}, FINDINGS.organ_labels, {})
    assert dice(grown.mask, truth) > 0.9


def test_a_lesion_does_not_run_into_a_vessel_or_a_lesion_beside_it():
    centre = LESIONS[2][0]
    truth = inside(GRID, centre, LESIONS[2][1])
    portal = sitk.GetArrayFromImage(IMAGES[Phase.PORTAL_VENOUS])
    neighbour = inside(GRID, (centre[0] - 19, *centre[1:]), (10, 10, 10)) & ~truth
    thread = inside(GRID, (centre[0], centre[1] + 20, centre[2]), (1.6, 20, 1.6)) & ~truth
    portal[neighbour | thread] = HU[Phase.PORTAL_VENOUS][2]
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(neighbour))
    taken = {"neighbour": box_image(neighbour[box], box, GRID)}
    images = {Phase.PORTAL_VENOUS: make_image(portal, GRID)}
    grown = grow_lesion(centre, images, FINDINGS.organ_labels, taken)
    found = on_grid(grown.mask)
    assert not (found & neighbour).any()
    assert (found & thread).sum() < 0.4 * thread.sum()
    assert dice(grown.mask, truth) > 0.85


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ((-60, 30, -20), "looks like the liver"),
        ((0, 100, 0), "outside the liver"),
        ((900, 0, 0), "outside the images"),
        (LESIONS[1][0], "a lesion already"),
        ((75, 30, 5), "another organ"),
    ],
)
def test_a_click_that_means_no_lesion_is_refused_with_the_reason(point, said):
    with pytest.raises(LiverTumorAIError, match=said):
        grow_lesion(point, IMAGES, FINDINGS.organ_labels, begin_reading(FINDINGS).masks)


def test_the_networks_map_draws_what_images_hardly_show_and_says_the_type():
    centre, radii = (-60.0, 30.0, -20.0), (14, 14, 14)
    truth = inside(GRID, centre, radii)
    grid = NetworkGrid.covering([GRID], (4.0, 4.0, 4.0))
    points = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1) * 4.0 + grid.origin_mm
    lps = points[..., ::-1]
    probability = (np.linalg.norm(lps - np.array(centre), axis=-1) <= 14) * 0.4
    maps = ProbabilityMaps(
        ("background", "HCC", "CYST"),
        np.stack([1 - probability, 0.75 * probability, 0.25 * probability]).astype(np.float16),
        grid,
    )
    grown = grow_lesion(centre, IMAGES, FINDINGS.organ_labels, {}, maps)
    assert dice(grown.mask, truth) > 0.75
    assert grown.type_probabilities[LesionType.HCC] == pytest.approx(0.75, abs=0.01)
    assert sum(grown.type_probabilities.values()) == pytest.approx(1)


def test_missing_parts_of_a_phase_are_no_error():
    arterial = sitk.GetArrayFromImage(IMAGES[Phase.ARTERIAL])
    arterial[: arterial.shape[0] // 2] = np.nan
    images = {**IMAGES, Phase.ARTERIAL: make_image(arterial, GRID)}
    centre, half_axes, *_ = LESIONS[1]
    grown = grow_lesion(centre, images, FINDINGS.organ_labels, others_than(1))
    assert dice(grown.mask, inside(GRID, centre, half_axes)) > 0.9


def test_without_a_liver_nothing_is_drawn():
    nothing = make_image(np.zeros(GRID.GetSize()[::-1], np.uint8), GRID)
    with pytest.raises(LiverTumorAIError, match="outside the liver"):
        grow_lesion(LESIONS[1][0], IMAGES, nothing, {})


def test_a_vessel_is_no_lesion():
    organs = sitk.GetArrayFromImage(FINDINGS.organ_labels)
    organs[inside(GRID, (-60, 30, -20), (6, 6, 6))] = Organ.HEPATIC_VESSELS
    with pytest.raises(LiverTumorAIError, match="vessel"):
        grow_lesion((-60, 30, -20), IMAGES, make_image(organs, GRID), {})

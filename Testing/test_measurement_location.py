"""Where a lesion lies: against livers whose planes are known, and against real ones with vena cava and gallbladder."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_findings import LESIONS, LIVER, SPLEEN, TILT, analytic_study, inside, make_image
from hypothesis import given
from hypothesis import strategies as st

from LiverTumorAILib.lesions import Organ
from LiverTumorAILib.measurement.location import LiverMap, locate_lesions
from LiverTumorAILib.measurement.segments import (
    CAVA_FROM_CENTROID_MM,
    LEFT_LOBE,
    SECTOR_SHARES,
    SEGMENTS,
    TOLERANCE_MM,
    UPPER_SHARE,
    LiverPlanes,
    in_words,
)

ANATOMIES = Path(__file__).resolve().parents[2] / "shared" / "data" / "anatomies"
FINDINGS, _ = analytic_study()

HALF_FAN_DEG = 100.0
MIDDLE_DEG = float(np.degrees(np.arctan2(CAVA_FROM_CENTROID_MM[0], -CAVA_FROM_CENTROID_MM[1])))
RADIUS_MM = float(np.hypot(*CAVA_FROM_CENTROID_MM) * 1.5 * np.radians(HALF_FAN_DEG) / np.sin(np.radians(HALF_FAN_DEG)))
"""A fan around the vena cava whose centroid lies where that of an average liver does."""
HEIGHT_MM = 1.5e6 / (np.radians(HALF_FAN_DEG) * RADIUS_MM**2)
CUTS_DEG = MIDDLE_DEG - HALF_FAN_DEG + 2 * HALF_FAN_DEG * np.cumsum(SECTOR_SHARES)[:3] / sum(SECTOR_SHARES)
"""In a fan, shares of the volume are shares of the angle."""
LEVEL_MM = (0.5 - UPPER_SHARE) * HEIGHT_MM


@cache
def fan():
    """Points in a fan of 1500 ml around a vena cava at 0, its middle at height 0."""
    x, y, z = np.mgrid[-130:131:5, -130:131:5, -HEIGHT_MM / 2 : HEIGHT_MM / 2 : 5.0].reshape(3, -1)
    turn = (np.degrees(np.arctan2(-x, y)) - MIDDLE_DEG + 180) % 360 - 180
    kept = (np.hypot(x, y) < RADIUS_MM) & (abs(turn) < HALF_FAN_DEG)
    return np.stack([x, y, z], axis=1)[kept]


def at(cava, angle_deg, away_mm, height_mm):
    """A small lesion's points, seen from the vena cava: 0 backwards, 90 to the right."""
    angle = np.radians(angle_deg)
    centre = np.array([cava[0] - away_mm * np.sin(angle), cava[1] + away_mm * np.cos(angle), height_mm])
    return centre + np.vstack([np.zeros((1, 3)), 4 * np.eye(3), -4 * np.eye(3)])


@given(
    angle=st.floats(MIDDLE_DEG - HALF_FAN_DEG, MIDDLE_DEG + HALF_FAN_DEG),
    height=st.floats(-HEIGHT_MM / 2, HEIGHT_MM / 2),
    away=st.floats(20, 0.95 * RADIUS_MM),
    cava=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
)
def test_the_segment_of_a_liver_with_known_planes_is_among_those_named(angle, height, away, cava):
    planes = LiverPlanes.of(fan() + np.array([*cava, 0]), np.zeros((0, 3)), 1500.0)
    sector = int(np.searchsorted(CUTS_DEG, angle))
    true = SEGMENTS[2 * sector + (height > LEVEL_MM) if sector < 2 else sector + 2]
    named = planes.named(at(cava, angle, away, height))
    assert true in named
    to_planes = [away * abs(np.sin(np.radians(min(abs(angle - cut), 90)))) for cut in CUTS_DEG]
    if min(*to_planes, abs(height - LEVEL_MM)) > 1.5 * TOLERANCE_MM and away > 40:
        assert named == (true,)


def test_a_gallbladder_moves_the_plane_between_the_lobes_and_what_lies_beside_it():
    liver, cava = fan(), (0.0, 0.0)
    moved = CUTS_DEG[1] + 20
    gallbladder = at(cava, moved, 60, -HEIGHT_MM / 2 - 4)
    plain, told = (LiverPlanes.of(liver, points, 1500.0) for points in (np.zeros((0, 3)), gallbladder))
    assert plain.angles_deg == pytest.approx(CUTS_DEG, abs=2)
    assert told.angles_deg[1] == pytest.approx(moved, abs=2)
    assert told.angles_deg[0] > plain.angles_deg[0]
    assert told.angles_deg[2] > plain.angles_deg[2]
    far = LiverPlanes.of(liver, at(cava, CUTS_DEG[1] + 60, 60, -HEIGHT_MM / 2 - 4), 1500.0)
    assert far.angles_deg == plain.angles_deg, "so far off it is no gallbladder"


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        (("VII",), "right lobe, about VII"),
        (("VI", "VII"), "right lobe, about VI/VII"),
        (("VIII", "IV"), "between the lobes, about IV/VIII"),
        (("IV", "II/III"), "left lobe, about II/III/IV"),
        (("VI", "VII", "V", "VIII"), "right lobe"),
        (SEGMENTS, "between the lobes"),
    ],
)
def test_segments_are_told_with_their_lobe_and_their_uncertainty(segments, words):
    assert in_words(segments) == words


@pytest.mark.parametrize("name", ["amos_0013", "totalseg_s0327", "totalseg_s0328"])
def test_lobes_of_real_livers_agree_with_vena_cava_and_gallbladder(name):
    """The line from the vena cava to the gallbladder's fossa (Cantlie) parts the lobes; the code sees no vena cava."""
    if not ANATOMIES.is_dir():
        pytest.skip(f"the real label maps are missing: {ANATOMIES}")
    labels = sitk.GetArrayFromImage(sitk.ReadImage(ANATOMIES / f"{name}.nii.gz"))

    def points(value):
        return np.argwhere(labels[::2, ::2, ::2] == value)[:, ::-1] * 4.0

    liver, gallbladder, cava = points(1), points(7), points(9)
    middle = np.quantile(liver[:, 2], (0.35, 0.85))
    pole = cava[(cava[:, 2] > middle[0]) & (cava[:, 2] < middle[1]), :2].mean(axis=0)
    near = [point for point in gallbladder if np.linalg.norm(liver - point, axis=1).min() < 8]
    line = np.mean(near, axis=0)[:2] - pole
    truly_right = np.cross(np.append(line, 0), np.pad(liver[:, :2] - pole, ((0, 0), (0, 1))))[:, 2] < 0
    planes = LiverPlanes.of(liver, gallbladder, len(liver) * 0.064)
    left = np.isin(np.array(SEGMENTS)[planes.segments(liver)], LEFT_LOBE)
    assert (left == truly_right).mean() < 0.1
    away = abs(np.cross(np.append(line, 0), np.pad(liver[:, :2] - pole, ((0, 0), (0, 1))))[:, 2]) / np.linalg.norm(line)
    assert (left == truly_right)[away > 2 * TOLERANCE_MM].mean() < 0.03


def ball(findings, centre, radius):
    """A ball (LPS, mm) as uint8 image of its box of the reference grid."""
    voxels = inside(findings.lesion_labels, centre, (radius,) * 3)
    box = [slice(int(index.min()), int(index.max()) + 1) for index in np.nonzero(voxels)]
    return make_image(voxels.astype(np.uint8), findings.lesion_labels)[tuple(reversed(box))]


def test_lesions_of_findings_are_told_by_lobe_however_the_grid_lies():
    tilted, _ = analytic_study(direction=TILT)
    words = [[place.words for place in locate_lesions(each).values()] for each in (FINDINGS, tilted)]
    assert (
        words[0]
        == words[1]
        == [
            "right lobe, about VIII",
            "left lobe, about II/III/IV",
            "right lobe, about VII/VIII",
        ]
    )


def test_a_lesion_at_the_surface_is_subcapsular():
    place = LiverMap(FINDINGS.organ_labels, FINDINGS.lesion_labels).locate(ball(FINDINGS, (-133, -20, 10), 6))
    assert place.words.endswith("subcapsular")
    assert place.words.startswith("right lobe, about")


@pytest.mark.parametrize(
    ("centre", "words"),
    [((-110, -20, 30), "right upper part"), ((-55, -20, 0), "centre"), ((0, -20, -30), "left lower part")],
)
@pytest.mark.parametrize("why", ["cut off", "small", "spleen on the right"])
def test_no_segment_is_claimed_in_a_liver_that_is_not_like_others(centre, words, why):
    organs, grid = sitk.GetArrayFromImage(FINDINGS.organ_labels), FINDINGS.organ_labels
    spacing = list(grid.GetSpacing())
    if why == "cut off":
        level = int(grid.TransformPhysicalPointToIndex((0, 0, -60))[2])
        grid, organs = grid[:, :, level:], organs[level:]
    if why == "small":
        spacing = [0.7 * step for step in spacing]
        centre = tuple(0.7 * np.array(centre))
    if why == "spleen on the right":
        organs[organs == Organ.SPLEEN] = 0
        organs[inside(grid, (-(SPLEEN[0][0] + 70), *SPLEEN[0][1:]), SPLEEN[1]) & (organs == 0)] = Organ.SPLEEN
    image = make_image(organs, grid)
    if why == "small":
        image.SetSpacing(spacing)
        image.SetOrigin([0.7 * value for value in grid.GetOrigin()])
    mask = make_image(inside(image, centre, (6,) * 3).astype(np.uint8), image)
    assert LiverMap(image, image * 0).locate(mask).words.split(", ")[0] == words


def test_distances_to_capsule_and_vessel_are_those_of_the_geometry():
    grid = FINDINGS.organ_labels
    organs = sitk.GetArrayFromImage(grid)
    organs[inside(grid, (-30, -20, 0), (4, 30, 4))] = Organ.PORTAL_SPLENIC_VEIN
    place = LiverMap(make_image(organs, grid), FINDINGS.lesion_labels).locate(ball(FINDINGS, (-50, -20, 0), 10))
    assert place.vessel == "portal vein"
    assert place.vessel_mm == pytest.approx(20 - 10 - 4, abs=3)
    assert place.capsule_mm == np.inf
    (centre, half_axes) = LIVER
    edge = centre[0] - half_axes[0]
    near = LiverMap(grid, FINDINGS.lesion_labels).locate(ball(FINDINGS, (edge + 20, centre[1], centre[2]), 10))
    assert near.capsule_mm == pytest.approx(10, abs=3)


def test_without_a_liver_no_place_is_claimed():
    nothing = FINDINGS.organ_labels * 0
    assert LiverMap(nothing, nothing).locate(ball(FINDINGS, LESIONS[1][0], 6)) is None
    assert locate_lesions(FINDINGS)

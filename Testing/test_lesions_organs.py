"""Liver, organs and lesions from class labels."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import NetworkGrid, ProbabilityMaps
from LiverTumorAILib.lesions import LesionType, Organ
from LiverTumorAILib.lesions.instances import find_instances
from LiverTumorAILib.lesions.organs import (
    lesion_type_of_class,
    organ_of_class,
    require_agreement,
    require_liver,
    require_plausible_liver,
    separate_organs,
    whole_liver,
)

CLASSES = ("background", "HCC", "CYST", "liver", "hepatic_vessels", "portal_splenic_vein", "spleen")
BACKGROUND, HCC, CYST, LIVER, VEIN, PORTAL, SPLEEN = range(7)


def labels_with(**boxes):
    labels = np.zeros((30, 40, 50), np.uint8)
    for name, box in boxes.items():
        labels[tuple(slice(*side) for side in box)] = globals()[name.split("_")[0]]
    return labels


def test_class_names_of_both_conventions_are_understood():
    assert lesion_type_of_class("HCC") is LesionType.HCC
    assert lesion_type_of_class("metastasis") is LesionType.METASTASIS
    assert lesion_type_of_class("liver") is None
    assert organ_of_class("portal_splenic_vein") is Organ.PORTAL_SPLENIC_VEIN
    assert organ_of_class("portal and splenic vein") is Organ.PORTAL_SPLENIC_VEIN
    assert organ_of_class("background") is None


def test_small_separate_parts_are_no_liver_but_large_ones_are():
    labels = labels_with(
        LIVER=((0, 20), (0, 20), (0, 20)), LIVER_left=((0, 20), (0, 20), (22, 26)), LIVER_speck=((25, 28),) * 3
    )
    organs, _ = separate_organs(labels, CLASSES)
    assert (organs[:20, :20, 22:26] == Organ.LIVER).all()
    assert not organs[25:28, 25:28, 25:28].any()


def test_lesions_count_only_in_parts_with_liver():
    labels = labels_with(
        LIVER=((0, 20), (0, 20), (0, 20)), HCC=((5, 9), (5, 9), (18, 24)), CYST=((10, 28), (20, 38), (30, 48))
    )
    organs, lesions = separate_organs(labels, CLASSES)
    assert lesions.sum() == 4 * 4 * 6
    assert (organs[lesions] == Organ.LIVER).all()
    assert not organs[10:28, 25:38, 30:48].any()


def test_a_hole_in_the_liver_is_liver():
    labels = labels_with(LIVER=((0, 20), (0, 20), (0, 20)), BACKGROUND=((8, 10), (8, 10), (8, 10)))
    organs, _ = separate_organs(labels, CLASSES)
    assert (organs[:20, :20, :20] == Organ.LIVER).all()


def test_vessels_inside_belong_to_the_whole_liver_and_those_outside_do_not():
    labels = labels_with(
        LIVER=((2, 22), (2, 22), (2, 22)), VEIN=((5, 30), (10, 12), (10, 12)), PORTAL=((10, 12), (10, 12), (24, 40))
    )
    organs, lesions = separate_organs(labels, CLASSES)
    whole = whole_liver(organs, lesions)
    assert whole[2:22, 2:22, 2:22].all()
    assert whole.sum() == 20**3


def test_without_any_liver_there_is_no_lesion():
    organs, lesions = separate_organs(labels_with(SPLEEN=((2, 9), (2, 9), (2, 9)), CYST=((3, 5),) * 3), CLASSES)
    assert not lesions.any()
    assert set(np.unique(organs)) == {0, Organ.SPLEEN}
    assert not whole_liver(organs, lesions).any()


def test_too_little_liver_is_none():
    require_liver(600)
    with pytest.raises(LiverTumorAIError, match="No liver found"):
        require_liver(20)


def maps_of(shape, **values):
    probabilities = np.zeros((len(CLASSES), *shape), np.float16)
    for name, value in values.items():
        probabilities[CLASSES.index(name)] = value
    return ProbabilityMaps(CLASSES, probabilities, NetworkGrid(shape, (2.0, 1.0, 1.0), (0.0, 0.0, 0.0)))


@settings(max_examples=40, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_voxels_are_of_one_lesion_exactly_if_neighbours_connect_them(voxels):
    mask = np.zeros((6, 8, 8), bool)
    for voxel in voxels:
        mask[voxel] = True
    maps = maps_of(mask.shape, HCC=0.75, CYST=0.25)
    reference = maps.grid.image(np.zeros(mask.shape, np.uint8))
    labels, instances = find_instances(mask, maps, reference, smallest_mm3=0)
    groups = connected(voxels)
    assert sorted((len(group) for group in groups), reverse=True) == [
        int((array_of(labels) == instance.label).sum()) for instance in instances
    ]
    for group in groups:
        assert len({int(array_of(labels)[voxel]) for voxel in group}) == 1


def array_of(image):
    return sitk.GetArrayViewFromImage(image)


def connected(voxels):
    """Groups of voxels that share faces, edges or corners."""
    left, groups = set(voxels), []
    while left:
        group, frontier = set(), [left.pop()]
        while frontier:
            voxel = frontier.pop()
            group.add(voxel)
            near = {other for other in left if max(abs(a - b) for a, b in zip(voxel, other, strict=True)) <= 1}
            left -= near
            frontier += near
        groups.append(group)
    return groups


def test_an_instance_averages_the_probabilities_over_its_voxels():
    mask = np.zeros((6, 8, 8), bool)
    mask[1:3, 2:4, 2:6] = True
    maps = maps_of(mask.shape, liver=0.2, HCC=0.5, CYST=0.3)
    maps.probabilities[CLASSES.index("HCC"), :, :, 4:] = 0.1
    maps.probabilities[CLASSES.index("liver"), :, :, 4:] = 0.6
    _, (lesion,) = find_instances(mask, maps, maps.grid.image(np.zeros(mask.shape, np.uint8)))
    assert lesion.score == pytest.approx(0.6, abs=1e-3)
    assert lesion.type_probabilities[LesionType.HCC] == pytest.approx(0.5, abs=1e-3)
    assert lesion.centroid_mm == pytest.approx((3.5, 2.5, 3.0))
    assert lesion.bounding_box_mm == (pytest.approx((1.5, 1.5, 1.0)), pytest.approx((5.5, 3.5, 5.0)))


def test_lesions_below_the_smallest_volume_are_dropped():
    mask = np.zeros((6, 8, 8), bool)
    mask[0, 0, 0] = mask[3:6, 3:6, 3:6] = True
    maps = maps_of(mask.shape, HCC=1.0)
    labels, instances = find_instances(mask, maps, maps.grid.image(np.zeros(mask.shape, np.uint8)))
    assert len(instances) == 1
    assert array_of(labels)[0, 0, 0] == 0


def test_lesions_that_are_nowhere_probable_enough_are_dropped_whatever_their_type():
    mask = np.zeros((6, 8, 8), bool)
    mask[:2, :3, :3] = mask[4:, 5:, 5:] = True
    maps = maps_of(mask.shape, liver=0.4, HCC=0.3, CYST=0.3)
    maps.probabilities[CLASSES.index("HCC"), 5, 6, 6] = 0.6
    maps.probabilities[CLASSES.index("liver"), 5, 6, 6] = 0.1
    reference = maps.grid.image(np.zeros(mask.shape, np.uint8))
    assert len(find_instances(mask, maps, reference)[1]) == 2
    labels, (lesion,) = find_instances(mask, maps, reference, least_peak=0.8)
    np.testing.assert_array_equal(array_of(labels) == 1, mask & (np.arange(6) > 3)[:, None, None])
    assert lesion.label == 1
    assert find_instances(mask, maps, reference, least_peak=0.95)[1] == ()


def body_with_liver(centre_x):
    """A body 300 mm wide and a mask of 64 ml whose centre lies at a column."""
    values = np.full((40, 100, 160), -1000, np.float32)
    values[:, 10:90, 5:155] = 50
    liver = np.zeros(values.shape, bool)
    liver[10:30, 40:60, centre_x - 10 : centre_x + 10] = True
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((2.0, 2.0, 2.0))
    return liver, image


@pytest.mark.parametrize(
    ("centre_x", "probability", "is_liver"), [(40, 0.6, True), (120, 0.6, True), (80, 0.95, True), (80, 0.6, False)]
)
def test_a_doubtful_liver_in_the_middle_of_the_body_is_none(centre_x, probability, is_liver):
    liver, image = body_with_liver(centre_x)
    probabilities = np.full(liver.shape, probability, np.float32)
    if is_liver:
        require_plausible_liver(liver, probabilities, image)
        return
    with pytest.raises(LiverTumorAIError, match="No liver found"):
        require_plausible_liver(liver, probabilities, image)


def test_what_is_larger_than_any_liver_is_none():
    _, image = body_with_liver(40)
    image.SetSpacing((3.0, 3.0, 5.0))
    everything = np.full((40, 100, 160), True)
    with pytest.raises(LiverTumorAIError, match="No liver found"):
        require_plausible_liver(everything, np.ones(everything.shape), image)


@pytest.mark.parametrize("known", ["liver", "HCC", "hepatic_vessels"])
def test_what_a_second_network_hardly_knows_as_liver_is_none(known):
    classes = ("background", "stomach", known)
    liver = np.zeros((4, 10, 10), bool)
    liver[:, :, 5:] = True
    labels = np.where(liver, 2, 0).astype(np.uint8)
    require_agreement(liver, labels, classes)
    labels[1:, :, 5:] = 1
    with pytest.raises(LiverTumorAIError, match="second network takes 25% of"):
        require_agreement(liver, labels, classes)

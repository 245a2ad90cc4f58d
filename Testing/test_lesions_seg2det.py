"""seg2det against the paper's words (Eq. 4-6), written down slowly, and against connected components."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from LiverTumorAILib.lesions.instances import connected_lesions
from LiverTumorAILib.lesions.seg2det import seg2det

VOLUMES = arrays.arrays(
    np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)), elements=st.sampled_from([0, 0, 1, 2])
)


def regions_of_slice(plane: np.ndarray) -> list[set[tuple[int, int]]]:
    """Individual lesions of one axial slice: pixels of one label reached by steps to any of eight neighbours."""
    left = {(int(y), int(x)) for y, x in np.argwhere(plane)}
    regions = []
    while left:
        region, border = set(), [left.pop()]
        while border:
            y, x = border.pop()
            region.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
            reached = {place for place in near & left if plane[place] == plane[y, x]}
            left -= reached
            border += reached
        regions.append(region)
    return regions


def seg2det_in_words(labels: np.ndarray) -> set[frozenset[tuple[int, int, int]]]:
    """Regions of neighbouring slices that share a pixel position, and a label, are one lesion."""
    lesions: list[tuple[int, set]] = []
    for z, plane in enumerate(labels):
        for region in regions_of_slice(plane):
            label = plane[next(iter(region))]
            joined = {(z, y, x) for y, x in region}
            apart = []
            for other, lesion in lesions:
                touches = other == label and any((z - 1, y, x) in lesion for y, x in region)
                if touches:
                    joined |= lesion
                else:
                    apart.append((other, lesion))
            lesions = [*apart, (label, joined)]
    return {frozenset(lesion) for _, lesion in lesions}


def as_sets(labels: np.ndarray) -> set[frozenset[tuple[int, int, int]]]:
    return {
        frozenset(map(tuple, np.argwhere(labels == label).tolist()))
        for label in range(1, int(labels.max(initial=0)) + 1)
    }


@given(VOLUMES)
def test_it_separates_what_the_papers_words_separate(labels):
    found = seg2det(labels)
    assert as_sets(found) == seg2det_in_words(labels)
    assert ((found > 0) == (labels > 0)).all()


@given(VOLUMES)
def test_a_mask_is_separated_whatever_the_types(labels):
    assert as_sets(seg2det(labels > 0)) == seg2det_in_words((labels > 0).astype(np.uint8))


@given(VOLUMES)
def test_connected_components_only_ever_join_more(labels):
    fine, coarse = seg2det(labels > 0), connected_lesions(labels > 0)
    for lesion in range(1, int(fine.max(initial=0)) + 1):
        assert len(np.unique(coarse[fine == lesion])) == 1


def test_lesions_that_only_touch_at_a_corner_across_slices_stay_apart():
    mask = np.zeros((4, 8, 8), bool)
    mask[:2, 1:4, 1:4] = True
    mask[2:, 4:7, 4:7] = True
    assert seg2det(mask).max() == 2
    assert connected_lesions(mask).max() == 1


def test_a_fork_is_one_lesion_and_a_touching_type_is_another():
    labels = np.zeros((3, 5, 9), np.uint8)
    labels[0, 2, 1:4] = labels[0, 2, 5:8] = 1
    labels[1, 2, 1:8] = 1
    labels[1, 3, 1:8] = 5
    assert seg2det(labels).max() == 2
    assert len(np.unique(seg2det(labels)[labels == 1])) == 1


def test_nothing_gives_nothing():
    assert seg2det(np.zeros((3, 4, 5), bool)).max() == 0

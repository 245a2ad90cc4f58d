"""Splits the slices of one DICOM series into acquisitions."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from LiverTumorAILib.study.dicom_slice import SPLITTING_ATTRIBUTES, Slice

_POSITION_TOLERANCE_MM = 0.05
_FEW_DOUBLED = 0.2


def split_series(slices: list[Slice]) -> list[list[Slice]]:
    """Acquisitions of one series, in the order in which the scanner counted them.

    Slices of different orientation, matrix, pixel spacing, echo time or image type never share a stack. Where
    slices of a stack lie at the same position, the attributes `SPLITTING_ATTRIBUTES` part them, and where all of
    these are missing, the order of instance numbers does. A few doubled slices stay: they are doubled, not a
    second acquisition.

    Parameters
    ----------
    slices: list of Slice
        All slices of one series.

    Returns
    -------
    list of list of Slice
        Each acquisition is ordered along the slice normal, towards the head for axial slices.

    """
    acquisitions = []
    for stack in _grouped(slices, _stack_key):
        acquisitions += _split_repeated(stack, SPLITTING_ATTRIBUTES)
    acquisitions = [sorted(part, key=lambda item: (slice_location(item), item.order)) for part in acquisitions]
    return sorted(acquisitions, key=lambda part: min(item.order for item in part))


def slice_location(item: Slice) -> float:
    """Distance along the slice normal, mm, growing towards the head for axial slices."""
    normal = item.normal
    main = np.argmax(abs(normal))
    return float(item.position @ normal) * np.sign(normal[main])


def _stack_key(item: Slice) -> tuple:
    orientation = np.round([*item.row_direction, *item.column_direction], 2) + 0.0
    return (
        tuple(orientation),
        item.size,
        tuple(np.round(item.spacing, 3)),
        item.acquisition.get("EchoTime", ""),
        item.acquisition.get("ImageType", ""),
    )


def _grouped(slices: Iterable[Slice], key: object) -> list[list[Slice]]:
    groups = defaultdict(list)
    for item in slices:
        groups[key(item)].append(item)
    return list(groups.values())


def _doubled_share(slices: list[Slice]) -> float:
    """Share of slices that lie where another one lies already."""
    positions = np.sort([slice_location(item) for item in slices])
    return float(np.mean(np.diff(positions) < _POSITION_TOLERANCE_MM)) if len(slices) > 1 else 0.0


def _split_repeated(slices: list[Slice], attributes: tuple[str, ...]) -> list[list[Slice]]:
    if _doubled_share(slices) <= _FEW_DOUBLED:
        return [slices]
    for index, attribute in enumerate(attributes):
        groups = _grouped(slices, lambda item, name=attribute: item.acquisition.get(name, ""))
        shares = [_doubled_share(group) for group in groups]
        # An attribute that differs from slice to slice counts slices, not acquisitions.
        helps = 1 < len(groups) <= len(slices) / 2 and np.mean(shares) < _doubled_share(slices) / 1.5
        if helps:
            return [part for group in groups for part in _split_repeated(group, attributes[index + 1 :])]
    return _split_by_order(slices)


def _split_by_order(slices: list[Slice]) -> list[list[Slice]]:
    """Split where the scanner's count jumps back to the first position, or by occurrence at each position."""
    ordered = sorted(slices, key=lambda item: item.order)
    positions = np.array([slice_location(item) for item in ordered])
    steps = np.diff(positions)
    usual = np.median(steps)
    if abs(usual) > _POSITION_TOLERANCE_MM:
        breaks = np.flatnonzero(steps * np.sign(usual) < -abs(usual)) + 1
        parts = [list(part) for part in np.split(np.array(ordered, dtype=object), breaks)]
        if all(_doubled_share(part) <= _FEW_DOUBLED for part in parts):
            return parts
    occurrences = defaultdict(int)
    parts = defaultdict(list)
    for item, position in zip(ordered, positions, strict=True):
        place = round(position / _POSITION_TOLERANCE_MM)
        parts[occurrences[place]].append(item)
        occurrences[place] += 1
    return list(parts.values())

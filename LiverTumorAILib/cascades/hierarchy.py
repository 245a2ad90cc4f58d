"""HFS-Net's first two stages: liver and tumour sizes, then each tumour by the network made for its size.

Lee et al., Cancer Imaging 2024;24:43.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cc3d
import numpy as np
from scipy import ndimage

from LiverTumorAILib.inference import Model, predict_slices
from LiverTumorAILib.inference.preprocess import network_input
from LiverTumorAILib.inference.slices import STRIDE
from LiverTumorAILib.measurement.diameters import contour_field, greatest_diameter
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Phase

LIMIT_PX = 30.0
"""m of the paper: longer tumours are large; 4.2 cm at 1.4 mm a pixel."""

MARGIN_PX = 16
"""Seen around the liver by the networks that come after the liver's own."""

PRIORS = ("hfs_liver", "hfs_size", "hfs_large", "hfs_small")
"""The networks of the first two stages, in the order of their results."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class StageMaps:
    """Results of the first two stages.

    Attributes
    ----------
    box: Box
        (z, y, x) around the liver: slices without liver are left out, y and x are multiples of `STRIDE` long.
    probabilities: numpy.ndarray
        float32 (4, z, y, x) inside the box, in the order of `PRIORS`.

    """

    box: Box
    probabilities: np.ndarray


def first_stages(
    models: Mapping[str, Model],
    phases: Mapping[Phase, np.ndarray],
    progress: Progress | None = None,
    within: np.ndarray | None = None,
) -> StageMaps | None:
    """Run the networks of the first two stages.

    Parameters
    ----------
    models: Mapping[str, Model]
        By the names in `PRIORS`.
    phases: Mapping[Phase, numpy.ndarray]
        HU (z, y, x) on the common grid of slices, NaN where a phase shows nothing.
    progress: Progress, optional
        Updated, and polled for cancel, before each batch of slices.
    within: numpy.ndarray, optional
        bool (z, y, x), a liver that is known already; f_liver then need not look at every slice to find it.

    Returns
    -------
    StageMaps or None
        None if there is no liver.

    """
    progress = progress or Progress(stage="Networks")
    f_liver, f_size, f_large, f_small = (models[name] for name in PRIORS)
    box = (slice(None),) * 3 if within is None else liver_box(within)
    if box is None:
        return None
    cropped = cropped_phases(phases, box)
    liver = predict_slices(f_liver, network_input(cropped, f_liver.card), progress=progress.part(0, 0.4))
    liver[np.isnan(cropped[Phase.PORTAL_VENOUS])] = 0
    if within is None:
        box = liver_box(liver)
        if box is None:
            return None
        liver, cropped = liver[box], cropped_phases(phases, box)
    sizes = predict_slices(f_size, network_input(cropped, f_size.card), progress=progress.part(0.4, 0.7))
    large = large_territory(sizes > 0.5)
    large_slices = np.flatnonzero(large.any(axis=(1, 2)))
    small_slices = np.flatnonzero(~large.all(axis=(1, 2)))
    of_large = predict_slices(f_large, network_input(cropped, f_large.card), large_slices, progress.part(0.7, 0.75))
    of_small = predict_slices(f_small, network_input(cropped, f_small.card), small_slices, progress.part(0.75, 1))
    return StageMaps(box, np.stack([liver, sizes, of_large * large, of_small * ~large]))


def cropped_phases(phases: Mapping[Phase, np.ndarray], box: Box) -> dict[Phase, np.ndarray]:
    """What the phases (z, y, x) show in a box."""
    return {phase: values[box] for phase, values in phases.items()}


def liver_box(liver: np.ndarray, margin: int = MARGIN_PX) -> Box | None:
    """The box around the largest connected part of a liver (z, y, x; probability or bool); None without any."""
    part = cc3d.largest_k(liver > 0.5, k=1, connectivity=26) > 0
    if not part.any():
        return None
    z, y, x = ndimage.find_objects(part.view(np.uint8))[0]
    return z, *(_widened(side, length, margin) for side, length in zip((y, x), liver.shape[1:], strict=True))


def _widened(side: slice, length: int, margin: int) -> slice:
    """A side with its margin, as a multiple of the stride within a length that is one too."""
    wanted = min(-(-(side.stop - side.start + 2 * margin) // STRIDE) * STRIDE, length)
    start = (side.start + side.stop - wanted) // 2
    start = min(max(start, 0), length - wanted)
    return slice(start, start + wanted)


def longest_axes_px(tumours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tumours of one slice.

    Parameters
    ----------
    tumours: numpy.ndarray
        bool (y, x).

    Returns
    -------
    parts: numpy.ndarray
        (y, x), numbers 1, 2, ... of connected tumours (8 neighbours), 0 elsewhere.
    lengths: numpy.ndarray
        Longest axis of each, in pixels.

    """
    parts = cc3d.connected_components(tumours, connectivity=8)
    lengths = [
        greatest_diameter(contour_field(parts[box] == number), (1.0, 1.0))[0]
        for number, box in enumerate(ndimage.find_objects(parts), start=1)
    ]
    return parts, np.array(lengths)


def large_territory(tumours: np.ndarray, limit_px: float = LIMIT_PX) -> np.ndarray:
    """Where the network for large tumours decides; elsewhere it is the one for small tumours.

    The paper sends a slice to one of both. Where a slice holds tumours of both sizes, each pixel here goes with the
    tumour nearest to it; a slice with none counts as small.

    Parameters
    ----------
    tumours: numpy.ndarray
        bool (z, y, x), as the size network sees them.
    limit_px: float
        Longer tumours are large.

    Returns
    -------
    numpy.ndarray
        bool (z, y, x).

    """
    large = np.zeros(tumours.shape, bool)
    for index in np.flatnonzero(tumours.any(axis=(1, 2))):
        parts, lengths = longest_axes_px(tumours[index])
        is_large = np.concatenate([[False], lengths > limit_px])
        nearest = ndimage.distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
        large[index] = is_large[parts[tuple(nearest)]]
    return large

"""Pictures of a registration: checkerboard, difference and deformed grid, before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
import SimpleITK as sitk
from PIL import Image

from LiverTumorAILib.cascades.multi_sensitivity import UNKNOWN_HU
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.report.window import liver_window
from LiverTumorAILib.study import Phase

PIXEL_MM = 1.25
SQUARE_MM = 25.0
LINE_DISTANCE_MM = 15.0
LINE_WIDTH_MM = 1.3
LINE_COLOUR = (255, 200, 60)
UNKNOWN_COLOUR = (30, 34, 60)

UNREGISTERED, REGISTERED = "as acquired", "registered"


class Plane(Enum):
    """A plane by its axes (LPS) to the right and downwards in the picture."""

    CORONAL = (0, 2)
    AXIAL = (0, 1)


@dataclass(frozen=True)
class Cut:
    """A plane through a point (LPS, mm) of an image."""

    plane: Plane
    grid: sitk.Image

    @staticmethod
    def through(point_mm: tuple[float, float, float], image: sitk.Image, plane: Plane) -> "Cut":
        """The cut as wide as the image, head up, the patient's right on the left."""
        ends = [(0, size - 1) for size in image.GetSize()]
        corners = np.array(
            [image.TransformIndexToPhysicalPoint((x, y, z)) for x in ends[0] for y in ends[1] for z in ends[2]]
        )
        lower, upper = corners.min(axis=0), corners.max(axis=0)
        right, down = (np.eye(3)[axis] for axis in plane.value)
        origin = np.array(point_mm, float)
        for axis in plane.value:
            origin[axis] = lower[axis]
        if plane is Plane.CORONAL:
            origin[2], down = upper[2], -down
        size = [int((upper - lower)[axis] / PIXEL_MM) + 1 for axis in plane.value]
        grid = sitk.Image([*size, 1], sitk.sitkUInt8)
        grid.SetSpacing((PIXEL_MM, PIXEL_MM, 1.0))
        grid.SetOrigin(origin.tolist())
        grid.SetDirection(np.stack([right, down, np.cross(right, down)], axis=1).ravel().tolist())
        return Cut(plane, grid)

    def values(self, image: sitk.Image) -> np.ndarray:
        """The image in the cut, float32 (y, x), NaN outside."""
        cut = sitk.Resample(image, self.grid, sitk.Transform(), sitk.sitkLinear, float("nan"), sitk.sitkFloat32)
        return sitk.GetArrayFromImage(cut)[0]

    def displaced(self, field: sitk.Image) -> np.ndarray:
        """Where a registration field takes the cut's points along the cut's two axes, mm (y, x, 2)."""
        vectors = sitk.Resample(field, self.grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkVectorFloat64, True)
        displacements = sitk.GetArrayFromImage(vectors)[0]
        columns, rows = (np.arange(size) * PIXEL_MM for size in self.grid.GetSize()[:2])
        right, down = np.reshape(self.grid.GetDirection(), (3, 3)).T[:2]
        places = np.stack(np.meshgrid(columns, rows), axis=-1)
        return places + np.stack([displacements @ right, displacements @ down], axis=-1)


def checkerboard(first: np.ndarray, second: np.ndarray) -> Image.Image:
    """Squares of two grey pictures (uint8 (y, x)) in turn."""
    square = int(SQUARE_MM / PIXEL_MM)
    rows, columns = (np.arange(size) // square for size in first.shape)
    return Image.fromarray(np.where((rows[:, None] + columns) % 2, second, first)).convert("RGB")


def difference(first: np.ndarray, second: np.ndarray, known: np.ndarray) -> Image.Image:
    """Second grey picture minus the first one: equal is middle grey; blue where not both are known."""
    grey = (128 + (second.astype(np.int16) - first) // 2).clip(0, 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=-1)
    picture[~known] = UNKNOWN_COLOUR
    return Image.fromarray(picture)


def deformed_grid(reference: np.ndarray, displaced_mm: np.ndarray) -> Image.Image:
    """Grid lines of the registered phase where they come to lie on the reference (uint8 (y, x))."""
    picture = np.repeat((reference // 2)[..., None], 3, axis=-1)
    distance = abs((displaced_mm + LINE_DISTANCE_MM / 2) % LINE_DISTANCE_MM - LINE_DISTANCE_MM / 2)
    picture[(distance < LINE_WIDTH_MM / 2).any(axis=-1)] = LINE_COLOUR
    return Image.fromarray(picture)


def registration_pictures(registered: RegisteredStudy, phase: Phase, cut: Cut) -> Mapping[str, Image.Image]:
    """Pictures of one phase against the reference, by caption.

    Parameters
    ----------
    registered: RegisteredStudy
    phase: Phase
        Any but the reference; one that was left out is shown as acquired only. Where the study holds a phase as it
        was registered, or not at all, nothing is shown as acquired.
    cut: Cut

    """
    modality = registered.study.modality
    reference = cut.values(registered.reference)
    reference_grey = liver_window(registered.reference, registered.reference_phase, modality).to_grey(reference)
    acquired = registered.study.volume(phase).image if phase in registered.study.phases else None
    moved = registered.images.get(phase)
    images = {UNREGISTERED: None if acquired is moved else acquired, REGISTERED: moved}
    boards, differences = {}, {}
    for state, image in images.items():
        if image is None:
            continue
        values = cut.values(image)
        grey = liver_window(acquired, phase, modality).to_grey(values)
        boards[f"checkerboard, {state}"] = checkerboard(reference_grey, grey)
        differences[f"difference, {state}"] = difference(
            reference_grey, grey, (reference > UNKNOWN_HU) & (values > UNKNOWN_HU)
        )
    pictures = {**boards, **differences}
    if phase in registered.fields:
        pictures["its grid, registered"] = deformed_grid(reference_grey, cut.displaced(registered.fields[phase]))
    return pictures

"""Pictures for the report: a lesion in every phase, with outline and diameters."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont

from LiverTumorAILib.lesions import Axis, Findings, Lesion, Point
from LiverTumorAILib.lesions.terminology import LESION_TERMS
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.report.window import Window, liver_window
from LiverTumorAILib.study import Phase

PIXELS = 280
MINIMUM_FIELD_MM = 90.0
OUTLINE_WIDTH = 4
LINE_SCALE = 3
"""Lines are drawn on a picture this much larger, then reduced, so that they are smooth."""


@dataclass(frozen=True)
class Frame:
    """A square axial cut: its centre (LPS, mm), side (mm) and pixels along a side."""

    centre_mm: Point
    side_mm: float
    pixels: int = PIXELS

    def grid(self, direction: tuple[float, ...]) -> sitk.Image:
        """An empty one-slice image of this cut; left of the picture is the patient's right."""
        spacing = self.side_mm / self.pixels
        grid = sitk.Image(self.pixels, self.pixels, 1, sitk.sitkFloat32)
        grid.SetSpacing((spacing, spacing, 1.0))
        grid.SetDirection(direction)
        half = (self.pixels - 1) / 2 * spacing
        x_axis, y_axis = np.array(direction).reshape(3, 3).T[:2]
        grid.SetOrigin((np.array(self.centre_mm) - half * x_axis - half * y_axis).tolist())
        return grid


def axial_direction(image: sitk.Image) -> tuple[float, ...]:
    """Direction matrix of the image's own axial slices with columns turned to LPS order and sign."""
    # One voxel knows it; turning all of them takes seconds.
    return sitk.DICOMOrient(image[:1, :1, :1], "LPS").GetDirection()


def _cut(image: sitk.Image, frame: Frame, interpolator: int, outside: float) -> np.ndarray:
    grid = frame.grid(axial_direction(image))
    values = sitk.Resample(image, grid, sitk.Transform(), interpolator, outside, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(values)[0]


def grey_picture(image: sitk.Image, frame: Frame, window: Window) -> Image.Image:
    """The cut through an image as an RGB picture."""
    values = _cut(image, frame, sitk.sitkLinear, float("nan"))
    return Image.fromarray(window.to_grey(values)).convert("RGB")


def outline(labels: sitk.Image, label: int, frame: Frame) -> np.ndarray:
    """Boolean outline of one label in the cut, `LINE_SCALE` times as many pixels a side."""
    fine = Frame(frame.centre_mm, frame.side_mm, frame.pixels * LINE_SCALE)
    inside = _cut(sitk.Cast(labels == label, sitk.sitkFloat32), fine, sitk.sitkLinear, 0.0) >= 0.5
    mask = sitk.GetImageFromArray(inside.astype(np.uint8))
    border = sitk.Subtract(mask, sitk.BinaryErode(mask, (OUTLINE_WIDTH, OUTLINE_WIDTH), sitk.sitkBall))
    return sitk.GetArrayFromImage(border).astype(bool)


def lesion_frame(lesion: Lesion) -> Frame:
    """The cut that shows a lesion: the slice of its long axis, wide enough for its surroundings."""
    axis = lesion.measurement.long_axis
    low, high = np.array(lesion.bounding_box_mm)
    centre = (low + high) / 2
    centre[2] = (axis.start_mm[2] + axis.end_mm[2]) / 2
    side = max(MINIMUM_FIELD_MM, 1.6 * float((high - low)[:2].max()))
    return Frame(tuple(centre.tolist()), side)


def _to_pixel(point: Point, frame: Frame, direction: tuple[float, ...]) -> tuple[float, float]:
    grid = frame.grid(direction)
    x, y, _ = grid.TransformPhysicalPointToContinuousIndex(point)
    return (x + 0.5) * LINE_SCALE, (y + 0.5) * LINE_SCALE


def _draw_axis(draw: ImageDraw.ImageDraw, axis: Axis, frame: Frame, direction: tuple[float, ...]) -> None:
    ends = [_to_pixel(point, frame, direction) for point in (axis.start_mm, axis.end_mm)]
    draw.line(ends, fill=(0, 0, 0), width=8)
    draw.line(ends, fill=(255, 255, 255), width=4)


def lesion_picture(
    image: sitk.Image | None, window: Window, findings: Findings, lesion: Lesion, with_axes: bool
) -> Image.Image:
    """A lesion in one phase: outline in its type's colour, with or without its two axes.

    Parameters
    ----------
    image: SimpleITK.Image or None
        The phase on the reference grid; None draws an empty picture.
    window: Window
    findings: Findings
    lesion: Lesion
    with_axes: bool
        Whether long and short axis are drawn.

    """
    frame = lesion_frame(lesion)
    picture = grey_picture(image, frame, window) if image is not None else Image.new("RGB", (PIXELS, PIXELS))
    large = picture.resize((PIXELS * LINE_SCALE,) * 2, Image.Resampling.BICUBIC)
    colour = LESION_TERMS[lesion.type].colour
    pixels = np.array(large)
    pixels[outline(findings.lesion_labels, lesion.label, frame)] = colour
    large = Image.fromarray(pixels)
    if with_axes:
        draw = ImageDraw.Draw(large)
        direction = axial_direction(findings.lesion_labels)
        for axis in (lesion.measurement.long_axis, lesion.measurement.short_axis):
            _draw_axis(draw, axis, frame, direction)
    return large.resize((PIXELS, PIXELS), Image.Resampling.LANCZOS)


def overview_picture(registered: RegisteredStudy, findings: Findings, lesion: Lesion | None) -> Image.Image:
    """The whole axial slice of the reference phase with liver and lesions outlined."""
    image = registered.reference
    frame = _overview_frame(findings, image, lesion)
    window = liver_window(image, registered.reference_phase, findings.modality)
    picture = grey_picture(image, frame, window)
    pixels = np.array(picture.resize((frame.pixels * LINE_SCALE,) * 2, Image.Resampling.BICUBIC))
    pixels[outline(findings.organ_labels, 1, frame)] = (120, 200, 120)
    for other in findings.lesions:
        pixels[outline(findings.lesion_labels, other.label, frame)] = LESION_TERMS[other.type].colour
    large = Image.fromarray(pixels)
    _letter(large, "R", (0.01, 0.46))
    _letter(large, "L", (0.95, 0.46))
    return large.resize((frame.pixels, frame.pixels), Image.Resampling.LANCZOS)


def _letter(picture: Image.Image, text: str, place: tuple[float, float]) -> None:
    font = ImageFont.load_default(size=24 * LINE_SCALE)
    position = tuple(part * side for part, side in zip(place, picture.size, strict=True))
    ImageDraw.Draw(picture).text(position, text, fill=(255, 230, 120), font=font)


def _overview_frame(findings: Findings, image: sitk.Image, lesion: Lesion | None) -> Frame:
    size = image.GetSize()
    centre = np.array(image.TransformContinuousIndexToPhysicalPoint([(count - 1) / 2 for count in size]))
    if lesion is not None:
        centre[2] = lesion_frame(lesion).centre_mm[2]
    else:
        centre[2] = _widest_liver_level(findings)
    side = max(extent * spacing for extent, spacing in zip(size[:2], image.GetSpacing()[:2], strict=True))
    return Frame(tuple(centre.tolist()), side, 520)


def _widest_liver_level(findings: Findings) -> float:
    liver = sitk.GetArrayViewFromImage(findings.organ_labels) == 1
    level = int(liver.sum(axis=(1, 2)).argmax())
    size = findings.organ_labels.GetSize()
    return findings.organ_labels.TransformIndexToPhysicalPoint((size[0] // 2, size[1] // 2, level))[2]


def lesion_row(registered: RegisteredStudy, findings: Findings, lesion: Lesion) -> dict[Phase, Image.Image]:
    """Pictures of one lesion in all registered phases; the axes are drawn in the reference phase."""
    return {
        phase: lesion_picture(
            registered.images[phase],
            liver_window(registered.images[phase], phase, findings.modality),
            findings,
            lesion,
            with_axes=phase is registered.reference_phase,
        )
        for phase in Phase
        if phase in registered.images
    }

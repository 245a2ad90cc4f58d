"""Pictures of heatmaps for the report."""

import numpy as np
import SimpleITK as sitk
from PIL import Image

from LiverTumorAILib.explanation.colours import heat_colours
from LiverTumorAILib.explanation.titles import heatmap_titles
from LiverTumorAILib.lesions import Findings, Lesion
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.report.pictures import (
    LINE_SCALE,
    PIXELS,
    Frame,
    axial_direction,
    grey_picture,
    lesion_frame,
    outline,
)
from LiverTumorAILib.report.window import liver_window

OPACITY = 0.65


def heatmap_pictures(registered: RegisteredStudy, findings: Findings, lesion: Lesion) -> dict[str, Image.Image]:
    """A lesion's heatmaps over the reference phase, by what they show; empty where it has none."""
    frame = lesion_frame(lesion)
    phase = registered.reference_phase
    grey = grey_picture(registered.reference, frame, liver_window(registered.reference, phase, findings.modality))
    border = outline(findings.lesion_labels, lesion.label, frame)
    titles = heatmap_titles(lesion, findings.heatmaps)
    known = {title: findings.heatmaps[name] for name, title in titles.items() if name in findings.heatmaps}
    return {title: _over(grey, heatmap, frame, border) for title, heatmap in known.items()}


def _over(grey: Image.Image, heatmap: sitk.Image, frame: Frame, border: np.ndarray) -> Image.Image:
    grid = frame.grid(axial_direction(heatmap))
    cut = sitk.GetArrayFromImage(sitk.Resample(heatmap, grid, sitk.Transform(), sitk.sitkLinear, 0.0))[0]
    colours = heat_colours(256)
    heat = colours[np.clip(cut * 255, 0, 255).astype(int)]
    opacity = OPACITY * heat[..., 3:]
    mixed = np.asarray(grey) * (1 - opacity) + 255 * heat[..., :3] * opacity
    large = Image.fromarray(mixed.astype(np.uint8)).resize((PIXELS * LINE_SCALE,) * 2, Image.Resampling.BICUBIC)
    pixels = np.array(large)
    pixels[border] = 255
    return Image.fromarray(pixels).resize((PIXELS, PIXELS), Image.Resampling.LANCZOS)


def legend_gradient() -> str:
    """The colours as a CSS gradient from no evidence to the strongest."""
    stops = (f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in 255 * heat_colours(9)[:, :3])
    return f"linear-gradient(to right, {', '.join(stops)})"

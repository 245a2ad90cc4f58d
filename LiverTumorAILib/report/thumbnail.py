"""A small picture of a lesion for tables."""

import io
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from PIL import Image

from LiverTumorAILib.lesions import Lesion
from LiverTumorAILib.lesions.terminology import STANDARD_PALETTE, Palette
from LiverTumorAILib.report.pictures import grey_picture, lesion_frame, outline
from LiverTumorAILib.report.window import Window

PIXELS = 48
MINIMUM_FIELD_MM = 40.0
SHARE = 1.8
"""Side of the picture against the lesion's."""


def lesion_thumbnail(
    image: sitk.Image, window: Window, lesion: Lesion, mask: sitk.Image, palette: Palette = STANDARD_PALETTE
) -> bytes:
    """The slice of a lesion's long axis, its outline in its type's colour, as PNG of `PIXELS` x `PIXELS`.

    Parameters
    ----------
    image: SimpleITK.Image
        A registered phase (LPS, mm).
    window: Window
    lesion: Lesion
    mask: SimpleITK.Image
        Its voxels: uint8 0 or 1 (LPS, mm), a box of the image's grid.
    palette: Palette

    """
    low, high = np.array(lesion.bounding_box_mm)
    side = max(MINIMUM_FIELD_MM, SHARE * float((high - low)[:2].max()))
    frame = replace(lesion_frame(lesion), pixels=PIXELS, side_mm=side)
    pixels = np.array(grey_picture(image, frame, window))
    drawn = outline(mask, 1, frame)
    step = len(drawn) // PIXELS
    pixels[drawn.reshape(PIXELS, step, PIXELS, step).any(axis=(1, 3))] = palette[lesion.type]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()

"""What registration demands of an image."""

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError

_LARGEST_SPACING_MM = 25.0
_LEAST_EXTENT_MM = 20.0


def check_image(image: sitk.Image, name: str) -> None:
    """Raise LiverTumorAIError unless `image` is a 3D scalar volume that registration can use.

    Parameters
    ----------
    image: SimpleITK.Image
    name: str
        What the user knows it as, such as 'arterial' or 'fixed image'.

    """
    if image.GetDimension() != 3:
        raise LiverTumorAIError(
            f"The image has {image.GetDimension()} dimensions, registration needs 3", name, "Choose one 3D volume"
        )
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise LiverTumorAIError("The image is a colour or vector image", name, "Choose the original CT or MR volume")
    if min(image.GetSize()) < 2:
        raise LiverTumorAIError(
            f"The image is a single slice, {image.GetSize()} voxels", name, "Choose a volume of several slices"
        )
    extent = [size * spacing for size, spacing in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    if max(image.GetSpacing()) > _LARGEST_SPACING_MM:
        spacing = " x ".join(f"{value:g}" for value in image.GetSpacing())
        raise LiverTumorAIError(
            f"The spacing of {spacing} mm is too coarse for registration", name, "Check the spacing in the file"
        )
    if min(extent) < _LEAST_EXTENT_MM:
        size = " x ".join(f"{value:.0f}" for value in extent)
        raise LiverTumorAIError(
            f"The image covers only {size} mm", name, "Check its spacing, or choose a volume that shows the liver"
        )
    _check_values(image, name)


def _check_values(image: sitk.Image, name: str) -> None:
    values = sitk.GetArrayViewFromImage(image)
    if values.dtype.kind == "f":
        known = np.isfinite(values)
        if not known.any():
            raise LiverTumorAIError("The image holds no number at all, only NaN", name, "Load it again")
        lowest, highest = values.min(where=known, initial=np.inf), values.max(where=known, initial=-np.inf)
    else:
        lowest, highest = values.min(), values.max()
    if lowest == highest:
        raise LiverTumorAIError(f"The image is constant, every voxel is {lowest:g}", name, "Choose another volume")


def check_contrast(prepared: sitk.Image, name: str) -> None:
    """Raise LiverTumorAIError if an image as registration sees it (windowed) shows nothing.

    Parameters
    ----------
    prepared: SimpleITK.Image
        float32, NaN where unknown.
    name: str

    """
    values = sitk.GetArrayViewFromImage(prepared)
    if not np.nanmax(values) > np.nanmin(values):
        raise LiverTumorAIError("The image shows nothing but air", name, "Choose a volume that shows the liver")

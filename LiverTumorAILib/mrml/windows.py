"""Grey-level windows of the phases and their presets."""

from enum import StrEnum

import numpy as np
import slicer

from LiverTumorAILib.study import Modality, Phase

CT_WINDOWS = {
    Phase.NON_CONTRAST: (350, 40),
    Phase.ARTERIAL: (400, 70),
    Phase.PORTAL_VENOUS: (400, 80),
    Phase.DELAYED: (400, 60),
}
"""(window, level) in HU for looking at the liver; fat stays visible."""

DEFAULT_CT_WINDOW = (400, 50)

CT_LIVER_LEVELS = {Phase.NON_CONTRAST: 55, Phase.ARTERIAL: 80, Phase.PORTAL_VENOUS: 110, Phase.DELAYED: 90}
"""About the HU of a healthy liver: what differs little from it shows in a narrow window."""

NARROW_HU = 150
NARROW_SHARE = 0.5


class WindowPreset(StrEnum):
    """Windows under a key; the value is what the user reads."""

    LIVER = "Liver"
    NARROW = "Liver, narrow"
    SOFT_TISSUE = "Soft tissue"
    LUNG = "Lung"
    BONE = "Bone"


FIXED_CT_WINDOWS = {
    WindowPreset.SOFT_TISSUE: (400, 40),
    WindowPreset.LUNG: (1500, -600),
    WindowPreset.BONE: (1800, 400),
}


def presets(modality: Modality) -> tuple[WindowPreset, ...]:
    """The presets that make sense for a modality: MR signal has no unit."""
    return tuple(WindowPreset) if modality is Modality.CT else (WindowPreset.LIVER, WindowPreset.NARROW)


def preset_window(
    preset: WindowPreset, voxels: np.ndarray, modality: Modality, phase: Phase | None
) -> tuple[float, float]:
    """(window, level) in HU or signal of a preset: for CT by phase, for MR by what the voxels (z, y, x) hold."""
    if modality is Modality.MR:
        low, high = mr_range(voxels)
        share = NARROW_SHARE if preset is WindowPreset.NARROW else 1.0
        return max(share * (high - low), 1e-6), (high + low) / 2
    if preset is WindowPreset.LIVER:
        return CT_WINDOWS.get(phase, DEFAULT_CT_WINDOW)
    if preset is WindowPreset.NARROW:
        return NARROW_HU, CT_LIVER_LEVELS.get(phase, CT_LIVER_LEVELS[Phase.PORTAL_VENOUS])
    return FIXED_CT_WINDOWS[preset]


def set_window(
    node: slicer.vtkMRMLScalarVolumeNode,
    modality: Modality,
    phase: Phase | None,
    preset: WindowPreset = WindowPreset.LIVER,
) -> None:
    """Set window and level of a volume's display to a preset."""
    window, level = preset_window(preset, slicer.util.arrayFromVolume(node), modality, phase)
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(window, level)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")


def current_preset(
    node: slicer.vtkMRMLScalarVolumeNode, modality: Modality, phase: Phase | None
) -> WindowPreset | None:
    """The preset that a volume's display has; None where it has another window."""
    display = node.GetDisplayNode()
    present = display.GetWindow(), display.GetLevel()
    voxels = slicer.util.arrayFromVolume(node)
    fitting = (
        preset
        for preset in presets(modality)
        if np.allclose(preset_window(preset, voxels, modality, phase), present, rtol=1e-4)
    )
    return next(fitting, None)


def mr_range(voxels: np.ndarray) -> tuple[float, float]:
    """Signal range that shows MR voxels (z, y, x) well: 1st to 99.5th percentile of what is not background."""
    sample = voxels[:: max(1, voxels.shape[0] // 40), ::4, ::4]
    # Half the mean lies between the noise outside the body and the tissue inside.
    body = sample[sample > sample.mean() / 2]
    if not body.size:
        return 0.0, 1.0
    low, high = np.percentile(body, (1, 99.5))
    return float(low), float(high)

"""What the module saves with the scene."""

import enum
from typing import Annotated

from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper


class Device(enum.Enum):
    """Where the networks run; the value is what the library calls it."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"

    def label(self) -> str:
        """Name for the user."""
        return {Device.AUTO: _("automatic"), Device.CPU: _("processor"), Device.CUDA: _("graphics card")}[self]


@parameterNodeWrapper
class LiverTumorAIParameterNode:
    """Choices of the user."""

    studyPath: str = ""
    cascade: str = "base"
    device: Device = Device.AUTO
    showLiver: bool = True
    showVessels: bool = False
    showOrgans: bool = False
    showLesions: bool = True
    showAxes: bool = True
    segmentOpacity: Annotated[float, WithinRange(0, 1)] = 1.0

"""The protocols a synthetic study can follow, and the options of one study."""

import math
from dataclasses import dataclass
from pathlib import Path

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom.real_scan import RealScan
from LiverTumorAILib.study import REFERENCE_ORDER, Modality, Phase

_DYNAMIC = (Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED)


@dataclass(frozen=True)
class Protocol:
    """Modality and phases of a study."""

    name: str
    modality: Modality
    phases: tuple[Phase, ...]

    @property
    def reference_phase(self) -> Phase:
        """Portal venous, else the phase nearest to it."""
        return next(phase for phase in REFERENCE_ORDER if phase in self.phases)


_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("ct4", Modality.CT, _DYNAMIC),
        Protocol("ct3", Modality.CT, _DYNAMIC[:3]),
        Protocol("nc", Modality.CT, _DYNAMIC[:1]),
        Protocol("dce-mr", Modality.MR, _DYNAMIC),
        Protocol("hbp-mr", Modality.MR, (*_DYNAMIC, Phase.HEPATOBILIARY)),
    )
}
PROTOCOLS = tuple(_PROTOCOLS)


def find_protocol(name: str) -> Protocol:
    """The protocol of this name; LiverTumorAIError if there is none."""
    if name not in _PROTOCOLS:
        raise LiverTumorAIError(f"Unknown protocol '{name}'", advice=f"Choose one of {', '.join(PROTOCOLS)}")
    return _PROTOCOLS[name]


@dataclass(frozen=True)
class PhantomOptions:
    """What may be set in a synthetic study instead of being drawn.

    Attributes
    ----------
    spacing_mm: tuple of three floats
        Voxel spacing (z, y, x) of the anatomy and of the reference phase.
    breathing_mm: float or None
        Greatest craniocaudal displacement at the dome; local deformation adds up to a few mm. None: drawn from
        0-20 mm.
    slice_thickness_mm: float or None
        Thickness and distance of the slices of every phase, 0.8-10 mm. None: the reference phase has
        `spacing_mm[0]`, others sometimes thicker slices.
    vary_coverage: bool
        Whether the phases differ in range, position and tilt of their slices.
    lesions: tuple of LesionType or None
        The lesions of the study, none atypical; () is a normal liver, None: drawn. One for which there is no
        room, or that would fill fewer than four voxels, is left out.
    anatomy: Path or None
        Label map of a real person to be used instead of a generated anatomy.
    cirrhosis: float or None
        0 none to 1 severe; None: drawn.
    scan: RealScan or None
        An unenhanced CT of a real person in which the study takes place, instead of a generated anatomy.

    """

    spacing_mm: tuple[float, float, float] = (2.5, 1.5, 1.5)
    breathing_mm: float | None = None
    slice_thickness_mm: float | None = None
    vary_coverage: bool = True
    lesions: tuple[LesionType, ...] | None = None
    anatomy: Path | None = None
    cirrhosis: float | None = None
    scan: RealScan | None = None

    def __post_init__(self) -> None:
        _check(all(0.5 <= s <= 10 for s in self.spacing_mm), "Spacing", self.spacing_mm, "0.5-10 mm")
        _check(self.breathing_mm is None or 0 <= self.breathing_mm <= 40, "Breathing", self.breathing_mm, "0-40 mm")
        thickness = self.slice_thickness_mm
        _check(thickness is None or 0.8 <= thickness <= 10, "Slice thickness", thickness, "0.8-10 mm")
        _check(self.cirrhosis is None or 0 <= self.cirrhosis <= 1, "Cirrhosis", self.cirrhosis, "0-1")

    @property
    def anatomy_spacing_mm(self) -> tuple[float, float, float]:
        """Spacing (z, y, x) of the anatomy: a whole fraction of the slice thickness."""
        z, y, x = self.spacing_mm
        thickness = self.slice_thickness_mm or z
        return (thickness / math.ceil(thickness / z - 1e-6), y, x)

    @property
    def slices_per_thickness(self) -> int:
        """How many slices of the anatomy one slice of the reference phase averages."""
        return round((self.slice_thickness_mm or self.spacing_mm[0]) / self.anatomy_spacing_mm[0])


def _check(valid: bool, name: str, value: object, allowed: str) -> None:
    if not valid:
        raise LiverTumorAIError(f"{name} of a synthetic study is {value}", advice=f"Choose a value of {allowed}")

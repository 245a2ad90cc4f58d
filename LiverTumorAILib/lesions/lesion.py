"""A lesion, its type and its measurements."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from LiverTumorAILib.study import Phase


class LesionType(StrEnum):
    """Type of a focal liver lesion, in the patient-level priority order of the multi-sensitivity paper (Eq. 12)."""

    HCC = "HCC"
    ICC = "ICC"
    METASTASIS = "METASTASIS"
    HEMANGIOMA = "HEMANGIOMA"
    FNH = "FNH"
    OTHER = "OTHER"
    CYST = "CYST"
    CALCIFICATION = "CALCIFICATION"

    @property
    def title(self) -> str:
        """Name as radiologists write it."""
        return self.value if self.value in {"HCC", "ICC", "FNH"} else self.value.lower()

    @property
    def is_malignant(self) -> bool:
        """HCC, ICC and metastasis are malignant."""
        return self in {LesionType.HCC, LesionType.ICC, LesionType.METASTASIS}


class Certainty(StrEnum):
    """How sure a cascade is; UNCERTAIN always comes with reasons."""

    CERTAIN = "certain"
    UNCERTAIN = "uncertain"


Point = tuple[float, float, float]

ONE_TYPE = "the cascade knows this type only and tells it from no other"
"""Reason of doubt of every lesion of such a cascade."""

LEAST_SHOWN = 0.01
"""Less probable types are not listed."""


@dataclass(frozen=True)
class Axis:
    """A diameter as a line between two points (LPS, mm); set by hand it outlives edits of the segment."""

    start_mm: Point
    end_mm: Point
    length_mm: float
    by_hand: bool = False


@dataclass(frozen=True)
class Enhancement:
    """Mean intensity in one phase (HU for CT, signal for MR) of the lesion and of the liver without lesions."""

    lesion: float
    liver: float


@dataclass(frozen=True)
class Measurement:
    """Measurements of one lesion.

    Attributes
    ----------
    volume_mm3: float
        By voxel count.
    volume_uncertainty_mm3: float
        Half of what the voxels at the surface make up: how far partial volume can shift `volume_mm3`.
    long_axis, short_axis: Axis
        Longest diameter in an axial slice and the longest one perpendicular to it in the same slice (RECIST 1.1).
    max_3d_diameter_mm: float
        Longest distance between two points of the lesion.
    enhancement: Mapping[Phase, Enhancement]

    """

    volume_mm3: float
    volume_uncertainty_mm3: float
    long_axis: Axis
    short_axis: Axis
    max_3d_diameter_mm: float
    enhancement: Mapping[Phase, Enhancement] = field(default_factory=dict)


@dataclass(frozen=True)
class SecondHeatmaps:
    """Heatmaps by a cascade's second network.

    Attributes
    ----------
    supporting, opposing: str
        Files under `heatmaps/`: what spoke for the first type, and what for the second against it.
    types: tuple of LesionType
        The first type and the second one.

    """

    supporting: str
    opposing: str
    types: tuple[LesionType, LesionType]


@dataclass(frozen=True)
class Lesion:
    """One focal liver lesion.

    Attributes
    ----------
    uid: str
        A DICOM UID, the lesion's tracking identifier.
    label: int
        Its value in `Findings.lesion_labels` (1, 2, ...).
    type: LesionType
    type_probabilities: Mapping[LesionType, float]
        Adds up to 1.
    certainty: Certainty
    certainty_reasons: tuple of str
        In words for the user; not empty where uncertain.
    score: float
        0-1, how sure the cascade is that this is a lesion at all.
    centroid_mm: Point
        LPS, mm.
    bounding_box_mm: tuple of two Points
        Lowest and highest corner (LPS, mm).
    measurement: Measurement
    heatmap: str
        File under `heatmaps/`: where the network saw the type, or what spoke for it if there is an `opposing_heatmap`;
        empty if none.
    found_at: tuple of float
        Sensitivity factors at which a cascade with several found it, rising; empty where there is only one.
    evidence: tuple of str
        What spoke for lesion and type, in words for the user.
    opposing_heatmap: str
        File under `heatmaps/`: what spoke for the second type against the first; empty if none.
    heatmap_types: tuple of LesionType
        What the heatmaps are of, the first type and then the second one, if there is one; empty where these are the
        lesion's own.
    second_heatmaps: SecondHeatmaps or None
        The same by a cascade's second network; None where there is no such network, or it made none.

    """

    uid: str
    label: int
    type: LesionType
    type_probabilities: Mapping[LesionType, float]
    certainty: Certainty
    score: float
    centroid_mm: Point
    bounding_box_mm: tuple[Point, Point]
    measurement: Measurement
    certainty_reasons: tuple[str, ...] = ()
    heatmap: str = ""
    found_at: tuple[float, ...] = ()
    evidence: tuple[str, ...] = ()
    opposing_heatmap: str = ""
    heatmap_types: tuple[LesionType, ...] = ()
    second_heatmaps: SecondHeatmaps | None = None

    @property
    def likely_types(self) -> tuple[tuple[LesionType, float], ...]:
        """Types with what is to be shown as their probability, the most probable first; improbable ones left out.

        Of a cascade that knows one type it is the score: its share among the types would be 1 for any lesion.
        """
        if ONE_TYPE in self.certainty_reasons:
            return ((self.type, self.score),)
        ranked = sorted(self.type_probabilities.items(), key=lambda item: -item[1])
        return tuple((kind, share) for kind, share in ranked if share >= LEAST_SHOWN)

    @property
    def heatmap_files(self) -> tuple[str, ...]:
        """All that it has under `heatmaps/`."""
        second = self.second_heatmaps
        names = (self.heatmap, self.opposing_heatmap, *((second.supporting, second.opposing) if second else ()))
        return tuple(filter(None, names))

    @property
    def probability(self) -> float:
        """Of its type, as `likely_types` says it."""
        return dict(self.likely_types).get(self.type, 0.0)

    @property
    def segment_name(self) -> str:
        """Such as '1 HCC 92%'; a question mark after the type says uncertain."""
        doubt = "?" if self.certainty is Certainty.UNCERTAIN else ""
        return f"{self.label} {self.type.title}{doubt} {self.probability:.0%}"

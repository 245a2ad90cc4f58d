"""Couinaud's segments by planes that an average liver would have: an estimate, told with its uncertainty."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

SEGMENTS = ("VI", "VII", "V", "VIII", "IV", "II/III")
"""In the order of the sectors, from the right posterior to the left lateral one, lower before upper."""
LEFT_LOBE = ("IV", "II/III")

SECTOR_SHARES = (0.28, 0.38, 0.17, 0.16)
"""Right posterior (VI, VII) and anterior (V, VIII), left medial (IV) and lateral (II, III): shares of a liver without
its caudate lobe. Abdalla et al., Surgery 2004;135:404, for both lobes, IV and II+III; the right lobe in parts so that
VIII and then VII are the largest (Mise et al., HPB 2014;16:439)."""

UPPER_SHARE = 0.65
"""Of the right lobe: VII and VIII, above the portal vein's branches."""

CAVA_FROM_CENTROID_MM = (36.0, 10.0)
"""To the left and backwards, in a liver of `AVERAGE_ML`: mean of four label maps that show the vena cava and of those
that show the aorta."""
AVERAGE_ML = 1500.0

GALLBLADDER_NEAR_MM = 8.0
"""Only what lies so near to the liver marks its fossa; the fundus hangs anywhere."""
LARGEST_TURN_DEG = 35.0
"""A gallbladder farther from where the average liver has it is not believed."""

TOLERANCE_MM = 15.0
"""The planes may be off by so much."""

LEAST_SHARE = 0.25
"""Of a lesion in a segment that is named."""
MOST_SEGMENTS = 3
"""With more the lobe alone is told."""


@dataclass(frozen=True)
class LiverPlanes:
    """Three vertical planes that meet in the vena cava, and a level one.

    Attributes
    ----------
    cava_mm: tuple of two floats
        Left and posterior (LPS, mm).
    angles_deg: tuple of three floats
        Of the planes between the four sectors, seen from the vena cava: 0 backwards, 90 to the right, 180 forwards.
    level_mm: float
        Superior (LPS, mm); VII and VIII lie above it.

    """

    cava_mm: tuple[float, float]
    angles_deg: tuple[float, float, float]
    level_mm: float

    @classmethod
    def of(cls, liver: np.ndarray, gallbladder: np.ndarray, volume_ml: float) -> "LiverPlanes":
        """The planes that give the sectors their average volumes; a gallbladder says where the lobes really meet.

        Parameters
        ----------
        liver, gallbladder: numpy.ndarray
            Evenly spread points (n, 3) inside (LPS, mm); there may be none of the gallbladder.
        volume_ml: float
            The liver's.

        """
        offset = np.array(CAVA_FROM_CENTROID_MM) * (volume_ml / AVERAGE_ML) ** (1 / 3)
        cava = liver[:, :2].mean(axis=0) + offset
        angles = _angles(liver, cava)
        cuts = np.quantile(angles, np.cumsum(SECTOR_SHARES)[:3] / sum(SECTOR_SHARES))
        fossa = _fossa(liver, gallbladder)
        if fossa is not None:
            lobes = float(_angles(fossa[None], cava)[0])
            if abs(lobes - cuts[1]) <= LARGEST_TURN_DEG:
                cuts = np.array([lobes, *_within(angles, lobes)])[[1, 0, 2]]
        level = np.quantile(liver[angles < cuts[1], 2], 1 - UPPER_SHARE)
        return cls(tuple(cava.tolist()), tuple(cuts.tolist()), float(level))

    def segments(self, points: np.ndarray) -> np.ndarray:
        """Index into `SEGMENTS` of each point (n, 3; LPS, mm)."""
        sector = np.searchsorted(self.angles_deg, _angles(points, np.array(self.cava_mm)))
        upper = points[:, 2] > self.level_mm
        return np.where(sector < 2, 2 * sector + upper, sector + 2)

    def named(self, points: np.ndarray) -> tuple[str, ...]:
        """The segments that a lesion (points inside, (n, 3); LPS, mm) lies in, or may lie in, for all that is known.

        Those with a good part of it, and those that its centre is no farther from than the planes may be off.
        """
        shares = np.bincount(self.segments(points), minlength=len(SEGMENTS)) / len(points)
        steps = TOLERANCE_MM * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
        near = np.unique(self.segments(points.mean(axis=0) + steps))
        return tuple(name for index, name in enumerate(SEGMENTS) if shares[index] >= LEAST_SHARE or index in near)


def in_words(segments: tuple[str, ...]) -> str:
    """Lobe and segments, such as 'right lobe, about VI/VII'; the lobe alone where too many come into question."""
    left = [name in LEFT_LOBE for name in segments]
    lobe = "left lobe" if all(left) else "between the lobes" if any(left) else "right lobe"
    in_order = sorted(segments, key=("II/III", "IV", "V", "VI", "VII", "VIII").index)
    return lobe if len(segments) > MOST_SEGMENTS else f"{lobe}, about {'/'.join(in_order)}"


def _angles(points: np.ndarray, cava: np.ndarray) -> np.ndarray:
    """Direction of points from the vena cava (degrees, see `LiverPlanes.angles_deg`), -60 to 300."""
    left, back = (points[:, :2] - cava).T
    return (np.degrees(np.arctan2(-left, back)) + 60) % 360 - 60


def _within(angles: np.ndarray, lobes: float) -> tuple[float, float]:
    """The planes within the right and the left lobe, that keep the average proportions there."""
    posterior, anterior, medial, lateral = SECTOR_SHARES
    right, left = angles[angles < lobes], angles[angles >= lobes]
    return (
        float(np.quantile(right, posterior / (posterior + anterior))) if right.size else lobes,
        float(np.quantile(left, medial / (medial + lateral))) if left.size else lobes,
    )


def _fossa(liver: np.ndarray, gallbladder: np.ndarray) -> np.ndarray | None:
    """Centre of the gallbladder where it touches the liver (LPS, mm); None without one."""
    if not len(gallbladder):
        return None
    distances, _ = KDTree(liver).query(gallbladder)
    near = gallbladder[distances <= GALLBLADDER_NEAR_MM]
    return near.mean(axis=0) if len(near) else None

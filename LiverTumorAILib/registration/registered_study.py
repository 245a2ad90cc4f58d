"""What registration hands to the cascades."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import SimpleITK as sitk

from LiverTumorAILib.study import Phase, Study


class Verdict(StrEnum):
    """Traffic light of one registration."""

    GREEN = "green"
    CHECK = "check"
    FAILED = "failed"


@dataclass(frozen=True)
class RegistrationQuality:
    """Quality figures of one registration.

    Attributes
    ----------
    verdict: Verdict
    reasons: tuple of str
        Why it is not green, in words for the user.
    similarity_before, similarity_after: float
        Mean descriptor similarity (0-1, 1 is identical) in the part of the liver that both images show.
    jacobian_min, jacobian_max: float
        Range of the Jacobian determinant of the registration field in the liver; 0 or less is a fold.
    inverse_consistency_mm: float
        Mean distance from a point to where forward and backward field together take it.
    outside_share: float
        Share (0-1) of the fixed image's liver that the moving image does not show.
    seconds: float
    match: float
        How much more similar the liver is than 6 mm off, relative to the fixed image with itself: 1 for a copy, 0
        for unrelated images.
    misplaced_share: float
        Share (0-1) of the liver that is more similar 6 mm off.
    volume_change: float
        Root mean square of the logarithm of the Jacobian determinant in the liver.

    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    similarity_before: float = 1.0
    similarity_after: float = 1.0
    jacobian_min: float = 1.0
    jacobian_max: float = 1.0
    inverse_consistency_mm: float = 0.0
    outside_share: float = 0.0
    seconds: float = 0.0
    match: float = 1.0
    misplaced_share: float = 0.0
    volume_change: float = 0.0


@dataclass(frozen=True)
class RegistrationResult:
    """One registration: `field` is a displacement field (LPS, mm, vector float64) on the fixed image's grid.

    `moved` is the moving image on the fixed grid, NaN where the moving image shows nothing.
    `notes` tell in words for the user where the moving image was found, if not where its header says.
    """

    field: sitk.Image
    moved: sitk.Image
    quality: RegistrationQuality
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegisteredStudy:
    """A study whose phases lie on the reference phase's grid.

    Attributes
    ----------
    study: Study
    reference_phase: Phase
    images: Mapping[Phase, SimpleITK.Image]
        float32 on the reference grid (LPS, mm), NaN where a phase shows nothing.
        Holds the reference phase itself; lacks phases whose registration failed.
    fields: Mapping[Phase, SimpleITK.Image]
        Registration fields (LPS, mm) on the reference grid of every registered phase but the reference.
    quality: Mapping[Phase, RegistrationQuality]
        Of every phase but the reference, failed ones included.
    warnings: tuple of str
        In words for the user, such as a phase left out because its registration failed.

    """

    study: Study
    reference_phase: Phase
    images: Mapping[Phase, sitk.Image]
    fields: Mapping[Phase, sitk.Image] = field(default_factory=dict)
    quality: Mapping[Phase, RegistrationQuality] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def reference(self) -> sitk.Image:
        """The reference phase's image."""
        return self.images[self.reference_phase]

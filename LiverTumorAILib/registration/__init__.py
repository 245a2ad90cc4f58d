"""DEEDS-style deformable registration of all phases onto the reference phase."""

from LiverTumorAILib.registration.files import register_files
from LiverTumorAILib.registration.register import register
from LiverTumorAILib.registration.registered_study import (
    RegisteredStudy,
    RegistrationQuality,
    RegistrationResult,
    Verdict,
)
from LiverTumorAILib.registration.study_registration import register_study
from LiverTumorAILib.registration.warping import compose_fields, invert_field, warp_image, warp_labels, warp_points

__all__ = [
    "RegisteredStudy",
    "RegistrationQuality",
    "RegistrationResult",
    "Verdict",
    "compose_fields",
    "invert_field",
    "register",
    "register_files",
    "register_study",
    "warp_image",
    "warp_labels",
    "warp_points",
]

"""DEEDS-style deformable registration of all phases onto the reference phase."""

from LiverTumorAILib.registration.registered_study import (
    RegisteredStudy,
    RegistrationQuality,
    RegistrationResult,
    Verdict,
)

__all__ = ["RegisteredStudy", "RegistrationQuality", "RegistrationResult", "Verdict"]

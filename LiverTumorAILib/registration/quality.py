"""Traffic light of a registration."""

from dataclasses import dataclass

from LiverTumorAILib.registration.registered_study import RegistrationQuality, Verdict


@dataclass(frozen=True)
class Limits:
    """From which figure on a registration is to be checked, or has failed."""

    failed_similarity: float = 0.60
    check_similarity: float = 0.68
    check_loss: float = 0.005
    failed_outside: float = 0.85
    check_outside: float = 0.30
    check_jacobian: float = 0.10
    check_inverse_mm: float = 1.5


LIMITS = Limits()


def judge(
    *,
    similarity_before: float,
    similarity_after: float,
    jacobian: tuple[float, float],
    inverse_consistency_mm: float,
    outside_share: float,
    seconds: float,
    limits: Limits = LIMITS,
) -> RegistrationQuality:
    """Verdict with its reasons in words for the user."""
    failed, check = [], []
    if outside_share > limits.failed_outside:
        failed.append(f"the other phase shows only {1 - outside_share:.0%} of the body in this one")
    elif outside_share > limits.check_outside:
        check.append(f"the other phase does not show {outside_share:.0%} of the body in this one")
    if similarity_after < limits.failed_similarity:
        failed.append(f"the images do not match (similarity {similarity_after:.2f})")
    elif similarity_after < limits.check_similarity:
        check.append(f"the images match poorly (similarity {similarity_after:.2f})")
    if similarity_after < similarity_before - limits.check_loss:
        check.append("the images matched better before")
    if jacobian[0] <= 0:
        failed.append("the field folds")
    elif jacobian[0] < limits.check_jacobian:
        check.append(f"tissue is compressed to {jacobian[0]:.0%} somewhere")
    if inverse_consistency_mm > limits.check_inverse_mm:
        check.append(f"forward and backward field differ by {inverse_consistency_mm:.1f} mm")
    verdict = Verdict.FAILED if failed else Verdict.CHECK if check else Verdict.GREEN
    return RegistrationQuality(
        verdict,
        (*failed, *check),
        similarity_before,
        similarity_after,
        jacobian[0],
        jacobian[1],
        inverse_consistency_mm,
        outside_share,
        seconds,
    )

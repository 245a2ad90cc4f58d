"""Whether a study lies in a cascade's scope."""

from collections.abc import Collection

from LiverTumorAILib.cascades.cascade import Cascade
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.study import Phase


def require_phases(cascade: Cascade, present: Collection[Phase]) -> None:
    """Raise LiverTumorAIError, with a way out, if a cascade cannot do without a phase that is not there."""
    # CASCADES imports every cascade, and they import this.
    from LiverTumorAILib.cascades import CASCADES

    missing = [phase for phase in cascade.required_phases if phase not in present]
    if not missing:
        return
    able = [name for name, other in CASCADES.items() if not set(missing) & set(other.required_phases)]
    example = f"{missing[0]}={next(iter(present), Phase.PORTAL_VENOUS)}"
    raise LiverTumorAIError(
        f"The cascade '{cascade.name}' needs phases that are missing or could not be registered",
        ", ".join(phase.title for phase in missing),
        f"Choose a cascade that can do without ({', '.join(able) or 'there is none'}), correct the phases table, or "
        f"let another phase stand in for a missing one (in the window below the method; --substitute {example})",
    )

"""Cascades: published systems behind one interface."""

from collections.abc import Mapping

from LiverTumorAILib.cascades.base import BaseCascade
from LiverTumorAILib.cascades.cascade import Cascade
from LiverTumorAILib.cascades.hfs_net import HfsNet
from LiverTumorAILib.cascades.multi_sensitivity import MultiSensitivityCascade
from LiverTumorAILib.cascades.scope import require_phases
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.study import Phase

CASCADES: Mapping[str, type[Cascade]] = {
    "base": BaseCascade,
    "multi-sensitivity": MultiSensitivityCascade,
    "hfs-net": HfsNet,
}
"""By the name that `--cascade` takes."""


def get_cascade(name: str, device: str = "auto", substitutes: Mapping[Phase, Phase] | None = None) -> Cascade:
    """A cascade by its name.

    Parameters
    ----------
    name: str
        One of `CASCADES`.
    device: str
        'auto', 'cpu' or 'cuda'.
    substitutes: Mapping[Phase, Phase], optional
        By the user's choice: for a missing phase the one that stands in for it.

    Raises
    ------
    LiverTumorAIError
        If there is no such cascade, or it can do without a phase that a substitute is given for.

    """
    if name not in CASCADES:
        raise LiverTumorAIError(f"There is no cascade '{name}'", advice=f"Choose one of: {', '.join(CASCADES)}")
    kind = CASCADES[name]
    if not substitutes:
        return kind(device=device)
    needless = [phase.title for phase in substitutes if phase not in kind.required_phases]
    if needless:
        raise LiverTumorAIError(
            f"The cascade '{name}' can do without the {', '.join(needless)} phase", advice="Leave the substitute out"
        )
    return kind(device=device, substitutes=substitutes)


__all__ = ["CASCADES", "BaseCascade", "Cascade", "HfsNet", "MultiSensitivityCascade", "get_cascade", "require_phases"]

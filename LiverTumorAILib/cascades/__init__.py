"""Cascades: published systems behind one interface."""

from collections.abc import Mapping

from LiverTumorAILib.cascades.base import BaseCascade
from LiverTumorAILib.cascades.cascade import Cascade
from LiverTumorAILib.errors import LiverTumorAIError

CASCADES: Mapping[str, type[Cascade]] = {"base": BaseCascade}
"""By the name that `--cascade` takes."""


def get_cascade(name: str, device: str = "auto") -> Cascade:
    """A cascade by its name, to run on a device ('auto', 'cpu' or 'cuda'); LiverTumorAIError if there is none."""
    if name not in CASCADES:
        raise LiverTumorAIError(f"There is no cascade '{name}'", advice=f"Choose one of: {', '.join(CASCADES)}")
    return CASCADES[name](device=device)


__all__ = ["CASCADES", "BaseCascade", "Cascade", "get_cascade"]

"""Networks that can explain a lesion after the analysis, each cascade's in its own way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import SimpleITK as sitk

from LiverTumorAILib.cascades.hfs_net import TUMOUR_NETWORKS, network_for_size, tumour_evidence
from LiverTumorAILib.cascades.multi_sensitivity import RECLASSIFICATION, SCREENING_NETWORKS, liver_mask
from LiverTumorAILib.explanation import Evidence, can_explain, class_evidence
from LiverTumorAILib.explanation.evidence import BLUR_MM
from LiverTumorAILib.inference import Model, ModelCard, ModelStore
from LiverTumorAILib.lesions import Findings, LesionType
from LiverTumorAILib.lesions.organs import lesion_type_of_class
from LiverTumorAILib.review.heatmaps import class_of
from LiverTumorAILib.study import Phase

SECOND_NETWORKS = (RECLASSIFICATION, SCREENING_NETWORKS[RECLASSIFICATION])


class SeenLesion(NamedTuple):
    """A lesion and what lies around it, on a part of the reference grid (LPS, mm).

    Attributes
    ----------
    type: LesionType
    labels: SimpleITK.Image
        uint8, 1 in the lesion.
    organs: SimpleITK.Image
        Values of `Organ`.
    phases: Mapping[Phase, SimpleITK.Image]
        float32 HU, NaN where a phase shows nothing.

    """

    type: LesionType
    labels: sitk.Image
    organs: sitk.Image
    phases: Mapping[Phase, sitk.Image]


class Explained(NamedTuple):
    """Evidence, and the types that it is of: the first one and, where a network knows several, the second."""

    evidence: Evidence
    types: tuple[LesionType, ...]


@dataclass(frozen=True)
class TypeNetwork:
    """A network that tells lesion types apart; a second one sees the liver alone."""

    model: Model

    @property
    def is_second(self) -> bool:
        """Whether it judges what another network found."""
        return self.model.card.name in SECOND_NETWORKS

    @property
    def inputs(self) -> tuple[Phase, ...]:
        """Phases that it takes."""
        return tuple(map(Phase, self.model.card.inputs))

    @property
    def reach_mm(self) -> float:
        """How far from a lesion it looks at most."""
        return _reach_mm(self.model.card)

    def explain(self, seen: SeenLesion) -> Explained | None:
        """What spoke for a lesion's type and for the next probable one; None if it does not know the type."""
        first = class_of(seen.type, self.model.card.classes)
        if first is None:
            return None
        inside = liver_mask(seen.organs, seen.labels) if self.is_second else None
        evidence, second = class_evidence(self.model, seen.phases, seen.labels, 1, first, inside=inside)
        return Explained(evidence, (seen.type, lesion_type_of_class(second)))


@dataclass(frozen=True)
class SizeNetworks:
    """HFS-Net's networks for large and small tumours, which know HCC only, whatever type a lesion has."""

    models: Mapping[str, Model]
    is_second: bool = False

    @property
    def inputs(self) -> tuple[Phase, ...]:
        """Phases that they take."""
        return tuple(dict.fromkeys(Phase(name) for model in self.models.values() for name in model.card.inputs))

    @property
    def reach_mm(self) -> float:
        """How far from a lesion they look at most."""
        return max(_reach_mm(model.card) for model in self.models.values())

    def explain(self, seen: SeenLesion) -> Explained | None:
        """What spoke for and against HCC; None if a phase is missing, as where another one stood in for it."""
        if not set(self.inputs) <= seen.phases.keys():
            return None
        model = network_for_size(self.models, seen.labels, 1)
        return Explained(tumour_evidence(model, seen.phases, seen.labels, 1), (LesionType.HCC,))


ExplainingNetwork = TypeNetwork | SizeNetworks


def explaining_networks(findings: Findings, models: ModelStore, device: str = "cpu") -> tuple[ExplainingNetwork, ...]:
    """The networks that the findings came from which can explain lesions.

    Networks that see what other networks said are left out; so are those whose file cannot explain.

    Raises
    ------
    LiverTumorAIError
        If one of the networks is broken.

    """
    used, known = findings.provenance.models, models.names()
    cards = [card for name in used if name in known and (card := models.card(name)).sha256 == used[name]]
    if set(TUMOUR_NETWORKS) <= {card.name for card in cards}:
        networks = {name: models.load(name, device) for name in TUMOUR_NETWORKS}
        return (SizeNetworks(networks),) if all(map(can_explain, networks.values())) else ()
    suitable = [card.name for card in cards if not card.priors and _tells_types_apart(card)]
    loaded = [models.load(name, device) for name in suitable]
    return tuple(TypeNetwork(model) for model in loaded if can_explain(model))


def _tells_types_apart(card: ModelCard) -> bool:
    return sum(lesion_type_of_class(name) is not None for name in card.classes) > 1


def _reach_mm(card: ModelCard) -> float:
    """How far from a lesion a network's patch, and what is smoothed for it, reaches at most."""
    return max(n * s for n, s in zip(card.patch, card.spacing_mm, strict=True)) / 2 + BLUR_MM

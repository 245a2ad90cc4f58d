"""The base cascade: one network, most probable classes, connected lesions."""

import time
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib import __version__
from LiverTumorAILib.cascades.assembly import Segmented, assemble_findings
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.explanation import explained_by
from LiverTumorAILib.inference import ModelStore, ProbabilityMaps, predict_probabilities
from LiverTumorAILib.inference.liver import LIVER_MODELS, Liver, find_liver
from LiverTumorAILib.lesions import Findings, Provenance
from LiverTumorAILib.lesions.certainty import missing_phase_warnings
from LiverTumorAILib.lesions.instances import find_instances
from LiverTumorAILib.lesions.organs import (
    lesion_type_of_class,
    organs_around,
    require_agreement,
    require_liver,
    require_plausible_liver,
    separate_organs,
    whole_liver,
)
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Modality, Phase

SCREENING_NETWORK = "_screening"
"""Ends the names of networks for the non-contrast phase alone."""

LEAST_PEAK = 0.975
"""A lesion is somewhere so probable; chosen on 12 validation phantoms (seeds 20000-20011)."""


@dataclass(frozen=True)
class BaseCascade:
    """The multi-sensitivity paper's first step alone ("Base" in its tables): the segmentation network's mask.

    Attributes
    ----------
    device: str
        'auto', 'cpu' or 'cuda'.
    explains: bool
        Whether heatmaps show what spoke for and against each type, which takes seconds a lesion, or probabilities.

    """

    device: str = "auto"
    explains: bool = True
    name: str = "base"
    title: str = "Base: one network"
    protocols: tuple[str, ...] = ("ct4", "ct3", "nc")
    required_models: tuple[str, ...] = ("base_unet",)
    required_phases: tuple[Phase, ...] = ()

    def run(self, study: RegisteredStudy, models: ModelStore, progress: Progress) -> Findings:
        """Find, type and measure the lesions of a CT study.

        Phases may be missing; the findings' warnings say what that costs.

        Raises
        ------
        LiverTumorAIError
            For MR, if the model is missing or broken, or if there is no liver.

        """
        if study.study.modality is not Modality.CT:
            raise LiverTumorAIError(
                f"The cascade '{self.name}' was trained for CT, this study is {study.study.modality}",
                advice="Choose a CT study",
            )
        started = time.perf_counter()
        model = models.load(suited_network(self.required_models[0], study.images, models), self.device)
        liver, used = known_liver(study, models, self.device, progress.part(0, 0.4, "Finding the liver"))
        located = time.perf_counter()
        maps = predict_probabilities(model, study.images, progress.part(0.4, 0.85, "Finding lesions"))
        predicted = time.perf_counter()
        segmented = self._segment(study, maps, liver, progress.part(0.85, 0.9, "Separating lesions"))
        separated = time.perf_counter()
        return assemble_findings(
            study,
            replace(segmented, explain=explained_by(model, study.images)) if self.explains else segmented,
            Provenance(
                software_version=__version__,
                cascade=self.name,
                models={model.card.name: model.card.sha256, **used},
                device=model.device,
                seconds={
                    "liver": located - started,
                    "network": predicted - located,
                    "lesions": separated - predicted,
                },
            ),
            missing_phase_warnings(study.images, [Phase(name) for name in model.card.inputs]),
            progress.part(0.9, 1, "Measuring lesions"),
        )

    @staticmethod
    def _segment(study: RegisteredStudy, maps: ProbabilityMaps, liver: Liver | None, progress: Progress) -> Segmented:
        organ_labels, lesions, _ = segment_liver(study.reference, maps, progress.part(0, 0.6), liver)
        lesion_labels, instances = find_instances(lesions, maps, study.reference, least_peak=LEAST_PEAK)
        progress.update(1.0)
        return Segmented(organ_labels, lesion_labels, instances, maps)


def suited_network(name: str, phases: Collection[Phase], models: ModelStore) -> str:
    """A network's name, or that of its like which saw nothing but non-contrast phases in training.

    The latter where the non-contrast phase is alone; the former can do without any phase and stands in for it where the
    store lacks it.
    """
    screening = f"{name}{SCREENING_NETWORK}"
    return screening if set(phases) == {Phase.NON_CONTRAST} and screening in models.names() else name


def known_liver(
    study: RegisteredStudy, models: ModelStore, device: str, progress: Progress = Progress()
) -> tuple[Liver | None, dict[str, str]]:
    """The liver of the reference phase by the liver networks, and their SHA-256 by name.

    A model store may do without them: then it is None, and the cascade's own network must tell.

    Raises
    ------
    LiverTumorAIError
        If there is no liver, or what looks like one cannot be one.

    """
    if not set(LIVER_MODELS) <= set(models.names()):
        return None, {}
    liver = find_liver(study.reference, models, device, progress)
    require_liver(liver.volume_ml)
    mask, probability = (sitk.GetArrayViewFromImage(image) for image in (liver.mask, liver.probability))
    require_plausible_liver(mask > 0, probability, study.reference)
    return liver, {name: models.card(name).sha256 for name in LIVER_MODELS}


def segment_liver(
    reference: sitk.Image, maps: ProbabilityMaps, progress: Progress = Progress(), liver: Liver | None = None
) -> tuple[sitk.Image, np.ndarray, np.ndarray]:
    """Organs, and lesions of the liver, by the most probable classes; all lesion types together count as one.

    Parameters
    ----------
    reference: SimpleITK.Image
        The reference phase.
    maps: ProbabilityMaps
        Of the cascade's network.
    progress: Progress
    liver: Liver, optional
        From `known_liver`; without it the network's own liver class tells.

    Returns
    -------
    organ_labels: SimpleITK.Image
        uint8 on the reference grid, values of `Organ`.
    lesions, liver: numpy.ndarray
        bool (z, y, x); the liver holds its lesions and vessels.

    Raises
    ------
    LiverTumorAIError
        If there is no liver, or what looks like one cannot be one, or is none to the cascade's network.

    """
    # A tumour whose type is doubtful is a tumour all the same.
    types = [name for name in maps.classes if lesion_type_of_class(name) is not None]
    class_labels = sitk.GetArrayFromImage(maps.joined(types).labels_on(reference))
    progress.update(0.5)
    if liver is not None:
        mask = sitk.GetArrayFromImage(liver.mask) > 0
        require_agreement(mask, class_labels, maps.classes)
        organs, lesions = organs_around(class_labels, maps.classes, mask)
    else:
        organs, lesions = separate_organs(class_labels, maps.classes)
        mask = whole_liver(organs, lesions)
        require_liver(mask.sum() * np.prod(reference.GetSpacing()) / 1000)
        probability = sitk.GetArrayFromImage(maps.probability_on(reference, "liver"))
        require_plausible_liver(mask, probability, reference)
    organ_labels = sitk.GetImageFromArray(organs)
    organ_labels.CopyInformation(reference)
    progress.update(1.0)
    return organ_labels, lesions, mask

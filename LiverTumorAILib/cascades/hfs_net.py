"""HFS-Net: five networks that find hepatocellular carcinoma in three CT phases."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib import __version__
from LiverTumorAILib.cascades.assembly import Segmented, assemble_findings
from LiverTumorAILib.cascades.base import known_liver, segment_liver
from LiverTumorAILib.cascades.hierarchy import PRIORS, StageMaps, cropped_phases, first_stages, large_territory
from LiverTumorAILib.cascades.scope import require_phases
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.explanation import Evidence, Explain, can_explain, lesion_evidence
from LiverTumorAILib.explanation.evidence import patch_around
from LiverTumorAILib.explanation.heatmap import lesion_surroundings
from LiverTumorAILib.inference import Model, ModelCard, ModelStore, ProbabilityMaps, slice_grid, sliding_window
from LiverTumorAILib.inference.liver import Liver
from LiverTumorAILib.inference.preprocess import network_input, sample_phase
from LiverTumorAILib.lesions import Findings, Provenance
from LiverTumorAILib.lesions.instances import find_instances
from LiverTumorAILib.lesions.lesion import ONE_TYPE
from LiverTumorAILib.lesions.organs import require_liver
from LiverTumorAILib.measurement.measure import axial_axis
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Modality, Phase

PHASES = (Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS)
FUSION = "hfs_fusion"
TUMOUR_NETWORKS = ("hfs_large", "hfs_small")
FUSION_OVERLAP = 0.25
THICKEST_SLICES_MM = 5.0
CLASSES = ("background", "HCC", "liver")

SCOPE = (
    "HFS-Net was made for patients with known HCC: it calls every tumour it sees HCC, and lesions of other types are "
    "out of its scope"
)
NO_OTHER_TYPES = "HFS-Net looks for HCC only: lesions of other types are not reported"


@dataclass(frozen=True)
class HfsNet:
    """Lee et al., Hierarchical fusion strategy of deep learning networks, Cancer Imaging 2024;24:43.

    f_liver and f_size see every slice; each tumour goes to f_small or f_large by its longest axis in the slice; f_3D
    makes the final tumours of the portal venous phase and these four results. Where the model store has the liver
    networks, theirs is the liver in which tumours count, since f_liver sees no slice's neighbours.

    Attributes
    ----------
    device: str
        'auto', 'cpu' or 'cuda'.
    substitutes: Mapping[Phase, Phase]
        By the user's choice: for a missing phase the one that stands in for it.
    explains: bool
        Whether heatmaps show what spoke for each tumour, or how probable it is where.
    required_phases: tuple of Phase
        Without which it cannot run, substitutes taken into account.

    """

    device: str = "auto"
    substitutes: Mapping[Phase, Phase] = field(default_factory=dict)
    explains: bool = True
    name: str = "hfs-net"
    title: str = "HFS-Net: HCC only, three phases"
    protocols: tuple[str, ...] = ("ct4", "ct3")
    required_models: tuple[str, ...] = (*PRIORS, FUSION)
    required_phases: tuple[Phase, ...] = PHASES

    def __post_init__(self) -> None:
        needed = dict.fromkeys(self.substitutes.get(phase, phase) for phase in PHASES)
        object.__setattr__(self, "required_phases", tuple(needed))

    def run(self, study: RegisteredStudy, models: ModelStore, progress: Progress) -> Findings:
        """Find and measure the hepatocellular carcinomas of a CT study.

        Raises
        ------
        LiverTumorAIError
            For MR, if a phase is missing that nothing stands in for, if a model is missing or broken, or if there is
            no liver.

        """
        if study.study.modality is not Modality.CT:
            raise LiverTumorAIError(
                f"The cascade '{self.name}' was trained for CT, this study is {study.study.modality}",
                advice="Choose a CT study",
            )
        require_phases(self, study.images)
        started = time.perf_counter()
        networks = {name: models.load(name, self.device) for name in self.required_models}
        loaded = time.perf_counter()
        liver, used = known_liver(study, models, self.device, progress.part(0, 0.2, "Finding the liver"))
        located = time.perf_counter()
        images = {phase: study.images[self._source(phase)] for phase in PHASES}
        maps, stages = predict_hcc(
            networks, images, study.reference, progress.part(0.2, 0.85, "Finding tumours"), liver
        )
        predicted = time.perf_counter()
        segmented = _segment(study.reference, maps, progress.part(0.85, 0.95, "Separating tumours"), liver)
        separated = time.perf_counter()
        return assemble_findings(
            study,
            replace(segmented, explain=explained_by_size(networks, images, stages)) if self.explains else segmented,
            Provenance(
                software_version=__version__,
                cascade=self.name,
                models={name: model.card.sha256 for name, model in networks.items()} | used,
                device=networks[FUSION].device,
                seconds={
                    "models": loaded - started,
                    "liver": located - loaded,
                    "networks": predicted - located,
                    "lesions": separated - predicted,
                },
            ),
            (SCOPE, *self._substitute_warnings(), *_thick_slice_warnings(study)),
            progress.part(0.95, 1, "Measuring tumours"),
            limits=(NO_OTHER_TYPES,),
        )

    def _source(self, phase: Phase) -> Phase:
        return self.substitutes.get(phase, phase)

    def _substitute_warnings(self) -> tuple[str, ...]:
        return tuple(
            f"By the user's choice the {self._source(phase).title} phase stands in for the {phase.title} phase: "
            "the networks were not trained for this, and HCC may be missed"
            for phase in PHASES
            if self._source(phase) is not phase
        )


def predict_hcc(
    networks: Mapping[str, Model],
    images: Mapping[Phase, sitk.Image],
    reference: sitk.Image,
    progress: Progress | None = None,
    known: Liver | None = None,
) -> tuple[ProbabilityMaps, ProbabilityMaps]:
    """Run all five networks.

    Parameters
    ----------
    networks: Mapping[str, Model]
        By name.
    images: Mapping[Phase, SimpleITK.Image]
        The three phases, float32 HU on the reference grid (LPS, mm), NaN where a phase shows nothing.
    reference: SimpleITK.Image
        The reference phase.
    progress: Progress, optional
        Updated, and polled for cancel, before each phase, batch of slices and patch.
    known: Liver, optional
        From `known_liver`; without it f_liver looks for the liver in every slice.

    Returns
    -------
    maps: ProbabilityMaps
        Of `CLASSES`, around the liver; HCC is what f_3D gives, liver what f_liver gives of the rest.
    stages: ProbabilityMaps
        What each of the networks named by `PRIORS` gives there; they do not add up to 1.

    Raises
    ------
    LiverTumorAIError
        If there is no liver.

    """
    progress = progress or Progress(stage="Networks")
    card = networks[PRIORS[0]].card
    grid = slice_grid(reference, card.spacing_mm, card.patch[-1], card.normalisation)
    phases = {}
    for number, (phase, image) in enumerate(images.items()):
        progress.update(0.1 * number / len(images), f"resampling the {phase.title} phase")
        phases[phase] = sample_phase(image, grid)
    within = None if known is None else grid.sample(known.mask, sitk.sitkNearestNeighbor) > 0
    stages = first_stages(networks, phases, progress.part(0.1, 0.8), within)
    if stages is None:
        require_liver(0.0)
    hcc = fuse(networks[FUSION], phases, stages, progress.part(0.8, 1.0))
    liver = stages.probabilities[0] * (1 - hcc)
    low, high = (tuple(getattr(side, end) for side in stages.box) for end in ("start", "stop"))
    probabilities = np.stack([1 - hcc - liver, hcc, liver]).astype(np.float16)
    around = grid.cropped(low, high)
    return (
        ProbabilityMaps(CLASSES, probabilities, around),
        ProbabilityMaps(PRIORS, stages.probabilities.astype(np.float16), around),
    )


def fuse(
    model: Model, phases: Mapping[Phase, np.ndarray], stages: StageMaps, progress: Progress | None = None
) -> np.ndarray:
    """Probability of HCC inside the stages' box, float32 (z, y, x), by f_3D."""
    volume = network_input(cropped_phases(phases, stages.box), model.card)
    volume[-len(PRIORS) :] = stages.probabilities
    probabilities = sliding_window(
        volume, model.session, len(model.card.classes), model.card.patch, overlap=FUSION_OVERLAP, progress=progress
    )
    return probabilities[1].astype(np.float32)


def explained_by_size(
    networks: Mapping[str, Model], images: Mapping[Phase, sitk.Image], stages: ProbabilityMaps
) -> Explain | None:
    """Evidence by the network for small or large tumours, whichever marked a tumour; None if a file lacks it.

    These see the phases. f_3D decides, but it sees one phase and little more than their results.

    Parameters
    ----------
    networks: Mapping[str, Model]
        By name.
    images: Mapping[Phase, SimpleITK.Image]
        As `predict_hcc` takes them.
    stages: ProbabilityMaps
        As `predict_hcc` gives them.

    """
    if not all(can_explain(networks[name]) for name in TUMOUR_NETWORKS):
        return None

    def explain(labels: sitk.Image, label: int, _: tuple[str, str]) -> Evidence:
        around = lesion_surroundings(labels, label, 0.0)
        inside = sitk.GetArrayViewFromImage(around) == label

        def marked(name: str) -> float:
            return float(sitk.GetArrayFromImage(stages.probability_on(around, name))[inside].sum())

        return tumour_evidence(networks[max(TUMOUR_NETWORKS, key=marked)], images, labels, label)

    return explain


def network_for_size(networks: Mapping[str, Model], labels: sitk.Image, label: int) -> Model:
    """The network for small or large tumours, whichever looks at most of a tumour by its size in each slice.

    For tumours that no network marked: the rule is that of the cascade, `large_territory`, on the tumour's own voxels.

    Parameters
    ----------
    networks: Mapping[str, Model]
        Those of `TUMOUR_NETWORKS`, by name.
    labels: SimpleITK.Image
        Lesion labels (LPS, mm).
    label: int
        The tumour's value.

    """
    large, small = (networks[name] for name in TUMOUR_NETWORKS)
    around = lesion_surroundings(labels, label)
    mask = around == label
    grid = patch_around(mask, large.card.spacing_mm, _patch(large.card, labels, label))
    tumour = grid.sample(sitk.Cast(mask, sitk.sitkFloat32)) > 0.5
    is_large = 2 * np.count_nonzero(large_territory(tumour) & tumour) > np.count_nonzero(tumour)
    return large if is_large else small


def tumour_evidence(model: Model, images: Mapping[Phase, sitk.Image], labels: sitk.Image, label: int) -> Evidence:
    """Evidence for and against HCC by one of `TUMOUR_NETWORKS`, in as many slices as a tumour fills.

    Parameters
    ----------
    model: Model
        See `can_explain`.
    images: Mapping[Phase, SimpleITK.Image]
        As `predict_hcc` takes them.
    labels: SimpleITK.Image
        Lesion labels (LPS, mm).
    label: int
        The tumour's value.

    """
    background, hcc = model.card.classes
    return lesion_evidence(model, images, labels, label, (hcc, background), patch=_patch(model.card, labels, label))


def _patch(card: ModelCard, labels: sitk.Image, label: int) -> tuple[int, int, int]:
    """A network's slices (z, y, x), as many as a tumour fills."""
    around = lesion_surroundings(labels, label, 0.0)
    height = np.abs(around.GetDirection()[6:]) @ np.multiply(around.GetSize(), around.GetSpacing())
    return (math.ceil(height / card.spacing_mm[0]) + 2, *card.patch[1:])


def _segment(reference: sitk.Image, maps: ProbabilityMaps, progress: Progress, liver: Liver | None) -> Segmented:
    organ_labels, tumours, _ = segment_liver(reference, maps, progress.part(0, 0.6), liver)
    lesion_labels, instances = find_instances(tumours, maps, reference)
    progress.update(1.0)
    instances = tuple(replace(instance, doubts=(*instance.doubts, ONE_TYPE)) for instance in instances)
    return Segmented(organ_labels, lesion_labels, instances, maps)


def _thick_slice_warnings(study: RegisteredStudy) -> tuple[str, ...]:
    warnings = []
    for phase in PHASES:
        if phase not in study.study.phases:
            continue
        image = study.study.volume(phase).image
        thickness = image.GetSpacing()[::-1][axial_axis(image)]
        if thickness > THICKEST_SLICES_MM + 0.01:
            warnings.append(
                f"The {phase.title} phase has slices {thickness:.1f} mm apart; HFS-Net was made for "
                f"{THICKEST_SLICES_MM:.0f} mm or less, and small tumours may be missed"
            )
    return tuple(warnings)

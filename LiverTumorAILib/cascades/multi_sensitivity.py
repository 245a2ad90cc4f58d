"""The multi-sensitivity cascade: one segmentation at two sensitivities, each detection reclassified."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverTumorAILib import __version__
from LiverTumorAILib.cascades.assembly import LIVER_CUT, Segmented, assemble_findings
from LiverTumorAILib.cascades.base import SCREENING_NETWORK, known_liver, segment_liver, suited_network
from LiverTumorAILib.cascades.liver_patches import LiverOnly, ask
from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.explanation import Explain, can_explain, class_evidence, explained_by
from LiverTumorAILib.inference import Model, ModelStore, predict_probabilities
from LiverTumorAILib.inference.liver import Liver
from LiverTumorAILib.lesions import Findings, Organ, Provenance, read_findings
from LiverTumorAILib.lesions.certainty import missing_phase_warnings
from LiverTumorAILib.lesions.joint import JointDecision, decide, joint_patient
from LiverTumorAILib.lesions.organs import whole_liver
from LiverTumorAILib.lesions.reclassification import RULE, Opinions, Rule, reclassify
from LiverTumorAILib.lesions.sensitivity import LOW_FACTOR, Detection, LesionProbabilities, check_factor
from LiverTumorAILib.lesions.sensitivity_file import SensitivityData
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.study import Modality, Phase, Study, StudyVolume

SEGMENTATION = "base_unet"
RECLASSIFICATION = "multi_sensitivity_reclassification"
SCREENING_NETWORKS: Mapping[str, str] = {
    name: f"{name}{SCREENING_NETWORK}" for name in (SEGMENTATION, RECLASSIFICATION)
}
"""Networks of the screening setting, which saw nothing but non-contrast phases in training."""
HIGH_FACTOR = 10.0
"""Sensitivity factor of "High" in the tables; Fig. 11 shows what others do."""

REGISTERED_FOLDER = "registered"
UNKNOWN_HU = -1024
"""What stands in a results folder's registered phases where they show nothing."""

EDGE_VOXELS = 2

OVERLAP = 0.25
"""Of the sliding window's patches."""

SCREENING = (
    "Only the non-contrast phase is there: screening setting. Lesions that are as dense as the liver do not show, and "
    "types are a guess"
)


@dataclass(frozen=True)
class MultiSensitivityCascade:
    """Wang et al., A cascaded approach for ultraly high performance lesion detection, arXiv 2306.16036.

    With contrast phases it works in the paper's diagnosis setting, with the non-contrast phase alone in the screening
    setting, which has networks of its own.

    Attributes
    ----------
    device: str
        'auto', 'cpu' or 'cuda'.
    factor: float
        Factor of the high sensitivity.
    explains: bool
        Whether heatmaps show what spoke for and against each type, which takes seconds a lesion, or probabilities.
        Only then there are some by the second network, which sees each lesion in its own place.

    """

    device: str = "auto"
    factor: float = HIGH_FACTOR
    explains: bool = True
    name: str = "multi-sensitivity"
    title: str = "Multi-sensitivity: two networks, joint decision"
    protocols: tuple[str, ...] = ("ct4", "ct3", "nc")
    required_models: tuple[str, ...] = (SEGMENTATION, RECLASSIFICATION)
    required_phases: tuple[Phase, ...] = ()

    def run(self, study: RegisteredStudy, models: ModelStore, progress: Progress) -> Findings:
        """Find, type and measure the lesions of a CT study.

        Returns
        -------
        Findings
            Their `sensitivity` holds what `SensitivityControl` needs to find lesions anew with another factor.

        Raises
        ------
        LiverTumorAIError
            For MR, if a model is missing or broken, if there is no liver, or for a factor out of range.

        """
        if study.study.modality is not Modality.CT:
            raise LiverTumorAIError(
                f"The cascade '{self.name}' was trained for CT, this study is {study.study.modality}",
                advice="Choose a CT study",
            )
        check_factor(self.factor)
        started = time.perf_counter()
        segmentation, reclassification = (models.load(name, self.device) for name in networks_of(study.images, models))
        loaded = time.perf_counter()
        liver, used = known_liver(study, models, self.device, progress.part(0, 0.25, "Finding the liver"))
        organs, probabilities = segment(study, segmentation, progress.part(0.25, 0.65, "Finding lesions"), liver)
        segmented = time.perf_counter()
        opinions = give_opinions(
            study.images, organs, probabilities, reclassification, self.factor, progress=progress.part(0.65, 0.93)
        )
        judged = time.perf_counter()
        data = SensitivityData(probabilities, opinions, self.factor)
        decision = detect_jointly(data, self.factor, study.reference)
        decided = time.perf_counter()
        provenance = Provenance(
            software_version=__version__,
            cascade=self.name,
            models={model.card.name: model.card.sha256 for model in (segmentation, reclassification)} | used,
            device=segmentation.device,
            seconds={
                "models": loaded - started,
                "segmentation": segmented - loaded,
                "reclassification": judged - segmented,
                "decision": decided - judged,
            },
        )
        warnings = missing_phase_warnings(study.images, [Phase(name) for name in segmentation.card.inputs])
        if set(study.images) == {Phase.NON_CONTRAST}:
            warnings = (SCREENING,)
        return assemble(
            study,
            organs,
            decision,
            data,
            provenance=provenance,
            warnings=warnings,
            progress=progress.part(0.93, 1, "Measuring lesions"),
            explain=explained_by(segmentation, study.images) if self.explains else None,
            second=reclassification if self.explains and can_explain(reclassification) else None,
        )


def networks_of(phases: Collection[Phase], models: ModelStore) -> tuple[str, str]:
    """Names of the first and the second network for the phases that are there."""
    return suited_network(SEGMENTATION, phases, models), suited_network(RECLASSIFICATION, phases, models)


def segment(
    study: RegisteredStudy,
    model: Model,
    progress: Progress = Progress(),
    liver: Liver | None = None,
    *,
    region: sitk.Image | None = None,
) -> tuple[sitk.Image, LesionProbabilities]:
    """First step: organs on the reference grid (values of `Organ`), and the lesion probabilities in the liver.

    Where only lesions are wanted, a `region` (mask; LPS, mm) around the liver saves most of the time: other organs are
    not looked for outside it.
    """
    maps = predict_probabilities(model, study.images, progress.part(0, 0.9), region, overlap=OVERLAP)
    organs, _, inside = segment_liver(study.reference, maps, progress.part(0.9, 1), liver)
    mask = sitk.GetImageFromArray(inside.astype(np.uint8))
    mask.CopyInformation(study.reference)
    return organs, LesionProbabilities.of(maps, mask)


def give_opinions(
    images: Mapping[Phase, sitk.Image],
    organs: sitk.Image,
    probabilities: LesionProbabilities,
    model: Model,
    factor: float,
    *,
    progress: Progress = Progress(),
    shuffle: bool = True,
    rule: Rule = RULE,
) -> Opinions:
    """Third step: what the second network says of the detections with a factor, and so of all with a lower one.

    Detections that are too large for the rule are left aside, but not the smaller ones that plain argmax finds there.
    """
    high, low = (probabilities.detect(value, organs) for value in (factor, min(factor, LOW_FACTOR)))
    labels = np.where(_small_enough(high, organs, rule), high.labels, 0)
    inner = np.where(_small_enough(low, organs, rule) & (labels == 0), low.labels, 0)
    labels = np.where(inner > 0, inner + len(high.instances), labels).astype(np.uint16)
    liver = whole_liver(sitk.GetArrayViewFromImage(organs), high.labels).astype(np.uint8)
    asked, mask = (sitk.GetImageFromArray(array) for array in (labels, liver))
    for image in (asked, mask):
        image.CopyInformation(organs)
    stage = progress.part(0, 1, "Reclassifying lesions")
    return ask(model, LiverOnly.of(images, mask, model), asked, stage, shuffle)


def detect_jointly(
    data: SensitivityData, factor: float, reference: sitk.Image, rule: Rule = RULE, low: Detection | None = None
) -> JointDecision:
    """Second and fourth step: lesions of low and high sensitivity, reclassified, and what both say together.

    A factor below 1 stands for both. `low` may give what `detect_around` gave for factor 1.
    """
    factors = (min(factor, LOW_FACTOR), factor)
    if low is None or factor < LOW_FACTOR:
        low = detect_around(data, factors[0], reference, rule)
    decision = decide(low, detect_around(data, factor, reference, rule), factors)
    labels = np.zeros(reference.GetSize()[::-1], np.uint16)
    labels[data.probabilities.part_of(reference)] = decision.detection.labels
    return replace(decision, detection=replace(decision.detection, labels=labels))


def detect_around(data: SensitivityData, factor: float, reference: sitk.Image, rule: Rule = RULE) -> Detection:
    """Lesions with a factor, reclassified, on the part of the reference grid around the liver."""
    around = reference[data.probabilities.part_of(reference)[::-1]]
    return reclassify(data.probabilities.detect(factor, around), data.opinions, around, rule)


def assemble(
    study: RegisteredStudy,
    organs: sitk.Image,
    decision: JointDecision,
    data: SensitivityData,
    *,
    provenance: Provenance,
    warnings: tuple[str, ...],
    progress: Progress = Progress(),
    explain: Explain | None = None,
    second: Model | None = None,
    lesions_only: bool = False,
) -> Findings:
    """Findings of a joint decision, explained by the second network too; the liver grows by lesions beyond it."""
    labels = sitk.GetImageFromArray(decision.detection.labels)
    with_lesions = sitk.GetArrayFromImage(organs)
    with_lesions[decision.detection.labels > 0] = Organ.LIVER
    organ_labels = sitk.GetImageFromArray(with_lesions)
    for image in (labels, organ_labels):
        image.CopyInformation(study.reference)
    explain_second = None
    if second is not None:
        inside = liver_mask(organ_labels, labels)
        explain_second = partial(class_evidence, second, study.images, inside=inside)
    instances, maps = decision.detection.instances, data.probabilities.maps
    segmented = Segmented(organ_labels, labels, instances, maps, explain, explain_second)
    findings = assemble_findings(study, segmented, provenance, warnings, progress, lesions_only=lesions_only)
    limits = [warning for warning in findings.warnings if warning == LIVER_CUT]
    return replace(findings, patient=joint_patient(decision, findings.patient, limits), sensitivity=data)


@dataclass(frozen=True)
class SensitivityControl:
    """Finds the lesions of a study anew with another sensitivity, without any network.

    Attributes
    ----------
    study: RegisteredStudy
        The registered phases that the findings were made of.
    findings: Findings
        With `sensitivity`, from `MultiSensitivityCascade.run` or `read_findings`.

    """

    study: RegisteredStudy
    findings: Findings

    def __post_init__(self) -> None:
        _cached(self.findings)

    @classmethod
    def open(cls, folder: Path) -> "SensitivityControl":
        """Of a results folder as `analyze` writes it; LiverTumorAIError if it lacks what is needed."""
        findings = read_findings(folder)
        files = {phase: Path(folder) / REGISTERED_FOLDER / f"{phase}.nrrd" for phase in Phase}
        images = {phase: _read_phase(path) for phase, path in files.items() if path.is_file()}
        if findings.reference_phase not in images:
            raise LiverTumorAIError(
                "The results folder lacks the registered phases", Path(folder).name, "Run the analysis again"
            )
        return cls.of(findings, images)

    @classmethod
    def of(cls, findings: Findings, images: Mapping[Phase, sitk.Image]) -> "SensitivityControl":
        """Of findings and their registered phases (reference grid; HU) as a results folder holds them."""
        known = {phase: known_hu(image) for phase, image in images.items()}
        volumes = tuple(StudyVolume(image, phase) for phase, image in known.items())
        return cls(RegisteredStudy(Study(findings.modality, volumes), findings.reference_phase, known), findings)

    @classmethod
    def around_liver(cls, findings: Findings, images: Mapping[Phase, sitk.Image]) -> "SensitivityControl":
        """The same on the part of the reference grid around the liver alone, which takes a part of the time."""
        part = _around_liver(findings)
        cropped = replace(
            findings, organ_labels=findings.organ_labels[part], lesion_labels=findings.lesion_labels[part], heatmaps={}
        )
        return cls.of(cropped, {phase: image[part] for phase, image in images.items()})

    def detect(self, factor: float) -> JointDecision:
        """Individual lesions with a factor, not measured: what a slider shows while it moves."""
        return detect_jointly(self.findings.sensitivity, factor, self.findings.organ_labels, low=self._low)

    def prepare(self) -> None:
        """Find the lesions of low sensitivity now, which every factor needs."""
        _ = self._low

    @cached_property
    def _low(self) -> Detection:
        return detect_around(self.findings.sensitivity, LOW_FACTOR, self.findings.organ_labels)

    def findings_at(self, factor: float, progress: Progress = Progress(), *, lesions_only: bool = False) -> Findings:
        """Findings with a factor, measured; heatmaps may be left out."""
        started = time.perf_counter()
        decision = self.detect(factor)
        provenance = self.findings.provenance
        seconds = {**provenance.seconds, "decision": time.perf_counter() - started}
        found = assemble(
            self.study,
            self.findings.organ_labels,
            decision,
            self.findings.sensitivity,
            provenance=replace(provenance, seconds=seconds),
            warnings=(),
            progress=progress,
            lesions_only=lesions_only,
        )
        return replace(found, phases=self.findings.phases, warnings=self.findings.warnings)


def _cached(findings: Findings) -> SensitivityData:
    if findings.sensitivity is None:
        raise LiverTumorAIError(
            "These findings hold no probabilities, so their sensitivity cannot be changed",
            advice="Analyze the study with the cascade multi-sensitivity",
        )
    return findings.sensitivity


def _around_liver(findings: Findings) -> tuple[slice, ...]:
    """The part (x, y, z) of the reference grid in which liver and lesions can be.

    Some voxels around it tell that the liver does not reach the edge.
    """
    organs = findings.organ_labels
    liver = (sitk.GetArrayViewFromImage(organs) == Organ.LIVER).view(np.uint8)
    boxes = [_cached(findings).probabilities.part_of(organs), *ndimage.find_objects(liver)]
    low = np.min([[side.start for side in box] for box in boxes], axis=0) - EDGE_VOXELS
    high = np.max([[side.stop for side in box] for box in boxes], axis=0) + EDGE_VOXELS
    ends = zip(np.maximum(low, 0).tolist(), np.minimum(high, liver.shape).tolist(), strict=True)
    return tuple(slice(*end) for end in ends)[::-1]


def _read_phase(path: Path) -> sitk.Image:
    """A registered phase of a results folder."""
    try:
        return sitk.ReadImage(path)
    except RuntimeError as error:
        raise LiverTumorAIError("A registered phase cannot be read", path.name, "Run the analysis again") from error


def known_hu(stored: sitk.Image) -> sitk.Image:
    """A registered phase as results folders hold it, in single precision and NaN where it shows nothing."""
    values = sitk.GetArrayFromImage(stored).astype(np.float32)
    values[values <= UNKNOWN_HU] = np.nan
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(stored)
    return image


def liver_mask(organs: sitk.Image, lesions: sitk.Image) -> sitk.Image:
    """The liver with its vessels and lesions, in which the second network sees them; uint8."""
    arrays = (sitk.GetArrayViewFromImage(image) for image in (organs, lesions))
    liver = sitk.GetImageFromArray(whole_liver(*arrays).astype(np.uint8))
    liver.CopyInformation(organs)
    return liver


def _small_enough(detection: Detection, reference: sitk.Image, rule: Rule) -> np.ndarray:
    """Where there are lesions small enough for reclassification, bool (z, y, x)."""
    sizes = np.bincount(detection.labels.ravel()) * float(np.prod(reference.GetSpacing())) / 1000
    small = sizes <= rule.largest_cm3
    small[0] = False
    return small[detection.labels]

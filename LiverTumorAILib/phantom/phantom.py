"""Synthetic multi-phase liver studies with their truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.phantom.acquisition import (
    Scan,
    Scanner,
    acquire,
    add_scanner_effects,
    draw_scan,
    draw_scanner,
    scan_grid,
    soften,
)
from LiverTumorAILib.phantom.anatomy import Anatomy, Grid
from LiverTumorAILib.phantom.anatomy_generator import default_grid, generate_anatomy
from LiverTumorAILib.phantom.couch import paint_couch
from LiverTumorAILib.phantom.enhancement import draw_perfusion
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.lesion_effects import apply_effects
from LiverTumorAILib.phantom.lesions import (
    PlacedLesion,
    draw_cirrhosis,
    draw_leading_type,
    draw_plans,
    liver_region,
    place_lesions,
    plans_of_types,
)
from LiverTumorAILib.phantom.motion import draw_breathing, invert, on_grid
from LiverTumorAILib.phantom.protocol import PhantomOptions, find_protocol
from LiverTumorAILib.phantom.random_fields import stream
from LiverTumorAILib.phantom.real_anatomy import anatomy_from_label_map
from LiverTumorAILib.phantom.real_scan import ScannedBody, body_of_scan
from LiverTumorAILib.phantom.scene import Scene, as_image, build_scene
from LiverTumorAILib.phantom.truth import LesionTruth, measure_truth
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study import Modality, Phase

PHANTOM_VERSION = 1
"""Same seed, version, protocol and options: same study."""


@dataclass(frozen=True)
class Phantom:
    """A synthetic study and what is true of it.

    Attributes
    ----------
    modality: Modality
    images: Mapping[Phase, SimpleITK.Image]
        float32 of whole numbers, HU or MR signal, LPS, mm; each phase on its own grid.
    reference_phase: Phase
    organs: SimpleITK.Image
        uint8 on the reference phase's grid, values of `Tissue`; lesions are LIVER or the vessel they displace.
    lesions: SimpleITK.Image
        uint16 on the reference phase's grid, instance numbers.
    lesion_truth: tuple of LesionTruth
    fields: Mapping[Phase, SimpleITK.Image]
        For every phase but the reference: displacement u (LPS, mm, vector float32) on the reference phase's grid;
        what the reference phase shows at x, the phase shows at x + u(x).
    description: Mapping[str, float]
        Parameters that were drawn.

    """

    modality: Modality
    images: Mapping[Phase, sitk.Image]
    reference_phase: Phase
    organs: sitk.Image
    lesions: sitk.Image
    lesion_truth: tuple[LesionTruth, ...]
    fields: Mapping[Phase, sitk.Image]
    description: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Patient:
    anatomy: Anatomy
    region: np.ndarray
    lesions: list[PlacedLesion]
    body: ScannedBody | None = None


_Key = tuple[int | str, ...]


def generate_phantom(
    seed: int, protocol: str, options: PhantomOptions | None = None, progress: Progress | None = None
) -> Phantom:
    """Generate one synthetic study.

    The same seed is the same patient in every protocol.

    Parameters
    ----------
    seed: int
        Not negative.
    protocol: str
        One of `PROTOCOLS`.
    options: PhantomOptions, optional
    progress: Progress, optional

    Returns
    -------
    Phantom

    Raises
    ------
    LiverTumorAIError
        Unknown protocol, negative seed, or an anatomy without a liver.

    """
    options = options or PhantomOptions()
    progress = progress or Progress(stage="phantom")
    chosen = find_protocol(protocol)
    if seed < 0:
        raise LiverTumorAIError(f"Seed of a synthetic study is {seed}", advice="Choose a whole number from 0")
    key: _Key = (PHANTOM_VERSION, seed)
    progress.update(0.0, "anatomy")
    patient = _draw_patient(key, options)
    progress.update(0.3, "tissues and lesions")
    anatomy = patient.anatomy
    if chosen.modality is Modality.CT and patient.body is None:
        paint_couch(stream(*key, "couch"), anatomy)
    perfusion = draw_perfusion(stream(*key, "perfusion"), chosen.modality, chosen.phases, anatomy.cirrhosis)
    native = None
    if patient.body is not None:
        perfusion, native = patient.body.own_levels(perfusion), patient.body.native
    scene = build_scene(key, anatomy, perfusion, patient.lesions, native)
    scanner = _draw_scanner(key, anatomy, chosen.modality)
    margin = _liver_margin(patient.region, anatomy.grid)
    thickness = options.slice_thickness_mm
    scans = {
        phase: draw_scan(
            stream(*key, "scan", phase),
            phase,
            phase is chosen.reference_phase,
            margin,
            thickness,
            options.spacing_mm[0],
            options.vary_coverage,
        )
        for phase in chosen.phases
    }
    reference = scan_grid(anatomy.grid, _snap(scans[chosen.reference_phase], anatomy.grid))
    scans[chosen.reference_phase] = _snap(scans[chosen.reference_phase], anatomy.grid)
    organs, instances = _truth_maps(patient, reference, options.slices_per_thickness)
    motions = _draw_motions(key, patient, chosen.phases, chosen.reference_phase, options.breathing_mm)
    images = {}
    for index, phase in enumerate(chosen.phases):
        progress.update(0.5 + 0.5 * index / len(chosen.phases), f"{phase.title} phase")
        images[phase] = _scan(key, scene, phase, scans[phase], scanner, motions.get(phase), anatomy)
    types = {lesion.label: (lesion.plan.type, lesion.plan.atypical) for lesion in patient.lesions}
    spacing, origin = reference.GetSpacing()[::-1], reference.GetOrigin()[::-1]
    truth = measure_truth(instances, types, spacing, origin)
    progress.update(1.0)
    return Phantom(
        chosen.modality,
        images,
        chosen.reference_phase,
        _on(reference, organs),
        _on(reference, instances),
        truth,
        {phase: on_grid(motion, reference) for phase, motion in motions.items()},
        {**anatomy.description, "cirrhosis": anatomy.cirrhosis, **perfusion.description, **scene.trap_counts},
    )


def _draw_patient(key: _Key, options: PhantomOptions) -> _Patient:
    plan_rng = stream(*key, "plan")
    leading = draw_leading_type(plan_rng)
    drawn = draw_cirrhosis(plan_rng, leading)
    cirrhosis = drawn if options.cirrhosis is None else options.cirrhosis
    anatomy, body = _draw_anatomy(key, options, cirrhosis)
    region = liver_region(anatomy.labels, anatomy.grid)
    if not region.any():
        raise LiverTumorAIError(
            "The anatomy has no liver", options.anatomy or "", "Choose a label map whose label 1 is the liver"
        )
    plans = draw_plans(plan_rng, leading) if options.lesions is None else plans_of_types(plan_rng, options.lesions)
    lesions = place_lesions(stream(*key, "place"), anatomy, region, plans)
    return _Patient(anatomy, region, apply_effects(stream(*key, "effects"), anatomy, region, lesions), body)


def _draw_anatomy(key: _Key, options: PhantomOptions, cirrhosis: float) -> tuple[Anatomy, ScannedBody | None]:
    rng = stream(*key, "anatomy")
    grid = default_grid(options.anatomy_spacing_mm, rng)
    if options.scan is not None:
        body = body_of_scan(options.scan, rng, grid)
        return body.anatomy, body
    if options.anatomy is not None:
        return anatomy_from_label_map(options.anatomy, rng, grid, cirrhosis), None
    return generate_anatomy(rng, grid, cirrhosis), None


def _draw_scanner(key: _Key, anatomy: Anatomy, modality: Modality) -> Scanner:
    body = np.flatnonzero(~np.isin(anatomy.labels, (Tissue.AIR, Tissue.COUCH)).all(axis=(0, 1)))
    width = float((body[-1] - body[0]) * anatomy.grid.spacing_mm[2])
    gallbladder = np.argwhere(anatomy.labels == Tissue.GALLBLADDER)
    place = gallbladder.mean(axis=0) if len(gallbladder) else np.array(anatomy.grid.shape) / 2
    clip = tuple(float(c) for c in place * anatomy.grid.spacing_mm + anatomy.grid.origin_mm)
    return draw_scanner(stream(*key, "scanner", modality), modality, width, clip)


def _liver_margin(region: np.ndarray, grid: Grid) -> tuple[float, float]:
    """Room (mm) below and above the liver."""
    slices = np.flatnonzero(region.any(axis=(1, 2)))
    return slices[0] * grid.spacing_mm[0], (grid.shape[0] - 1 - slices[-1]) * grid.spacing_mm[0]


def _snap(scan: Scan, grid: Grid) -> Scan:
    """The same scan, starting at a slice of the anatomy."""
    step = grid.spacing_mm[0]
    return Scan(scan.thickness_mm, (int(scan.trim_mm[0] / step) * step, scan.trim_mm[1]))


def _truth_maps(patient: _Patient, reference: sitk.Image, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Organs and lesion instances on the reference phase's grid."""
    grid = patient.anatomy.grid
    first = round((reference.GetOrigin()[2] - grid.origin_mm[0]) / grid.spacing_mm[0] - (factor - 1) / 2)
    kept = slice(first, first + reference.GetSize()[2] * factor)
    occupancy = np.zeros(grid.shape, np.float32)
    instances = np.zeros(grid.shape, np.uint16)
    for lesion in patient.lesions:
        inside = lesion.opacity > 0
        instances[lesion.box][inside] = lesion.label
        occupancy[lesion.box][inside] = lesion.opacity[inside]
    organs = patient.anatomy.labels[kept][factor // 2 :: factor]
    in_slices = (-1, factor, *grid.shape[1:])
    filled = occupancy[kept].reshape(in_slices).mean(axis=1) >= 0.5
    return organs, instances[kept].reshape(in_slices).max(axis=1) * filled


def _draw_motions(
    key: _Key, patient: _Patient, phases: tuple[Phase, ...], reference: Phase, breathing_mm: float | None
) -> dict[Phase, sitk.Image]:
    rng = stream(*key, "breathing")
    drawn = 20.0 * rng.beta(1.1, 2.2)
    greatest = drawn if breathing_mm is None else breathing_mm
    grid = patient.anatomy.grid
    top = np.flatnonzero(patient.region.any(axis=(1, 2)))[-1]
    dome = np.array([top, *np.argwhere(patient.region[top]).mean(axis=0)]) * grid.spacing_mm + grid.origin_mm
    shares = {phase: stream(*key, "breathing", phase).uniform(-1, 1) for phase in Phase}
    moving = [phase for phase in phases if phase is not reference]
    largest = max((abs(shares[phase]) for phase in moving), default=1.0)
    return {
        phase: draw_breathing(
            stream(*key, "motion", phase), grid, tuple(dome.tolist()), greatest * shares[phase] / largest
        )
        for phase in moving
    }


def _scan(  # noqa: PLR0917
    key: _Key, scene: Scene, phase: Phase, scan: Scan, scanner: Scanner, motion: sitk.Image | None, anatomy: Anatomy
) -> sitk.Image:
    grid = anatomy.grid
    image = scan_grid(grid, scan)
    transform = sitk.Transform(3, sitk.sitkIdentity)
    clean = scene.signal(phase)
    if motion is not None:
        transform = sitk.DisplacementFieldTransform(invert(motion))
    else:
        clean = soften(clean)
    sampled = acquire(as_image(clean, grid), image, transform, grid.spacing_mm[0])
    centre = tuple(o + s * (n - 1) / 2 for o, s, n in zip(grid.origin_mm, grid.spacing_mm, grid.shape, strict=True))
    noisy = add_scanner_effects(stream(*key, "noise", phase), sampled, image, scanner, centre[1:])
    return _on(image, noisy.astype(np.float32))


def _on(geometry: sitk.Image, array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(geometry)
    return image

"""All phases of a study onto its reference phase."""

import SimpleITK as sitk

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration.region import Region, liver_region
from LiverTumorAILib.registration.register import register
from LiverTumorAILib.registration.registered_study import RegisteredStudy, RegistrationQuality, Verdict
from LiverTumorAILib.study import Phase, Study


def register_study(
    study: Study, progress: Progress = Progress(), region: Region | None = None, device: str = "auto"
) -> RegisteredStudy:
    """Register every phase onto the reference phase.

    A phase whose registration fails is left out and named in the warnings; so is one that is to be checked, which
    is used. Volumes without a phase are ignored; where a phase occurs twice, `Study.volume` decides.

    Parameters
    ----------
    study: Study
    progress: Progress
    region: Region, optional
        Where the registrations have to be right; the liver as found in the reference phase if not given.
    device: str
        'auto', 'cpu' or 'cuda' (needs CuPy).

    Raises
    ------
    LiverTumorAIError
        If no volume has a known phase.

    """
    reference_phase = study.reference_phase
    reference = sitk.Cast(study.volume(reference_phase).image, sitk.sitkFloat32)
    images, fields, quality = {reference_phase: reference}, {}, {}
    warnings = _repeated_phases(study)
    others = [phase for phase in study.phases if phase != reference_phase]
    if others and region is None:
        region = liver_region(reference)
    for index, phase in enumerate(others):
        part = progress.part(index / len(others), (index + 1) / len(others), f"Registering {phase.title}")
        try:
            result = register(reference, study.volume(phase).image, part, region, device)
        except LiverTumorAIError as error:
            reason = error.what[0].lower() + error.what[1:]
            quality[phase] = RegistrationQuality(Verdict.FAILED, (reason,), similarity_after=0.0, match=0.0)
        else:
            quality[phase] = result.quality
            if result.quality.verdict is not Verdict.FAILED:
                images[phase], fields[phase] = result.moved, result.field
                warnings += [f"{_sentence(phase)} phase: {note}" for note in result.notes]
        if quality[phase].verdict is Verdict.FAILED:
            warnings.append(f"{_sentence(phase)} phase left out: {'; '.join(quality[phase].reasons)}")
        elif quality[phase].verdict is Verdict.CHECK:
            warnings.append(f"Check the {phase.title} phase's registration: {'; '.join(quality[phase].reasons)}")
    ordered = {phase: images[phase] for phase in Phase if phase in images}
    progress.update(1.0)
    return RegisteredStudy(study, reference_phase, ordered, fields, quality, tuple(warnings))


def _sentence(phase: Phase) -> str:
    return phase.title[0].upper() + phase.title[1:]


def _repeated_phases(study: Study) -> list[str]:
    warnings = []
    for phase in study.phases:
        used = study.volume(phase)
        for volume in study.volumes:
            if volume.phase == phase and volume is not used:
                names = f"{used.source or 'another volume'} is used, {volume.source or 'one volume'} is not"
                warnings.append(f"{_sentence(phase)} phase found twice: {names}")
    return warnings

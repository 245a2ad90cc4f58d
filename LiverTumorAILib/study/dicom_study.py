"""From files of DICOM to volumes."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.progress import Progress
from LiverTumorAILib.study.acquisitions import split_series
from LiverTumorAILib.study.dicom_slice import Slice, check_complete, slices_of_file
from LiverTumorAILib.study.dicom_volume import SliceStack, make_stack, read_volume
from LiverTumorAILib.study.grey_values import GreyValues, read_grey_values
from LiverTumorAILib.study.header_words import seconds_since_midnight
from LiverTumorAILib.study.raw_volume import RawVolume
from LiverTumorAILib.study.sanity import check_memory, check_values
from LiverTumorAILib.study.series_selection import count_in_words, is_scanner_image, why_not_a_phase, why_not_an_image
from LiverTumorAILib.study.study import Modality

_WORD_ATTRIBUTES = ("SeriesDescription", "ProtocolName", "ImageComments", "AcquisitionComments")


def read_dicom_study(
    files: Sequence[tuple[Path, Dataset]], where: str, progress: Progress
) -> tuple[Modality, list[RawVolume], list[str]]:
    """Read all phases that may belong to a liver study.

    Parameters
    ----------
    files: sequence of (Path, pydicom.Dataset)
        DICOM files with their headers.
    where: str
        Name of the folder, for errors.
    progress: Progress

    Returns
    -------
    Modality
    list of RawVolume
        In the order in which they were acquired.
    list of str
        Warnings.

    Raises
    ------
    LiverTumorAIError
        If the files hold several patients or studies, or no series that could be a phase, or a file is damaged.

    """
    left_out: Counter[str] = Counter()
    images = []
    for path, header in files:
        if is_scanner_image(header):
            check_complete(path, header)
        reason = why_not_an_image(header)
        if reason:
            left_out[reason] += 1
        else:
            images.append((path, header))
    _check_one_study(images, where)
    warnings = count_in_words(left_out)
    images, notes = _one_modality(images)
    warnings += notes
    stacks, reasons = _stacks(_by_series(images), warnings)
    if not stacks:
        raise _nothing_usable(reasons, left_out, where)
    check_memory(sum(stack.byte_count for stack, *_ in stacks), where)
    modality = Modality(str(stacks[0][0].slices[0].header.Modality))
    volumes = []
    for index, (stack, source, shared) in enumerate(stacks):
        part = progress.part(index / len(stacks), (index + 1) / len(stacks))
        part.update(0.0, source)
        image = read_volume(stack, modality is Modality.CT, part)
        try:
            check_values(image, source)
            grey = read_grey_values(image, modality, source)
        except LiverTumorAIError as error:
            warnings.append(f"{source} left out: {error.what}")
            reasons.append(error)
            continue
        if grey.note:
            warnings.append(f"{source}: {grey.note}")
        volumes.append(_raw_volume(stack, grey, source, shared))
    if not volumes:
        raise reasons[0] if len(reasons) == 1 else _nothing_usable(reasons, left_out, where)
    return modality, volumes, warnings


def _check_one_study(images: Sequence[tuple[Path, Dataset]], where: str) -> None:
    patients = {str(header.get("PatientID") or "") for _, header in images}
    studies = {str(header.get("StudyInstanceUID") or "") for _, header in images}
    if len(patients) > 1:
        raise LiverTumorAIError(
            f"The folder holds images of {len(patients)} patients", where, "Choose a folder with a single patient"
        )
    if len(studies) > 1:
        raise LiverTumorAIError(
            f"The folder holds {len(studies)} studies of one patient", where, "Choose the folder of a single study"
        )


def _one_modality(images: list[tuple[Path, Dataset]]) -> tuple[list[tuple[Path, Dataset]], list[str]]:
    counts = Counter(str(header.Modality) for _, header in images)
    if len(counts) < 2:
        return images, []
    (chosen, _), *others = counts.most_common()
    notes = [f"{number} {modality} files left out: the study is read as {chosen}" for modality, number in others]
    return [(path, header) for path, header in images if header.Modality == chosen], notes


def _by_series(images: Sequence[tuple[Path, Dataset]]) -> list[list[tuple[Path, Dataset]]]:
    """Files of each series, in the order of series numbers; a copy of a file counts once."""
    series = defaultdict(dict)
    for path, header in images:
        instance = str(header.get("SOPInstanceUID") or path)
        series[str(header.get("SeriesInstanceUID") or path.parent)].setdefault(instance, (path, header))
    return sorted((list(files.values()) for files in series.values()), key=lambda files: _series_number(files[0][1]))


def _series_number(header: Dataset) -> int:
    return int(header.get("SeriesNumber") or 0)


def _stacks(
    series: Sequence[Sequence[tuple[Path, Dataset]]], warnings: list[str]
) -> tuple[list[tuple[SliceStack, str, bool]], list[LiverTumorAIError]]:
    """Usable acquisitions as (stack, source, whether the series holds others too), and why others are not usable."""
    stacks, reasons = [], []
    for files in series:
        name = f"series {_series_number(files[0][1])}"
        try:
            slices = _slices(files)
        except LiverTumorAIError as error:
            reasons.append(LiverTumorAIError(error.what, name, error.advice))
            warnings.append(f"{name} left out: {error.what}")
            continue
        parts = split_series(slices)
        usable = []
        for number, part in enumerate(parts, start=1):
            source = name if len(parts) == 1 else f"{name}, acquisition {_acquisition_label(part, parts, number)}"
            reason = why_not_a_phase(part)
            try:
                if reason:
                    raise LiverTumorAIError(f"The series is {reason}", source, "Choose an axial contrast phase")
                usable.append((make_stack(part, source), source))
            except LiverTumorAIError as error:
                reasons.append(error)
                warnings.append(f"{source} left out: {error.what}")
        stacks += [(stack, source, len(usable) > 1) for stack, source in usable]
    return sorted(stacks, key=lambda item: _time_or_zero(item, stacks)), reasons


def _slices(files: Sequence[tuple[Path, Dataset]]) -> list[Slice]:
    slices = []
    for path, header in files:
        slices += slices_of_file(path, header)
    return slices


def _acquisition_label(part: Sequence[Slice], parts: Sequence[Sequence[Slice]], number: int) -> str:
    """Its AcquisitionNumber where that tells the parts apart, else its place."""
    labels = [{item.acquisition.get("AcquisitionNumber", "") for item in other} for other in parts]
    unique = len({frozenset(label) for label in labels}) == len(parts)
    (first, *more) = {item.acquisition.get("AcquisitionNumber", "") for item in part}
    return first if first and not more and unique else str(number)


def _seconds(stack: SliceStack) -> float | None:
    times = [seconds_since_midnight(item.acquisition.get("AcquisitionTime", "")) for item in stack.slices]
    known = [time for time in times if time is not None]
    return min(known) if known else None


def _time_or_zero(item: tuple[SliceStack, str, bool], stacks: Sequence[tuple[SliceStack, str, bool]]) -> float:
    """Acquisition time to sort by, 0 for all where it is not known of each."""
    times = [_seconds(stack) for stack, *_ in stacks]
    return 0.0 if None in times else _seconds(item[0])


def _raw_volume(stack: SliceStack, grey: GreyValues, source: str, shared: bool) -> RawVolume:
    header = stack.slices[0].header
    words = () if shared else tuple(str(header[name].value) for name in _WORD_ATTRIBUTES if header.get(name))
    return RawVolume(
        grey.image,
        source,
        words,
        contrast_agent="" if shared else str(header.get("ContrastBolusAgent") or ""),
        seconds=_seconds(stack),
        is_ordered=True,
        values_are_approximate=grey.are_approximate,
        warnings=stack.warnings,
        dicom_files=tuple(item.path for item in stack.slices),
    )


def _nothing_usable(reasons: Sequence[LiverTumorAIError], left_out: Counter[str], where: str) -> LiverTumorAIError:
    if len(reasons) == 1 and not left_out:
        return reasons[0]
    counts = Counter(error.what[0].lower() + error.what[1:] for error in reasons)
    texts = [f"{number} series: {what}" for what, number in counts.items()]
    texts += [f"{number} files: {what}" for what, number in left_out.items()]
    return LiverTumorAIError(
        f"No axial CT or MR series of a liver was found [{'; '.join(texts)}]",
        where,
        "Choose the folder that holds the contrast phases",
    )

"""Readings at other sensitivities: the reader's decisions stay, all else is as the cascade finds it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from LiverTumorAILib.cascades.multi_sensitivity import SensitivityControl
from LiverTumorAILib.explanation.titles import heatmap_types, second_type
from LiverTumorAILib.lesions import Findings, Lesion, LesionType
from LiverTumorAILib.lesions.joint import renumbered
from LiverTumorAILib.lesions.sensitivity import LesionProbabilities
from LiverTumorAILib.review.boxes import box_of
from LiverTumorAILib.review.corrections import Corrector, same_voxels
from LiverTumorAILib.review.heatmaps import seen_type
from LiverTumorAILib.review.reading import Reading, begin_reading
from LiverTumorAILib.review.remeasure import remeasure
from LiverTumorAILib.study import Phase

SAME_SHARE = 0.5
"""Of a found lesion that lies in a decided one, or of the smaller of two found ones: so much makes them one."""


class LiveSensitivity:
    """Makes the readings of one study at other sensitivities of its cascade.

    A lesion keeps number and UID at all factors, also where it goes and comes back.

    Parameters
    ----------
    findings: Findings
        With `sensitivity`.
    images: Mapping[Phase, SimpleITK.Image]
        Registered phases (reference grid; LPS, mm; HU) as a results folder holds them.

    Raises
    ------
    LiverTumorAIError
        If the findings hold no probabilities.

    """

    def __init__(self, findings: Findings, images: Mapping[Phase, sitk.Image]) -> None:
        self._control = SensitivityControl.around_liver(findings, images)
        self._corrector = Corrector(findings.lesion_labels, images)
        self._known = _Places(findings.lesion_labels)
        self._explained = {lesion.uid: lesion for lesion in findings.lesions if lesion.opposing_heatmap}
        self._maps = findings.heatmaps
        self._found: dict[float, tuple[Findings, Mapping[str, sitk.Image]]] = {}

    def prepare(self) -> None:
        """Compute now what every factor needs, so that the first one takes no longer than others."""
        self._control.prepare()

    def find(self, factor: float) -> tuple[Findings, Mapping[str, sitk.Image]]:
        """Findings with a factor, without label images, and the masks of their lesions by UID; kept once made.

        May run beside `at`: whoever comes first makes them.
        """
        if factor not in self._found:
            found = self._control.findings_at(factor, lesions_only=True)
            masks = begin_reading(found).masks
            small = replace(found, organ_labels=self._corrector.grid, lesion_labels=self._corrector.grid)
            self._found.setdefault(factor, (small, masks))
        return self._found[factor]

    def at(self, factor: float, reading: Reading, findings: Findings) -> tuple[Reading, Findings]:
        """The reading, and the findings that it reads, at another sensitivity.

        Lesions that the reader decided about, or chose as targets, stay as they are, found or not. A lesion that is
        found in the place of one of them is that one; of others, what belongs to one of them is left out.

        Parameters
        ----------
        factor: float
            Of the lesions' probabilities.
        reading: Reading
            The present one.
        findings: Findings
            What it reads.

        Returns
        -------
        tuple of Reading and Findings
            The findings' label images are those of `findings`.

        Raises
        ------
        LiverTumorAIError
            If the factor is out of range.

        """
        found, masks = self.find(factor)
        for lesion in reading.lesions:
            self._known.add(lesion.uid, lesion.label, reading.masks[lesion.uid])
        kept = _decided(reading)
        now = replace(kept, factor=factor)
        lesions, heatmaps, numbers = [], _entries(findings, kept), {}
        for lesion in found.lesions:
            mask = masks[lesion.uid]
            owner, free = self._owner(mask, kept)
            if owner:
                numbers[lesion.label] = kept.lesion(owner).label
                lesions += [earlier for earlier in findings.lesions if earlier.uid == owner]
                continue
            named = self._with_evidence(self._named(lesion, mask, now))
            if not same_voxels(free, mask):
                named = remeasure(named, free, self._corrector.images)
            now = now.with_lesion(named, self._known.add(named.uid, named.label, free))
            numbers[lesion.label] = named.label
            heatmaps |= self._evidence(named) or {named.heatmap: (named.type, now.masks[named.uid])}
            lesions.append(named)
        return replace(now, lesions=_by_label(now.lesions)), replace(
            found,
            lesions=_by_label(lesions),
            organ_labels=findings.organ_labels,
            lesion_labels=findings.lesion_labels,
            patient=renumbered(found.patient, numbers),
            heatmaps=_Heatmaps(self._corrector.grid, found.sensitivity.probabilities, heatmaps),
        )

    def _owner(self, mask: sitk.Image, kept: Reading) -> tuple[str | None, sitk.Image | None]:
        """The decided lesion that a found one is, and what of the found one belongs to no decided lesion."""
        uid, common = self._known.nearest(mask, kept.masks)
        free = self._corrector.free(kept, mask)
        return uid if free is None or common >= SAME_SHARE * _volume(mask) else None, free

    def _named(self, lesion: Lesion, mask: sitk.Image, now: Reading) -> Lesion:
        """A found lesion under number and UID of the known one in its place."""
        uid, common = self._known.nearest(mask, self._known.masks.keys() - now.masks.keys())
        if uid is None or common < SAME_SHARE * min(_volume(mask), _volume(self._known.masks[uid])):
            uid = lesion.uid
        label = self._known.label(uid)
        return replace(lesion, uid=uid, label=label, heatmap=f"lesion-{label}.nii.gz")

    def _with_evidence(self, lesion: Lesion) -> Lesion:
        """A found lesion with the maps that the analysis made of it, if it has the same two types still."""
        analyzed = self._explained.get(lesion.uid)
        if analyzed is None or heatmap_types(analyzed) != (lesion.type, second_type(lesion)):
            return lesion
        return replace(
            lesion,
            heatmap=analyzed.heatmap,
            opposing_heatmap=analyzed.opposing_heatmap,
            second_heatmaps=analyzed.second_heatmaps,
        )

    def _evidence(self, lesion: Lesion) -> dict[str, sitk.Image]:
        return {name: self._maps[name] for name in lesion.heatmap_files} if lesion.opposing_heatmap else {}


class _Heatmaps(Mapping[str, sitk.Image]):
    """Heatmaps by file name, of which those of lesions that were found anew are made when they are wanted.

    Parameters
    ----------
    grid: SimpleITK.Image
        The reference grid (LPS, mm).
    probabilities: LesionProbabilities
    entries: Mapping
        A heatmap, or type and mask (a box of the grid) of a lesion.

    """

    def __init__(
        self,
        grid: sitk.Image,
        probabilities: LesionProbabilities,
        entries: Mapping[str, sitk.Image | tuple[LesionType, sitk.Image]],
    ) -> None:
        self._grid, self._probabilities = grid, probabilities
        self.entries = entries

    def __getitem__(self, name: str) -> sitk.Image:
        entry = self.entries[name]
        if isinstance(entry, sitk.Image):
            return entry
        return seen_type(*entry, self._probabilities.maps, self._grid)

    def __contains__(self, name: object) -> bool:
        """Without making it."""
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class _Places:
    """Where lesions were seen on a reference grid, by UID."""

    def __init__(self, grid: sitk.Image) -> None:
        self._grid = grid
        self._labels: dict[str, int] = {}
        self._boxes: dict[str, tuple[slice, ...]] = {}
        self.masks: dict[str, sitk.Image] = {}

    def label(self, uid: str) -> int:
        """Number of a lesion; the next free one if it is not known."""
        return self._labels.get(uid) or 1 + max(self._labels.values(), default=0)

    def add(self, uid: str, label: int, mask: sitk.Image) -> sitk.Image:
        """Remember a lesion's latest mask; returns the one that is known where both have the same voxels."""
        known = self.masks.get(uid)
        if known is None or not same_voxels(known, mask):
            self._labels[uid], self.masks[uid], self._boxes[uid] = label, mask, box_of(mask, self._grid)
        return self.masks[uid]

    def nearest(self, mask: sitk.Image, among: Collection[str]) -> tuple[str | None, int]:
        """Which of some lesions shares most voxels with a mask, and how many; None and 0 if none shares any."""
        box = box_of(mask, self._grid)
        common = {uid: _common(mask, box, self.masks[uid], self._boxes[uid]) for uid in sorted(among)}
        uid = max(common, key=common.get, default=None)
        return (uid, common[uid]) if uid and common[uid] else (None, 0)


def _decided(reading: Reading) -> Reading:
    """The lesions alone that the reader decided about, or chose as targets."""
    decided = {*reading.states, *reading.targets}
    return replace(
        reading,
        lesions=tuple(lesion for lesion in reading.lesions if lesion.uid in decided),
        masks={uid: mask for uid, mask in reading.masks.items() if uid in decided},
    )


def _entries(findings: Findings, kept: Reading) -> dict[str, object]:
    """The heatmaps of these lesions and of those that they were found as, as `_Heatmaps` takes them."""
    known = findings.heatmaps.entries if isinstance(findings.heatmaps, _Heatmaps) else findings.heatmaps
    those = (*kept.lesions, *(lesion for lesion in findings.lesions if lesion.uid in kept.masks))
    names = {name for lesion in those for name in lesion.heatmap_files}
    return {name: entry for name, entry in known.items() if name in names}


def _by_label(lesions: Collection[Lesion]) -> tuple[Lesion, ...]:
    return tuple(sorted(lesions, key=lambda lesion: lesion.label))


def _volume(mask: sitk.Image) -> int:
    return int(np.count_nonzero(sitk.GetArrayViewFromImage(mask)))


def _common(mask: sitk.Image, box: tuple[slice, ...], other: sitk.Image, other_box: tuple[slice, ...]) -> int:
    """How many voxels two masks share that fill these boxes (z, y, x) of a grid."""
    if any(a.start >= b.stop or b.start >= a.stop for a, b in zip(box, other_box, strict=True)):
        return 0
    ends = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, other_box, strict=True)]
    here, there = (
        sitk.GetArrayViewFromImage(image)[
            tuple(slice(low - side.start, high - side.start) for (low, high), side in zip(ends, outer, strict=True))
        ]
        for image, outer in ((mask, box), (other, other_box))
    )
    return int(np.count_nonzero((here > 0) & (there > 0)))

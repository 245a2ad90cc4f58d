"""Lesions put into the livers of training patches: types in steady shares, mostly small, with the patch's noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.phantom.anatomy import Anatomy, Grid
from LiverTumorAILib.phantom.enhancement import Perfusion, draw_perfusion
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.lesion_appearance import lesion_signature
from LiverTumorAILib.phantom.lesions import PlacedLesion, Plan, place_lesions
from LiverTumorAILib.phantom.random_fields import smooth_noise
from LiverTumorAILib.study import Modality, Phase
from LiverTumorAILib.training.targets import UNSPLIT_LIVER, lesion_class

TYPE_SHARES: Mapping[LesionType, float] = {
    LesionType.HCC: 0.26, LesionType.ICC: 0.14, LesionType.METASTASIS: 0.18, LesionType.HEMANGIOMA: 0.14,
    LesionType.FNH: 0.06, LesionType.CYST: 0.12, LesionType.CALCIFICATION: 0.04, LesionType.OTHER: 0.06,
}  # fmt: skip
COUNTS = (1, 2, 3, 5)
"""Lesions that a patch may receive, each number as likely as any other."""
SMALL_SHARE = 0.6
SMALL_MM, LARGE_MM = (5.0, 20.0), (20.0, 110.0)
"""Mean diameters, drawn evenly on a logarithmic scale."""
LARGEST_CALCIFICATION_MM = 20.0
FAINTNESS = (0.5, 1.1)
"""Contrast of a lesion relative to the phantoms' clear ones; cysts and calcifications keep theirs."""
MOSAIC: Mapping[LesionType, tuple[float, float]] = {
    LesionType.HCC: (0.9, 40.0), LesionType.ICC: (0.5, 25.0), LesionType.METASTASIS: (0.5, 25.0),
    LesionType.OTHER: (0.5, 30.0),
}  # fmt: skip
"""Chance and greatest standard deviation (HU) of unevenness in large solid lesions."""
MOSAIC_RADIUS_MM = 30.0
_MOSAIC_BY_PHASE = {
    Phase.NON_CONTRAST: (0.0, 0.25), Phase.ARTERIAL: (0.6, 1.2), Phase.PORTAL_VENOUS: (-0.2, 1.0),
    Phase.DELAYED: (-0.2, 0.8),
}  # fmt: skip
_VESSEL_REACH = 7
"""Voxels; a portal vein that liver surrounds so far lies inside it."""
_LEAST_LIVER = 200


@dataclass(frozen=True)
class Implanter:
    """Implants lesions into patches of one recipe.

    Attributes
    ----------
    phases: tuple of Phase
        Of the patches' channels.
    classes: tuple of str
        Of their labels.
    spacing_mm: tuple of three floats
        (z, y, x).

    """

    phases: tuple[Phase, ...]
    classes: tuple[str, ...]
    spacing_mm: tuple[float, float, float]

    def implant(self, rng: np.random.Generator, images: np.ndarray, labels: np.ndarray) -> int:
        """Put lesions into the liver of a patch, in place; without liver nothing happens.

        Parameters
        ----------
        rng: numpy.random.Generator
        images: numpy.ndarray
            float32 (phases, z, y, x), HU, NaN where unknown.
        labels: numpy.ndarray
            uint8 (z, y, x), class indices or values of partial label maps.

        Returns
        -------
        int
            Number of lesions.

        """
        region, parenchyma = self._region(labels)
        if np.count_nonzero(parenchyma) < _LEAST_LIVER:
            return 0
        perfusion = self._perfusion(rng, images, labels, parenchyma)
        body = Anatomy(labels, Grid(labels.shape, self.spacing_mm))
        placed = place_lesions(rng, body, region, draw_plans(rng))
        for lesion in placed:
            signature = lesion_signature(lesion, perfusion, rng, self.spacing_mm)
            keeps = lesion.plan.type in {LesionType.CYST, LesionType.CALCIFICATION}
            share = 1.0 if keeps else rng.uniform(*FAINTNESS)
            mosaic = self._mosaic(rng, lesion)
            for image, phase in zip(images, self.phases, strict=True):
                liver = perfusion.native[Tissue.LIVER] + perfusion.level(phase, Tissue.LIVER)
                level = liver + share * (signature.native + signature.concentration[phase] - liver)
                level = level + rng.uniform(*_MOSAIC_BY_PHASE[phase]) * mosaic
                part = image[lesion.box]
                part += lesion.opacity * (level + _grain(part) - part)
            labels[lesion.box][lesion.mask] = lesion_class(lesion.plan.type)
        return len(placed)

    def _mosaic(self, rng: np.random.Generator, lesion: PlacedLesion) -> np.ndarray | float:
        """Unevenness (HU) of solid lesions, the more the larger they are: tumours are seldom as even as drawn."""
        chance, strength = MOSAIC.get(lesion.plan.type, (0.0, 0.0))
        if rng.random() >= chance:
            return 0.0
        radius = lesion.shape.radius_mm
        strength *= rng.random() * min(radius / MOSAIC_RADIUS_MM, 1.0)
        correlation = float(np.clip(rng.uniform(0.15, 0.45) * radius, 2.5, 14))
        return strength * smooth_noise(rng, lesion.opacity.shape, self.spacing_mm, correlation)

    def _region(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where lesions may lie, and parenchyma alone; bool (z, y, x)."""
        parenchyma = np.isin(labels, (self.classes.index("liver"), UNSPLIT_LIVER))
        portal = self._of_class(labels, "portal_splenic_vein")
        if portal.any():
            portal &= ndimage.uniform_filter(parenchyma.astype(np.float32), _VESSEL_REACH) > 0.5
        return parenchyma | portal | self._of_class(labels, "hepatic_vessels"), parenchyma

    def _of_class(self, labels: np.ndarray, name: str) -> np.ndarray:
        """Bool (z, y, x); nowhere if the labels know no such class."""
        return labels == self.classes.index(name) if name in self.classes else np.zeros(labels.shape, bool)

    def _perfusion(
        self, rng: np.random.Generator, images: np.ndarray, labels: np.ndarray, parenchyma: np.ndarray
    ) -> Perfusion:
        """A random patient whose liver and veins are as bright as the patch's."""
        drawn = draw_perfusion(rng, Modality.CT, self.phases, 0.0)
        native = drawn.native.copy()
        concentration = {phase: table.copy() for phase, table in drawn.concentration.items()}
        veins = self._of_class(labels, "hepatic_vessels") | self._of_class(labels, "portal_splenic_vein")
        shown = dict(zip(self.phases, images, strict=True))
        liver = {phase: _median(image[parenchyma]) for phase, image in shown.items()}
        if np.isfinite(liver.get(Phase.NON_CONTRAST, np.nan)):
            native[Tissue.LIVER] = liver[Phase.NON_CONTRAST]
        for phase, image in shown.items():
            if np.isfinite(liver[phase]):
                concentration[phase][Tissue.LIVER] = max(liver[phase] - native[Tissue.LIVER], 0.0)
            # In the arterial phase veins do not tell how bright the arteries are.
            if phase in {Phase.PORTAL_VENOUS, Phase.DELAYED} and np.isfinite(blood := _median(image[veins])):
                concentration[phase][Tissue.AORTA] = max(blood - native[Tissue.AORTA], 0.0)
        return replace(drawn, native=native, concentration=concentration)


def draw_plans(rng: np.random.Generator) -> list[Plan]:
    """The lesions of a patch: types by their shares, sizes mostly small."""
    types, shares = list(TYPE_SHARES), list(TYPE_SHARES.values())
    plans = []
    for _ in range(int(rng.choice(COUNTS))):
        kind = types[rng.choice(len(types), p=shares)]
        low, high = SMALL_MM if rng.random() < SMALL_SHARE else LARGE_MM
        diameter = low * (high / low) ** rng.random()
        if kind is LesionType.CALCIFICATION:
            diameter = min(diameter, LARGEST_CALCIFICATION_MM)
        plans.append(Plan(kind, float(diameter), atypical=bool(rng.random() < 0.1)))
    return plans


def _median(values: Sequence[float] | np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _grain(part: np.ndarray) -> np.ndarray:
    """The noise of a box of an image (NaN where unknown): without it implanted lesions would be told by their calm."""
    known = np.isfinite(part)
    if not known.any():
        return np.zeros_like(part)
    level = np.float32(np.median(part[known]))
    filled = np.where(known, part, level)
    grain = filled - ndimage.gaussian_filter(filled, 1.0, truncate=2.5)
    limit = 3 * 1.4826 * float(np.median(np.abs(grain)))
    return np.clip(grain, -limit, limit)

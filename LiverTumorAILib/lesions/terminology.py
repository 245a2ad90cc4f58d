"""Codes and colours of lesion types and organs, for segmentations, DICOM and reports."""

from collections.abc import Mapping
from dataclasses import dataclass

from LiverTumorAILib.lesions.findings import Organ
from LiverTumorAILib.lesions.lesion import LesionType

Colour = tuple[int, int, int]
"""RGB, 0-255."""

Palette = Mapping[LesionType | Organ, Colour]
"""What lesions and organs are shown in; files have the standard colours."""


@dataclass(frozen=True)
class Code:
    """A coded concept (DICOM PS3.3, section 8.8)."""

    value: str
    scheme: str
    meaning: str

    @property
    def scheme_designator(self) -> str:
        """The scheme under the name that pydicom and highdicom give it."""
        return self.scheme


@dataclass(frozen=True)
class Term:
    """What a segment stands for.

    Attributes
    ----------
    category, type: Code
        Segmented property category and type, as 3D Slicer's terminologies and DICOM SEG (CID 7150) use them.
    colour: Colour
    region: Code or None
        Anatomic region of what is not an organ itself.

    """

    category: Code
    type: Code
    colour: Colour
    region: Code | None = None


ANATOMICAL_STRUCTURE = Code("123037004", "SCT", "Anatomical Structure")
ALTERED_STRUCTURE = Code("49755003", "SCT", "Morphologically Altered Structure")
LIVER = Code("10200004", "SCT", "Liver")


def _lesion(value: str, meaning: str, colour: Colour) -> Term:
    return Term(ALTERED_STRUCTURE, Code(value, "SCT", meaning), colour, LIVER)


def _organ(value: str, meaning: str, colour: Colour) -> Term:
    return Term(ANATOMICAL_STRUCTURE, Code(value, "SCT", meaning), colour)


LESION_TERMS: Mapping[LesionType, Term] = {
    LesionType.HCC: _lesion("25370001", "Hepatocellular carcinoma", (213, 94, 0)),
    LesionType.ICC: _lesion("70179006", "Cholangiocarcinoma", (230, 159, 0)),
    LesionType.METASTASIS: _lesion("14799000", "Neoplasm, Secondary", (204, 121, 167)),
    LesionType.HEMANGIOMA: _lesion("400210000", "Hemangioma", (30, 80, 190)),
    LesionType.FNH: _lesion("278527001", "Focal nodular hyperplasia of liver", (0, 158, 115)),
    LesionType.OTHER: _lesion("52988006", "Lesion", (240, 228, 66)),
    LesionType.CYST: _lesion("367643001", "Cyst", (86, 180, 233)),
    LesionType.CALCIFICATION: _lesion("18115005", "Pathologic calcification", (235, 235, 235)),
}
"""Colours after Okabe and Ito, told apart in every form of colour blindness; warm ones are malignant."""

ORGAN_TERMS: Mapping[Organ, Term] = {
    Organ.LIVER: Term(ANATOMICAL_STRUCTURE, LIVER, (221, 130, 101)),
    Organ.HEPATIC_VESSELS: _organ("8993003", "Hepatic vein", (0, 151, 206)),
    Organ.PORTAL_SPLENIC_VEIN: _organ("32764006", "Portal vein", (71, 84, 170)),
    Organ.GALLBLADDER: _organ("28231008", "Gallbladder", (139, 150, 98)),
    Organ.SPLEEN: _organ("78961009", "Spleen", (157, 108, 162)),
    Organ.PANCREAS: _organ("15776009", "Pancreas", (249, 180, 111)),
    Organ.STOMACH: _organ("69695003", "Stomach", (216, 132, 105)),
}
"""Colours of 3D Slicer's general anatomy list where it has the organ."""

STANDARD_PALETTE: Palette = {kind: term.colour for kind, term in {**LESION_TERMS, **ORGAN_TERMS}.items()}

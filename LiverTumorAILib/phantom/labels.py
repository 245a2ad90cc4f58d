"""Labels of a phantom's anatomy; 1-19 are those of the real organ label maps."""

from enum import IntEnum


class Tissue(IntEnum):
    """Values of `truth/organs.nii.gz`. Lesions lie inside LIVER and have a file of their own."""

    AIR = 0
    LIVER = 1
    SPLEEN = 2
    RIGHT_KIDNEY = 3
    LEFT_KIDNEY = 4
    STOMACH = 5
    PANCREAS = 6
    GALLBLADDER = 7
    AORTA = 8
    INFERIOR_VENA_CAVA = 9
    PORTAL_SPLENIC_VEIN = 10
    OESOPHAGUS = 11
    DUODENUM = 12
    ADRENALS = 13
    LUNGS = 14
    BONES = 15
    COLON = 16
    SMALL_BOWEL = 17
    HEART = 18
    OTHER_BODY = 19
    FAT = 20
    MUSCLE = 21
    SKIN = 22
    HEPATIC_VEINS = 23
    HEPATIC_ARTERY = 24
    STOMACH_CONTENT = 25
    BOWEL_CONTENT = 26
    GAS = 27
    MARROW = 28
    SPINAL_CANAL = 29
    RENAL_MEDULLA = 30
    RENAL_PELVIS = 31
    FISSURE = 32
    COUCH = 33
    BILE_DUCTS = 34
    ASCITES = 35

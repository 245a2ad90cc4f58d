"""Codes and colours of lesion types and organs."""

from itertools import combinations

import numpy as np
import pytest
from pydicom.sr._concepts_dict import concepts

from LiverTumorAILib.lesions import LesionType, Organ
from LiverTumorAILib.lesions.terminology import LESION_TERMS, ORGAN_TERMS

TERMS = {**LESION_TERMS, **ORGAN_TERMS}
NOT_IN_DICOM = {LesionType.HCC, LesionType.ICC, LesionType.FNH}


def test_every_lesion_type_and_organ_has_a_term():
    assert set(LESION_TERMS) == set(LesionType)
    assert set(ORGAN_TERMS) == set(Organ)


@pytest.mark.parametrize("key", [key for key in TERMS if key not in NOT_IN_DICOM], ids=str)
def test_codes_mean_in_dicom_what_the_table_says(key):
    names = {
        meaning[0].lower()
        for codes in concepts["SCT"].values()
        for code, meaning in codes.items()
        if code == TERMS[key].type.value
    }
    assert TERMS[key].type.meaning.lower() in names


def check_digit(identifier):
    """SNOMED CT identifiers end with a Verhoeff check digit; 0 for a valid one."""
    rows = [
        "0123456789",
        "1234067895",
        "2340178956",
        "3401289567",
        "4012395678",
        "5987604321",
        "6598710432",
        "7659821043",
        "8765932104",
        "9876543210",
    ]
    multiply = [[int(digit) for digit in row] for row in rows]
    permute = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
    for _ in range(6):
        permute.append([permute[-1][permute[1][digit]] for digit in range(10)])
    check = 0
    for position, digit in enumerate(reversed(identifier)):
        check = multiply[check][permute[position % 8][int(digit)]]
    return check


def test_codes_are_valid_snomed_identifiers():
    codes = [code for term in TERMS.values() for code in (term.category, term.type)]
    assert all(code.scheme == "SCT" and check_digit(code.value) == 0 for code in codes)


def seen_by(colour, blindness):
    """Linear RGB of a colour as seen with a form of colour blindness (Machado et al. 2009, severity 1)."""
    matrices = {
        "none": np.eye(3),
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.01182, 0.04294, 0.968881],
        ],
        "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
    }
    return np.clip(np.array(matrices[blindness]) @ (np.array(colour) / 255) ** 2.2, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize("blindness", ["none", "protanopia", "deuteranopia", "tritanopia"])
def test_lesion_colours_are_told_apart_by_everyone(blindness):
    colours = [seen_by(term.colour, blindness) for term in LESION_TERMS.values()]
    assert min(np.linalg.norm(first - second) for first, second in combinations(colours, 2)) > 0.12

"""Probabilities of the phases of a whole study, from what the organs' values are in each phase.

A generative model: each organ has a typical value in each phase with a spread from patient to patient; what all
volumes of a patient share (how strongly the contrast agent enhances, how fatty the liver is, the gain of the MR
scanner) is unknown and summed over. All volumes are judged together, so that two volumes rarely share a phase and
phases follow each other in time. Typical values follow textbooks of liver CT and MR (for example Federle, Diagnostic
Imaging: Abdomen; ACR LI-RADS manual, chapter on technique), spreads are wide on purpose.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from enum import IntEnum

import numpy as np
from scipy.special import logsumexp

from LiverTumorAILib.study.enhancement import OrganValues
from LiverTumorAILib.study.phase import Phase


class Stage(IntEnum):
    """Phases in order of time, early and late arterial apart."""

    NON_CONTRAST = 0
    EARLY_ARTERIAL = 1
    LATE_ARTERIAL = 2
    PORTAL_VENOUS = 3
    DELAYED = 4
    HEPATOBILIARY = 5

    @property
    def phase(self) -> Phase:
        """The phase it belongs to."""
        return Phase.ARTERIAL if self in (Stage.EARLY_ARTERIAL, Stage.LATE_ARTERIAL) else Phase[self.name]


# Rows are stages, columns aorta, liver, spleen, kidneys.
_CT_BASELINE = np.array([40.0, 57.0, 48.0, 33.0])
_CT_ENHANCEMENT = np.array(
    [
        [0.0, 0.0, 0.0, 0.0],
        [280.0, 5.0, 45.0, 85.0],
        [220.0, 22.0, 85.0, 135.0],
        [112.0, 52.0, 74.0, 155.0],
        [68.0, 36.0, 48.0, 135.0],
        [15.0, 20.0, 10.0, 30.0],
    ]
)
_CT_SPREAD = np.array(
    [
        [8.0, 8.0, 8.0, 10.0],
        [65.0, 9.0, 30.0, 45.0],
        [50.0, 12.0, 28.0, 35.0],
        [22.0, 13.0, 14.0, 30.0],
        [15.0, 11.0, 12.0, 35.0],
        [10.0, 10.0, 10.0, 20.0],
    ]
)
_MR_LOG_SIGNAL = np.log(
    [
        [0.70, 1.00, 0.72, 0.80],
        [2.60, 1.06, 1.35, 1.60],
        [2.40, 1.25, 1.85, 2.20],
        [1.90, 1.70, 1.70, 2.30],
        [1.55, 1.55, 1.45, 2.00],
        [0.95, 2.10, 1.00, 1.50],
    ]
)
_MR_LOG_SPREAD = np.array(
    [
        [0.30, 0.12, 0.18, 0.20],
        [0.30, 0.12, 0.25, 0.30],
        [0.25, 0.14, 0.20, 0.25],
        [0.18, 0.14, 0.15, 0.25],
        [0.18, 0.14, 0.15, 0.25],
        [0.25, 0.20, 0.20, 0.25],
    ]
)
_PRIOR = {True: (0.24, 0.06, 0.22, 0.3, 0.18, 1e-4), False: (0.22, 0.06, 0.22, 0.25, 0.17, 0.08)}
_DEGREES_OF_FREEDOM = 5.0
_SHARE_OF_EVIDENCE = 0.7
"""Organs of one volume are not independent: together they say less than the product of each."""
_SAME_STAGE_TWICE = 0.25
_AGAINST_TIME = 0.02
_AGAINST_SERIES_ORDER = 0.25
_MOST_ASSIGNMENTS = 50_000
_GAIN_STEP = 0.08
_MR_GAIN_SPREAD = 0.18


@dataclass(frozen=True)
class VolumeEvidence:
    """What is known of one volume.

    Attributes
    ----------
    values: OrganValues
    word_log_likelihood: numpy.ndarray
        (6,) by `Stage`, zeros where the words say nothing.
    seconds: float or None
        Time of acquisition.
    is_ordered: bool
        Whether its place in the sequence tells when it was acquired.

    """

    values: OrganValues
    word_log_likelihood: np.ndarray
    seconds: float | None = None
    is_ordered: bool = False


def stage_probabilities(volumes: Sequence[VolumeEvidence], is_ct: bool) -> np.ndarray:
    """Posterior probability of each stage for each volume, judged together.

    Parameters
    ----------
    volumes: sequence of VolumeEvidence
        In the order of acquisition as far as `is_ordered` says.
    is_ct: bool
        Whether values are HU.

    Returns
    -------
    numpy.ndarray
        float (volume, stage), rows add up to 1.

    """
    values = np.array([astuple(volume.values) for volume in volumes], float)
    by_hidden, log_hidden = _ct_log_likelihood(values) if is_ct else _mr_log_likelihood(values)
    words = np.array([volume.word_log_likelihood for volume in volumes])
    by_hidden = by_hidden + (words + np.log(_PRIOR[is_ct]))[:, :, None]
    assignments = _candidates(logsumexp(by_hidden + log_hidden, axis=2))
    together = sum(by_hidden[index][assignments[:, index]] for index in range(len(volumes)))
    score = logsumexp(together + log_hidden, axis=1) + _pair_terms(assignments, volumes)
    weights = np.exp(score - logsumexp(score))
    return np.stack(
        [np.bincount(assignments[:, index], weights, minlength=len(Stage)) for index in range(len(volumes))]
    )


def _student(deviation: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Log density with heavy tails, so that one organ found wrongly does not decide; 0 where unknown."""
    nu = _DEGREES_OF_FREEDOM
    density = -0.5 * (nu + 1) * np.log1p((deviation / spread) ** 2 / nu) - np.log(spread)
    return np.where(np.isfinite(deviation), density, 0.0)


def _ct_log_likelihood(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(volume, stage, hidden) and log prior (hidden): strength of enhancement and fat in the liver."""
    strengths = np.linspace(0.5, 1.6, 12)
    fat_hu = np.array([-45.0, -30.0, -15.0, 0.0, 10.0])
    log_prior = -0.5 * (np.log(strengths) / 0.25)[:, None] ** 2 + np.log([0.05, 0.1, 0.2, 0.5, 0.15])[None]
    expected = _CT_BASELINE + strengths[:, None, None, None] * _CT_ENHANCEMENT[None, None]
    expected = np.broadcast_to(expected, (len(strengths), len(fat_hu), *_CT_ENHANCEMENT.shape)).copy()
    expected[..., 1] += fat_hu[None, :, None]
    return _sum_organs(values, expected, _CT_SPREAD, log_prior)


def _mr_log_likelihood(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(volume, stage, hidden) and log prior (hidden): the gain of the scanner.

    The gain of each volume differs a little from that of the study, since coils shade and scanners scale series.
    """
    logs = np.log(np.where(values > 0, values, np.nan))
    typical = np.nanmedian(logs) if np.isfinite(logs).any() else 0.0
    gains = typical + np.arange(-1.8, 1.2, _GAIN_STEP)
    expected = gains[:, None, None] + _MR_LOG_SIGNAL[None]
    likelihood, log_prior = _sum_organs(logs, expected, _MR_LOG_SPREAD, np.zeros(len(gains)))
    own_gain = -0.5 * ((gains[:, None] - gains[None, :]) / _MR_GAIN_SPREAD) ** 2
    own_gain -= logsumexp(own_gain, axis=1, keepdims=True)
    return logsumexp(likelihood[:, :, None, :] + own_gain[None, None], axis=3), log_prior


def _sum_organs(
    values: np.ndarray, expected: np.ndarray, spread: np.ndarray, log_prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    flat = expected.reshape(-1, *expected.shape[-2:])
    density = _student(values[:, None, None, :] - flat[None], spread)
    prior = log_prior.ravel()
    return _SHARE_OF_EVIDENCE * density.sum(axis=3).transpose(0, 2, 1), prior - logsumexp(prior)


def _candidates(log_likelihood: np.ndarray) -> np.ndarray:
    """(assignment, volume): all combinations of stages, of the likeliest ones where there are many volumes."""
    count = len(log_likelihood)
    each = max(1, min(len(Stage), int(_MOST_ASSIGNMENTS ** (1 / count))))
    best = np.argsort(-log_likelihood, axis=1)[:, :each]
    choices = np.indices((each,) * count).reshape(count, -1)
    return np.stack([best[index][choices[index]] for index in range(count)], axis=1)


def _pair_terms(assignments: np.ndarray, volumes: Sequence[VolumeEvidence]) -> np.ndarray:
    """How plausible stages of two volumes are together: not the same, and in order of time."""
    total = np.zeros(len(assignments))
    for second in range(len(volumes)):
        for first in range(second):
            one, other = assignments[:, first], assignments[:, second]
            total += np.log(_SAME_STAGE_TWICE) * (one == other)
            earlier, later = volumes[first], volumes[second]
            if earlier.seconds is not None and later.seconds is not None and earlier.seconds != later.seconds:
                swapped = one > other if earlier.seconds < later.seconds else one < other
                total += np.log(_AGAINST_TIME) * swapped
            elif earlier.is_ordered and later.is_ordered:
                total += np.log(_AGAINST_SERIES_ORDER) * (one > other)
    return total

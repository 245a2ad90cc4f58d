"""Small training cases and a recipe for them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from LiverTumorAILib.training import RECIPES
from LiverTumorAILib.training.cases import UNKNOWN, CaseFolder, LesionPlace, TrainingCase, write_case
from LiverTumorAILib.training.targets import BASE_CLASSES

LIVER = BASE_CLASSES.index("liver")
HCC = BASE_CLASSES.index("HCC")
RECIPE = replace(
    RECIPES["base_unet"],
    patch=(8, 16, 16),
    window=(12, 24, 24),
    channels=(4, 6, 8),
    encoder_convolutions=(1, 1, 1),
    decoder_convolutions=(1, 1),
    deep_supervision=1,
    steps=6,
    warm_up=2,
    checkpoint_every=3,
    validate_every=6,
    first_cases=1,
    seed=3,
    ema=0.995,
    steps_per_case=2,
    negative_share=0.0,
    implant_share=0.0,
    type_weight=0.0,
)


def small_case(name: str, seed: int, delayed: bool = True) -> TrainingCase:
    """A liver of 80 HU with an HCC that is bright in the arterial and dark in the portal venous phase."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((12, 24, 28), np.uint8)
    labels[1:11, 2:22, 3:25] = LIVER
    labels[4:8, 8:14, 9:16] = HCC
    level = np.array([40, 150, 60, 55])[:, None, None, None]
    images = np.where(labels == HCC, level, np.where(labels == LIVER, 80, -80)) + rng.normal(0, 5, (4, *labels.shape))
    images = images.astype(np.int16)
    if not delayed:
        images[3] = UNKNOWN
    return TrainingCase(name, images, labels, (LesionPlace(HCC, (6, 11, 12), 168),))


def write_cases(folder: Path) -> CaseFolder:
    """Four cases, one of them without a delayed phase."""
    names = tuple(f"case_{index}" for index in range(4))
    CaseFolder.write_plan(folder, names)
    for index, name in enumerate(names):
        write_case(small_case(name, index, delayed=index != 1), folder)
    return CaseFolder.open(folder)

"""Recipes of the reclassification network, with lesion shuffle and, for the ablation, without."""

from collections.abc import Mapping
from dataclasses import replace

from LiverTumorAILib.inference import IntensityNormalisation
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training.recipe import SCREENING, TrainingRecipe
from LiverTumorAILib.training.targets import LESION_CLASSES

CLASSES = ("background", *LESION_CLASSES, "liver")
"""Background is what lies outside the liver; vessels inside are liver."""

WITH_SHUFFLE = TrainingRecipe(
    name="multi_sensitivity_reclassification",
    version="5",
    title="3D U-Net that tells lesions from liver in patches of the liver alone, on up to four CT phases",
    inputs=(Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED),
    classes=CLASSES,
    spacing_mm=(2.5, 2.0, 2.0),
    # 80 x 96 x 96 mm
    patch=(32, 48, 48),
    window=(32, 48, 48),
    # Levels and window are the segmentation network's, with whose weights it begins.
    normalisation=IntensityNormalisation("window", -150.0, 250.0),
    channels=(16, 32, 64, 96, 128),
    encoder_convolutions=(1, 2, 2, 2, 1),
    decoder_convolutions=(1, 2, 2, 2),
    steps=5000,
    learning_rate=2e-3,
    ema=0.998,
    first_cases=140,
    negative_share=0.2,
    implant_share=0.5,
    type_weight=1.0,
    seed=8,
)

# Half of the other one's patches show no lesion: so many steps show as many lesions.
WITHOUT_SHUFFLE = replace(
    WITH_SHUFFLE,
    name="multi_sensitivity_reclassification_no_shuffle",
    title=f"{WITH_SHUFFLE.title}; no lesion shuffle",
    steps=3000,
)

ON_NON_CONTRAST = replace(
    WITH_SHUFFLE,
    name="multi_sensitivity_reclassification_screening",
    version="1",
    title="3D U-Net that tells lesions from liver in patches of the liver alone, on the non-contrast CT phase alone",
    steps=3000,
    negative_share=0.0,
    augmentation=SCREENING,
    seed=16,
)

ON_NON_CONTRAST_WITHOUT_SHUFFLE = replace(
    ON_NON_CONTRAST,
    name=f"{WITHOUT_SHUFFLE.name}_screening",
    title=f"{ON_NON_CONTRAST.title}; no lesion shuffle",
    steps=1500,
)

ABLATIONS = (WITHOUT_SHUFFLE.name, ON_NON_CONTRAST_WITHOUT_SHUFFLE.name)
"""Trained for the tables alone; they do not ship."""

RECLASSIFICATION_RECIPES: Mapping[str, TrainingRecipe] = {
    recipe.name: recipe for recipe in (WITH_SHUFFLE, WITHOUT_SHUFFLE, ON_NON_CONTRAST, ON_NON_CONTRAST_WITHOUT_SHUFFLE)
}
"""By model name."""

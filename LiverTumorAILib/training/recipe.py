"""Recipes: everything that decides how a network is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from LiverTumorAILib.inference import IntensityNormalisation
from LiverTumorAILib.inference.card import ANY_PHASE
from LiverTumorAILib.study import Phase
from LiverTumorAILib.training.augmentation import Augmentation
from LiverTumorAILib.training.targets import BASE_CLASSES, LIVER_CLASSES


@dataclass(frozen=True)
class TrainingRecipe:
    """How one network is trained; with the data and the seed it fixes the result.

    Attributes
    ----------
    name, version, title: str
        Of the model.
    inputs: tuple of str
        Of the model's card: `Phase` values in channel order, or `ANY_PHASE`.
    presence_channels: bool
        Whether each phase has one more channel that says where it shows something.
    priors: tuple of str
        Models whose results (0-1) are further inputs.
    classes: tuple of str
        The first is 'background'.
    spacing_mm, patch: tuples of three
        (z, y, x) of the network's grid.
    window: tuple of three ints
        (z, y, x) of the patches at inference; larger ones than in training show the network more context.
    normalisation: IntensityNormalisation
        Of each phase.
    channels, encoder_convolutions, decoder_convolutions: tuples of int
        Of `UNet3D`.
    deep_supervision: int
        Number of coarser levels that are supervised too.
    steps: int
        Length of the schedule; one patch a step.
    learning_rate, weight_decay, warm_up, cool_down: numbers
        Of AdamW; the rate rises over the first `warm_up` steps, stays, and falls in a line to 0
        over the last `cool_down` share of the steps. Until then the number of steps can still be changed.
    gradient_norm: float
        Longer gradients are shortened to it.
    ema: float
        Decay of the weights' moving average, which is what gets exported.
    first_cases, steps_per_case: int
        Step t draws from the first `first_cases + t // steps_per_case` cases, so that training can begin while
        cases are still being made and repeats all the same.
    negative_share: float
        Of the steps that draw a hard negative: a real CT without lesions, if there are any, mostly where a network saw
        some; for the reclassification network a place that the first network takes for a lesion and that is none.
    implant_share: float
        Of the patches that receive further lesions.
    type_weight: float
        Of what a lesion is among the lesion types, see `SegmentationLoss`.
    augmentation: Augmentation
        What may happen to a patch.
    checkpoint_every, validate_every: int
        Steps.
    seed: int
        Of weights, patches and augmentation.

    """

    name: str
    version: str
    title: str
    inputs: tuple[str, ...]
    classes: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    patch: tuple[int, int, int]
    window: tuple[int, int, int]
    normalisation: IntensityNormalisation
    channels: tuple[int, ...]
    encoder_convolutions: tuple[int, ...]
    decoder_convolutions: tuple[int, ...]
    presence_channels: bool = True
    priors: tuple[str, ...] = ()
    deep_supervision: int = 2
    steps: int = 4500
    learning_rate: float = 4e-3
    weight_decay: float = 1e-3
    warm_up: int = 100
    cool_down: float = 0.72
    gradient_norm: float = 5.0
    ema: float = 0.995
    first_cases: int = 60
    steps_per_case: int = 25
    negative_share: float = 0.0
    implant_share: float = 0.0
    type_weight: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    checkpoint_every: int = 250
    validate_every: int = 1000
    seed: int = 1

    @property
    def input_channels(self) -> int:
        """Number of the network's input channels."""
        return len(self.inputs) * (2 if self.presence_channels else 1) + len(self.priors)

    @property
    def shown(self) -> tuple[str, ...]:
        """The inputs that show something: all, or the non-contrast phase alone for the screening setting."""
        alone = self.augmentation.non_contrast_alone_probability == 1
        return tuple(name for name in self.inputs if name == Phase.NON_CONTRAST or not alone)

    @property
    def described(self) -> str:
        """What the training shows of its cases, for the card."""
        return "with phase dropout" if self.shown == self.inputs else f"showing {', '.join(self.shown)} alone"

    def pool(self, step: int, cases: int) -> int:
        """Number of cases, of all there will be, that a step may draw from."""
        return min(cases, self.first_cases + step // self.steps_per_case)


DIAGNOSIS = Augmentation(dropout_probability=0.4, non_contrast_alone_probability=0.05)
"""Mostly several phases, which tell types apart; any may be missing."""
SCREENING = Augmentation(non_contrast_alone_probability=1.0, misregistration_probability=0.0)
"""The non-contrast phase alone, wherever there is one."""

_BASE = TrainingRecipe(
    name="base_unet",
    version="6",
    title="3D U-Net for lesion types, liver, vessels and neighbouring organs on up to four CT phases",
    inputs=(Phase.NON_CONTRAST, Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED),
    classes=BASE_CLASSES,
    spacing_mm=(2.5, 2.0, 2.0),
    patch=(32, 64, 64),
    window=(32, 96, 96),
    normalisation=IntensityNormalisation("window", -150.0, 250.0),
    channels=(16, 32, 64, 96, 128),
    encoder_convolutions=(1, 2, 2, 2, 1),
    decoder_convolutions=(1, 2, 2, 2),
    steps=6000,
    learning_rate=2e-3,
    ema=0.998,
    first_cases=140,
    negative_share=0.15,
    implant_share=0.7,
    type_weight=2.0,
    augmentation=DIAGNOSIS,
    validate_every=6000,
    seed=7,
)

RECIPES: Mapping[str, TrainingRecipe] = {
    "base_unet": _BASE,
    "base_unet_screening": replace(
        _BASE,
        name="base_unet_screening",
        version="1",
        title="3D U-Net for lesion types, liver, vessels and neighbouring organs on the non-contrast CT phase alone",
        steps=4000,
        validate_every=4000,
        negative_share=0.3,
        implant_share=0.5,
        type_weight=1.0,
        augmentation=SCREENING,
        seed=15,
    ),
    "liver_coarse": TrainingRecipe(
        name="liver_coarse",
        version="1",
        title="3D U-Net that finds the liver in one CT phase of any kind",
        inputs=(ANY_PHASE,),
        presence_channels=False,
        classes=LIVER_CLASSES,
        spacing_mm=(3.0, 3.0, 3.0),
        patch=(64, 96, 96),
        window=(64, 112, 112),
        normalisation=IntensityNormalisation("window", -150.0, 250.0),
        channels=(12, 24, 48, 96, 128),
        encoder_convolutions=(1, 2, 2, 2, 2),
        decoder_convolutions=(1, 2, 2, 2),
        deep_supervision=1,
        steps=3200,
    ),
    "liver_fine": TrainingRecipe(
        name="liver_fine",
        version="2",
        title="3D U-Net that refines a coarse liver in one CT phase of any kind",
        inputs=(ANY_PHASE,),
        priors=("liver_coarse",),
        presence_channels=False,
        classes=LIVER_CLASSES,
        spacing_mm=(1.5, 1.5, 1.5),
        patch=(48, 96, 96),
        window=(80, 128, 128),
        normalisation=IntensityNormalisation("window", -150.0, 250.0),
        channels=(12, 24, 48, 64, 96),
        encoder_convolutions=(1, 2, 2, 2, 2),
        decoder_convolutions=(1, 2, 2, 2),
        deep_supervision=1,
        steps=4000,
        learning_rate=0.003,
        seed=12,
    ),
}
"""By model name."""

"""Recipes of HFS-Net's networks (Lee et al., Cancer Imaging 2024;24:43, Table 2) and of its ablation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from LiverTumorAILib.cascades.hfs_net import FUSION, PHASES
from LiverTumorAILib.cascades.hierarchy import LIMIT_PX, PRIORS
from LiverTumorAILib.inference import IntensityNormalisation
from LiverTumorAILib.networks import ARCHITECTURES_2D
from LiverTumorAILib.study import Phase

SPACING_MM = (2.5, 1.4, 1.4)
SIDE = 256
"""Pixels of a slice, which at 1.4 mm are 36 cm."""

NORMALISATION = IntensityNormalisation("window", -100.0, 240.0)
PORTAL = (Phase.PORTAL_VENOUS,)
ANY_SIZE_PX = (0.0, 1000.0)


@dataclass(frozen=True)
class HfsRecipe:
    """How one network is trained; with the data and the seed it fixes the result.

    Attributes
    ----------
    name, title, version: str
        Of the model.
    architecture: str
        One of `ARCHITECTURES_2D`, or 'unet3d'.
    inputs: tuple of Phase
        In channel order.
    target: str
        'liver' (with its tumours) or 'HCC'.
    loss: tuple of str
        Terms that are added: 'cross_entropy', 'focal', 'balanced_focal', 'dice'.
    channels: tuple of int
        Of each level.
    patch: tuple of three ints
        In training: (slices, y, x) of a batch for 2D networks, (z, y, x) voxels for the 3D one.
    window: tuple of three ints
        The same at inference.
    batch: int
        Patches of a step; the 2D networks' slices are a batch already.
    tumour_px: tuple of two floats
        Slices with tumours count as such if one's longest axis is above the first and at most the second.
    priors: tuple of str
        Models whose results are inputs too.
    bodies: int
        Slices of a batch that come from whole bodies with real CT (`training.materials`) instead of from cases.
    steps, learning_rate, weight_decay, warm_up, cool_down, gradient_norm, ema: numbers
        As in `training.recipe.TrainingRecipe`.
    checkpoint_every: int
        Steps.
    seed: int
        Of weights, patches and augmentation.

    """

    name: str
    title: str
    architecture: str
    inputs: tuple[Phase, ...]
    target: str
    loss: tuple[str, ...]
    version: str = "1"
    channels: tuple[int, ...] = (16, 32, 64, 96, 128)
    patch: tuple[int, int, int] = (8, 160, 160)
    window: tuple[int, int, int] = (8, SIDE, SIDE)
    batch: int = 1
    tumour_px: tuple[float, float] = ANY_SIZE_PX
    priors: tuple[str, ...] = ()
    bodies: int = 0
    spacing_mm: tuple[float, float, float] = SPACING_MM
    normalisation: IntensityNormalisation = NORMALISATION
    steps: int = 1800
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warm_up: int = 100
    cool_down: float = 0.7
    gradient_norm: float = 5.0
    ema: float = 0.995
    checkpoint_every: int = 250
    seed: int = 1

    @property
    def classes(self) -> tuple[str, str]:
        """Background and the target."""
        return ("background", self.target)

    @property
    def input_channels(self) -> int:
        """Of the network."""
        return len(self.inputs) + len(self.priors)

    @property
    def presence_channels(self) -> bool:
        """None: all inputs are there."""
        return False


HFS_RECIPES: Mapping[str, HfsRecipe] = {
    recipe.name: recipe
    for recipe in (
        HfsRecipe(
            "hfs_liver",
            "HFS-Net f_liver: liver in portal venous slices",
            "dense_unet",
            PORTAL,
            "liver",
            ("cross_entropy", "dice"),
            # The only one that sees every slice whole, and the easiest task.
            channels=(8, 16, 32, 64, 96),
            patch=(8, 192, 192),
            bodies=4,
            steps=1200,
        ),
        HfsRecipe(
            "hfs_size",
            "HFS-Net f_size: HCC in slices of three phases, for their longest axes",
            "dense_unet",
            PHASES,
            "HCC",
            ("focal", "dice"),
            steps=2200,
        ),
        HfsRecipe(
            "hfs_small",
            "HFS-Net f_small: small HCC in slices of three phases",
            "dense_unet",
            PHASES,
            "HCC",
            ("focal", "dice"),
            tumour_px=(0.0, LIMIT_PX),
            version="2",
            patch=(8, 128, 128),
            steps=4000,
        ),
        HfsRecipe(
            "hfs_large",
            "HFS-Net f_large: large HCC in portal venous slices",
            "unet",
            PORTAL,
            "HCC",
            ("cross_entropy",),
            tumour_px=(LIMIT_PX, ANY_SIZE_PX[1]),
            steps=1500,
        ),
        HfsRecipe(
            FUSION,
            "HFS-Net f_3D: final HCC from the portal venous phase and the results of the four other networks",
            "unet3d",
            PORTAL,
            "HCC",
            ("focal", "dice"),
            channels=(16, 32, 64, 96),
            patch=(16, 96, 96),
            window=(16, 128, 128),
            batch=2,
            priors=PRIORS,
            version="3",
            steps=3000,
        ),
    )
}
"""By model name, in the order of training."""

LOSSES: Mapping[str, tuple[str, ...]] = {
    "cross_entropy": ("cross_entropy",),
    "focal": ("focal",),
    "balanced_focal": ("balanced_focal",),
    "dice": ("dice",),
    "focal_dice": ("focal", "dice"),
}
_PHASE_SETS = {**{str(phase): (phase,) for phase in PHASES}, "dynamic": PHASES}
_THREE_PATHS = (18, 33, 66, 96, 129)
"""Channels that divide into one path for each phase."""


def ablation_recipe(architecture: str, phases: str, loss: str) -> HfsRecipe:
    """A candidate of the paper's ablation: any tumour size, one network alone.

    Parameters
    ----------
    architecture: str
        One of `ARCHITECTURES_2D`.
    phases: str
        A phase's value, or 'dynamic' for all three.
    loss: str
        One of `LOSSES`.

    """
    recipe = HfsRecipe(
        f"ablation_{architecture}_{phases}_{loss}",
        f"HFS-Net ablation: {architecture.replace('_', ' ')}, {phases.replace('_', ' ')}, {loss.replace('_', ' ')}",
        architecture,
        _PHASE_SETS[phases],
        "HCC",
        LOSSES[loss],
        patch=(8, 128, 128),
        steps=400,
        warm_up=50,
    )
    return replace(recipe, channels=_THREE_PATHS) if architecture == "hyper_dense_unet" else recipe


def _ablation() -> dict[str, HfsRecipe]:
    by_phase = [(network, phases, "cross_entropy") for network in ("unet", "dense_unet") for phases in _PHASE_SETS]
    by_architecture = [(network, "dynamic", "cross_entropy") for network in ARCHITECTURES_2D]
    by_loss = [
        (network, phases, loss)
        for network, phases in (("unet", str(Phase.PORTAL_VENOUS)), ("dense_unet", "dynamic"))
        for loss in LOSSES
    ]
    recipes = (ablation_recipe(*candidate) for candidate in (*by_phase, *by_architecture, *by_loss))
    return {recipe.name: recipe for recipe in recipes}


ABLATION_RECIPES: Mapping[str, HfsRecipe] = _ablation()
"""By model name: phases, then architectures, then losses, each once."""

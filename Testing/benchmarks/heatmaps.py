"""Whether heatmaps tell the truth about the network: sanity, place, faithfulness, agreement with other software.

    python Testing/benchmarks/heatmaps.py [--lesions 100] [--curves 10] [--work runs/heatmaps]
    PYTHON_WITH_CAPTUM_AND_GRAD_CAM Testing/benchmarks/heatmaps.py --peers 3

The base network looks at one patch around each lesion of phantoms that training never saw (seeds 72000 and up), with
phases 1 mm apart, which are not registered. Lesions that it finds (Dice above .2) get their heatmaps as the cascades
make them, of what was found. Each phantom's results are kept in the work folder.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import cc3d
import numpy as np
import SimpleITK as sitk
import torch
from implanted_lesions import on_reference
from scipy import ndimage
from tqdm import tqdm

from LiverTumorAILib.explanation import Evidence, lesion_evidence
from LiverTumorAILib.explanation.evidence import LEVEL, patch_around, patch_input
from LiverTumorAILib.inference import Model, ModelStore, NetworkGrid, Session
from LiverTumorAILib.lesions import LesionType
from LiverTumorAILib.lesions.organs import lesion_type_of_class
from LiverTumorAILib.networks import UNet3D
from LiverTumorAILib.phantom import Phantom, PhantomOptions, generate_phantom
from LiverTumorAILib.registration import RegisteredStudy
from LiverTumorAILib.training.export import onnx_bytes, weights_of_onnx
from LiverTumorAILib.training.recipe import RECIPES

NETWORK = "base_unet"
FIRST_SEED = 72_000
BREATHING_MM = 1.0
TYPES = [LesionType(name) for name in ("HCC", "ICC", "METASTASIS", "HEMANGIOMA", "OTHER", "CYST")] * 2
SPACING_MM = (2.5, 2.0, 2.0)
PATCH = (32, 96, 96)
"""That the network was trained on; the cascades take larger ones, which costs three times as much."""

LEAST_MM = 12.0
"""Of those smaller the network finds next to none, so looking for them is in vain."""

LEAST_DICE = 0.2
AROUND_MM = 8.0
"""Deletion and insertion look at a lesion and so much around it."""

SHARES = (0.1, 0.25, 0.5)
"""Of those voxels; none and all are computed once."""

ORDERS = ("heatmap", "lesion first", "at random")


@dataclass(frozen=True)
class Explained:
    """One found lesion and the figures of its heatmap; lengths in mm, shares 0-1.

    Attributes
    ----------
    hit: bool
        The strongest evidence lies in the true lesion.
    miss_mm: float
        How far outside it lies.
    energy, volume_share: float
        Of the evidence, and of the volume that the map covers, how much is inside the true lesion.
    opposing: float
        Strongest evidence for the second type, as a share of the strongest of both.
    similarity, similarity_within, correlation_within, random_hit:
        SSIM with the map of shuffled weights, the same and the correlation within the found lesion, and whether that
        map hits; None where it was not made.
    deletion, insertion: dict
        By order: mean probability of the type in the lesion with a share of 0, `SHARES` and 1 gone, or there.

    """

    seed: int
    label: int
    true_type: str
    type: str
    long_axis_mm: float
    dice: float
    hit: bool
    miss_mm: float
    energy: float
    volume_share: float
    opposing: float
    similarity: float | None = None
    similarity_within: float | None = None
    correlation_within: float | None = None
    random_hit: bool | None = None
    deletion: dict[str, list[float]] = field(default_factory=dict)
    insertion: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """A lesion in its patch: the network's input (channels, z, y, x), what it found, and what is true there."""

    batch: np.ndarray
    grid: NetworkGrid
    found: np.ndarray
    true: np.ndarray
    first: str
    second: str


def make_study(seed: int) -> tuple[Phantom, RegisteredStudy]:
    """Two lesions of each type that the network knows, in phases that hardly moved."""
    options = PhantomOptions(SPACING_MM, BREATHING_MM, vary_coverage=False, lesions=tuple(TYPES))
    phantom = generate_phantom(seed, "ct4", options)
    return phantom, on_reference(phantom)


def probabilities(session: Session, batch: np.ndarray) -> np.ndarray:
    """Class probabilities (classes, z, y, x) of one patch (1, channels, z, y, x)."""
    scores = session(batch)[0]
    shares = np.exp(scores - scores.max(axis=0))
    return shares / shares.sum(axis=0)


def look(model: Model, study: RegisteredStudy, lesions: sitk.Image, label: int) -> Seen | None:
    """What the network finds of one true lesion; None if it does not, or if that belongs to another one more.

    Where one found lesion covers several true ones, these count as one.
    """
    classes = model.card.classes
    kinds = [index for index, name in enumerate(classes) if lesion_type_of_class(name) is not None]
    grid = patch_around(lesions == label, model.card.spacing_mm, model.card.patch)
    batch = patch_input(model.card, study.images, grid)[None]
    shares = probabilities(model.session, batch)[kinds]
    labels = grid.sample(lesions, sitk.sitkNearestNeighbor)
    parts = cc3d.connected_components(shares.sum(axis=0) > 0.5, connectivity=26)
    found = np.isin(parts, np.setdiff1d(parts[labels == label], 0))
    sizes = np.bincount(labels[found], minlength=label + 1)
    if not sizes[label] or sizes[1:].argmax() + 1 != label:
        return None
    true = np.isin(labels, np.flatnonzero(sizes[1:]) + 1)
    if 2 * (found & true).sum() < LEAST_DICE * (found.sum() + true.sum()):
        return None
    ranked = np.argsort(-shares[:, found].sum(axis=1))
    return Seen(batch, grid, found, true, *(classes[kinds[index]] for index in ranked[:2]))


def resampled(labels: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """Labels on another grid."""
    return sitk.Resample(labels, grid, sitk.Transform(), sitk.sitkNearestNeighbor)


def explain(model: Model, study: RegisteredStudy, seen: Seen) -> Evidence:
    """A found lesion's heatmaps on the reference grid, as the cascades make them."""
    mask = resampled(seen.grid.image(seen.found.astype(np.uint8)), study.reference)
    return lesion_evidence(model, study.images, mask, 1, (seen.first, seen.second))


def exported(network: UNet3D) -> Session:
    """A network as it would be shipped."""
    return Session(onnx_bytes(network, RECIPES[NETWORK].input_channels, PATCH), device="cpu")


def shuffled(network: UNet3D) -> UNet3D:
    """The network with the values of each of its weights in another order."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.flatten()[torch.randperm(parameter.numel())].reshape(parameter.shape))
    return network


def torch_network(path: Path) -> UNet3D:
    """The network of an ONNX file in torch."""
    recipe = RECIPES[NETWORK]
    network = UNet3D(
        recipe.input_channels,
        len(recipe.classes),
        channels=recipe.channels,
        encoder_convolutions=recipe.encoder_convolutions,
        decoder_convolutions=recipe.decoder_convolutions,
        deep_supervision=0,
    )
    weights = weights_of_onnx(path)
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    return network.eval()


def structural_similarity(first: np.ndarray, second: np.ndarray, where: np.ndarray, side: int = 7) -> float:
    """Mean SSIM (Wang et al. 2004, data range 1) of two maps in some of their voxels; 1 if there are none."""

    def mean(values: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(values.astype(np.float64), side)

    means = mean(first), mean(second)
    spreads = [mean(values**2) - level**2 for values, level in zip((first, second), means, strict=True)]
    together = mean(first * second) - means[0] * means[1]
    luminance = (2 * means[0] * means[1] + 1e-4) / (means[0] ** 2 + means[1] ** 2 + 1e-4)
    structure = (2 * together + 9e-4) / (spreads[0] + spreads[1] + 9e-4)
    return float((luminance * structure)[where].mean()) if where.any() else 1.0


def shuffled_figures(evidence: Evidence, other: Evidence, seen: Seen) -> dict[str, float | bool]:
    """How a map differs from that of shuffled weights, where either shows anything (emptiness is alike everywhere).

    Both maps lie where the found lesion does, whatever the weights; within it they need not be alike.
    """
    first, second = (sitk.GetArrayFromImage(each.supporting) for each in (evidence, other))
    found = sitk.GetArrayFromImage(resampled(seen.grid.image(seen.found.astype(np.uint8)), evidence.supporting)) > 0
    within = np.corrcoef(first[found], second[found])[0, 1] if found.sum() > 1 else np.nan
    return {
        "random_hit": place_figures(other, seen)["hit"],
        "similarity": structural_similarity(first, second, np.maximum(first, second) > 0.05),
        "similarity_within": structural_similarity(first, second, found),
        # A map without any difference within the lesion is related to none.
        "correlation_within": float(np.nan_to_num(within)),
    }


def place_figures(evidence: Evidence, seen: Seen) -> dict[str, float | bool]:
    """Where a map's evidence lies against the true lesion."""
    values = sitk.GetArrayFromImage(evidence.supporting)
    truth = seen.grid.image(seen.true.astype(np.uint8))
    inside = sitk.GetArrayFromImage(resampled(truth, evidence.supporting)) > 0
    strongest = np.unravel_index(values.argmax(), values.shape)
    away = ndimage.distance_transform_edt(~inside, evidence.supporting.GetSpacing()[::-1])
    return {
        "hit": bool(inside[strongest]),
        "miss_mm": float(away[strongest]),
        "energy": float(values[inside].sum() / max(values.sum(), 1e-9)),
        "volume_share": float(inside.mean()),
        "opposing": float(sitk.GetArrayViewFromImage(evidence.opposing).max()),
    }


def curves(model: Model, seen: Seen, evidence: Evidence, seed: int) -> dict[str, dict[str, list[float]]]:
    """Deletion and insertion (Petsiuk et al., RISE, BMVC 2018): what goes, or is not there yet, looks like liver."""
    card, random = model.card, np.random.default_rng(seed)
    spacing = np.array(card.spacing_mm)
    around = ndimage.distance_transform_edt(~seen.found, spacing) <= AROUND_MM
    liver = probabilities(model.session, seen.batch).argmax(axis=0) == card.classes.index("liver")
    plain = seen.batch.copy()
    for channel in range(len(card.inputs)):
        level = seen.batch[0, channel][liver & ~around]
        plain[0, channel][around] = level.mean() if level.size else 0.0
    chance = random.permutation(np.prod(PATCH)).reshape(PATCH) / np.prod(PATCH)
    heat = seen.grid.sample(evidence.supporting)
    ranks = {"heatmap": heat + 1e-6 * chance, "lesion first": seen.found + chance, "at random": chance}
    column = card.classes.index(seen.first)

    def probability(shown: np.ndarray) -> float:
        batch = np.where(shown | ~around, seen.batch, plain)
        return float(probabilities(model.session, batch)[column][seen.found].mean())

    whole, nothing = probability(around), probability(np.zeros_like(around))
    result: dict[str, dict[str, list[float]]] = {"deletion": {}, "insertion": {}}
    for name in ORDERS:
        limits = np.quantile(ranks[name][around], 1 - np.array(SHARES))
        strong = [ranks[name] > limit for limit in limits]
        result["deletion"][name] = [whole, *(probability(~part) for part in strong), nothing]
        result["insertion"][name] = [nothing, *(probability(part) for part in strong), whole]
    return result


def explained_lesions(
    seed: int, model: Model, random_model: Model, shuffle_every: int, curves_wanted: Callable[[], bool]
) -> Iterator[Explained]:
    """The found lesions of one phantom with their figures."""
    phantom, study = make_study(seed)
    for number, lesion in enumerate(phantom.lesion_truth):
        if lesion.long_axis_mm < LEAST_MM:
            continue
        seen = look(model, study, phantom.lesions, lesion.label)
        if seen is None:
            continue
        evidence = explain(model, study, seen)
        figures = place_figures(evidence, seen)
        if number % shuffle_every == 0:
            figures |= shuffled_figures(evidence, explain(random_model, study, seen), seen)
        if curves_wanted():
            figures |= curves(model, seen, evidence, seed)
        dice = 2 * (seen.found & seen.true).sum() / (seen.found.sum() + seen.true.sum())
        yield Explained(seed, lesion.label, lesion.type.value, seen.first, lesion.long_axis_mm, float(dice), **figures)


def agreement(model: Model, path: Path, count: int) -> list[str]:
    """Correlation of the map that ONNX Runtime computes with captum's and pytorch-grad-cam's of the same network."""
    from captum.attr import LayerGradientXActivation
    from pytorch_grad_cam import HiResCAM

    network = torch_network(path)
    layer = network.decoders[LEVEL]
    phantom, study = make_study(FIRST_SEED)
    lines = []
    for lesion in phantom.lesion_truth:
        seen = look(model, study, phantom.lesions, lesion.label)
        if seen is None or len(lines) == count:
            continue
        region = (seen.found / seen.found.sum()).astype(np.float32)
        contrast = (np.eye(len(model.card.classes))[model.card.classes.index(seen.first)] - 1 / 14).astype(np.float32)
        ((ours,),) = model.session.evidence(seen.batch, region, contrast[None], (LEVEL,))

        def score(scores: torch.Tensor, contrast: np.ndarray = contrast, region: np.ndarray = region) -> torch.Tensor:
            weighted = torch.einsum("c,...czyx->...zyx", torch.from_numpy(contrast), scores)
            return (weighted * torch.from_numpy(region)).sum(dim=(-3, -2, -1))

        batch = torch.from_numpy(seen.batch)
        captum = LayerGradientXActivation(lambda volume: score(network(volume)), layer).attribute(batch)
        with HiResCAM(network, [layer]) as cam:
            cam(batch, [score])
            features, gradients = (
                each[0].numpy() for each in (cam.activations_and_grads.activations, cam.activations_and_grads.gradients)
            )
            theirs = cam.get_cam_image(batch, layer, [score], features, gradients, False)
        peers = {"captum": captum.detach().sum(dim=1)[0].numpy(), "pytorch-grad-cam": theirs[0]}
        said = (f"{name} {np.corrcoef(ours.ravel(), peer.ravel())[0, 1]:.6f}" for name, peer in peers.items())
        lines.append(f"lesion {lesion.label}, {lesion.type.value}: correlation with " + ", ".join(said))
    return lines


def area(curve: Sequence[float]) -> float:
    """Area under a curve over the shares."""
    return float(np.trapezoid(curve, (0, *SHARES, 1)))


def table(lesions: Sequence[Explained]) -> list[str]:
    """All figures as lines of text."""

    def mean(values: Sequence[float]) -> float:
        return float(np.mean([*values])) if len(values) else float("nan")

    lines = [
        f"{len(lesions)} found lesions, {min(each.long_axis_mm for each in lesions):.0f}-"
        f"{max(each.long_axis_mm for each in lesions):.0f} mm, mean Dice {mean([each.dice for each in lesions]):.2f}"
    ]
    groups = {"all": lesions}
    for low, high in ((0, 20), (20, 40), (40, np.inf)):
        groups[f"{low}-{high:.0f} mm"] = [each for each in lesions if low <= each.long_axis_mm < high]
    for title, those in groups.items():
        if those:
            hits, inside = mean([each.hit for each in those]), mean([each.energy for each in those])
            volume = mean([each.volume_share for each in those])
            lines.append(
                f"{title:10} {len(those):4} lesions: pointing game {hits:.3f}, energy inside {inside:.2f} "
                f"of {volume:.2f} of the volume"
            )
    missed = sorted(round(each.miss_mm, 1) for each in lesions if not each.hit)
    lines.append(f"misses lie outside by (mm): {missed}")
    lines.append(
        f"second type: evidence of more than a tenth of the strongest in "
        f"{mean([each.opposing > 0.1 for each in lesions]):.2f}"
    )
    random = [each for each in lesions if each.similarity is not None]
    similar = [each.similarity for each in random]
    lines.append(
        f"shuffled weights ({len(random)} lesions): SSIM mean {mean(similar):.2f}, "
        f"greatest {max(similar, default=0):.2f}; pointing game {mean([each.random_hit for each in random]):.2f}"
    )
    within = [each.similarity_within for each in random if each.similarity_within is not None]
    related = [each.correlation_within for each in random if each.correlation_within is not None]
    if within:
        lines.append(
            f"  within the found lesion ({len(within)} lesions): SSIM mean {mean(within):.2f}, "
            f"greatest {max(within):.2f}, below .5 in {mean([each < 0.5 for each in within]):.2f}; "
            f"correlation mean {mean(related):.2f}"
        )
    drawn = [each for each in lesions if each.deletion]
    for kind in ("deletion", "insertion"):
        areas = {name: [area(getattr(each, kind)[name]) for each in drawn] for name in ORDERS}
        wins = mean(
            [(a < b) == (kind == "deletion") for a, b in zip(areas["heatmap"], areas["at random"], strict=True)]
        )
        said = ", ".join(f"{name} {mean(values):.3f}" for name, values in areas.items())
        lines.append(f"{kind} ({len(drawn)} lesions), area under the curve: {said}; better than random in {wins:.2f}")
    return lines


def network_and_file() -> tuple[Model, Path]:
    """The shipped network on patches of `PATCH`, exported anew: earlier exports compute levels that nobody shows."""
    store = ModelStore()
    path = store.folder / NETWORK / "model.onnx"
    model = store.load(NETWORK, "cpu")
    return Model(replace(model.card, patch=PATCH), exported(torch_network(path))), path


def results_folder(work: Path, path: Path) -> Path:
    """Where the results of a network's file are kept."""
    return work / hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def kept(file: Path) -> list[Explained]:
    """The results of one phantom."""
    return [Explained(**each) for each in json.loads(file.read_text())]


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lesions", type=int, default=100)
    parser.add_argument("--curves", type=int, default=10, help="lesions with deletion and insertion curves")
    parser.add_argument("--shuffle-every", type=int, default=5, help="of which shuffled weights explain one")
    parser.add_argument("--work", type=Path, default=Path("runs/heatmaps"), help="results of each study are kept here")
    parser.add_argument("--peers", type=int, default=0, help="only compare so many lesions' maps with captum's")
    chosen = parser.parse_args()
    model, path = network_and_file()
    if chosen.peers:
        print("\n".join(agreement(model, path, chosen.peers)))
        return 0
    random_model = replace(model, session=exported(shuffled(torch_network(path))))
    work = results_folder(chosen.work, path)
    work.mkdir(parents=True, exist_ok=True)
    lesions: list[Explained] = []
    bar, seed = tqdm(total=chosen.lesions, desc="lesions", file=sys.stderr), FIRST_SEED
    while len(lesions) < chosen.lesions:
        file = work / f"{seed}.json"
        if not file.is_file():
            drawn = sum(bool(each.deletion) for each in lesions)
            some = iter([True] * max(chosen.curves - drawn, 0))
            those = [*explained_lesions(seed, model, random_model, chosen.shuffle_every, partial(next, some, False))]
            file.write_text(json.dumps([asdict(each) for each in those]))
        lesions += kept(file)
        bar.update(len(lesions) - bar.n)
        seed += 1
    print("\n".join([f"seeds {FIRST_SEED}-{seed - 1}", *table(lesions)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

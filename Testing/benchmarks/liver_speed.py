"""Seconds and peak memory of the liver path on a 512x512x300 CT, beside nnU-Net's predictor with the same networks.

python Testing/benchmarks/liver_speed.py [--models FOLDER] [--peer PYTHON] [--size 512 512 300]

Each runs in a process of its own. The peer is nnunetv2's sliding window in torch, on the same preprocessed volumes,
with the same weights, patches and overlap, without mirroring; it knows no region, so it computes all of a volume.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np

# The peer's environment runs this file too: what only the project's has is imported where it is used.

ROOT = Path(__file__).resolve().parents[2]
SPACING_MM = (0.8, 0.8, 1.0)
NETWORK_FILE = ROOT / "LiverTumorAILib" / "networks" / "unet3d.py"


def make_ct(size: list[int], path: Path) -> None:
    """The CT of `ccth` on a grid (x, y, z) around its centre; where that is larger, its border continues."""
    import SimpleITK as sitk
    from real_liver import DATA

    image = sitk.ReadImage(str(DATA / "ccth" / "ccth_ct_crop.nii.gz"), sitk.sitkFloat32)
    centre = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(size)
    resampler.SetOutputSpacing(SPACING_MM)
    resampler.SetOutputOrigin([c - (n - 1) / 2 * s for c, n, s in zip(centre, size, SPACING_MM, strict=True)])
    resampler.SetUseNearestNeighborExtrapolator(True)
    sitk.WriteImage(resampler.Execute(image), str(path))


def save_networks(models: Path | None, folder: Path) -> None:
    """Weights, shape and patch of each liver network, for torch."""
    import torch

    from LiverTumorAILib.inference import ModelStore
    from LiverTumorAILib.inference.liver import LIVER_MODELS
    from LiverTumorAILib.inference.store import MODEL_FILE
    from LiverTumorAILib.training.export import weights_of_onnx
    from LiverTumorAILib.training.recipe import RECIPES

    store = ModelStore(models)
    for name in LIVER_MODELS:
        torch.save(weights_of_onnx(store.folder / name / MODEL_FILE), folder / f"{name}.pt")
        recipe, card = asdict(RECIPES[name]), store.card(name)
        shape = {key: recipe[key] for key in ("channels", "encoder_convolutions", "decoder_convolutions")}
        network = {"inputs": card.channels, "classes": len(card.classes), "deep_supervision": 0, **shape}
        (folder / f"{name}.json").write_text(json.dumps({"network": network, "patch": card.patch}))


@contextmanager
def measured(figures: dict[str, float]) -> Iterator[None]:
    """Add what a block takes: seconds of the clock, and of all cores together."""
    begun, cpu = time.perf_counter(), time.process_time()
    yield
    figures |= {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}


def peak_gib() -> float:
    """The most memory that this process held; unlike ru_maxrss without what its parent held when it forked."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024**2


def run_own(folder: Path, models: str) -> dict:
    """`find_liver`; what its sliding windows were given and found is kept for the peer."""
    import SimpleITK as sitk

    from LiverTumorAILib.inference import ModelStore, liver

    image, window, kept = sitk.ReadImage(str(folder / "ct.mha")), liver.sliding_window, []

    def recorded(volume: np.ndarray, *given: object, region: np.ndarray | None, **options: object) -> np.ndarray:
        figures: dict[str, float] = {}
        with measured(figures):
            found = window(volume, *given, region=region, **options)
        computed = np.ones(found.shape[1:], bool) if region is None else region
        kept.append((figures | {"shape": volume.shape}, volume, found[1] > 0.5, computed))
        return found

    liver.sliding_window = recorded
    whole: dict = {}
    with measured(whole):
        found = liver.find_liver(image, ModelStore(Path(models)), "cpu")
    whole |= {"peak": peak_gib(), "volume_ml": found.volume_ml, "steps": {}}
    for name, (figures, volume, mask, computed) in zip(liver.LIVER_MODELS, kept, strict=False):
        whole["steps"][name] = figures
        np.savez(folder / f"{name}.npz", volume=volume, mask=mask, computed=computed)
    return whole


def run_peer(folder: Path) -> dict:
    """nnU-Net's sliding window over the volumes that `run_own` kept."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    from_file = importlib.util.spec_from_file_location("unet3d", NETWORK_FILE)
    unet3d = importlib.util.module_from_spec(from_file)
    from_file.loader.exec_module(unet3d)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    whole: dict = {"seconds": 0.0, "cpu": 0.0, "steps": {}}
    for path in sorted(folder.glob("*.npz")):
        kept, told = np.load(path), json.loads(path.with_suffix(".json").read_text())
        network = unet3d.UNet3D(**told["network"]).eval()
        weights = torch.load(path.with_suffix(".pt"), weights_only=True)
        network.load_state_dict({key: weights[key] for key in network.state_dict()})
        predictor = nnUNetPredictor(
            tile_step_size=0.65, use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"),
            allow_tqdm=False,
        )  # fmt: skip
        # All that the sliding window asks of a trained folder's plans.
        predictor.network, predictor.allowed_mirroring_axes = network, None
        predictor.configuration_manager = SimpleNamespace(patch_size=told["patch"])
        predictor.label_manager = SimpleNamespace(num_segmentation_heads=told["network"]["classes"])
        volume, figures = torch.from_numpy(kept["volume"]), {}
        with measured(figures):
            mask = predictor.predict_sliding_window_return_logits(volume).argmax(0).numpy() > 0
        mask, own = mask & kept["computed"], kept["mask"]
        agreement = 2 * float((mask & own).sum()) / max(float(mask.sum() + own.sum()), 1)
        whole["steps"][path.stem] = figures | {"shape": list(volume.shape), "agreement": agreement}
        whole = {**whole, **{key: whole[key] + figures[key] for key in ("seconds", "cpu")}}
    return whole | {"peak": peak_gib()}


def in_own_process(python: str, *arguments: str) -> dict:
    """What this script, run by some Python with these arguments, prints as its last line."""
    done = subprocess.run([python, __file__, *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(arguments[:2])} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def print_figures(title: str, figures: dict) -> None:
    """One line for the whole, one for each network's sliding window."""
    print(f"{title:36}{figures['seconds']:8.1f} {figures['cpu']:8.1f} {figures['peak']:9.2f}")
    for name, step in figures["steps"].items():
        same = f"  Dice with ours {step['agreement']:.4f}" if "agreement" in step else ""
        shape = "x".join(map(str, step["shape"][1:]))
        print(f"  {name + ' ' + shape:34}{step['seconds']:8.1f} {step['cpu']:8.1f}{same}")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, help="model store; default: the one that comes with the library")
    parser.add_argument("--peer", default=sys.executable, help="Python of an environment with nnunetv2 and torch")
    parser.add_argument("--size", type=int, nargs=3, default=[512, 512, 300], metavar=("X", "Y", "Z"))
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.step:
        what, folder, *rest = chosen.step
        print(json.dumps(run_own(Path(folder), *rest) if what == "own" else run_peer(Path(folder))))
        return 0
    from LiverTumorAILib.inference import ModelStore

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_ct(chosen.size, folder / "ct.mha")
        print(f"{'x'.join(map(str, chosen.size))} CT, {len(os.sched_getaffinity(0))} cores")
        print(f"{'':36}{'seconds':>8} {'CPU s':>8} {'peak GiB':>9}")
        own = in_own_process(sys.executable, "--step", "own", str(folder), str(ModelStore(chosen.models).folder))
        print_figures("liver path, with resampling", own)
        installed = subprocess.run([chosen.peer, "-c", "import nnunetv2"], check=False, capture_output=True)
        if installed.returncode:
            print(f"nnunetv2: missing in {chosen.peer} (pip install nnunetv2 in an environment, give its --peer)")
            return 0
        save_networks(chosen.models, folder)
        print_figures("nnunetv2, sliding windows alone", in_own_process(chosen.peer, "--step", "peer", str(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

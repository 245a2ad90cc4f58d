"""Evidence that ONNX Runtime computes is what torch's own gradients say."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch (extra 'training')")

from LiverTumorAILib.explanation.evidence import LEVEL  # noqa: E402
from LiverTumorAILib.inference import Session  # noqa: E402
from LiverTumorAILib.networks import SliceWise, UNet3D, build_unet2d  # noqa: E402
from LiverTumorAILib.training.export import onnx_bytes  # noqa: E402

INPUTS, CLASSES = 3, 5
SHAPES = [
    {"channels": (4, 6), "encoder_convolutions": (1, 1), "decoder_convolutions": (1,)},
    {"channels": (4, 6, 8, 10), "encoder_convolutions": (1, 2, 1, 1), "decoder_convolutions": (2, 1, 3)},
]


def make_network(shape):
    torch.manual_seed(3)
    network = UNet3D(INPUTS, CLASSES, **shape).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return network


def make_slice_network(architecture):
    torch.manual_seed(4)
    network = SliceWise(build_unet2d(architecture, INPUTS, CLASSES, (4, 6, 8)))
    for name, value in (*network.named_parameters(), *network.named_buffers()):
        if name.endswith("running_var"):
            torch.nn.init.uniform_(value, 0.5, 2.0)
        elif value.is_floating_point():
            torch.nn.init.normal_(value, std=0.4)
    return network.eval()


def by_autograd(network, volume, region, contrasts):
    """Scores, and features times gradients summed over channels for each coarser level, by torch's own means."""
    features = {}
    inner = network.network if isinstance(network, SliceWise) else None
    deepest = inner.upsamplings[-1] if inner else network.upsamplings[-1]
    levels = [*(inner.blocks if inner else network.decoders)]
    hooks = [
        module.register_forward_hook(lambda _module, _input, output, level=level: features.update({level: output}))
        for level, module in enumerate(levels)
    ]
    hooks.append(
        deepest.register_forward_hook(lambda _module, given, _output: features.update({len(levels): given[0]}))
    )
    scores = network(torch.from_numpy(volume))
    evidence = {}
    for level in range(1, len(levels) + 1):
        maps = []
        for contrast in torch.from_numpy(contrasts):
            target = (torch.from_numpy(region) * torch.einsum("c,bczyx->bzyx", contrast, scores)).sum()
            (gradient,) = torch.autograd.grad(target, features[level], retain_graph=True)
            summed = (gradient * features[level]).sum(dim=1).detach().numpy()
            maps.append(summed if inner else summed[0])
        evidence[level] = np.array(maps)
    for hook in hooks:
        hook.remove()
    return scores.detach().numpy(), evidence


@pytest.fixture(scope="module", params=[*SHAPES, "unet", "dense_unet", "single_dense_path_unet"], ids=str)
def network(request):
    return make_slice_network(request.param) if isinstance(request.param, str) else make_network(request.param)


@pytest.fixture(scope="module")
def session(network):
    return Session(onnx_bytes(network, INPUTS, (8, 16, 16)), device="cpu", threads=1)


@pytest.mark.parametrize("size", [(8, 16, 16), (16, 8, 24)])
def test_evidence_is_features_times_gradients_at_any_size(network, session, size):
    random = np.random.default_rng(1)
    volume = random.normal(size=(1, INPUTS, *size)).astype(np.float32)
    region = (random.random(size) > 0.9).astype(np.float32)
    contrasts = random.normal(size=(2, CLASSES)).astype(np.float32)
    scores, expected = by_autograd(network, volume, region, contrasts)
    assert session.evidence_levels == (LEVEL,)
    found = session.evidence(volume, region, contrasts, session.evidence_levels)
    for maps, level in zip(found, session.evidence_levels, strict=True):
        np.testing.assert_allclose(maps, expected[level], rtol=1e-3, atol=1e-4 * np.abs(expected[level]).max())
    np.testing.assert_allclose(session(volume), scores, rtol=1e-3, atol=1e-4)


def test_evidence_is_linear_in_the_contrast(session):
    random = np.random.default_rng(2)
    volume = random.normal(size=(1, INPUTS, 8, 16, 16)).astype(np.float32)
    region = np.ones((8, 16, 16), np.float32)
    first, second = np.eye(CLASSES, dtype=np.float32)[:2]
    (maps,) = session.evidence(volume, region, np.stack([first, second, first - second]), (1,))
    np.testing.assert_allclose(maps[2], maps[0] - maps[1], rtol=1e-3, atol=1e-3 * np.abs(maps).max())


@pytest.mark.parametrize("other", [torch.nn.Conv3d(INPUTS, CLASSES, 1), make_slice_network("r2unet")], ids=type)
def test_other_networks_are_exported_without_evidence(other):
    session = Session(onnx_bytes(other, INPUTS, (4, 8, 8)), device="cpu", threads=1)
    assert session.evidence_levels == ()
    assert session(np.zeros((1, INPUTS, 4, 8, 8), np.float32)).shape == (1, CLASSES, 4, 8, 8)

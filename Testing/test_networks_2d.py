"""The 2D networks keep their promises on shapes and paths, and ONNX computes the same slice by slice."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from LiverTumorAILib.networks import ARCHITECTURES_2D, SliceWise, build_unet2d
from LiverTumorAILib.networks.blocks2d import DenseBlock, RecurrentResidualBlock
from LiverTumorAILib.networks.unet2d import DensePathsEncoder
from LiverTumorAILib.training.export import OPSET, onnx_bytes

CHANNELS = (6, 6, 12, 12, 12)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(architecture: str, inputs: int = 3) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_unet2d(architecture, inputs, 2, CHANNELS).eval()


def sees(network, images: torch.Tensor, output) -> torch.Tensor:
    """Where in the input (channels, y, x) an output depends on."""
    images = images.clone().requires_grad_()
    output(network(images)).backward()
    return images.grad[0] != 0


@pytest.mark.parametrize("architecture", ARCHITECTURES_2D)
def test_every_pixel_gets_scores_and_sees_far_and_all_phases(architecture):
    network = small(architecture)
    seen = sees(network, torch.randn(1, 3, 64, 48), lambda scores: scores[0, 1, 32, 24])
    assert network(torch.randn(2, 3, 64, 48)).shape == (2, 2, 64, 48)
    assert seen[:, 32, 24].all()
    assert seen[:, 8, 24].any() and seen[:, 32, 2].any()


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ValueError, match="no architecture"):
        build_unet2d("unet++", 3, 2, CHANNELS)


def test_each_dense_layer_sees_all_before_it_and_adds_half_of_what_goes_out():
    block = DenseBlock(5, 8)
    assert [layer[0].in_channels for layer in block.layers] == [5, 9, 13]
    assert block.transition[0].in_channels == 17
    features = torch.randn(1, 5, 8, 8)
    assert block(features).shape == (1, 8, 8, 8)
    # Without its layers the block still passes its input on: the shortest path is the transition alone.
    for layer in block.layers:
        torch.nn.init.zeros_(layer[1].weight)
    assert sees(block.eval(), features, lambda out: out[0, :, 4, 4].sum())[:, 4, 4].all()


def test_recurrence_widens_what_a_block_sees_without_more_weights():
    block = RecurrentResidualBlock(2, 4).eval()
    seen = sees(block, torch.randn(1, 2, 32, 32), lambda out: out[0, :, 16, 16].sum())
    assert int(seen.any(dim=0)[16].sum()) == 1 + 2 * 2 * 3
    assert len([module for module in block.modules() if isinstance(module, torch.nn.Conv2d)]) == 3


def test_hyper_dense_paths_meet_from_the_second_level_on_and_one_path_from_the_first():
    image = torch.randn(1, 3, 16, 16)
    hyper, single = (DensePathsEncoder(3, (6, 6, 12), paths).eval() for paths in (3, 1))
    first, second = (lambda found: found[0][0, :2].sum(), lambda found: found[1][0, :2].sum())
    assert sees(hyper, image, first).any(dim=(1, 2)).tolist() == [True, False, False]
    assert sees(single, image, first).any(dim=(1, 2)).all()
    assert sees(hyper, image, second).any(dim=(1, 2)).all()
    assert hyper.levels[2][0][0][0].in_channels == 12
    with pytest.raises(ValueError, match="do not divide"):
        DensePathsEncoder(3, (6, 7), 3)


@pytest.fixture(scope="module", params=ARCHITECTURES_2D)
def exported(request):
    network = small(request.param)
    content = onnx_bytes(SliceWise(network), 3, (2, 32, 32))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return network, content, onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def test_normalisation_is_folded_into_the_exported_weights(exported):
    model = onnx.load_from_string(exported[1])
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import if not entry.domain] == [OPSET]
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


@settings(max_examples=4)
@given(shape=st.tuples(st.integers(1, 5), st.integers(2, 4), st.integers(2, 4)), seed=st.integers(0, 1000))
def test_onnx_runtime_computes_each_slice_as_torch_does(exported, shape, seed):
    network, _, session = exported
    size = (shape[0], 16 * shape[1], 16 * shape[2])
    volume = np.random.default_rng(seed).normal(size=(1, 3, *size)).astype(np.float32)
    scores = session.run(None, {"volume": volume})[0]
    with torch.no_grad():
        for index in range(shape[0]):
            expected = network(torch.from_numpy(volume[:, :, index])).numpy()
            np.testing.assert_allclose(scores[:, :, index], expected, atol=1e-4)

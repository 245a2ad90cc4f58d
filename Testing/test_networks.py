"""The U-Net keeps its promises on shapes, and ONNX computes the same."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from LiverTumorAILib.networks import UNet3D
from LiverTumorAILib.training.export import OPSET, onnx_bytes
from LiverTumorAILib.training.loop import build_network
from LiverTumorAILib.training.recipe import RECIPES


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(**changes) -> UNet3D:
    torch.manual_seed(0)
    settings_ = {"channels": (4, 6, 8), "encoder_convolutions": (1, 2, 1), "decoder_convolutions": (1, 1)} | changes
    return UNet3D(3, 5, **settings_)


def test_training_gives_scores_at_each_supervised_level_and_use_only_the_finest():
    network = small(deep_supervision=1)
    volume = torch.randn(1, 3, 8, 16, 12)
    assert [tuple(scores.shape) for scores in network.train()(volume)] == [(1, 5, 8, 16, 12), (1, 5, 4, 8, 6)]
    scores = network.eval()(volume)
    assert scores.shape == (1, 5, 8, 16, 12)
    torch.testing.assert_close(scores, network.train()(volume)[0])


def test_each_output_voxel_sees_far_beyond_its_neighbours():
    network = small().eval()
    volume = torch.zeros(1, 3, 16, 16, 16, requires_grad=True)
    network(volume + torch.randn(volume.shape))[0, 1, 8, 8, 8].backward()
    seen = volume.grad[0].abs().sum(dim=0) > 0
    assert seen[8, 8, 2] and seen[2, 8, 8]


def test_a_wrong_number_of_convolutions_is_refused():
    with pytest.raises(ValueError, match="each level"):
        small(encoder_convolutions=(1, 2))


@pytest.fixture(scope="module")
def exported():
    network = small(deep_supervision=1)
    content = onnx_bytes(network, 3, (8, 16, 16))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return network.eval(), content, session


def test_the_export_is_plain_onnx_of_the_opset(exported):
    model = onnx.load_from_string(exported[1])
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import if not entry.domain] == [OPSET]
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert shape[1].dim_value == 3
    assert all(shape[axis].dim_param for axis in (0, 2, 3, 4))


@settings(max_examples=10, deadline=None)
@given(blocks=st.tuples(*[st.integers(1, 5)] * 3), seed=st.integers(0, 1000))
def test_onnx_runtime_computes_what_torch_computes_at_any_size(exported, blocks, seed):
    network, _, session = exported
    shape = [4 * number for number in blocks]
    if np.prod(shape) == 64:
        shape[0] = 8
    volume = np.random.default_rng(seed).normal(size=(1, 3, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(volume)).numpy()
    np.testing.assert_allclose(session.run(None, {"volume": volume})[0], expected, atol=1e-4)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_every_recipe_gives_a_network_that_fits_its_patch_and_ten_mebibytes(recipe):
    network = build_network(recipe)
    assert all(length % network.stride == 0 for length in (*recipe.patch, *recipe.window))
    assert sum(weights.numel() for weights in network.parameters()) * 4 < 10 * 2**20
    assert network.heads[0].out_channels == len(recipe.classes)
    again = build_network(recipe)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))

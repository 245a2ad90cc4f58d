"""The model store hands out whole models and says clearly what is wrong with others."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference import (
    IntensityNormalisation,
    ModelCard,
    ModelStore,
    choose_device,
    read_card,
    write_card,
)
from LiverTumorAILib.inference.openvino_scores import openvino_is_installed
from LiverTumorAILib.inference.session import ENGINE_ENVIRONMENT, ONNX_RUNTIME, OPENVINO, Session, available_cores
from LiverTumorAILib.inference.store import ENVIRONMENT, default_folder


def linear_onnx(weights: np.ndarray) -> bytes:
    """A network that mixes channels voxel by voxel: weights (classes, channels)."""
    classes, channels = weights.shape
    kernel = numpy_helper.from_array(weights.astype(np.float32).reshape(classes, channels, 1, 1, 1), "kernel")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["volume", "kernel"], ["scores"])],
        "linear",
        [helper.make_tensor_value_info("volume", TensorProto.FLOAT, ["batch", channels, "z", "y", "x"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", classes, "z", "y", "x"])],
        [kernel],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def linear_card(content: bytes, **changes) -> ModelCard:
    card = ModelCard(
        name="linear",
        version="1",
        title="a linear network",
        sha256=hashlib.sha256(content).hexdigest(),
        inputs=("arterial", "portal_venous"),
        presence_channels=True,
        spacing_mm=(2.5, 2.0, 2.0),
        patch=(16, 24, 24),
        normalisation=IntensityNormalisation("window", -150.0, 250.0),
        classes=("background", "liver", "HCC"),
        training="not trained",
        licence="Apache-2.0",
        intended_use="tests",
        figures={"dice": 0.5},
    )
    return replace(card, **changes)


def put(folder, content: bytes, card: ModelCard) -> None:
    (folder / card.name).mkdir(parents=True)
    (folder / card.name / "model.onnx").write_bytes(content)
    write_card(card, folder / card.name / "card.json")


@pytest.fixture
def content() -> bytes:
    return linear_onnx(np.random.default_rng(0).normal(size=(3, 4)))


@pytest.fixture
def store(tmp_path, content) -> ModelStore:
    put(tmp_path, content, linear_card(content))
    return ModelStore(tmp_path)


def test_a_card_survives_writing_and_reading(tmp_path, content):
    card = linear_card(content)
    write_card(card, tmp_path / "card.json")
    assert read_card(tmp_path / "card.json") == card
    assert [entry.name for entry in tmp_path.iterdir()] == ["card.json"]


def test_a_loaded_model_computes_what_onnx_says(store):
    model = store.load("linear", "cpu")
    batch = np.random.default_rng(1).normal(size=(1, 4, 5, 6, 7)).astype(np.float32)
    expected = onnxruntime.InferenceSession(str(store.folder / "linear" / "model.onnx")).run(None, {"volume": batch})[0]
    np.testing.assert_allclose(model.session(batch), expected, atol=1e-6)
    assert model.device == f"cpu, {model.session.engine}"
    assert store.names() == ("linear",)
    assert [result.ok for result in store.verify()] == [True]


def test_a_changed_model_file_is_refused(store):
    path = store.folder / "linear" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(LiverTumorAIError, match="SHA-256 differs"):
        store.load("linear")
    (result,) = store.verify()
    assert not result.ok
    assert "SHA-256" in result.problem


def test_a_missing_model_is_named_with_those_that_are_there(store):
    with pytest.raises(LiverTumorAIError, match="no model 'other'.*Models found there: linear"):
        store.load("other")
    with pytest.raises(LiverTumorAIError, match="no model"):
        store.load("../linear")


def test_a_missing_model_file_is_named(store):
    (store.folder / "linear" / "model.onnx").unlink()
    with pytest.raises(LiverTumorAIError, match="model file is missing"):
        store.load("linear")


def test_an_empty_or_missing_folder_holds_no_models(tmp_path):
    assert ModelStore(tmp_path / "nothing").names() == ()
    with pytest.raises(LiverTumorAIError, match="Models found there: none"):
        ModelStore(tmp_path / "nothing").load("linear")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("{", "broken"),
        ("[]", "not a JSON object"),
        ({"classes": None}, "broken"),
        ({"classes": ["liver", "background"]}, "background"),
        ({"inputs": ["venous"]}, "known phases"),
        ({"spacing_mm": [1, 0, 1]}, "spacing_mm"),
        ({"patch": [1, 2]}, "patch"),
        ({"normalisation": {"kind": "zscore", "low": 0, "high": 1}}, "normalisation"),
        ({"normalisation": {"kind": "window", "low": 1, "high": 1}}, "low below"),
    ],
)
def test_a_broken_card_is_refused_in_one_line(store, change, problem):
    path = store.folder / "linear" / "card.json"
    if isinstance(change, dict):
        change = json.dumps(json.loads(path.read_text()) | change)
    path.write_text(change)
    with pytest.raises(LiverTumorAIError, match=problem) as caught:
        store.load("linear")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_card_that_lacks_an_entry_says_which(store):
    path = store.folder / "linear" / "card.json"
    card = json.loads(path.read_text())
    del card["training"]
    path.write_text(json.dumps(card))
    with pytest.raises(LiverTumorAIError, match="lacks training"):
        store.card("linear")


def test_a_card_for_another_model_is_refused(store):
    (store.folder / "linear").rename(store.folder / "renamed")
    with pytest.raises(LiverTumorAIError, match="names the model 'linear'"):
        store.card("renamed")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"presence_channels": False}, "4 input channels, its card says 2"),
        ({"classes": ("background", "liver")}, "3 classes, its card says 2"),
    ],
)
def test_a_network_that_does_not_fit_its_card_is_refused(tmp_path, content, changes, problem):
    put(tmp_path, content, linear_card(content, **changes))
    with pytest.raises(LiverTumorAIError, match=problem):
        ModelStore(tmp_path).load("linear")


def test_a_file_that_is_no_network_is_refused(tmp_path):
    put(tmp_path, b"no network", linear_card(b"no network"))
    with pytest.raises(LiverTumorAIError, match="cannot load the network"):
        ModelStore(tmp_path).load("linear")


def test_the_environment_names_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    assert default_folder() == tmp_path


def test_unknown_devices_are_refused():
    with pytest.raises(LiverTumorAIError, match="no device 'tpu'"):
        choose_device("tpu")
    assert choose_device("cpu") == "cpu"
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        assert choose_device("auto") == "cpu"
        with pytest.raises(LiverTumorAIError, match="CUDA"):
            choose_device("cuda")


def test_threads_stay_within_the_cores(content):
    session = Session(content, "cpu", threads=1000)
    assert 1 <= session._session.get_session_options().intra_op_num_threads <= available_cores()


@pytest.mark.skipif(not openvino_is_installed(), reason="openvino is not installed")
@pytest.mark.parametrize("name", ["base_unet", "liver_coarse", "hfs_fusion", "multi_sensitivity_reclassification"])
def test_openvino_says_what_onnx_runtime_says(name, monkeypatch):
    store = ModelStore()
    fast = store.load(name, "cpu")
    monkeypatch.setenv(ENGINE_ENVIRONMENT, "onnxruntime")
    plain = store.load(name, "cpu")
    assert (fast.session.engine, plain.session.engine) == (OPENVINO, ONNX_RUNTIME)
    rng = np.random.default_rng(2)
    for patch in ((16, 32, 32), (16, 48, 32), (16, 32, 48), (32, 32, 32), (16, 32, 32)):
        batch = rng.normal(size=(1, fast.card.channels, *patch)).astype(np.float32)
        expected, found = plain.session(batch), fast.session(batch)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 0.01 * np.abs(expected).max()
        assert (found.argmax(axis=1) != expected.argmax(axis=1)).mean() < 1e-3


@pytest.mark.skipif(not openvino_is_installed(), reason="openvino is not installed")
def test_evidence_comes_from_the_same_network_whoever_computes_the_scores(monkeypatch):
    fast = ModelStore().load("base_unet", "cpu").session
    monkeypatch.setenv(ENGINE_ENVIRONMENT, "onnxruntime")
    plain = ModelStore().load("base_unet", "cpu").session
    rng = np.random.default_rng(3)
    batch, region = rng.normal(size=(1, 8, 16, 32, 32)).astype(np.float32), np.ones((16, 32, 32), np.float32)
    contrasts = np.eye(14, dtype=np.float32)[[1]]
    for one, other in zip(
        fast.evidence(batch, region, contrasts, (1,)), plain.evidence(batch, region, contrasts, (1,)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(not openvino_is_installed(), reason="openvino is not installed")
def test_openvino_leaves_numba_its_threading_layer():
    code = """
import numba, numpy as np
from LiverTumorAILib.inference import ModelStore
ModelStore().load("hfs_fusion", "cpu")
@numba.njit(parallel=True)
def double(values):
    for index in numba.prange(values.size):
        values[index] *= 2
double(np.ones(8))
print(numba.threading_layer())
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split()[-1] == "workqueue"

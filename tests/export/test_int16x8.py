"""The int16x8 file: pixels come through exactly, int16 between the layers, fast kernels where that is safe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema
from keras import layers

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import Split
from fmnist_edge.export import int16x8 as int16x8_module
from fmnist_edge.export.biases import largest_sum, narrow_biases
from fmnist_edge.export.calibration import Calibration
from fmnist_edge.export.flatbuffer import operator_name, read_model, write_model
from fmnist_edge.export.int8 import Agreement
from fmnist_edge.export.int16x8 import quantize_int16x8, take_pixels
from fmnist_edge.export.pixels import Scaling
from fmnist_edge.export.reference import Reference
from fmnist_edge.export.tflite import convert_int16x8
from fmnist_edge.export.trace import infer
from fmnist_edge.runtime import open_runner
from fmnist_edge.train.keras_model import load_keras_model

Network = Callable[..., keras.Model]
Answers = Callable[[str], npt.NDArray[np.float32]]
NAME = "fmnist-compact-int16x8.tflite"
KINDS = schema.TensorType


def flat(x: Any) -> Any:
    return layers.Flatten()(x)


def graph_of(content: bytes) -> tuple[Any, Any, list[str]]:
    model = read_model(content)
    graph = model.subgraphs[0]
    return model, graph, [operator_name(model, operator) for operator in graph.operators]


def pixels_as_seen(content: bytes, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the real values that the first layer gets of `images`."""
    model, graph, names = graph_of(content)
    position = names.index("QUANTIZE")
    target = graph.operators[position].outputs[0]
    graph.operators, graph.outputs, model.signatureDefs = graph.operators[: position + 1], [target], None
    quantization = graph.tensors[target].quantization
    assert graph.tensors[target].type == KINDS.INT16
    assert quantization.zeroPoint.tolist() == [0]
    return infer(write_model(model), images).astype(np.float64) * float(quantization.scale[0])


EVERY_PIXEL = np.resize(np.arange(256, dtype=np.uint8), (1, 28, 28))


@pytest.fixture(scope="module")
def convert(calibration: Calibration) -> Callable[[keras.Model], bytes]:
    """Convert a small network to int16x8, without new rounding."""
    return lambda model: narrow_biases(take_pixels(*convert_int16x8(model, calibration)))


# --- the file ---------------------------------------------------------------------------------------------------------


def test_weights_are_int8_and_activations_int16(exports: Path) -> None:
    _, graph, names = graph_of((exports / NAME).read_bytes())
    assert names[:3] == ["DEQUANTIZE", "QUANTIZE", "RESHAPE"]
    assert names[-2:] == ["DEQUANTIZE", "SOFTMAX"]
    weighted = 0
    for operator, name in zip(graph.operators[3:-2], names[3:-2], strict=True):
        kinds = [graph.tensors[index].type for index in operator.inputs]
        assert [graph.tensors[index].type for index in operator.outputs] == [KINDS.INT16], name
        wide = [KINDS.INT16, KINDS.INT8, KINDS.INT64]  # LiteRT takes no narrow bias for a depthwise convolution
        expected = {"ADD": [KINDS.INT16] * 2, "DEPTHWISE_CONV_2D": wide}
        assert kinds == expected.get(name, [KINDS.INT16, KINDS.INT8, KINDS.INT32]), name
        weighted += name in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    assert weighted == 11 + 2  # the first convolution and the dense layer have twins
    assert sorted(set(names[3:-2])) == ["ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]


def test_every_pixel_comes_through_exactly(exports: Path) -> None:
    content = (exports / NAME).read_bytes()
    graph = read_model(content).subgraphs[0]
    source = graph.tensors[graph.inputs[0]]
    assert (source.type, source.shape.tolist()) == (KINDS.UINT8, [1, 28, 28])
    scale = float(source.quantization.scale[0])
    assert scale == np.float32(1 / 255)
    np.testing.assert_array_equal(pixels_as_seen(content, EVERY_PIXEL), EVERY_PIXEL * scale)


def test_probabilities_sum_to_1_and_have_the_float_label(answers: Answers) -> None:
    float32, int8, int16x8 = (answers(f"fmnist-compact-{name}.tflite") for name in ("float32", "int8", "int16x8"))
    assert int16x8.dtype == np.float32
    np.testing.assert_allclose(int16x8.sum(axis=1), 1, atol=1e-5)
    assert (int16x8.argmax(axis=1) == float32.argmax(axis=1)).mean() >= 0.997
    assert np.abs(int16x8 - float32).mean() < np.abs(int8 - float32).mean() / 2


def test_the_card_records_calibration_and_rounding(exports: Path) -> None:
    with open_runner(exports / NAME) as runner:
        calibration = runner.card.calibration
    assert calibration is not None
    assert (calibration["split"], calibration["count"], len(calibration["indices"])) == ("train", 500, 500)
    assert calibration["method"] == "min-max"
    assert calibration["rounded_for"] == {
        "split": "train",
        "count": int16x8_module.ROUNDING_COUNT,
        "seed": int16x8_module.ROUNDING_SEED,
        "dataset_sha256": calibration["dataset_sha256"],
    }
    changes = calibration["mean_change_on_validation"]
    assert set(changes) == {"nearest", "compensated"}
    assert calibration["rounding"] == "compensated"
    assert changes["compensated"] < changes["nearest"] / 2


@pytest.mark.parametrize("best", ["nearest", "compensated"])
def test_the_rounding_that_agrees_best_is_kept(
    best: str, compact_run: Path, calibration: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(["nearest", "compensated"])
    monkeypatch.setattr(
        int16x8_module,
        "agreement",
        lambda content, reference, count: Agreement(0.9, 0.1 if next(names) == best else 0.2),
    )
    monkeypatch.setattr(int16x8_module, "round_with_compensation", lambda content, *others, **options: content)
    reference = Reference(load_keras_model(compact_run / "model.keras"))
    assert quantize_int16x8(reference.model, calibration, calibration, reference).rounding == best


# --- the scaling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scaling", "stated"),
    [
        (layers.Activation("linear"), Scaling(1.0, 0.0)),
        (layers.Rescaling(0.01), Scaling(0.01, 0.0)),
        (layers.Rescaling(1 / 128, -1.0), Scaling(1 / 128, -1.0)),
    ],
    ids=["none", "1/100", "1/128 - 1"],
)
def test_other_scalings_come_through_exactly(
    scaling: keras.layers.Layer, stated: Scaling, network: Network, convert: Callable[[keras.Model], bytes]
) -> None:
    content = convert(network(flat, scaling=scaling))
    np.testing.assert_allclose(pixels_as_seen(content, EVERY_PIXEL), stated.apply(EVERY_PIXEL), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "scaling",
    [layers.Rescaling(1 / 127.5, -1.0), layers.Rescaling(-1 / 255, 1.0), layers.Rescaling(1 / 255, 0.5)],
    ids=["a zero point of 127.5", "negative", "a zero point below 0"],
)
def test_a_scaling_that_no_zero_point_states_is_refused(
    scaling: keras.layers.Layer, network: Network, convert: Callable[[keras.Model], bytes]
) -> None:
    with pytest.raises(EdgeError, match=r"does not mean what the rescaling computes; expected .*1 / 255"):
        convert(network(flat, scaling=scaling))


MIDDLES: dict[str, Callable[[Any], Any]] = {
    "dense": flat,
    "convolution": layers.Conv2D(4, 3, strides=2, activation="relu"),
    "two readers": lambda x: layers.Concatenate()([layers.Conv2D(4, 3)(x), layers.Conv2D(2, 3)(x)]),
    "depthwise": layers.DepthwiseConv2D(3, depth_multiplier=2),
}


def put_on_grid(model: keras.Model) -> None:
    """Round every kernel to what int8 can hold, a channel at a time, so that quantizing it again loses nothing."""
    for layer in model.layers:
        for weight in layer.weights:
            if len(weight.shape) > 1:
                values = weight.numpy()
                depthwise = isinstance(layer, layers.DepthwiseConv2D)
                inputs = tuple(range(values.ndim - (2 if depthwise else 1)))
                step = np.abs(values).max(axis=inputs, keepdims=True) / 127
                weight.assign(np.round(values / step) * step)


@pytest.mark.parametrize("name", MIDDLES)
def test_networks_with_int8_weights_answer_as_in_float(
    name: str, network: Network, convert: Callable[[keras.Model], bytes], calibration: Calibration
) -> None:
    model = network(MIDDLES[name])
    put_on_grid(model)
    images = calibration.split.images[:200]  # others may leave the measured ranges, and be clipped there
    expected = model.predict(images[..., np.newaxis].astype(np.float32), verbose=0)
    found = infer(convert(model), images)
    np.testing.assert_allclose(found, expected, atol=0.005)


# --- the biases -------------------------------------------------------------------------------------------------------


def bias_kinds(content: bytes) -> list[int]:
    _, graph, names = graph_of(content)
    weighted = [o for o, name in zip(graph.operators, names, strict=True) if name in {"CONV_2D", "FULLY_CONNECTED"}]
    return [graph.tensors[operator.inputs[2]].type for operator in weighted]


def test_narrow_biases_change_no_answer(network: Network, calibration: Calibration, thousand: Split) -> None:
    pooled = network(lambda x: layers.MaxPooling2D(4)(layers.Conv2D(4, 3, activation="relu")(x)))
    wide = take_pixels(*convert_int16x8(pooled, calibration))
    narrow = narrow_biases(wide)
    assert bias_kinds(wide) == [KINDS.INT64] * 2
    assert bias_kinds(narrow) == [KINDS.INT32] * 2
    images = thousand.images[:50]
    np.testing.assert_allclose(infer(narrow, images), infer(wide, images), atol=1e-4)


def test_a_layer_whose_sums_may_pass_32_bits_keeps_its_wide_bias(network: Network, calibration: Calibration) -> None:
    content = take_pixels(*convert_int16x8(network(flat), calibration))
    model, graph, names = graph_of(content)
    dense = graph.operators[names.index("FULLY_CONNECTED")]
    weights = graph.tensors[dense.inputs[1]]
    assert weights.shape.tolist() == [10, 784]
    for value, kind in ((83, KINDS.INT32), (84, KINDS.INT64)):  # 2^31 / 32768 / 784 is 83.6
        model.buffers[weights.buffer].data = np.full(7840, value, np.uint8)
        bias = np.zeros(10, np.int64)
        model.buffers[graph.tensors[dense.inputs[2]].buffer].data = np.frombuffer(bias.tobytes(), np.uint8)
        assert largest_sum(model, dense) == 784 * value * 32768
        assert bias_kinds(narrow_biases(write_model(model))) == [kind]

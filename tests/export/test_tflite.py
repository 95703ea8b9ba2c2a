"""The TFLite files: int8 throughout, built-in operators only, the pixel as the input's number."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import LABELS, Split
from fmnist_edge.export.calibration import Calibration
from fmnist_edge.export.flatbuffer import operator_name, read_model, write_model
from fmnist_edge.export.recipe import DYNAMIC, FLOAT32, RECIPES
from fmnist_edge.export.tflite import convert_float, convert_int16x8, convert_scaled, quantize_int8
from fmnist_edge.export.tflite_file import append_card
from fmnist_edge.runtime.card import TFLITE_MEMBER, read_tflite_card
from fmnist_edge.train.keras_model import KerasRunner

Network = Callable[..., keras.Model]
ToInt8 = Callable[[keras.Model], bytes]
Answers = Callable[[str], npt.NDArray[np.float32]]
INT8_TYPE, INT32_TYPE, UINT8_TYPE = schema.TensorType.INT8, schema.TensorType.INT32, schema.TensorType.UINT8
FLOAT32_TYPE = schema.TensorType.FLOAT32
WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
COMPUTING = WEIGHTED | {"ADD"}


def flat(x: Any) -> Any:
    return keras.layers.Flatten()(x)


def tensors(graph: Any, indices: npt.NDArray[np.int32]) -> list[Any]:
    return [graph.tensors[index] for index in indices]


def operator_names(content: bytes) -> list[str]:
    model = read_model(content)
    return [operator_name(model, operator) for operator in model.subgraphs[0].operators]


# --- the int8 file --------------------------------------------------------------------------------------------------


def test_every_computing_operator_is_int8_in_input_weights_and_output(int8_tflite: Path) -> None:
    assert int8_operators(int8_tflite.read_bytes()) == COMPUTING


def test_a_global_average_is_int8(network: Network, to_int8: ToInt8) -> None:
    content = to_int8(network(lambda x: keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(x))))
    assert int8_operators(content) == {"CONV_2D", "FULLY_CONNECTED", "MEAN"}


def int8_operators(content: bytes) -> set[str]:
    """Return the operators that compute, having checked that all they read and write is int8 and biases int32."""
    model = read_model(content)
    graph = model.subgraphs[0]
    seen = set()
    for operator in graph.operators:
        name = operator_name(model, operator)
        if name not in COMPUTING | {"MEAN"}:
            continue
        seen.add(name)
        types = [tensor.type for tensor in tensors(graph, operator.inputs)]
        expected = {"ADD": [INT8_TYPE] * 2, "MEAN": [INT8_TYPE, INT32_TYPE]}
        assert types == expected.get(name, [INT8_TYPE, INT8_TYPE, INT32_TYPE]), name
        assert [tensor.type for tensor in tensors(graph, operator.outputs)] == [INT8_TYPE], name
    return seen


def test_only_the_softmax_is_computed_in_float(int8_tflite: Path) -> None:
    content = int8_tflite.read_bytes()
    names = operator_names(content)
    assert names[:2] == ["QUANTIZE", "RESHAPE"]
    assert names[-2:] == ["DEQUANTIZE", "SOFTMAX"]
    assert set(names[2:-2]) == COMPUTING
    graph = read_model(content).subgraphs[0]
    floats = [index for index, tensor in enumerate(graph.tensors) if tensor.type == FLOAT32_TYPE]
    assert floats == [*graph.operators[-1].inputs, *graph.outputs]


def test_the_raw_pixel_is_the_quantized_input(int8_tflite: Path) -> None:
    graph = read_model(int8_tflite.read_bytes()).subgraphs[0]
    pixels = graph.tensors[graph.inputs[0]]
    assert (pixels.type, pixels.shape.tolist()) == (UINT8_TYPE, [1, 28, 28])
    assert pixels.quantization.scale.tolist() == [np.float32(1 / 255)]
    assert pixels.quantization.zeroPoint.tolist() == [0]


def test_weights_are_symmetric_with_a_scale_for_every_channel(int8_tflite: Path) -> None:
    model = read_model(int8_tflite.read_bytes())
    graph = model.subgraphs[0]
    weighted = [o for o in graph.operators if operator_name(model, o) in WEIGHTED]
    assert len(weighted) == 11
    for operator in weighted:
        weights = graph.tensors[operator.inputs[1]]
        axis = 3 if operator_name(model, operator) == "DEPTHWISE_CONV_2D" else 0
        assert weights.quantization.quantizedDimension == axis
        values = np.frombuffer(bytes(model.buffers[weights.buffer].data), np.int8).reshape(weights.shape)
        values = np.moveaxis(values, axis, 0)
        assert len(weights.quantization.scale) == len(values)
        assert not weights.quantization.zeroPoint.any()
        assert np.abs(values.astype(int)).reshape(len(values), -1).max(axis=1).tolist() == [127] * len(values)


# --- all recipes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_device_needs_built_in_operators_only(recipe: str, exports: Path) -> None:
    model = read_model((exports / f"fmnist-compact-{recipe}.tflite").read_bytes())
    assert len(model.subgraphs) == 1
    for code in model.operatorCodes:
        assert not code.customCode
        assert code.builtinCode != schema.BuiltinOperator.CUSTOM


@pytest.mark.parametrize(("recipe", "kind"), [("float32", "FLOAT32"), ("float16", "FLOAT16"), ("dynamic", "INT8")])
def test_large_weights_are_stored_as_the_recipe_says(recipe: str, kind: str, exports: Path) -> None:
    model = read_model((exports / f"fmnist-compact-{recipe}.tflite").read_bytes())
    kinds = {tensor.type for tensor in model.subgraphs[0].tensors if stored_values(model, tensor) >= 10_000}
    assert kinds == {getattr(schema.TensorType, kind)}


def stored_values(model: Any, tensor: Any) -> int:
    """Return how many numbers of a tensor stand in the file; 0 for one that is computed."""
    return int(np.prod(tensor.shape)) if model.buffers[tensor.buffer].data is not None else 0


def test_float32_gives_the_probabilities_of_keras(answers: Answers, compact_run: Path, thousand: Split) -> None:
    with KerasRunner.open(compact_run / "model.keras") as runner:
        expected = runner.infer(thousand.images)
    np.testing.assert_allclose(answers("fmnist-compact-float32.tflite"), expected, atol=1e-4)


@pytest.mark.parametrize(("recipe", "least"), [("float16", 0.995), ("dynamic", 0.98), ("int8", 0.97)])
def test_quantization_keeps_the_label(recipe: str, least: float, answers: Answers) -> None:
    float32, quantized = (answers(f"fmnist-compact-{name}.tflite") for name in ("float32", recipe))
    assert (float32.argmax(axis=1) == quantized.argmax(axis=1)).mean() >= least


# --- the input's scale ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scaling", "scale", "zero_point"),
    [
        (keras.layers.Activation("linear"), 1.0, 0),
        (keras.layers.Rescaling(1 / 255), 1 / 255, 0),
        (keras.layers.Rescaling(0.01), 0.01, 0),
        (keras.layers.Rescaling(1 / 128, -1.0), 1 / 128, 128),
    ],
    ids=["none", "1/255", "1/100", "1/128 - 1"],
)
def test_the_scale_of_the_input_is_what_the_rescaling_states(
    scaling: keras.layers.Layer, scale: float, zero_point: int, network: Network, to_int8: ToInt8
) -> None:
    graph = read_model(to_int8(network(flat, scaling=scaling))).subgraphs[0]
    quantization = graph.tensors[graph.inputs[0]].quantization
    assert quantization.scale[0] == pytest.approx(scale, rel=1e-6)
    assert quantization.zeroPoint.tolist() == [zero_point]


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        (keras.layers.Rescaling(1 / 127.5, -1.0), "-1 to 1"),
        (keras.layers.Rescaling(-1 / 255, 1.0), "1 to 0"),
        (keras.layers.Rescaling(1 / 255, 0.5), "0.5 to 1.5"),
    ],
    ids=["a zero point of 127.5", "negative", "a zero point below 0"],
)
def test_a_rescaling_that_no_zero_point_states_is_refused(
    scaling: keras.layers.Layer, expected: str, network: Network, to_int8: ToInt8
) -> None:
    message = f"does not mean what the rescaling computes; expected {expected} for pixels 0 to 255; got .*1 / 255"
    with pytest.raises(EdgeError, match=message):
        to_int8(network(flat, scaling=scaling))


def test_calibration_images_without_white_pixels_are_refused(network: Network, calibration: Calibration) -> None:
    dark = replace(calibration, split=replace(calibration.split, images=calibration.split.images // 2))
    float_network = convert_scaled(network(flat))
    with pytest.raises(EdgeError, match=r"expected 0 to 1 for pixels 0 to 255; got 0 to 0\.498.*calibrate on images"):
        quantize_int8(float_network.content, float_network.scaling, dark)


# --- what cannot be converted ---------------------------------------------------------------------------------------


class Erfinv(keras.layers.Layer):  # type: ignore[misc]
    """A layer that LiteRT has no operator for."""

    def call(self, x: Any) -> Any:
        return keras.ops.erfinv(x / 2)


CONVERSIONS: dict[str, Callable[[keras.Model, Calibration], object]] = {
    "float32": lambda model, calibration: convert_float(model, FLOAT32),
    "dynamic": lambda model, calibration: convert_float(model, DYNAMIC),
    "int8": lambda model, calibration: convert_scaled(model),  # its first step
    "int16x8": convert_int16x8,
}


@pytest.mark.parametrize("recipe", CONVERSIONS)
def test_a_layer_without_a_built_in_operator_is_refused_by_name(
    recipe: str, network: Network, calibration: Calibration
) -> None:
    model = network(lambda x: flat(Erfinv()(x)))
    message = "the TFLite converter refused the model; got .*Erfinv.*; next: use layers that LiteRT has built in"
    with pytest.raises(EdgeError, match=message):
        CONVERSIONS[recipe](model, calibration)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_model_without_a_softmax_is_refused(activation: str | None, network: Network, to_int8: ToInt8) -> None:
    with pytest.raises(EdgeError, match="the model does not end in a softmax; expected a softmax over the classes"):
        to_int8(network(flat, activation=activation))


def test_the_converter_is_not_heard(
    network: Network,
    to_int8: ToInt8,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    to_int8(network(flat))
    convert_float(network(flat), DYNAMIC)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


# --- the file -------------------------------------------------------------------------------------------------------


def test_a_model_that_is_read_and_written_is_the_same(int8_tflite: Path) -> None:
    content = int8_tflite.read_bytes()
    again = write_model(read_model(content))
    assert content.startswith(again)
    assert again[4:8] == b"TFL3"


def test_the_card_and_the_labels_stand_behind_the_graph(int8_tflite: Path) -> None:
    content = int8_tflite.read_bytes()
    card = read_tflite_card(int8_tflite)
    graph = content[: card.graph_bytes]
    assert hashlib.sha256(graph).hexdigest() == card.graph_sha256
    assert append_card(graph, card) == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == [TFLITE_MEMBER, "labels.txt"]
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode().splitlines() == list(LABELS)

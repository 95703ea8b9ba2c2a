"""The int8 ONNX file: int8 throughout, fused, and number for number the TFLite one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from onnx import numpy_helper

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import Split
from fmnist_edge.export.flatbuffer import operator_name, read_model, write_model
from fmnist_edge.export.onnx_file import check_model
from fmnist_edge.export.onnx_int8 import translate

Network = Callable[..., keras.Model]
ToInt8 = Callable[[keras.Model], bytes]
Answers = Callable[[str], npt.NDArray[np.float32]]
Middle = Callable[[Any], Any]

WIDE = keras.initializers.RandomNormal(stddev=5.0, seed=1)
FUSED = {"QLinearConv", "QLinearAdd", "QGemm"}
PLAIN = {"Reshape", "DequantizeLinear", "Softmax"}
MOST_STEPS = 1.5
"""How far two logits may lie apart, in quantization steps: rounding of a tie, and no more."""


def constants(model: Any) -> dict[str, npt.NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


# --- the graph --------------------------------------------------------------------------------------------------------


def test_every_operator_is_one_of_the_fused_int8_ones(int8_onnx: Path) -> None:
    nodes = onnx.load(int8_onnx).graph.node
    assert {node.op_type for node in nodes if node.domain == "com.microsoft"} == FUSED
    assert {node.op_type for node in nodes if node.domain == ""} == PLAIN
    assert [node.op_type for node in nodes].count("QLinearConv") == 10
    assert [node.op_type for node in nodes][-2:] == ["DequantizeLinear", "Softmax"]


def test_onnxruntime_runs_the_graph_as_it_is(int8_onnx: Path, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(str(int8_onnx), options, providers=["CPUExecutionProvider"])
    kept, optimized = (onnx.load(path).graph.node for path in (int8_onnx, tmp_path / "optimized.onnx"))
    assert [(node.op_type, node.domain) for node in optimized] == [(node.op_type, node.domain) for node in kept]


def test_activations_are_uint8_and_weights_int8(int8_onnx: Path) -> None:
    model = onnx.load(int8_onnx)
    types = {name: value.dtype for name, value in constants(model).items()}
    weighted = [node for node in model.graph.node if node.op_type in {"QLinearConv", "QGemm"}]
    assert len(weighted) == 11
    for node in weighted:
        zero_in, weights, zero_weights = (types[node.input[i]] for i in (2, 3, 5))
        zero_out, bias = (types[node.input[i]] for i in ((7, 8) if node.op_type == "QLinearConv" else (8, 6)))
        assert [zero_in, zero_out] == [np.uint8] * 2
        assert [weights, zero_weights] == [np.int8] * 2
        assert bias == np.int32


def test_convolutions_read_the_picture_as_it_lies_in_memory(int8_onnx: Path) -> None:
    convolutions = [node for node in onnx.load(int8_onnx).graph.node if node.op_type == "QLinearConv"]
    assert [is_channels_last(node) for node in convolutions] == [True] * 10


def test_a_global_average_is_fused_and_reads_the_picture_as_it_lies_in_memory(
    network: Network, to_int8: ToInt8
) -> None:
    nodes = onnx.load_from_string(translate(to_int8(network(OPERATORS["global average"])))).graph.node
    assert {node.op_type for node in nodes if node.domain == ""} == PLAIN
    (average,) = (node for node in nodes if node.op_type == "QLinearGlobalAveragePool")
    assert average.domain == "com.microsoft"
    assert is_channels_last(average)


def is_channels_last(node: Any) -> bool:
    return {entry.name: entry.i for entry in node.attribute}["channels_last"] == 1


def test_the_raw_pixel_is_the_quantized_input(int8_onnx: Path) -> None:
    model = onnx.load(int8_onnx)
    values = constants(model)
    first = next(node for node in model.graph.node if node.op_type == "QLinearConv")
    scale, zero_point = values[first.input[1]], values[first.input[2]]
    assert (scale.dtype, zero_point.dtype) == (np.float32, np.uint8)
    assert (scale, zero_point) == (np.float32(1 / 255), 0)


# --- the same numbers -------------------------------------------------------------------------------------------------


def tflite_numbers(content: bytes) -> list[list[npt.NDArray[Any]]]:
    """Return, for every layer with weights: weights, their scales, bias, and scale and zero point of input and output.

    Weights as ``(out, height, width, in)``, where a depthwise kernel has one input, or ``(out, in)``; zero points for
    uint8.
    """
    model = read_model(content)
    graph = model.subgraphs[0]
    found = []
    for operator in graph.operators:
        name = operator_name(model, operator)
        if name not in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}:
            continue
        source, weights, bias = (graph.tensors[index] for index in operator.inputs)
        edges = [tensor.quantization for tensor in (source, graph.tensors[operator.outputs[0]])]
        values = np.frombuffer(bytes(model.buffers[weights.buffer].data), np.int8).reshape(weights.shape)
        found.append(
            [
                values.transpose(3, 1, 2, 0) if name == "DEPTHWISE_CONV_2D" else values,
                weights.quantization.scale,
                np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int32),
                *(edge.scale for edge in edges),
                *(edge.zeroPoint + 128 for edge in edges),
            ]
        )
    return found


def onnx_numbers(model: Any) -> list[list[npt.NDArray[Any]]]:
    """Return the same of an ONNX graph."""
    values = constants(model)
    found = []
    for node in model.graph.node:
        inputs = [values.get(name, np.empty(0)) for name in node.input]
        if node.op_type == "QLinearConv":
            _, scale_in, zero_in, weights, scales, _, scale_out, zero_out, bias = inputs
            found.append([weights.transpose(0, 2, 3, 1), scales, bias, scale_in, scale_out, zero_in, zero_out])
        if node.op_type == "QGemm":
            _, scale_in, zero_in, weights, scales, _, bias, scale_out, zero_out = inputs
            found.append([weights.T, scales, bias, scale_in, scale_out, zero_in, zero_out])
    return found


def test_scales_zero_points_weights_and_biases_are_those_of_the_tflite_file(int8_onnx: Path, int8_tflite: Path) -> None:
    expected, got = tflite_numbers(int8_tflite.read_bytes()), onnx_numbers(onnx.load(int8_onnx))
    assert len(got) == len(expected) == 11
    # The first layer is spread over superpixels (test_superpixels.py): the same numbers among zeros.
    for column in np.split(got[0][0], 4):
        np.testing.assert_array_equal(column.sum(axis=(1, 2, 3)), expected[0][0].sum(axis=(1, 2, 3)))
    for layer_got, layer_expected in zip(got[1:], expected[1:], strict=True):
        for value_got, value_expected in zip(layer_got, layer_expected, strict=True):
            # Pixels that are split (test_halfpixels.py) are in memory what they were before.
            np.testing.assert_array_equal(np.reshape(value_got, value_expected.shape), value_expected)


def test_both_formats_give_the_same_label(answers: Answers) -> None:
    in_onnx, in_tflite = (answers(f"fmnist-compact-int8.{kind}") for kind in ("onnx", "tflite"))
    assert len(in_onnx) == 1_000
    np.testing.assert_array_equal(in_onnx.argmax(axis=1), in_tflite.argmax(axis=1))


# --- every operator ---------------------------------------------------------------------------------------------------


def residual(x: Any) -> Any:
    wide = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    return layers.ReLU()(layers.Add()([wide, layers.Conv2D(8, 3, padding="same")(wide)]))


def twice(x: Any) -> Any:
    wide = layers.Conv2D(8, 3)(x)
    return layers.Add()([wide, wide])


def convolutions(padding: str, strides: int, *, first_kernel: int) -> Middle:
    def middle(x: Any) -> Any:
        x = layers.Conv2D(4, first_kernel, activation="relu")(x)
        x = layers.Conv2D(4, 3, strides=strides, padding=padding, activation="relu")(x)
        x = layers.DepthwiseConv2D(3, strides=strides, padding=padding, activation="relu")(x)
        return layers.MaxPooling2D(2, strides=strides, padding=padding)(x)

    return middle


def joined(x: Any) -> Any:
    """Two branches of different ranges, side by side, and once more along the height."""
    small, large = (layers.Conv2D(4, 3, kernel_initializer=stddev)(x) for stddev in ("glorot_uniform", WIDE))
    x = layers.Concatenate()([small, large])
    return layers.Concatenate(axis=1)([x, layers.MaxPooling2D(2)(layers.Concatenate(axis=2)([x, x]))])


GEOMETRIES = {
    f"{padding}, stride {strides}, {29 - kernel} pixels": convolutions(padding, strides, first_kernel=kernel)
    for padding in ("same", "valid")
    for strides in (1, 2)
    for kernel in (1, 2)
}
OPERATORS: dict[str, Middle] = GEOMETRIES | {
    "max pooling of negative values at a border": lambda x: layers.MaxPooling2D(3, 2, padding="same")(
        layers.Conv2D(8, 3, bias_initializer=keras.initializers.Constant(-5.0))(x)
    ),
    "depthwise with a multiplier": lambda x: layers.DepthwiseConv2D(3, depth_multiplier=2)(layers.Conv2D(8, 3)(x)),
    "depthwise on the pixels": layers.DepthwiseConv2D(3, depth_multiplier=8, padding="same"),
    "groups": lambda x: layers.Conv2D(8, 3, groups=2, activation="relu")(layers.Conv2D(8, 3)(x)),
    "dilated, same": lambda x: layers.Conv2D(8, 3, dilation_rate=2, padding="same")(layers.Conv2D(8, 3)(x)),
    "dilated, valid": lambda x: layers.Conv2D(8, 3, dilation_rate=2)(layers.Conv2D(8, 3)(x)),
    "residual": residual,
    "twice the same": twice,
    "joined": joined,
    "global average": lambda x: layers.GlobalAveragePooling2D()(layers.Conv2D(16, 3, activation="relu")(x)),
    "global average that keeps its rank": lambda x: layers.GlobalAveragePooling2D(keepdims=True)(
        layers.Conv2D(16, 3, activation="relu")(x)
    ),
    "ReLU6 below 6": lambda x: layers.ReLU(max_value=6)(layers.Conv2D(8, 3)(x)),
    "ReLU6 at 6": lambda x: layers.ReLU(max_value=6)(layers.Conv2D(8, 3, kernel_initializer=WIDE)(x)),
    "dense without bias": lambda x: layers.Dense(16, use_bias=False, activation="relu")(layers.Flatten()(x)),
    "no convolution": layers.Flatten(),
}


def onnx_answers(content: bytes, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    probabilities: npt.NDArray[np.float32] = session.run(None, {"pixels": images})[0]
    return probabilities


def tflite_answers(content: bytes, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    rows = []
    for image in images:
        interpreter.set_tensor(source, image[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(target)[0])
    return np.stack(rows)


def logit_steps(probabilities: npt.NDArray[np.float32], content: bytes) -> npt.NDArray[np.float64]:
    """Return the logits behind `probabilities`, less the first one, in quantization steps."""
    graph = read_model(content).subgraphs[0]
    scale = float(graph.tensors[graph.operators[-2].inputs[0]].quantization.scale[0])
    logits = np.log(probabilities.astype(np.float64))
    return np.asarray((logits - logits[:, :1]) / scale)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_gives_the_same_in_both_formats(
    name: str, network: Network, to_int8: ToInt8, test_split: Split
) -> None:
    content = to_int8(network(OPERATORS[name]))
    translated = translate(content)
    check_model(translated)
    images = test_split.images[:200]
    in_onnx, in_tflite = onnx_answers(translated, images), tflite_answers(content, images)
    np.testing.assert_array_equal(in_onnx.argmax(axis=1), in_tflite.argmax(axis=1))
    steps_onnx, steps_tflite = logit_steps(in_onnx, content), logit_steps(in_tflite, content)
    assert np.ptp(steps_tflite, axis=0).max() > 10 * MOST_STEPS  # or the next line would say nothing
    np.testing.assert_allclose(steps_onnx, steps_tflite, rtol=0, atol=MOST_STEPS)


# --- what cannot be translated ----------------------------------------------------------------------------------------


def convolved(x: Any) -> Any:
    return layers.Conv2D(4, 3)(x)


def mean_of_rows(x: Any) -> Any:
    return layers.GlobalAveragePooling1D()(layers.Reshape((-1, 4))(convolved(x)))


def joined_with_a_constant(x: Any) -> Any:
    x = convolved(x)
    return layers.Concatenate()([x, keras.ops.ones_like(x)])


UNKNOWN: dict[str, tuple[Middle, str]] = {
    "average pooling": (
        lambda x: layers.AveragePooling2D(2)(convolved(x)),
        r"AVERAGE_POOL_2D \(.*AvgPool.*ADD, CONCATENATION, CONV_",
    ),
    "sigmoid": (lambda x: layers.Activation("sigmoid")(convolved(x)), "LOGISTIC "),
    "a constant beside": (joined_with_a_constant, "joining a constant .*expected computed values"),
    "a constant": (lambda x: layers.ReLU()(convolved(x)) + 1.0, "adding a constant .*expected two computed values"),
    "dense on a picture": (lambda x: layers.Dense(4)(convolved(x)), "a dense layer with an output of rank 4"),
    "mean of rows": (mean_of_rows, r"a mean over axes \[1\] .*expected height and width, 1 and 2"),
    "ReLU after pooling": (
        lambda x: layers.ReLU()(layers.MaxPooling2D(2)(convolved(x))),
        "an activation that its range does not imply .*expected a ReLU",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_operator_that_is_not_known_is_refused_by_name(name: str, network: Network, to_int8: ToInt8) -> None:
    middle, message = UNKNOWN[name]
    content = to_int8(network(middle))
    with pytest.raises(EdgeError, match=f"no int8 ONNX operator for {message}.*next: export it as .tflite"):
        translate(content)


def retyped(content: bytes, operator: str, position: int, kind: int) -> bytes:
    """Change the type of one input of the first operator of that name."""
    model = read_model(content)
    graph = model.subgraphs[0]
    found = next(entry for entry in graph.operators if operator_name(model, entry) == operator)
    graph.tensors[found.inputs[position]].type = kind
    return write_model(model)


@pytest.mark.parametrize(
    ("operator", "position", "kind", "message"),
    [
        ("QUANTIZE", 0, schema.TensorType.INT8, "is requantized within the graph; expected at the input only"),
        ("CONV_2D", 1, schema.TensorType.INT4, "stem_relu.* has no int8 weights; expected int8 throughout"),
        ("DEPTHWISE_CONV_2D", 1, schema.TensorType.INT16, "places_1/depthwise.* has no int8 weights; expected int8"),
        # The dense layer is called after the normalization before it, which the converter folds into it.
        ("FULLY_CONNECTED", 1, schema.TensorType.INT16, "places_norm_1.* has no int8 weights; expected int8"),
    ],
)
def test_a_type_that_is_not_known_is_refused_by_layer(
    operator: str, position: int, kind: int, message: str, int8_tflite: Path
) -> None:
    with pytest.raises(EdgeError, match=message):
        translate(retyped(int8_tflite.read_bytes(), operator, position, kind))

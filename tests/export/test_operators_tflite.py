"""What is read of a flatbuffer and its interpreter: counts by hand, and which operators the delegate takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from fmnist_edge.common.quiet import quiet_standard_error
from fmnist_edge.export.operators import float_islands, layers_of
from fmnist_edge.export.operators_tflite import read_tflite


def floats(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def convert(compute: Callable[[Any], Any], shape: tuple[int | None, ...], path: Path, *, shrink: bool = False) -> Path:
    """Convert a function of TensorFlow with Google's converter alone, as others do."""
    function = tf.function(compute, input_signature=[tf.TensorSpec(shape, tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], function)
    if shrink:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    with quiet_standard_error():
        path.write_bytes(converter.convert())
    return path


COUNTED: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], int, int]] = {
    # 3 to 5 channels, 9x9 to 5x5: 125 numbers of 27 products each; 5 * 27 weights and 5 biases
    "padding and stride": (
        lambda x: tf.nn.conv2d(x, floats(3, 3, 3, 5), strides=2, padding="SAME") + floats(5),
        (1, 9, 9, 3),
        3375,
        140,
    ),
    "depthwise": (
        lambda x: tf.nn.depthwise_conv2d(x, floats(3, 3, 6, 1), strides=[1, 1, 1, 1], padding="VALID") + floats(6),
        (1, 6, 6, 6),
        4 * 4 * 6 * 9,
        60,
    ),
    "transposed": (  # each of 2 * 4 * 4 inputs is spread over 3 channels of 3x3
        lambda x: tf.nn.conv2d_transpose(x, floats(3, 3, 3, 2), (1, 6, 6, 3), strides=1, padding="VALID"),
        (1, 4, 4, 2),
        32 * 27,
        54,
    ),
    "dense": (lambda x: tf.matmul(x, floats(7, 4)) + floats(4), (1, 7), 28, 32),
    "two computed matrices": (lambda x: tf.matmul(x, tf.transpose(x, (0, 2, 1))), (1, 3, 5), 45, 0),
}


@pytest.mark.parametrize("name", COUNTED)
def test_a_layer_is_counted_as_by_hand(name: str, tmp_path: Path) -> None:
    compute, shape, macs, parameters = COUNTED[name]
    operators = read_tflite(convert(compute, shape, tmp_path / "a.tflite")).operators
    (layer,) = layers_of(operators)
    assert (layer.macs, sum(entry.parameters for entry in operators)) == (macs, parameters)
    assert layer.arithmetic == "float32"
    assert layer.weights == (None if name == "two computed matrices" else "float32")


def test_a_transposed_convolution_takes_its_picture_and_not_the_shape_that_is_computed_for_it(tmp_path: Path) -> None:
    def compute(x: Any) -> Any:
        shape = tf.stack([tf.shape(x)[0], 6, 6, 3])
        return tf.nn.conv2d_transpose(x, floats(3, 3, 3, 2), shape, strides=1, padding="VALID")

    (layer,) = layers_of(read_tflite(convert(compute, (None, 4, 4, 2), tmp_path / "a.tflite")).operators)
    assert (layer.input_type, layer.arithmetic, layer.macs) == ("float32", "float32", 32 * 27)


def test_int8_weights_under_float_pictures_are_dynamic_and_not_int8(tmp_path: Path) -> None:
    path = convert(lambda x: tf.matmul(x, floats(64, 64)), (1, 64), tmp_path / "a.tflite", shrink=True)
    (layer,) = layers_of(read_tflite(path).operators)
    assert (layer.arithmetic, layer.weights, layer.input_type, layer.parameters) == ("dynamic", "int8", "float32", 4096)


def test_what_the_delegate_leaves_is_told_from_what_it_takes(tmp_path: Path) -> None:
    def compute(x: Any) -> Any:
        before = tf.nn.conv2d(x, floats(3, 3, 3, 4), strides=1, padding="SAME")
        return tf.nn.conv2d(tf.cumsum(before, axis=1), floats(3, 3, 4, 4), strides=1, padding="SAME")

    operators = read_tflite(convert(compute, (1, 8, 8, 3), tmp_path / "a.tflite")).operators
    kernels = [(entry.kind, entry.kernel) for entry in operators if entry.kind in {"CONV_2D", "CUMSUM"}]
    assert kernels == [("CONV_2D", "XNNPACK"), ("CUMSUM", "built-in"), ("CONV_2D", "XNNPACK")]


def test_an_interpreter_that_does_not_tell_leaves_the_kernels_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = convert(lambda x: x + 1.0, (1, 3), tmp_path / "a.tflite")
    monkeypatch.delattr(Interpreter, "_get_ops_details")
    execution = read_tflite(path)
    assert {entry.kernel for entry in execution.operators} == {""}
    assert execution.notes == ("this LiteRT does not tell which operators its XNNPACK delegate takes",)


def test_more_graphs_in_the_file_are_noted(tmp_path: Path) -> None:
    def compute(x: Any) -> Any:
        return tf.while_loop(lambda y: tf.reduce_sum(y) < 100.0, lambda y: (y * 2.0,), (x,))[0]

    execution = read_tflite(convert(compute, (1, 3), tmp_path / "a.tflite"))
    assert execution.notes == ("what runs inside 2 more subgraphs is not listed",)


def test_an_operator_that_gives_nothing_is_listed(tmp_path: Path) -> None:
    state = tf.Module()
    state.sum = tf.Variable(floats(3))

    def compute(x: Any) -> Any:
        state.sum.assign(x)
        return x + state.sum.read_value()

    function = tf.function(compute, input_signature=[tf.TensorSpec((3,), tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], state)
    converter.experimental_enable_resource_variables = True
    with quiet_standard_error():
        (tmp_path / "a.tflite").write_bytes(converter.convert())
    operators = read_tflite(tmp_path / "a.tflite").operators
    (assign,) = (entry for entry in operators if entry.kind == "ASSIGN_VARIABLE")
    assert (assign.name, assign.output_type, assign.output_shape) == ("", "none", ())


def test_an_int8_export_reads_pixels_itself_and_leaves_the_rest_to_the_delegate(int8_tflite: Path) -> None:
    execution = read_tflite(int8_tflite)
    first, *others = execution.operators
    assert (first.kind, first.kernel, first.input_type, first.output_type) == ("QUANTIZE", "built-in", "uint8", "int8")
    assert {entry.kernel for entry in others} == {"XNNPACK"}
    assert {layer.arithmetic for layer in layers_of(execution.operators)} == {"int8"}
    assert float_islands(execution.operators) == ()
    assert [entry.kind for entry in execution.operators if entry.is_float] == ["DEQUANTIZE", "SOFTMAX"]
    (pixels,), (probabilities,) = execution.inputs, execution.outputs
    assert (pixels.dtype, pixels.shape) == ("uint8", (1, 28, 28))
    assert (probabilities.dtype, probabilities.shape) == ("float32", (1, 10))
    assert execution.runtime.startswith("LiteRT 2.")


def test_float16_weights_are_told_as_they_are_stored(exports: Path) -> None:
    operators = read_tflite(exports / "fmnist-compact-float16.tflite").operators
    layers = layers_of(operators)
    assert {(layer.weights, layer.arithmetic) for layer in layers} == {("float16", "float32")}
    assert {entry.arithmetic for entry in operators if entry.kind == "DEQUANTIZE"} == {"constant"}
    plain = read_tflite(exports / "fmnist-compact-float32.tflite").operators
    assert [layer.parameters for layer in layers] == [layer.parameters for layer in layers_of(plain)]

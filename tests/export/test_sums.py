"""Settled sums and means give the same int8 numbers in both runtimes, and hardly move a scale."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper

from fmnist_edge.dataset import Split
from fmnist_edge.export.flatbuffer import operator_name, read_model, write_model
from fmnist_edge.export.onnx_int8 import Target, translate
from fmnist_edge.export.sums import mean_ratio, settle_sums

if TYPE_CHECKING:
    import keras


@pytest.fixture(scope="module")
def residual(network: Callable[..., keras.Model], to_int8: Callable[[keras.Model], bytes]) -> bytes:
    """Two sums in a row, the first behind a pooling, and a mean."""
    from keras import layers

    def middle(x: Any) -> Any:
        x = layers.Conv2D(8, 3, padding="same", activation="relu", bias_initializer="random_normal")(x)
        x = layers.MaxPooling2D()(x)
        for _ in range(2):
            inner = layers.Conv2D(8, 3, padding="same", bias_initializer="random_normal")(x)
            x = layers.ReLU()(layers.Add()([x, inner]))
        return layers.GlobalAveragePooling2D()(x)

    return to_int8(network(middle))


def scales(content: bytes) -> dict[str, float]:
    """Map the name of every activation to its scale."""
    graph = read_model(content).subgraphs[0]
    outputs = {graph.inputs[0], *(operator.outputs[0] for operator in graph.operators)}
    tensors = [graph.tensors[index] for index in outputs]
    quantized = [entry for entry in tensors if entry.quantization is not None and entry.quantization.scale is not None]
    return {entry.name.decode(): float(entry.quantization.scale[0]) for entry in quantized}


def operators(content: bytes, name: str) -> list[tuple[list[float], float]]:
    """Return the scales of inputs and output of every operator called `name`."""
    model = read_model(content)
    graph = model.subgraphs[0]

    def scale(index: int) -> float:
        return float(graph.tensors[index].quantization.scale[0])

    found = [operator for operator in graph.operators if operator_name(model, operator) == name]
    count = 2 if name == "ADD" else 1
    return [([scale(index) for index in entry.inputs[:count]], scale(entry.outputs[0])) for entry in found]


def tflite_logits(content: bytes, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the int8 logits that LiteRT computes; the model is cut behind them."""
    model = read_model(content)
    graph = model.subgraphs[0]
    graph.outputs = [graph.operators[-2].inputs[0]]
    graph.operators = graph.operators[:-2]
    model.signatureDefs = None
    interpreter = Interpreter(model_content=write_model(model), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    rows = []
    for image in images:
        interpreter.set_tensor(source, image[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(target)[0].astype(np.int64))
    return np.stack(rows)


def onnx_logits(content: bytes, images: npt.NDArray[np.uint8], target: Target = "generic") -> npt.NDArray[np.int64]:
    """Return the same that onnxruntime computes."""
    model = onnx.load_from_string(translate(content, target=target))
    logits = next(node for node in reversed(model.graph.node) if node.op_type == "DequantizeLinear").input[0]
    kind, shift = (TensorProto.UINT8, 128) if target == "generic" else (TensorProto.INT8, 0)
    model.graph.output.append(helper.make_tensor_value_info(logits, kind, None))
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    found: npt.NDArray[np.int64] = session.run([logits], {"pixels": images})[0].astype(np.int64) - shift
    return found


# --- the same numbers -------------------------------------------------------------------------------------------------


def test_every_logit_of_the_exported_network_is_the_same(int8_tflite: Path, thousand: Split) -> None:
    content = int8_tflite.read_bytes()
    expected = tflite_logits(content, thousand.images)
    assert len(np.unique(expected)) > 100
    np.testing.assert_array_equal(onnx_logits(content, thousand.images), expected)
    np.testing.assert_array_equal(onnx_logits(content, thousand.images[:100], "arm-dot"), expected[:100])


def with_ties(content: bytes) -> bytes:
    """Give both inputs of every sum one scale and its output twice that, so that half of the results are ties."""
    model = read_model(content)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        if operator_name(model, operator) == "ADD":
            skipped, inner = (graph.tensors[index].quantization for index in operator.inputs)
            inner.scale = skipped.scale
            graph.tensors[operator.outputs[0]].quantization.scale = skipped.scale * np.float32(2)
    return write_model(model)


def test_ties_part_the_runtimes_until_they_are_settled(residual: bytes, test_split: Split) -> None:
    images = test_split.images[:200]
    tied = with_ties(residual)
    assert (tflite_logits(tied, images) != onnx_logits(tied, images)).any()
    settled = settle_sums(tied)
    np.testing.assert_array_equal(onnx_logits(settled, images), tflite_logits(settled, images))


# --- the scales -------------------------------------------------------------------------------------------------------


def test_every_ratio_of_a_sum_is_a_multiple_of_an_odd_part(residual: bytes) -> None:
    sums = operators(settle_sums(residual), "ADD")
    assert len(sums) == 2
    for inputs, out in sums:
        steps = np.array(inputs) / out * 255
        np.testing.assert_allclose(steps, np.round(steps), rtol=0, atol=1e-4)
    unsettled = np.array([np.array(inputs) / out * 255 for inputs, out in operators(residual, "ADD")])
    assert np.abs(unsettled - np.round(unsettled)).max() > 0.01


def test_a_mean_has_the_ratio_for_its_area(residual: bytes) -> None:
    (((before,), out_before),) = operators(residual, "MEAN")
    (((source,), out),) = operators(settle_sums(residual), "MEAN")
    assert source / out == pytest.approx(mean_ratio(source / out_before, 14 * 14), rel=1e-6)
    assert before == pytest.approx(source, rel=0.01)


def test_scales_move_little_and_those_of_pixels_and_logits_not_at_all(residual: bytes) -> None:
    before, after = scales(residual), scales(settle_sums(residual))
    assert before.keys() == after.keys()
    moved = {name for name in before if before[name] != after[name]}
    assert len(moved) >= 5
    for name in before:
        assert after[name] == pytest.approx(before[name], rel=0.06 if "Mean" in name else 0.01)
    graph = read_model(residual).subgraphs[0]
    logits = graph.tensors[graph.operators[-2].inputs[0]].name.decode()
    assert not moved & {logits, graph.tensors[graph.inputs[0]].name.decode()}


def test_pooling_keeps_the_range_of_what_it_pools(residual: bytes) -> None:
    (((before,), after),) = operators(settle_sums(residual), "MAX_POOL_2D")
    assert before == after


def test_biases_keep_their_real_value(residual: bytes) -> None:
    found = []
    for content in (residual, settle_sums(residual)):
        model = read_model(content)
        graph = model.subgraphs[0]
        for operator in graph.operators:
            if operator_name(model, operator) in {"CONV_2D", "FULLY_CONNECTED"}:
                source, weights, bias = (graph.tensors[index] for index in operator.inputs)
                numbers = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int32)
                steps = source.quantization.scale[0] * weights.quantization.scale
                found.append((numbers * steps, steps))
    half = len(found) // 2
    for (before, _), (after, steps) in zip(found[:half], found[half:], strict=True):
        assert (np.abs(before - after) <= 0.51 * steps).all()


def test_settling_twice_is_settling_once(residual: bytes) -> None:
    once = settle_sums(residual)
    assert scales(settle_sums(once)) == pytest.approx(scales(once), rel=1e-6)


def test_a_network_without_sums_stays_what_it_is(
    network: Callable[..., keras.Model], to_int8: Callable[[keras.Model], bytes]
) -> None:
    from keras import layers

    content = to_int8(network(layers.Conv2D(4, 3)))
    assert scales(settle_sums(content)) == scales(content)


def test_sums_of_other_types_are_left_alone(residual: bytes) -> None:
    model = read_model(residual)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        if operator_name(model, operator) in {"ADD", "MEAN"}:
            graph.tensors[operator.outputs[0]].type = schema.TensorType.INT16
    content = write_model(model)
    assert scales(settle_sums(content)) == scales(content)


@pytest.mark.parametrize("area", [1, 4, 9, 16, 36, 49, 64, 144, 196, 784])
@pytest.mark.parametrize("ratio", [1.0, 1.2, 1.7, 3.3, 8.0])
def test_no_mean_is_near_a_half(area: int, ratio: float) -> None:
    step = Fraction(mean_ratio(ratio, area) / area).limit_denominator(10_000)
    assert float(step) == pytest.approx(mean_ratio(ratio, area) / area, rel=1e-9)
    assert step.denominator % 2 == 1
    assert step.denominator <= 999
    assert mean_ratio(ratio, area) == pytest.approx(ratio, rel=0.3)

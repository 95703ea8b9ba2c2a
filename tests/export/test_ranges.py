"""Ranges chosen anew: the squared error falls, biases follow, and both formats still hold the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fmnist_edge.export import tflite
from fmnist_edge.export.flatbuffer import operator_name, read_model
from fmnist_edge.export.ranges import METHODS, clip_activations, least_squares_range, percentile_range
from fmnist_edge.export.trace import infer, layer_names, trace

if TYPE_CHECKING:
    import keras

    from fmnist_edge.dataset import Split
    from fmnist_edge.export.calibration import Calibration


@pytest.fixture(scope="module")
def residual(network: Callable[..., keras.Model]) -> keras.Model:
    """A small network with all that shares or passes on a range: pooling, a sum, branches, a mean."""
    from keras import layers

    def middle(x: Any) -> Any:
        x = layers.Conv2D(8, 3, padding="same", activation="relu", bias_initializer="random_normal")(x)
        x = layers.MaxPooling2D()(x)
        inner = layers.Conv2D(8, 3, padding="same", bias_initializer="random_normal")(x)
        x = layers.ReLU()(layers.Add()([x, inner]))
        beside = layers.Conv2D(4, 3, padding="same", activation="relu", bias_initializer="random_normal")(x)
        return layers.GlobalAveragePooling2D()(layers.Concatenate()([x, beside]))

    return network(middle)


@pytest.fixture(scope="module")
def int8(residual: keras.Model, to_int8: Callable[[keras.Model], bytes]) -> bytes:
    return to_int8(residual)


@pytest.fixture(scope="module")
def activations(residual: keras.Model, calibration: Calibration) -> dict[str, Any]:
    reference = tflite.convert_scaled(residual)
    return trace(reference.content, reference.scaling.apply(calibration.split.images))


def numbers(content: bytes) -> dict[str, tuple[float, int]]:
    """Map every layer to the scale and zero point of its output."""
    model = read_model(content)
    found = {}
    for tensor in model.subgraphs[0].tensors:
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            found[tensor.name.decode()] = (float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0]))
    return found


@pytest.mark.parametrize("method", METHODS)
def test_ranges_shrink_and_never_grow(method: str, int8: bytes, activations: dict[str, Any]) -> None:
    before, after = numbers(int8), numbers(clip_activations(int8, activations, method))
    for name in layer_names(int8):
        assert after[name][0] <= before[name][0] * (1 + 1e-6)
    if method == "least squares":
        assert any(after[name][0] < 0.98 * before[name][0] for name in layer_names(int8))


def test_least_squares_lowers_the_error_of_every_layer(
    residual: keras.Model, int8: bytes, activations: dict[str, Any], calibration: Calibration
) -> None:
    clipped = clip_activations(int8, activations, "least squares")
    images = calibration.split.images
    errors = []
    for content in (int8, clipped):
        traced = trace(content, images)
        errors.append([float(np.mean((traced[name] - activations[name]) ** 2)) for name in layer_names(int8)])
    assert np.mean(np.log(errors[1])) < np.mean(np.log(errors[0]))


@pytest.mark.parametrize("method", METHODS)
def test_biases_keep_their_real_value(method: str, int8: bytes, activations: dict[str, Any]) -> None:
    biases = []
    for content in (int8, clip_activations(int8, activations, method)):
        model = read_model(content)
        graph = model.subgraphs[0]
        for operator in graph.operators:
            if operator_name(model, operator) in {"CONV_2D", "FULLY_CONNECTED"}:
                source, weights, bias = (graph.tensors[index] for index in operator.inputs)
                product = np.asarray(weights.quantization.scale) * source.quantization.scale[0]
                np.testing.assert_allclose(bias.quantization.scale, product, rtol=1e-5)
                steps = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int32)
                biases.append((steps * bias.quantization.scale, bias.quantization.scale))
    half = len(biases) // 2
    assert half == 4
    for (before, _), (after, step) in zip(biases[:half], biases[half:], strict=True):
        np.testing.assert_array_less(np.abs(before - after), 1.01 * np.asarray(step))


@pytest.mark.parametrize("method", METHODS)
def test_what_shares_a_range_still_does(method: str, int8: bytes, activations: dict[str, Any]) -> None:
    model = read_model(clip_activations(int8, activations, method))
    graph = model.subgraphs[0]
    pairs = []
    for operator in graph.operators:
        name = operator_name(model, operator)
        if name in {"RESHAPE", "MAX_POOL_2D", "CONCATENATION"}:
            sources = operator.inputs if name == "CONCATENATION" else operator.inputs[:1]
            pairs += [(int(source), int(operator.outputs[0])) for source in sources]
    assert len(pairs) >= 4
    for pair in pairs:
        source, target = (graph.tensors[index].quantization for index in pair)
        assert (source.scale[0], source.zeroPoint[0]) == (target.scale[0], target.zeroPoint[0])


@pytest.mark.parametrize("method", METHODS)
def test_what_lies_beside_the_pixels_keeps_their_range(
    method: str, network: Callable[..., keras.Model], to_int8: Callable[[keras.Model], bytes], calibration: Calibration
) -> None:
    import keras
    from keras import layers

    small = layers.Conv2D(4, 3, padding="same", activation="relu", kernel_initializer=keras.initializers.Constant(0.1))
    model = network(lambda x: layers.Concatenate()([x, small(x)]))
    reference, content = tflite.convert_scaled(model), to_int8(model)
    traced = trace(reference.content, reference.scaling.apply(calibration.split.images))
    before, after = numbers(content), numbers(clip_activations(content, traced, method))
    assert set(layer_names(content)) & set(traced)
    assert after == before


@pytest.mark.parametrize("method", METHODS)
def test_both_formats_answer_alike(method: str, int8: bytes, activations: dict[str, Any], thousand: Split) -> None:
    import onnxruntime

    from fmnist_edge.export.onnx_int8 import translate

    content = clip_activations(int8, activations, method)
    in_onnx = onnxruntime.InferenceSession(translate(content)).run(None, {"pixels": thousand.images})[0]
    in_tflite = infer(content, thousand.images)
    assert np.abs(in_onnx - in_tflite).max() < 0.02
    assert (in_onnx.argmax(axis=1) == in_tflite.argmax(axis=1)).mean() >= 0.995
    assert len(np.unique(in_tflite.argmax(axis=1))) > 1


def test_the_search_finds_the_range_by_hand() -> None:
    values = np.concatenate([np.tile(np.arange(256, dtype=np.float32) / 255, 4_000), [2.0]]).astype(np.float32)
    low, high = least_squares_range(values, 0.0, 2.0)
    assert low == 0.0
    assert 0.95 <= high <= 1.1  # at 2, a million values are off by 5 in all; at 1 they fit, and one is off by 1


def test_percentiles_never_widen() -> None:
    assert percentile_range(np.array([-5.0, 5.0], np.float32), -1.0, 2.0) == (-1.0, 2.0)
    assert percentile_range(np.array([3.0, 5.0], np.float32), 0.0, 9.0) == pytest.approx((0.0, 5.0), abs=1e-3)

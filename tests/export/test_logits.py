"""The int8 range of the logits: centred without changing an answer, and spent where answers are close."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from fmnist_edge.export.flatbuffer import operator_name, read_model
from fmnist_edge.export.logits import as_centred_logits, runner_up_range, set_logit_range, with_softmax

Network = Callable[..., keras.Model]
ToInt8 = Callable[[keras.Model], bytes]
PIXELS = np.random.default_rng(1).integers(0, 256, (4, 28, 28, 1)).astype(np.float32)


def convolution(x: Any) -> Any:
    return keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, activation="relu")(x))


def logit_quantization(content: bytes) -> Any:
    model = read_model(content)
    graph = model.subgraphs[0]
    (dequantize,) = (entry for entry in graph.operators if operator_name(model, entry) == "DEQUANTIZE")
    return graph.tensors[dequantize.inputs[0]].quantization


def test_centred_logits_sum_to_nothing_and_answer_as_the_model_does(network: Network) -> None:
    model = network(convolution)
    centred = as_centred_logits(model)
    assert centred is not None
    logits = keras.ops.convert_to_numpy(centred(PIXELS))
    np.testing.assert_allclose(logits.sum(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(with_softmax(centred)(PIXELS), model(PIXELS), atol=1e-5)


def test_the_model_itself_is_left_as_it_was(network: Network) -> None:
    model = network(convolution)
    before = keras.ops.convert_to_numpy(model(PIXELS))
    as_centred_logits(model)
    np.testing.assert_array_equal(model(PIXELS), before)


def test_the_softmax_is_put_on_under_the_same_names_each_time(network: Network) -> None:
    centred = as_centred_logits(network(convolution))
    assert centred is not None
    first, second = with_softmax(centred), with_softmax(centred)
    assert first.name == second.name == "tiny"
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_model_that_does_not_end_in_a_dense_softmax_has_none(activation: str | None, network: Network) -> None:
    assert as_centred_logits(network(convolution, activation=activation)) is None


def test_a_softmax_layer_of_its_own_has_none() -> None:
    flat = keras.layers.Flatten()(pixels := keras.Input((28, 28, 1)))
    model = keras.Model(pixels, keras.layers.Softmax()(keras.layers.Dense(10)(flat)))
    assert as_centred_logits(model) is None


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([[9, 1, -8], [0, 7, -1]], (-0.25, 1.25)),
        ([[9, 4, 0], [9, 8, 0]], (0.0, 9.0)),
        ([[-1, -5, -9], [-1, -3, -9]], (-5.5, 0.0)),
        ([[5, 5, 0]], (0.0, 0.0)),
    ],
    ids=["around zero", "above zero", "below zero", "always the same"],
)
def test_the_range_is_that_of_the_runner_up_with_a_margin_around_zero(
    logits: list[list[float]], expected: tuple[float, float]
) -> None:
    assert runner_up_range(np.array(logits, np.float32)) == pytest.approx(expected)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.55), (0.0, 2.55), (-2.55, 0.0)])
def test_the_range_that_is_set_is_the_range_that_int8_spans(low: float, high: float, int8_tflite: Path) -> None:
    quantization = logit_quantization(set_logit_range(int8_tflite.read_bytes(), low, high))
    (scale,), (zero_point,) = quantization.scale, quantization.zeroPoint
    assert (-128 - zero_point) * scale == pytest.approx(low, abs=0.005)
    assert (127 - zero_point) * scale == pytest.approx(high, abs=0.005)


def test_setting_the_range_changes_nothing_else(int8_tflite: Path) -> None:
    content = int8_tflite.read_bytes()
    before, after = read_model(content), read_model(set_logit_range(content, -1.0, 1.0))
    same = [
        np.array_equal(old.quantization.scale, new.quantization.scale)
        for old, new in zip(before.subgraphs[0].tensors, after.subgraphs[0].tensors, strict=True)
        if old.quantization is not None and old.quantization.scale is not None
    ]
    assert same.count(False) == 1
    data: list[list[npt.NDArray[np.uint8] | None]] = [[b.data for b in model.buffers] for model in (before, after)]
    assert all(np.array_equal(old, new) for old, new in zip(*data, strict=True) if old is not None)


def test_a_model_without_a_dense_softmax_is_converted_with_the_range_of_all_logits(to_int8: ToInt8) -> None:
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels := keras.Input((28, 28, 1))))
    model = keras.Model(pixels, keras.layers.Softmax()(keras.layers.Dense(10)(flat)))
    assert logit_quantization(to_int8(model)).scale[0] > 0


def test_a_network_that_answers_the_same_always_is_converted(to_int8: ToInt8) -> None:
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels := keras.Input((28, 28, 1))))
    model = keras.Model(pixels, keras.layers.Dense(10, activation="softmax", kernel_initializer="zeros")(flat))
    assert np.isfinite(logit_quantization(to_int8(model)).scale).all()

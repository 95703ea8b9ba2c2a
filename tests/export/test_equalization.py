"""Equalized networks compute the same, and their channels have the ranges that were asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from fmnist_edge.export.equalization import channel_factors, equalize
from fmnist_edge.export.tflite import FloatNetwork, convert_scaled
from fmnist_edge.export.trace import infer, trace

if TYPE_CHECKING:
    from fmnist_edge.export.calibration import Calibration

Network = Callable[..., keras.Model]


def convolution(filters: int, name: str, **options: Any) -> keras.layers.Layer:
    return keras.layers.Conv2D(filters, 3, padding="same", name=name, bias_initializer="random_normal", **options)


def uneven(network: Network, middle: Callable[[Any], Any]) -> FloatNetwork:
    """Build a network whose channels differ in range by two to four."""
    model = network(middle)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and not isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel * np.geomspace(0.7, 1.4, layer.filters), bias])
    return convert_scaled(model)


def chain(x: Any) -> Any:
    x = convolution(8, "first", activation="relu")(x)
    x = keras.layers.MaxPooling2D()(x)
    x = convolution(6, "second", activation="relu")(x)
    return keras.layers.Dense(12, activation="relu", name="hidden")(keras.layers.Flatten()(x))


def residual(x: Any) -> Any:
    x = convolution(8, "stem", activation="relu")(x)
    inner = convolution(8, "inner1", activation="relu")(x)
    x = keras.layers.ReLU()(keras.layers.Add()([x, convolution(8, "inner2")(inner)]))
    return keras.layers.GlobalAveragePooling2D()(x)


def six(x: Any) -> Any:
    return convolution(4, "second")(convolution(8, "first", activation="relu6")(x))


def depthwise(x: Any) -> Any:
    x = convolution(8, "first", activation="relu")(x)
    return keras.layers.DepthwiseConv2D(3, activation="relu", name="each")(x)


def sigmoid(x: Any) -> Any:
    return convolution(4, "second")(convolution(8, "first", activation="sigmoid")(x))


@pytest.fixture(params=[chain, residual, six, depthwise, sigmoid], ids=lambda middle: middle.__name__)
def float_network(request: pytest.FixtureRequest, network: Network) -> FloatNetwork:
    return uneven(network, request.param)


def traced(float_network: FloatNetwork, content: bytes, calibration: Calibration) -> dict[str, Any]:
    return trace(content, float_network.scaling.apply(calibration.split.images))


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_an_equalized_network_computes_the_same(
    strength: float, float_network: FloatNetwork, calibration: Calibration
) -> None:
    images = float_network.scaling.apply(calibration.split.images)
    activations = traced(float_network, float_network.content, calibration)
    equalized = equalize(float_network.content, activations, strength)
    np.testing.assert_allclose(infer(equalized, images), infer(float_network.content, images), atol=2e-5)


def ranges(activations: dict[str, Any], layer: str) -> Any:
    (values,) = (value for name, value in activations.items() if f"/{layer}" in name.split(";")[0])
    return np.abs(values.reshape(-1, values.shape[-1])).max(axis=0)


@pytest.mark.parametrize(("middle", "layer"), [(chain, "first"), (chain, "second"), (residual, "inner1")])
def test_channels_come_to_the_same_range(
    middle: Callable[[Any], Any], layer: str, network: Network, calibration: Calibration
) -> None:
    float_network = uneven(network, middle)
    activations = traced(float_network, float_network.content, calibration)
    after = traced(float_network, equalize(float_network.content, activations, 1.0), calibration)
    before, same = ranges(activations, layer), ranges(after, layer)
    assert before.max() / before.min() > 1.5
    within = before > 0.25 * before.max()
    np.testing.assert_allclose(same[within], same[within].max(), rtol=1e-3)


def test_the_logits_and_what_is_not_homogeneous_keep_their_values(network: Network, calibration: Calibration) -> None:
    for middle in (six, sigmoid, depthwise):
        float_network = uneven(network, middle)
        activations = traced(float_network, float_network.content, calibration)
        after = traced(float_network, equalize(float_network.content, activations, 1.0), calibration)
        for name, values in after.items():
            if not any(part in name for part in ("second", "each", "flatten")):
                np.testing.assert_allclose(values, activations[name], atol=1e-4, err_msg=name)


def test_a_channel_that_hardly_answers_is_not_blown_up() -> None:
    factors = channel_factors(np.array([1.0, 0.0, 1e-6], np.float32), 1.0)
    assert factors.max() / factors.min() == pytest.approx(4)


def test_a_network_that_is_always_dark_stays_as_it_is(network: Network, calibration: Calibration) -> None:
    float_network = uneven(network, chain)
    activations = traced(float_network, float_network.content, calibration)
    dark = {name: np.zeros_like(values) for name, values in activations.items()}
    assert equalize(float_network.content, dark, 1.0) == equalize(float_network.content, {}, 1.0)

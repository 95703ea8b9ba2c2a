"""The float graph for the converters: the scaling taken off, the variables frozen, the model checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.export.pixels import (
    OUTPUT,
    Scaling,
    pixel_function,
    require_finite,
    require_probabilities,
    scaled_function,
    split_scaling,
)

Network = Callable[..., keras.Model]
PIXELS = np.random.default_rng(1).integers(0, 256, (4, 28, 28, 1)).astype(np.float32)


def convolution(x: Any) -> Any:
    return keras.layers.Conv2D(4, 3, activation="relu")(x)


@pytest.mark.parametrize(("scale", "offset"), [(1 / 255, 0.0), (1 / 127.5, -1.0), (-1 / 255, 1.0)])
def test_a_leading_rescaling_is_taken_off(scale: float, offset: float, network: Network) -> None:
    model = network(convolution, scaling=keras.layers.Rescaling(scale, offset))
    bare, scaling = split_scaling(model)
    assert scaling == Scaling(scale, offset)
    assert not [layer for layer in bare.layers if isinstance(layer, keras.layers.Rescaling)]
    np.testing.assert_allclose(bare(PIXELS * scale + offset), model(PIXELS), atol=1e-5)


def test_the_model_itself_is_left_as_it_was(network: Network) -> None:
    model = network(convolution)
    before = keras.ops.convert_to_numpy(model(PIXELS))
    split_scaling(model)
    np.testing.assert_array_equal(model(PIXELS), before)


@pytest.mark.parametrize(
    "scaling",
    [keras.layers.Activation("linear"), keras.layers.Rescaling([1 / 255]), keras.layers.Rescaling(1 / 255, [0.5])],
    ids=["none", "by channel", "offset by channel"],
)
def test_a_model_without_a_plain_rescaling_is_returned_as_it_is(scaling: keras.layers.Layer, network: Network) -> None:
    model = network(convolution, scaling=scaling)
    bare, taken = split_scaling(model)
    assert bare is model
    assert taken == Scaling(1.0, 0.0)


def test_a_rescaling_that_another_layer_bypasses_stays_in_place() -> None:
    pixels = keras.Input((28, 28, 1))
    scaled = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    both = keras.layers.Concatenate()([scaled, keras.layers.GlobalAveragePooling2D()(pixels)])
    model = keras.Model(pixels, keras.layers.Dense(10, activation="softmax")(both))
    bare, taken = split_scaling(model)
    assert bare is model
    assert taken == Scaling(1.0, 0.0)


@pytest.mark.parametrize("batch", [1, None])
def test_the_graph_takes_raw_pixels(batch: int | None, network: Network) -> None:
    model = network(convolution)
    function = pixel_function(model, batch=batch)
    assert function.inputs[0].dtype == tf.uint8
    assert function.inputs[0].shape.as_list() == [batch, 28, 28]
    answers = function(tf.constant(PIXELS[:1, :, :, 0].astype(np.uint8)))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(answers[OUTPUT]), model(PIXELS[:1]), atol=1e-6)


def test_the_scaled_graph_takes_one_image_of_floats(network: Network) -> None:
    function = scaled_function(network(convolution))
    assert function.inputs[0].dtype == tf.float32
    assert function.inputs[0].shape.as_list() == [1, 28, 28]


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused_by_layer(number: float, network: Network) -> None:
    model = network(keras.layers.Conv2D(4, 3, name="broken"))
    require_finite(model, "it")
    layer = model.get_layer("broken")
    kernel, bias = layer.get_weights()
    kernel[1, 1, 0, 2] = number
    layer.set_weights([kernel, bias])
    with pytest.raises(EdgeError, match="it has weights that are no numbers in broken/kernel; next: train it again"):
        require_finite(model, "it")


@pytest.mark.parametrize("activation", [None, "sigmoid", "relu", "log_softmax"])
def test_answers_that_are_no_probabilities_are_refused(activation: str | None, network: Network) -> None:
    message = "it does not answer in probabilities; expected a softmax over the classes; got from "
    with pytest.raises(EdgeError, match=message):
        require_probabilities(network(convolution, activation=activation), "it")


def test_a_softmax_answers_in_probabilities(network: Network) -> None:
    model = network(convolution)
    require_probabilities(model, "it")
    assert keras.ops.convert_to_numpy(model(PIXELS)).sum() == pytest.approx(4)

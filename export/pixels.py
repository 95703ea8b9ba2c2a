"""The float graph of a Keras model as the converters take it: pixels in, probabilities out, variables frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from ..common.errors import EdgeError

INPUT = "pixels"
OUTPUT = "probabilities"


@dataclass(frozen=True)
class Scaling:
    """What the network's first layer does to a pixel: ``pixel * scale + offset``."""

    scale: float
    offset: float


def split_scaling(model: keras.Model) -> tuple[keras.Model, Scaling]:
    """Take the rescaling off the front of `model`, so that it can become the scale of the quantized input.

    The raw pixel then *is* the quantized input, and the scaling costs the device nothing.

    Returns:
        The model that takes scaled pixels, and the scaling; a model without a leading Rescaling is returned as it is.
    """
    stack = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    first = stack[0]
    if not isinstance(first, keras.layers.Rescaling) or np.ndim(first.scale) or np.ndim(first.offset):
        return model, Scaling(1.0, 0.0)

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer is first:
            return keras.layers.Activation("linear", name=layer.name)
        return type(layer).from_config(layer.get_config())

    bare = keras.models.clone_model(model, clone_function=clone)
    bare.set_weights(model.get_weights())
    return bare, Scaling(float(first.scale), float(first.offset))


def scaled_function(model: keras.Model) -> Any:
    """Freeze `model` as float32 ``(1, 28, 28)`` scaled pixels to float32 ``(1, classes)``."""
    return _freeze(model, tf.TensorSpec((1, 28, 28), tf.float32, name=INPUT))


def pixel_function(model: keras.Model, *, batch: int | None) -> Any:
    """Freeze `model` as uint8 ``(batch, 28, 28)`` raw pixels to float32 ``(batch, classes)``; None is any batch."""
    return _freeze(model, tf.TensorSpec((batch, 28, 28), tf.uint8, name=INPUT))


def _freeze(model: keras.Model, signature: tf.TensorSpec) -> Any:
    def run(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        image = tf.cast(tf.reshape(pixels, (-1, 28, 28, 1)), tf.float32)
        return {OUTPUT: model(image, training=False)}

    concrete = tf.function(run, input_signature=[signature]).get_concrete_function()
    return convert_variables_to_constants_v2(concrete)


def require_finite(model: keras.Model, name: str) -> None:
    """Check that every weight is a number.

    Raises:
        EdgeError: a layer has NaN or infinite weights; names it.
    """
    for weight in model.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise EdgeError(f"{name} has weights that are no numbers in {weight.path}", hint="train it again")

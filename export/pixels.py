"""The float graph of a Keras model as the converters take it: pixels in, probabilities out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..common.errors import EdgeError

INPUT = "pixels"
OUTPUT = "probabilities"


@dataclass(frozen=True)
class Scaling:
    """What the network's first layer does to a pixel: ``pixel * scale + offset``."""

    scale: float
    offset: float

    def apply(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the scaled pixels of `images`, float32 of the same shape."""
        return images.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)


_NO_SCALING = Scaling(1.0, 0.0)


def split_scaling(model: keras.Model) -> tuple[keras.Model, Scaling]:
    """Take the rescaling off the front of `model`, so that it can become the scale of the quantized input.

    The raw pixel then *is* the quantized input, and the scaling costs the device nothing.

    Returns:
        The model that takes scaled pixels, and the scaling; a model whose Rescaling cannot be taken off, or that has
        none, is returned as it is.
    """
    stack = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    first = stack[0]
    if not isinstance(first, keras.layers.Rescaling) or np.ndim(first.scale) or np.ndim(first.offset):
        return model, _NO_SCALING

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer is first:
            return keras.layers.Activation("linear", name=layer.name)
        return type(layer).from_config(layer.get_config())

    bare = keras.models.clone_model(model, clone_function=clone)
    bare.set_weights(model.get_weights())
    scaling = Scaling(float(first.scale), float(first.offset))
    return (bare, scaling) if _agree(model, bare, scaling) else (model, _NO_SCALING)


def _agree(model: keras.Model, bare: keras.Model, scaling: Scaling) -> bool:
    """Tell whether `bare` on scaled pixels answers as `model`; not so where another layer takes the raw pixels, too."""
    pixels = _random_pixels()
    answers, expected = bare(pixels * scaling.scale + scaling.offset), model(pixels)
    return np.allclose(keras.ops.convert_to_numpy(answers), keras.ops.convert_to_numpy(expected), atol=1e-5)


def scaled_function(model: keras.Model) -> Any:
    """Return `model` as a graph of float32 ``(1, 28, 28)`` scaled pixels to float32 ``(1, classes)``."""
    return as_function(model, tf.TensorSpec((1, 28, 28), tf.float32, name=INPUT)).get_concrete_function()


def pixel_function(model: keras.Model, *, batch: int | None) -> Any:
    """Return `model` as a graph of uint8 ``(batch, 28, 28)`` pixels to float32 ``(batch, classes)``; None is any."""
    return as_function(model, tf.TensorSpec((batch, 28, 28), tf.uint8, name=INPUT)).get_concrete_function()


def as_function(model: keras.Model, signature: tf.TensorSpec) -> Any:
    """Wrap `model` as a `tf.function` of images without a channel axis, of any number type."""

    def run(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        image = tf.cast(tf.reshape(pixels, (-1, 28, 28, 1)), tf.float32)
        return {OUTPUT: model(image, training=False)}

    return tf.function(run, input_signature=[signature])


def require_finite(model: keras.Model, name: str) -> None:
    """Check that every weight is a number.

    Raises:
        EdgeError: a layer has NaN or infinite weights; names it.
    """
    for weight in model.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise EdgeError(f"{name} has weights that are no numbers in {weight.path}", hint="train it again")


def require_probabilities(model: keras.Model, name: str) -> None:
    """Check that `model` ends in probabilities: none negative, and each row sums to 1.

    Raises:
        EdgeError: it does not; most likely it ends in logits.
    """
    answers = keras.ops.convert_to_numpy(model(_random_pixels()))
    if answers.min() < 0 or not np.allclose(answers.sum(axis=1), 1, atol=1e-3):
        got = f"from {answers.min():.3g} to {answers.max():.3g}"
        raise EdgeError(f"{name} does not answer in probabilities", expected="a softmax over the classes", got=got)


def _random_pixels() -> npt.NDArray[np.float32]:
    """Make eight images of noise, float32 ``(8, 28, 28, 1)``, 0 to 255."""
    return np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1)).astype(np.float32)

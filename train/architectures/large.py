"""Large: a teacher for the small ones, 1.1 million parameters; nothing for a device.

The plan is that of `strong`, with three times the arithmetic in wider layers, which matrix units like.
"""

from __future__ import annotations

import keras
from keras import layers

from ..blocks import convolution, square, weighted_places

_THIN, _MIDDLE, _WIDE = 32, 96, 192


def build(*, classes: int, dropout: float) -> keras.Model:
    """Build the large network: 32 channels at 28x28, 96 at 14x14, 192 at 7x7, weighted places, softmax."""
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = layers.Rescaling(1 / 255, name="rescaling")(pixels)
    x = square(convolution(x, _THIN, (3, 3), name="stem"), name="fine")
    x = convolution(x, _MIDDLE, (3, 3), name="widen", strides=2)
    x = square(square(x, name="first"), name="second")
    x = convolution(x, _WIDE, (2, 2), name="down", strides=2)
    x = weighted_places(square(x, name="third"), name="places")
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(pixels, layers.Dense(classes, activation="softmax", name="probabilities")(x), name="large")

"""A network of the blocks that `compact` is made of, one of each and thin: what happens in a training, in less time."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from fmnist_edge.train.blocks import convolution, cross, weighted_places

SMALL = f"{Path(__file__)}:build"
"""What `--arch` calls it."""


def build(*, classes: int, dropout: float) -> keras.Model:
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = convolution(layers.Rescaling(1 / 255)(pixels), 8, (3, 3), name="stem", strides=2)
    x = convolution(cross(x, name="first"), 16, (2, 2), name="down", strides=2)
    x = layers.Dropout(dropout)(weighted_places(x, name="places"))
    return keras.Model(pixels, layers.Dense(classes, activation="softmax", name="probabilities")(x), name="small")

"""A network that trains in a moment."""

from __future__ import annotations

import keras


def build(*, classes: int, dropout: float) -> keras.Model:
    pixels = values = keras.Input((28, 28, 1))
    values = keras.layers.Rescaling(1 / 255)(values)
    values = keras.layers.Conv2D(4, 5, strides=4, activation="relu")(values)
    values = keras.layers.Dropout(dropout)(keras.layers.Flatten()(values))
    return keras.Model(pixels, keras.layers.Dense(classes, activation="softmax")(values), name="tiny")

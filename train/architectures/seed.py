"""The seed: three plain convolutions and two wide dense layers; 32,080,394 parameters."""

from __future__ import annotations

import keras
from keras import layers


def build(*, classes: int, dropout: float) -> keras.Model:
    """Build the seed CNN: 3x3 convolutions of 32, 64 and 128 filters, two dense layers of 512, softmax."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1), name="pixels"),
            layers.Rescaling(1 / 255, name="rescaling"),
            layers.Conv2D(32, 3, activation="relu", name="conv1"),
            layers.Conv2D(64, 3, activation="relu", name="conv2"),
            layers.Conv2D(128, 3, activation="relu", name="conv3"),
            layers.Flatten(name="flatten"),
            layers.Dense(512, activation="relu", name="dense1"),
            layers.Dropout(dropout, name="dropout1"),
            layers.Dense(512, activation="relu", name="dense2"),
            layers.Dropout(dropout, name="dropout2"),
            layers.Dense(classes, activation="softmax", name="probabilities"),
        ],
        name="seed",
    )

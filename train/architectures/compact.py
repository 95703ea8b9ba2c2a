"""Compact: a small residual network, about 76 thousand parameters, shaped for int8 kernels.

Thin layers at full resolution are what small networks lose their time in on a device, so the first convolution halves
the picture at once and all later ones work on 14x14 and 7x7. After K. He et al., "Identity Mappings in Deep Residual
Networks", arXiv 1603.05027, with batch normalization behind each convolution, where the converter folds it away.
"""

from __future__ import annotations

import keras
from keras import layers


def build(*, classes: int, dropout: float) -> keras.Model:
    """Build the compact residual network: widths 32 at 14x14 and 64 at 7x7, global average, softmax."""
    pixels = keras.Input((28, 28, 1), name="pixels")
    scaled = layers.Rescaling(1 / 255, name="rescaling")(pixels)
    wide = _convolution(scaled, 32, name="stem", kernel=5, strides=2)
    wide = _residual(wide, 32, name="block1")
    deep = _convolution(wide, 64, name="down", strides=2)
    deep = _residual_one(deep, 64, name="block2")
    pooled = layers.GlobalAveragePooling2D(name="pool")(deep)
    dropped = layers.Dropout(dropout, name="dropout")(pooled)
    return keras.Model(
        pixels, layers.Dense(classes, activation="softmax", name="probabilities")(dropped), name="compact"
    )


def _convolution(
    x: keras.KerasTensor, filters: int, *, name: str, kernel: int = 3, strides: int = 1, rectify: bool = True
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if rectify else x


def _residual(x: keras.KerasTensor, filters: int, *, name: str) -> keras.KerasTensor:
    inner = _convolution(x, filters, name=f"{name}_conv1")
    inner = _convolution(inner, filters, name=f"{name}_conv2", rectify=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, inner]))


def _residual_one(x: keras.KerasTensor, filters: int, *, name: str) -> keras.KerasTensor:
    inner = _convolution(x, filters, name=f"{name}_conv1", rectify=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, inner]))

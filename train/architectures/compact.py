"""Compact: a small residual network, about 77 thousand parameters, shaped for int8 kernels.

What the shape is for: a first convolution that halves the picture at once and is wide, because thin layers at full
resolution are what small networks lose their time in; then 64 channels and kernels larger than 1x1 throughout, which
onnxruntime's and LiteRT's int8 kernels on ARM are fast at; all but the first layer at 7x7. There a convolution is taken
apart into a column and a row, which gives two rectifiers more for the parameters of one square kernel.

After K. He et al., "Deep Residual Learning", arXiv 1512.03385; E. Romera et al., "ERFNet", 2018, for the columns and
rows. Batch normalization stands behind each convolution, where the converter folds it away.
"""

from __future__ import annotations

import keras
from keras import layers

_WIDTH = 64


def build(*, classes: int, dropout: float) -> keras.Model:
    """Build the compact residual network: 64 channels at 14x14 and then 7x7, global average, softmax."""
    pixels = keras.Input((28, 28, 1), name="pixels")
    scaled = layers.Rescaling(1 / 255, name="rescaling")(pixels)
    wide = _convolution(scaled, (5, 5), name="stem", strides=2)
    deep = _convolution(wide, (3, 3), name="down", strides=2)
    inner = _convolution(deep, (3, 1), name="column")
    inner = _convolution(inner, (1, 3), name="row", rectify=False)
    deep = layers.ReLU(name="block_relu")(layers.Add(name="block_add")([deep, inner]))
    deep = _convolution(deep, (3, 1), name="last")
    pooled = layers.GlobalAveragePooling2D(name="pool")(deep)
    dropped = layers.Dropout(dropout, name="dropout")(pooled)
    return keras.Model(
        pixels, layers.Dense(classes, activation="softmax", name="probabilities")(dropped), name="compact"
    )


def _convolution(
    x: keras.KerasTensor, kernel: tuple[int, int], *, name: str, strides: int = 1, rectify: bool = True
) -> keras.KerasTensor:
    x = layers.Conv2D(_WIDTH, kernel, strides=strides, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if rectify else x

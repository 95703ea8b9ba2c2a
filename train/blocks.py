"""The blocks that small architectures are built of: convolution, column and row, square, weighted places.

Batch normalization stands behind each convolution, where the converters fold it away.
"""

from __future__ import annotations

import keras
from keras import layers


def convolution(
    x: keras.KerasTensor,
    channels: int,
    kernel: tuple[int, int],
    *,
    name: str,
    strides: int = 1,
    rectify: bool = True,
) -> keras.KerasTensor:
    """Convolve with zeros around the picture, normalize, and rectify."""
    x = layers.Conv2D(channels, kernel, strides=strides, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if rectify else x


def cross(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Add to `x` what a column, 3x1, and a row, 1x3, make of it.

    After K. He et al., "Deep Residual Learning", arXiv 1512.03385; E. Romera et al., "ERFNet", 2018, for the columns
    and rows.
    """
    inner = convolution(x, x.shape[-1], (3, 1), name=f"{name}_column")
    return _residual(x, convolution(inner, x.shape[-1], (1, 3), name=f"{name}_row", rectify=False), name)


def square(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Add to `x` what two convolutions, 3x3 each, make of it. After K. He et al., arXiv 1512.03385."""
    inner = convolution(x, x.shape[-1], (3, 3), name=f"{name}_first")
    return _residual(x, convolution(inner, x.shape[-1], (3, 3), name=f"{name}_second", rectify=False), name)


def weighted_places(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Sum each channel over all places of a square, with weights that begin near those of the average.

    After S. Chen et al., "MobileFaceNets", arXiv 1804.07573. The normalization goes into the dense layer behind it in
    TFLite, and stays a product and a sum in float ONNX.
    """
    side = x.shape[1]
    near_average = keras.initializers.RandomNormal(1 / side**2, 0.01)
    x = layers.DepthwiseConv2D(side, use_bias=False, depthwise_initializer=near_average, name=name)(x)
    return layers.Flatten(name="flatten")(layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x))


def _residual(x: keras.KerasTensor, inner: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, inner]))

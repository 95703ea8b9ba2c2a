"""Compact: a small residual network, about 77 thousand parameters, shaped for accuracy per byte and per instruction.

What the shape is for: a thin first convolution at full resolution, because the texture of a cloth is only there; half
of the arithmetic in two residual blocks at 14x14, the rest at 7x7, where 64 channels are what int8 kernels on ARM are
fast at. A 3x3 convolution of a block is taken apart into a column and a row, which gives one more rectifier for two
thirds of the parameters. At the end every channel has a weight for each of the 49 places, not the same for all: a
sleeve is a sleeve because of where it is.

After K. He et al., "Deep Residual Learning", arXiv 1512.03385; E. Romera et al., "ERFNet", 2018, for the columns and
rows; S. Chen et al., "MobileFaceNets", arXiv 1804.07573, for the weights of the places. Batch normalization stands
behind each convolution, where the converters fold it away; that of the places goes into the dense layer in TFLite, and
stays a product and a sum in float ONNX.
"""

from __future__ import annotations

import keras
from keras import layers

_THIN, _MIDDLE, _WIDE = 16, 48, 64
_PLACES = 7


def build(*, classes: int, dropout: float) -> keras.Model:
    """Build the compact network: 16 channels at 28x28, 48 at 14x14, 64 at 7x7, weighted places, softmax."""
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = layers.Rescaling(1 / 255, name="rescaling")(pixels)
    x = _convolution(x, _THIN, (3, 3), name="stem")
    x = _convolution(x, _MIDDLE, (3, 3), name="widen", strides=2)
    x = _block(x, name="first")
    x = _block(x, name="second")
    x = _convolution(x, _WIDE, (2, 2), name="down", strides=2)
    x = _block(x, name="third")
    x = _weigh_places(x, name="places")
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(pixels, layers.Dense(classes, activation="softmax", name="probabilities")(x), name="compact")


def _convolution(
    x: keras.KerasTensor,
    channels: int,
    kernel: tuple[int, int],
    *,
    name: str,
    strides: int = 1,
    rectify: bool = True,
) -> keras.KerasTensor:
    x = layers.Conv2D(channels, kernel, strides=strides, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if rectify else x


def _block(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    channels = x.shape[-1]
    inner = _convolution(x, channels, (3, 1), name=f"{name}_column")
    inner = _convolution(inner, channels, (1, 3), name=f"{name}_row", rectify=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, inner]))


def _weigh_places(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Sum each channel over all places, with weights that begin near those of the average."""
    near_average = keras.initializers.RandomNormal(1 / _PLACES**2, 0.01)
    x = layers.DepthwiseConv2D(_PLACES, use_bias=False, depthwise_initializer=near_average, name=name)(x)
    return layers.Flatten(name="flatten")(layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x))

"""Strong: the most accuracy in 300 kB of int8, about 255 thousand parameters; also the teacher of `compact`.

The plan is that of `compact`, wider and deeper: two residual blocks at full resolution, which are a sixth of the
arithmetic and a 27th of the parameters, and most of the rest in four 3x3 convolutions of 64 channels at 14x14, the
shape that int8 kernels on ARM are fastest at for their size. Its widths are multiples of 16: with 24 channels instead
of the 16 a training takes half as long again.
"""

from __future__ import annotations

import keras
from keras import layers

from ..blocks import convolution, cross, square, weighted_places

_THIN, _MIDDLE, _WIDE = 16, 64, 96


def build(*, classes: int, dropout: float) -> keras.Model:
    """Build the strong network: 16 channels at 28x28, 64 at 14x14, 96 at 7x7, weighted places, softmax."""
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = layers.Rescaling(1 / 255, name="rescaling")(pixels)
    x = convolution(x, _THIN, (3, 3), name="stem")
    x = square(square(x, name="fine1"), name="fine2")
    x = convolution(x, _MIDDLE, (3, 3), name="widen", strides=2)
    x = square(square(x, name="first"), name="second")
    x = convolution(x, _WIDE, (2, 2), name="down", strides=2)
    x = weighted_places(cross(x, name="third"), name="places")
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(pixels, layers.Dense(classes, activation="softmax", name="probabilities")(x), name="strong")

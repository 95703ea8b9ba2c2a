"""Search: a small residual network whose shape can be chosen; the ground that ``fmnist-edge tune`` searches.

The defaults are a network of about 77 thousand parameters, with a wide first convolution that halves the picture, and
everything else at 7x7. A block is residual: two convolutions whose result is added to what went in. It is a ``cross``
(a column, 3x1, and a row, 1x3) or a ``square`` (3x3 twice).
"""

from __future__ import annotations

import keras
from keras import layers

from ..blocks import convolution, cross, square

_BLOCKS = {"cross": cross, "square": square}


def build(
    *,
    classes: int,
    dropout: float,
    stem: int = 64,
    stem_kernel: int = 5,
    early: int = 0,
    width: int = 64,
    blocks: int = 1,
    block: str = "cross",
    tail: bool = True,
) -> keras.Model:
    """Build the network.

    Args:
        classes: how many.
        dropout: share of units dropped before the last layer.
        stem: channels of the first convolution and of everything at 14x14.
        stem_kernel: side of the first convolution.
        early: residual blocks at 14x14.
        width: channels at 7x7.
        blocks: residual blocks at 7x7.
        block: what a block is made of: ``cross`` or ``square``.
        tail: end in one more column, 3x1.

    Raises:
        ValueError: no such block.
    """
    if block not in _BLOCKS:
        raise ValueError(f"block must be one of {', '.join(_BLOCKS)}, not {block!r}")
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = layers.Rescaling(1 / 255, name="rescaling")(pixels)
    x = convolution(x, stem, (stem_kernel, stem_kernel), name="stem", strides=2)
    for number in range(early):
        x = _BLOCKS[block](x, name=f"early{number + 1}")
    x = convolution(x, width, (3, 3), name="down", strides=2)
    for number in range(blocks):
        x = _BLOCKS[block](x, name=f"block{number + 1}")
    if tail:
        x = convolution(x, width, (3, 1), name="tail")
    x = layers.Dropout(dropout, name="dropout")(layers.GlobalAveragePooling2D(name="pool")(x))
    return keras.Model(pixels, layers.Dense(classes, activation="softmax", name="probabilities")(x), name="search")

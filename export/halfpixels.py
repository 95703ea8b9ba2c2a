"""Convolutions of many channels, seen as more pixels of fewer channels: the same sums by another kernel.

On ARM, onnxruntime computes a convolution of 64 and more input channels by an indirect kernel, and one of fewer by a
packed matrix product (``onnxruntime/core/mlas/lib/convsym.cpp`` in github.com/microsoft/onnxruntime). With uint8
activations the matrix product is the better of the two: a fifth fewer instructions on a Raspberry Pi 4. So the
convolution is written as one of fewer channels. In NHWC layout a row of 7 pixels with 64 channels *is* a row of 14 half
pixels with 32 channels; a kernel of 3 columns becomes one of 6, which steps by 2. x86 has no such limit and loses 5% of
the layer's time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_FEWEST_INDIRECT = 64
"""Input channels from which on ARM the indirect kernel is taken."""
_ALIGNED = 4
"""Channels that x86's indirect kernel takes at a time; it is the faster one there, and must stay possible."""


def parts_of_pixel(channels: int) -> int:
    """Return how many parts a pixel is split into, so that each has few channels; 1 where it stays whole.

    >>> [parts_of_pixel(channels) for channels in (32, 64, 96, 128, 67)]
    [1, 2, 2, 4, 1]
    """
    if channels < _FEWEST_INDIRECT:
        return 1
    for parts in range(2, channels // _ALIGNED + 1):
        each, rest = divmod(channels, parts)
        if not rest and each < _FEWEST_INDIRECT and each % _ALIGNED == 0:
            return parts
    return 1


def split_pixels(weights: npt.NDArray[np.int8], parts: int) -> npt.NDArray[np.int8]:
    """Reorder weights ``(out, channels, height, width)`` to ``(out, channels / parts, height, width * parts)``.

    >>> split_pixels(np.array([[[[1, 2]], [[3, 4]]]], np.int8), 2)[0, 0, 0].tolist()
    [1, 3, 2, 4]
    """
    out, channels, height, width = weights.shape
    split = weights.reshape(out, parts, channels // parts, height, width).transpose(0, 2, 3, 4, 1)
    return split.reshape(out, channels // parts, height, width * parts)

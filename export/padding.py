"""How far TensorFlow's SAME padding reaches, which ONNX and numpy want in numbers."""

from __future__ import annotations

from collections.abc import Iterable


def same_padding(sides: Iterable[int], strides: Iterable[int], spans: Iterable[int]) -> list[tuple[int, int]]:
    """Return the padding before and after each side; where it is odd, the odd pixel stands behind.

    Args:
        sides: pixels of the input.
        strides: pixels from one position of the kernel to the next.
        spans: pixels that the kernel reaches over, dilation included.

    >>> same_padding((28, 7), (2, 1), (3, 3))
    [(0, 1), (1, 1)]
    """
    totals = [
        max((-(-int(side) // stride) - 1) * stride + span - int(side), 0)
        for side, stride, span in zip(sides, strides, spans, strict=True)
    ]
    return [(total // 2, total - total // 2) for total in totals]

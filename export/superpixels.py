"""A first convolution that kernels are fast at: neighbouring pixels become channels, and the numbers stay the same.

A grey picture has one channel, which is what int8 convolution kernels are worst at: they copy the picture byte by
byte and multiply vectors of one element. But in NHWC layout a row of 28 pixels with one channel *is* a row of 7
superpixels with four channels; only the shape changes. A convolution over superpixels computes several output columns
at a position, as further output channels, and reshaping splits them again. The kernel grows by zeros, which add
nothing to the integer sums, so every output is the same to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import helper, numpy_helper

from .pixels import INPUT

_SIDE = 28
_GROUPS = (4, 2)
"""Pixels to a superpixel, best first: onnxruntime's fast kernels want a multiple of four channels."""
_SHORT = (2,)
"""Superpixels that leave so short sums that kernels for uint8 weights, padded less, are better: on ARM by a seventh."""


@dataclass(frozen=True)
class Grouping:
    """How a convolution over single pixels becomes one over superpixels, along the width.

    Attributes:
        pixels: pixels to a superpixel, which become input channels.
        outputs: output columns to a position, which become output channels.
        first: first superpixel that a position's kernel covers, relative to the position; negative at padding.
        kernel: superpixels that the kernel covers.
        pad_left: superpixels of padding before the row.
        pad_right: superpixels of padding behind the row.
    """

    pixels: int
    outputs: int
    first: int
    kernel: int
    pad_left: int
    pad_right: int

    @classmethod
    def choose(cls, *, kernel: int, stride: int, pad_left: int, columns: int) -> Grouping | None:
        """Return the best grouping for a kernel of that width, or None where the columns do not divide.

        >>> Grouping.choose(kernel=5, stride=2, pad_left=1, columns=14)
        Grouping(pixels=4, outputs=2, first=-1, kernel=3, pad_left=1, pad_right=1)
        >>> Grouping.choose(kernel=3, stride=1, pad_left=0, columns=26).pixels
        2
        """
        for pixels in _GROUPS:
            outputs, rest = divmod(pixels, stride)
            if rest or columns % outputs:
                continue
            first = -pad_left // pixels
            last = (stride * (outputs - 1) - pad_left + kernel - 1) // pixels
            pad_right = max(0, last + columns // outputs - _SIDE // pixels)
            return cls(pixels, outputs, first, last - first + 1, -first, pad_right)
        return None

    def regroup(self, weights: npt.NDArray[np.int8], *, stride: int, pad_left: int) -> npt.NDArray[np.int8]:
        """Spread weights ``(out, 1, height, width)`` to ``(outputs * out, pixels, height, kernel)``, the rest zero."""
        out, _, height, width = weights.shape
        spread = np.zeros((self.outputs, out, self.pixels, height, self.kernel), weights.dtype)
        for output in range(self.outputs):
            for offset in range(width):
                superpixel, pixel = divmod(stride * output - pad_left + offset, self.pixels)
                spread[output, :, pixel, :, superpixel - self.first] = weights[:, 0, :, offset]
        return spread.reshape(self.outputs * out, self.pixels, height, self.kernel)


def widen_first_convolution(model: Any) -> None:
    """Rewrite, in place, the convolution that reads the pixels of an int8 `onnx.ModelProto`; others are left alone."""
    graph = model.graph
    reshape = _only_reader(graph, _pixels(graph), "Reshape")
    convolution = None if reshape is None else _only_reader(graph, reshape.output[0], "QLinearConv")
    if reshape is None or convolution is None:
        return
    constants = {entry.name: entry for entry in graph.initializer}
    weights = numpy_helper.to_array(constants[convolution.input[3]])
    if weights.shape[1] != 1:
        return
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in convolution.attribute}
    height, width = weights.shape[2:]
    top, left, bottom, right = attributes["pads"]
    columns = (_SIDE + left + right - width) // attributes["strides"][1] + 1
    rows = (_SIDE + top + bottom - height) // attributes["strides"][0] + 1
    stride = attributes["strides"][1]
    grouping = Grouping.choose(kernel=width, stride=stride, pad_left=left, columns=columns)
    if attributes["dilations"] != [1, 1] or grouping is None:
        return
    _replace(constants, reshape.input[1], np.array([-1, _SIDE, _SIDE // grouping.pixels, grouping.pixels], np.int64))
    _replace(constants, convolution.input[3], grouping.regroup(weights, stride=stride, pad_left=left))
    if grouping.pixels in _SHORT and _is_unsigned(constants, convolution.input[2]):
        for position in (3, 5):  # the weights and their zero points
            unsigned = _as_unsigned(numpy_helper.to_array(constants[convolution.input[position]]))
            _replace(constants, convolution.input[position], unsigned)
    for position in (4, 5, 8):  # scales and zero points of the weights, biases: one for each output channel
        repeated = np.tile(numpy_helper.to_array(constants[convolution.input[position]]), grouping.outputs)
        _replace(constants, convolution.input[position], repeated)
    pads = [top, grouping.pad_left, bottom, grouping.pad_right]
    _set_attributes(
        convolution, kernel_shape=[height, grouping.kernel], pads=pads, strides=[attributes["strides"][0], 1]
    )
    _split_columns(graph, convolution, [-1, rows, columns, len(weights)])


def _is_unsigned(constants: dict[str, Any], name: str) -> bool:
    return bool(numpy_helper.to_array(constants[name]).dtype == np.uint8)


def _as_unsigned(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Add 128, to weights as to their zero point: the same real numbers.

    >>> _as_unsigned(np.array([-127, 0, 127], np.int8)).tolist()
    [1, 128, 255]
    """
    return (weights.astype(np.int16) + 128).astype(np.uint8)


def _pixels(graph: Any) -> str:
    """Return the name of the pixels in the type that the network computes with."""
    value = INPUT
    for kind in ("DequantizeLinear", "QuantizeLinear"):
        changed = _only_reader(graph, value, kind)
        value = value if changed is None else changed.output[0]
    return value


def _only_reader(graph: Any, value: str, kind: str) -> Any:
    """Return the one node that reads `value`, or None where there are several or it is of another kind."""
    readers = [node for node in graph.node if value in node.input]
    return readers[0] if [node.op_type for node in readers] == [kind] else None


def _replace(constants: dict[str, Any], name: str, array: npt.NDArray[Any]) -> None:
    constants[name].CopyFrom(numpy_helper.from_array(array, name))


def _set_attributes(node: Any, **values: Any) -> None:
    kept = [entry for entry in node.attribute if entry.name not in values]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(name, value) for name, value in values.items())])


def _split_columns(graph: Any, convolution: Any, shape: list[int]) -> None:
    """Reshape the convolution's output to what it was before, under its old name."""
    value, wide = convolution.output[0], f"{convolution.output[0]}.wide"
    convolution.output[0] = wide
    shape_name = f"{value}.shape"
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), shape_name))
    split = helper.make_node("Reshape", [wide, shape_name], [value], f"{convolution.name}/columns")
    graph.node.insert(list(graph.node).index(convolution) + 1, split)

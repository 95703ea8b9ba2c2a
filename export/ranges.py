"""The int8 ranges of the activations: how much of their tails to clip, so that the rest is finer.

The converter measures minimum and maximum. Rare large values then coarsen the steps of all others; clipping some of
them can lower the error of the whole. Which method is best is a question to the network, so it is measured (see
`int8`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .flatbuffer import operator_name, read_model, write_model
from .trace import layer_names

Values = npt.NDArray[np.float32]
Range = tuple[float, float]
_LEVELS = 255
_SHRINKS = np.linspace(0.3, 1.0, 36)
_MOST_VALUES = 1_000_000
_SMALLEST_STEP = 1e-7
"""Below it a range is that of a value that never changes; pixels have steps of 1/255."""
SAME_RANGE = {"RESHAPE", "MAX_POOL_2D"}
"""Operators that move values about, so that output and input must share their range."""


def least_squares_range(values: Values, low: float, high: float) -> Range:
    """Shrink ``low`` to ``high`` by the factor that gives `values` the least mean squared error in 8 bits.

    Source: the same criterion as in R. Banner et al., "Post training 4-bit quantization of convolutional networks for
    rapid-deployment", arXiv 1810.05723, found by search instead of from an assumed distribution.

    >>> spread = np.concatenate([np.linspace(0, 1, 10_000), [20.0]]).astype(np.float32)
    >>> least_squares_range(spread, 0.0, 20.0)[1] < 20
    True
    """
    errors = [_squared_error(values, low * shrink, high * shrink) for shrink in _SHRINKS]
    best = float(_SHRINKS[int(np.argmin(errors))])
    return low * best, high * best


def percentile_range(values: Values, low: float, high: float) -> Range:
    """Clip the 0.005% of `values` at either end, never widening ``low`` to ``high``.

    >>> percentile_range(np.arange(100_001, dtype=np.float32), 0.0, 100_000.0)
    (0.0, 99995.0)
    """
    bottom, top = np.percentile(values, [0.005, 99.995])
    return max(low, min(float(bottom), 0.0)), min(high, max(float(top), 0.0))


METHODS: Mapping[str, Callable[[Values, float, float], Range]] = {
    "least squares": least_squares_range,
    "percentile 99.99": percentile_range,
}
"""Ways to choose a range, besides the converter's minimum and maximum."""


def _squared_error(values: Values, low: float, high: float) -> float:
    scale = (high - low) / _LEVELS
    if scale <= 0:
        return float("inf")
    zero_point = round(-low / scale)
    quantized = np.clip(np.round(values / np.float32(scale)) + zero_point, 0, _LEVELS) - zero_point
    return float(np.mean((quantized * np.float32(scale) - values) ** 2))


def clip_activations(int8_content: bytes, activations: Mapping[str, Values], method: str) -> bytes:
    """Return the int8 TFLite model with the ranges of its activations chosen anew.

    The logits keep theirs, and so does the input. Biases are stored in units of input scale times weight scale, so
    those that follow a new range are rescaled.

    Args:
        int8_content: what the converter made, by minimum and maximum.
        activations: values of the float network by name, from `trace`.
        method: a name in `METHODS`.
    """
    model = read_model(int8_content)
    graph = model.subgraphs[0]
    before = {index: tensor_scale(tensor) for index, tensor in enumerate(graph.tensors)}
    named = set(layer_names(int8_content))
    for operator in graph.operators:
        target = graph.tensors[operator.outputs[0]]
        name = target.name.decode()
        if operator_name(model, operator) in SAME_RANGE:
            _copy_range(graph.tensors[operator.inputs[0]], target)
        elif name in named and name in activations:
            values = activations[name].ravel()
            _set_range(target, *METHODS[method](values[:: 1 + len(values) // _MOST_VALUES], *_range(target)))
    rescale_biases(model, before)
    return write_model(model)


def widen_constants(content: bytes) -> bytes:
    """Return the int8 TFLite model with a usable range for activations that are always 0.

    The converter gives them a range of a millionth, with which no runtime can compute; the range of the operator's
    input does as well for a value that never changes.
    """
    model = read_model(content)
    graph = model.subgraphs[0]
    before = {index: tensor_scale(tensor) for index, tensor in enumerate(graph.tensors)}
    for operator in graph.operators:
        source, target = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
        step, usable = tensor_scale(target), tensor_scale(source)
        if step is not None and usable is not None and step < _SMALLEST_STEP:
            target.quantization.scale = np.array([usable], np.float32)
            target.quantization.zeroPoint = np.array([-128], np.int64)
            target.quantization.min = target.quantization.max = None
    rescale_biases(model, before)
    return write_model(model)


def rescale_biases(model: Any, before: Mapping[int, float | None]) -> None:
    """Store the biases anew, in place, of all layers whose input had another scale `before`."""
    for operator in model.subgraphs[0].operators:
        if operator_name(model, operator) in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}:
            _rescale_bias(model, operator, before)


def tensor_scale(tensor: Any) -> float | None:
    """Return the scale of a TFLite tensor, or None where it has none."""
    quantization = tensor.quantization
    return None if quantization is None or quantization.scale is None else float(quantization.scale[0])


def _range(tensor: Any) -> Range:
    """Return the real numbers that int8 -128 and 127 stand for."""
    scale, zero_point = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
    return (-128 - zero_point) * scale, (127 - zero_point) * scale


def _set_range(tensor: Any, low: float, high: float) -> None:
    scale = (high - low) / _LEVELS
    if scale <= 0:  # an activation that is always 0 keeps the range that the converter gave it
        return
    tensor.quantization.scale = np.array([scale], np.float32)
    tensor.quantization.zeroPoint = np.array([round(-low / scale) - 128], np.int64)
    tensor.quantization.min = tensor.quantization.max = None


def _copy_range(source: Any, target: Any) -> None:
    if target.quantization is not None and source.quantization is not None:
        target.quantization.scale = source.quantization.scale
        target.quantization.zeroPoint = source.quantization.zeroPoint


def _rescale_bias(model: Any, operator: Any, before: Mapping[int, float | None]) -> None:
    graph = model.subgraphs[0]
    source = operator.inputs[0]
    old, new = before[source], tensor_scale(graph.tensors[source])
    if old is None or new is None or old == new or len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return
    bias = graph.tensors[operator.inputs[2]]
    buffer = model.buffers[bias.buffer]
    numbers = np.nan_to_num(np.frombuffer(bytes(buffer.data), np.int32) * (old / new))
    numbers = np.clip(numbers, -(2**31), 2**31 - 1)  # beyond them is the bias of a layer that always answers the same
    buffer.data = np.frombuffer(np.round(numbers).astype(np.int32).tobytes(), np.uint8)
    bias.quantization.scale = (np.asarray(bias.quantization.scale, np.float64) * (new / old)).astype(np.float32)

"""The int8 ranges of the activations: how much of their tails to clip, so that the rest is finer.

The converter measures minimum and maximum. Rare large values then coarsen the steps of all others; clipping some of
them can lower the error of the whole. Which method is best is a question to the network, so it is measured (see
`int8`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from .biases import rescale_biases
from .flatbuffer import operator_name, read_model, write_model
from .scales import Range, range_of, scale_of, scales_of, set_range, set_scale
from .ties import Ties
from .trace import layer_names

Values = npt.NDArray[np.float32]
_LEVELS = 255
_SHRINKS = np.linspace(0.3, 1.0, 36)
_MOST_VALUES = 1_000_000
_SMALLEST_STEP = 1e-7
"""Below it a range is that of a value that never changes; pixels have steps of 1/255."""


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

    The logits keep theirs, and so does the input. Values that must share a range (see `ties`) get one that holds those
    of all. Biases are stored in units of input scale times weight scale, so those that follow a new range are rescaled.

    Args:
        int8_content: what the converter made, by minimum and maximum.
        activations: values of the float network by name, from `trace`.
        method: a name in `METHODS`.
    """
    model = read_model(int8_content)
    graph = model.subgraphs[0]
    before = scales_of(model)
    named = set(layer_names(int8_content)) & set(activations)
    given, chosen = set(graph.inputs), {}
    for operator in graph.operators:
        target = graph.tensors[operator.outputs[0]]
        if operator_name(model, operator) == "QUANTIZE":
            given.add(operator.outputs[0])
        elif (name := target.name.decode()) in named:
            values = activations[name].ravel()
            sample = values[:: 1 + len(values) // _MOST_VALUES]
            chosen[operator.outputs[0]] = METHODS[method](sample, *range_of(target))
    for group in Ties(model).all():
        ranges = [chosen[index] for index in group if index in chosen]
        if ranges and given.isdisjoint(group):
            low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
            for index in group:
                set_range(graph.tensors[index], low, high)
    rescale_biases(model, before)
    return write_model(model)


def widen_constants(content: bytes) -> bytes:
    """Return the int8 TFLite model with a usable range for activations that are always 0.

    The converter gives them a range of a millionth, with which no runtime can compute; the range of the operator's
    input does as well for a value that never changes.
    """
    model = read_model(content)
    graph = model.subgraphs[0]
    before, ties = scales_of(model), Ties(model)
    for operator in graph.operators:
        source, target = operator.inputs[0], operator.outputs[0]
        step, usable = scale_of(graph.tensors[target]), scale_of(graph.tensors[source])
        if step is not None and usable is not None and step < _SMALLEST_STEP:
            for index in ties.of(target):
                set_scale(graph.tensors[index], usable, -128)
    rescale_biases(model, before)
    return write_model(model)

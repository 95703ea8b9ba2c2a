"""Give every channel of an activation the same range, exactly in float, so that int8 steps fit all of them.

All channels of an int8 activation share one scale, so a channel of small values gets few of the 255 steps. But a
rectifier lets a positive factor through: a layer's channel can be divided by a factor, bias included, if the layers
that read it multiply their weights by it. The float network computes the same; weight scales, one a channel, take the
factor up. Sums, pools and means let it through as well, so all values that they tie together share one a channel.

Source: M. Nagel et al., "Data-free quantization through weight equalization and bias correction", arXiv 1906.04721,
section 4.1; here the activations' measured ranges decide, not the weights'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from .flatbuffer import operator_name, read_model, write_model
from .ties import Groups

Values = npt.NDArray[np.float32]
_WEIGHTED = {"CONV_2D", "FULLY_CONNECTED"}
_TRANSPARENT = {"ADD", "MEAN", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RESHAPE"}
_POSITIVELY_HOMOGENEOUS = {schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU}
_LEAST_SHARE = 0.25
"""Of the largest range: a channel that hardly ever answers would else be blown up, and saturate when it does."""


def channel_factors(ranges: Values, strength: float) -> npt.NDArray[np.float64]:
    """Return what every channel is divided by, with a geometric mean of 1.

    Args:
        ranges: ``(channels,)``, the largest absolute value of every channel, not all 0.
        strength: 1 makes all ranges equal, 0 leaves them.

    >>> channel_factors(np.array([1.0, 4.0], np.float32), 1.0)
    array([0.5, 2. ])
    >>> channel_factors(np.array([1.0, 4.0], np.float32), 0.0)
    array([1., 1.])
    """
    bounded = np.maximum(ranges.astype(np.float64), _LEAST_SHARE * float(ranges.max()))
    factors: npt.NDArray[np.float64] = (bounded / np.exp(np.log(bounded).mean())) ** strength
    return factors


def equalize(content: bytes, activations: Mapping[str, Values], strength: float) -> bytes:
    """Return the float TFLite model with its channels equalized; it computes the same.

    Depthwise convolutions, other activations than a rectifier, the input and the logits keep what they have.

    Args:
        content: the float model.
        activations: its values by name, float32 ``(n, ..., channels)``, from `trace`.
        strength: see `channel_factors`.
    """
    model = read_model(content)
    graph = model.subgraphs[0]
    for tied in _tied_values(model):
        ranges = [_channel_ranges(graph.tensors[index], activations, tied.channels(model)) for index in tied.members]
        known = [entry / entry.max() for entry in ranges if entry is not None and entry.max() > 0]
        if known:
            _apply(model, tied, channel_factors(np.max(known, axis=0), strength))
    return write_model(model)


@dataclass
class _Tied:
    """Values that must share their factors, and the layers that write and read them."""

    members: list[int]
    writers: list[Any]
    readers: list[Any]

    def channels(self, model: Any) -> int:
        return int(model.subgraphs[0].tensors[self.writers[0].outputs[0]].shape[-1])


def _tied_values(model: Any) -> list[_Tied]:
    """Group the values of the graph, and keep the groups between weighted layers that nothing else touches."""
    graph = model.subgraphs[0]
    groups = Groups(len(graph.tensors))
    fixed = {*graph.inputs, *graph.outputs}
    for operator in graph.operators:
        kind, touched = operator_name(model, operator), _computed(model, operator)
        homogeneous = getattr(operator.builtinOptions, "fusedActivationFunction", 0) in _POSITIVELY_HOMOGENEOUS
        if kind in _TRANSPARENT and homogeneous:
            for index in touched[1:]:
                groups.join(touched[0], index)
        elif kind not in _WEIGHTED:
            fixed.update(touched)
        elif not homogeneous:
            fixed.update(operator.outputs)
    weighted = [operator for operator in graph.operators if operator_name(model, operator) in _WEIGHTED]
    tied_values = [
        _Tied(
            members,
            writers=[operator for operator in weighted if operator.outputs[0] in members],
            readers=[operator for operator in weighted if operator.inputs[0] in members],
        )
        for members in groups.all()
    ]
    return [tied for tied in tied_values if tied.writers and tied.readers and fixed.isdisjoint(tied.members)]


def _computed(model: Any, operator: Any) -> list[int]:
    """Return the inputs and outputs of an operator that are not constants."""
    graph = model.subgraphs[0]
    inputs = [index for index in operator.inputs if index >= 0]
    return [index for index in inputs if model.buffers[graph.tensors[index].buffer].data is None] + list(
        operator.outputs
    )


def _channel_ranges(tensor: Any, activations: Mapping[str, Values], channels: int) -> Values | None:
    """Return the largest absolute value of every channel, or None where it was not traced."""
    values = activations.get(tensor.name.decode())
    if values is None:
        return None
    # A flattened picture holds its channels innermost, so that this is right for it as well.
    largest: Values = np.abs(values.reshape(-1, channels)).max(axis=0)
    return largest


def _apply(model: Any, tied: _Tied, factors: npt.NDArray[np.float64]) -> None:
    for writer in tied.writers:
        weights = _read(model, writer.inputs[1])
        _write(model, writer.inputs[1], weights / factors.reshape(-1, *[1] * (weights.ndim - 1)))
        if len(writer.inputs) > 2 and writer.inputs[2] >= 0:
            _write(model, writer.inputs[2], _read(model, writer.inputs[2]) / factors)
    for reader in tied.readers:
        weights = _read(model, reader.inputs[1])
        _write(model, reader.inputs[1], weights * np.tile(factors, weights.shape[-1] // len(factors)))


def _read(model: Any, index: int) -> npt.NDArray[np.float64]:
    tensor = model.subgraphs[0].tensors[index]
    numbers = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float32)
    return numbers.astype(np.float64).reshape(tensor.shape)


def _write(model: Any, index: int, numbers: npt.NDArray[np.float64]) -> None:
    tensor = model.subgraphs[0].tensors[index]
    model.buffers[tensor.buffer].data = np.frombuffer(numbers.astype(np.float32).tobytes(), np.uint8)

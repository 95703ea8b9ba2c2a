"""Scales under which sums and means round to the same number in every runtime.

A sum of two int8 tensors is ``round(left * (s_left / s_out) + right * (s_right / s_out))``, and a mean is alike. TFLite
computes it with integers of 20 bits, onnxruntime with floats, on ARM in another order than on x86. They disagree where
the exact result lies within their errors of a half. So the scales are moved by a fraction of a percent to where no
result can lie there: with ``s_left / s_out = p / q`` and ``s_right / s_out = r / q`` every exact result is a multiple
of ``1 / q``, and for odd `q` none is nearer to a half than ``1 / (2 q)``. Convolutions need no such help: their sums
are exact integers, multiplied by the same float.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from .biases import rescale_biases
from .flatbuffer import operator_name, read_model, write_model
from .scales import scales_of, set_scale
from .ties import Ties

_STEPS = 255
"""`q` of a sum: results stay 0.002 away from a half, errors are below 0.0003."""
_MEAN_STEPS = 999
"""Most steps that a mean may have: results stay 0.0005 away from a half, errors are below 0.00005."""


def settle_sums(content: bytes) -> bytes:
    """Return the int8 TFLite model with the scales of its sums and means settled; biases follow.

    The scales of the pixels and of the logits stay what they are, and those of a sum whose inputs are both settled by
    sums before it.
    """
    model = read_model(content)
    graph = model.subgraphs[0]
    before = scales_of(model)
    scales = _Scales(model)
    for operator in graph.operators:
        name = operator_name(model, operator)
        if name == "ADD":
            left, right = operator.inputs
            scales.settle_sum(left, right, operator.outputs[0])
        if name == "MEAN":
            scales.settle_mean(operator.inputs[0], operator.outputs[0])
    rescale_biases(model, before)
    return write_model(model)


def mean_ratio(ratio: float, area: int) -> float:
    """Return the ratio of scales, input to output, nearest to `ratio` under which no mean over `area` is near a half.

    Of 49 values, ``p / 19`` gives multiples of 1/931; of 16, where ties would be common, multiples of 16 cancel them.

    >>> mean_ratio(2.0, 49), mean_ratio(1.0, 16)
    (2.0, 0.992992992992993)
    """
    even = area & -area
    steps = max(1, _MEAN_STEPS // (area // even))
    steps -= 1 - steps % 2
    return max(1, round(ratio * steps / even)) * even / steps


class _Scales:
    """The scales of a model's tensors, and which of them are settled."""

    def __init__(self, model: Any) -> None:
        self._graph = model.subgraphs[0]
        self._constant = {
            index
            for index, tensor in enumerate(self._graph.tensors)
            if model.buffers[tensor.buffer].data is not None and len(model.buffers[tensor.buffer].data)
        }
        self._ties = Ties(model)
        self._settled = set(self._graph.inputs)
        for operator in self._graph.operators:
            name = operator_name(model, operator)
            if name == "QUANTIZE":
                self._settled.update(operator.outputs)
            if name == "DEQUANTIZE":
                self._settled.update(operator.inputs)

    def settle_sum(self, left: int, right: int, out: int) -> None:
        """Settle the scales of one sum."""
        if self._is_settled(out) or not self._are_int8_values((left, right, out)):
            return
        settled = [index for index in {left, right} if self._is_settled(index)]
        if len(settled) == 2:
            return
        scale = self._scale(out)
        if settled:
            (index,) = settled
            scale = self._scale(index) * _STEPS / _multiple(self._scale(index) / scale)
            self._set(out, scale)
        for index in {left, right} - set(settled):
            self._set(index, scale * _multiple(self._scale(index) / scale) / _STEPS)
        self._settle((left, right, out))

    def settle_mean(self, source: int, out: int) -> None:
        """Settle the scales of one mean over height and width."""
        if self._is_settled(out) or not self._are_int8_values((source, out)):
            return
        _, height, width, _ = self._graph.tensors[source].shape
        scale = self._scale(source)
        self._set(out, scale / mean_ratio(scale / self._scale(out), int(height * width)))
        self._settle((source, out))

    def _are_int8_values(self, indices: Iterable[int]) -> bool:
        types = {self._graph.tensors[index].type for index in indices}
        return types == {schema.TensorType.INT8} and not self._constant & set(indices)

    def _is_settled(self, index: int) -> bool:
        return bool(self._ties.of(index) & self._settled)

    def _settle(self, indices: Iterable[int]) -> None:
        self._settled.update(indices)

    def _scale(self, index: int) -> float:
        return float(self._graph.tensors[index].quantization.scale[0])

    def _set(self, index: int, scale: float) -> None:
        """Change the scale of a tensor and of those that must have the same."""
        for member in self._ties.of(index):
            set_scale(self._graph.tensors[member], scale)


def _multiple(ratio: float) -> int:
    return max(1, round(ratio * _STEPS))

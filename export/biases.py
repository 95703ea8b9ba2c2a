"""The biases of quantized layers: whole numbers in units of input scale times weight scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from .flatbuffer import operator_name, read_model, write_model
from .scales import scale_of

_LIMIT = 2**31 - 1
_LARGEST = {schema.TensorType.INT8: 255, schema.TensorType.INT16: 32768}
"""The largest absolute value of an activation, less its zero point."""
_DTYPES: dict[int, Any] = {schema.TensorType.INT32: np.int32, schema.TensorType.INT64: np.int64}
_WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
_NARROWABLE = {"CONV_2D", "FULLY_CONNECTED"}
"""Layers that LiteRT takes an int32 bias for, with int16 activations."""


def read_bias(model: Any, operator: Any) -> npt.NDArray[Any]:
    """Return the bias of a layer that has one, int32 or int64 ``(channels,)``."""
    tensor = model.subgraphs[0].tensors[operator.inputs[2]]
    return np.frombuffer(bytes(model.buffers[tensor.buffer].data), _DTYPES[tensor.type])


def write_bias(model: Any, operator: Any, bias: npt.NDArray[Any]) -> None:
    """Replace the bias of a layer that has one, keeping its type; what does not fit is clipped.

    Such a bias belongs to a layer that always answers the same.
    """
    tensor = model.subgraphs[0].tensors[operator.inputs[2]]
    dtype = _DTYPES[tensor.type]
    most = np.nextafter(float(np.iinfo(dtype).max), 0)  # the largest itself is no float of 64 bits, for int64
    whole = np.round(np.clip(np.nan_to_num(bias), -most, most)).astype(dtype)
    model.buffers[tensor.buffer].data = np.frombuffer(whole.tobytes(), np.uint8)


def rescale_biases(model: Any, before: Mapping[int, float | None]) -> None:
    """Store anew, in place, the biases of all layers whose input had another scale `before`; their values stay."""
    tensors = model.subgraphs[0].tensors
    for operator in model.subgraphs[0].operators:
        old, new = before.get(operator.inputs[0]), scale_of(tensors[operator.inputs[0]])
        if operator_name(model, operator) not in _WEIGHTED or not _has_bias(operator):
            continue
        if old is not None and new is not None and old != new:
            _rescale_bias(model, operator, old, new)


def _rescale_bias(model: Any, operator: Any, old: float, new: float) -> None:
    write_bias(model, operator, read_bias(model, operator) * (old / new))
    quantization = model.subgraphs[0].tensors[operator.inputs[2]].quantization
    quantization.scale = (np.asarray(quantization.scale, np.float64) * (new / old)).astype(np.float32)


def narrow_biases(content: bytes) -> bytes:
    """Store as int32 the int64 biases of layers whose sums fit 32 bits, whatever their input.

    LiteRT then runs those layers in its optimized kernels, and accumulates in 32 bits.
    """
    model = read_model(content)
    for operator in model.subgraphs[0].operators:
        narrowable = operator_name(model, operator) in _NARROWABLE and _is_wide(model, operator)
        if narrowable and largest_sum(model, operator) <= _LIMIT:
            _narrow(model, operator)
    return write_model(model)


def largest_sum(model: Any, operator: Any) -> int:
    """Return a bound on the absolute value that a layer's accumulators reach on the way, for any input.

    Args:
        model: the model.
        operator: a convolution or dense layer with a bias.
    """
    tensors = model.subgraphs[0].tensors
    weights = tensors[operator.inputs[1]]
    values = np.frombuffer(bytes(model.buffers[weights.buffer].data), np.int8)
    rows = np.abs(values.astype(np.int64)).reshape(weights.shape[0], -1)
    sums = rows.sum(axis=1) * _LARGEST[tensors[operator.inputs[0]].type]
    return int((sums + np.abs(read_bias(model, operator))).max())


def _has_bias(operator: Any) -> bool:
    return len(operator.inputs) >= 3 and operator.inputs[2] >= 0


def _is_wide(model: Any, operator: Any) -> bool:
    tensors = model.subgraphs[0].tensors
    return _has_bias(operator) and tensors[operator.inputs[2]].type == schema.TensorType.INT64


def _narrow(model: Any, operator: Any) -> None:
    bias = read_bias(model, operator)
    model.subgraphs[0].tensors[operator.inputs[2]].type = schema.TensorType.INT32
    operator.builtinOptions.quantizedBiasType = schema.TensorType.INT32
    write_bias(model, operator, bias)

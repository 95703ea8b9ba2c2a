"""Weights of sixteen bits out of eight: a small layer computed twice, coarsely and for the remainder, then added.

Rounding a layer's weights to 8 bits costs the same whether it does much arithmetic or little. The first convolution
of the compact network does 1% of it: it has 9 weights to an output, too few for their errors to cancel (with 25, in the
shape where this was measured, half of the error that int8 weights leave came from there). So a layer that does little
is followed by a twin, whose weights are what rounding left over, in steps 254 times finer, and by a sum of both: 16-bit
weights for the price of a small layer.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from .flatbuffer import add_buffer, operator_code

_FINER = 254
"""Steps of the twin's weights to one of the layer's: what is left over reaches from -127 to 127 of them."""
_SHARE = 0.05
"""A layer that does at most this share of the model's multiplications has a twin."""
_ADD_VERSION = 4  # the first with int16 and scales that are no powers of two


def small_layers(model: Any, layers: Mapping[str, Any]) -> set[str]:
    """Return the names of the layers that do little of the arithmetic of all `layers`."""
    graph = model.subgraphs[0]
    counts = {}
    for name, layer in layers.items():
        weights, output = graph.tensors[layer.inputs[1]].shape, graph.tensors[layer.outputs[0]].shape
        counts[name] = int(np.prod(weights)) * int(np.prod(output[1:-1]))
    return {name for name, count in counts.items() if count <= _SHARE * sum(counts.values())}


def add_twin(model: Any, layer: Any) -> Any:
    """Put a twin with weights of 0 and a sum behind an int16x8 layer, in place, and return the twin.

    The layer's activation moves to the sum.
    """
    graph = model.subgraphs[0]
    target = layer.outputs[0]
    twin = copy.deepcopy(layer)
    coarse, fine = _like(model, target, b"/coarse"), _like(model, target, b"/fine")
    twin.inputs = [layer.inputs[0], _stored_like(model, layer.inputs[1]), _stored_like(model, layer.inputs[2])]
    twin.outputs = [fine]
    total = schema.OperatorT()
    total.opcodeIndex = operator_code(model, "ADD", version=_ADD_VERSION)
    total.inputs, total.outputs = [coarse, fine], [target]
    total.builtinOptionsType = schema.BuiltinOptions.AddOptions
    total.builtinOptions = schema.AddOptionsT()
    total.builtinOptions.potScaleInt16 = False
    total.builtinOptions.fusedActivationFunction = layer.builtinOptions.fusedActivationFunction
    for operator in (layer, twin):
        operator.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.NONE
    layer.outputs = [coarse]
    position = graph.operators.index(layer) + 1
    graph.operators[position:position] = [twin, total]
    return twin


def split_weights(rows: npt.NDArray[np.float64], scales: npt.NDArray[np.float64]) -> tuple[Any, Any]:
    """Return whole numbers of steps, and of the 254 times finer steps for what is left; int8, of the shape of `rows`.

    >>> coarse, fine = split_weights(np.array([[1.25, -0.5]]), np.ones(1))
    >>> coarse.tolist(), fine.tolist()
    ([[1, 0]], [[64, -127]])
    """
    steps = rows / scales[:, np.newaxis]
    coarse = np.clip(np.round(steps), -127, 127)
    fine = np.clip(np.round((steps - coarse) * _FINER), -127, 127)
    return coarse.astype(np.int8), fine.astype(np.int8)


def store_twin(model: Any, twin: Any, fine: npt.NDArray[np.int8]) -> None:
    """Give a twin its weights, int8 ``(outputs, inputs)``, and its output the range that they can reach."""
    tensors = model.subgraphs[0].tensors
    source, weights, bias = (tensors[index] for index in twin.inputs)
    model.buffers[weights.buffer].data = np.frombuffer(fine.tobytes(), np.uint8)
    scales = weights.quantization.scale.astype(np.float64)
    reach = float((np.abs(fine.astype(np.float64)).sum(axis=1) * scales).max()) * float(source.quantization.scale[0])
    output = tensors[twin.outputs[0]].quantization
    output.scale = np.array([max(reach, 1e-9)], np.float32)  # times 32767 levels on either side
    bias.quantization.scale = (scales * float(source.quantization.scale[0])).astype(np.float32)


def _like(model: Any, index: int, suffix: bytes) -> int:
    """Add an activation like another, and return its index."""
    graph = model.subgraphs[0]
    tensor = copy.deepcopy(graph.tensors[index])
    tensor.name += suffix
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _stored_like(model: Any, index: int) -> int:
    """Add weights or a bias like others, of 0 and with finer steps, and return their index."""
    added = _like(model, index, b"/fine")
    tensor = model.subgraphs[0].tensors[added]
    tensor.quantization.scale = (tensor.quantization.scale.astype(np.float64) / _FINER).astype(np.float32)
    tensor.buffer = add_buffer(model, bytes(len(model.buffers[tensor.buffer].data)))
    return added

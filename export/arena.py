"""How much memory a TFLite model needs on a microcontroller: the arena of TensorFlow Lite Micro, from the file alone.

The arena holds the activations, planned by their lifetimes, and what the interpreter keeps of every tensor and
operator. The plan is the interpreter's own: the largest buffer first, each at the lowest address that is free while it
lives (tensorflow/lite/micro/memory_planner/greedy_memory_planner.cc). What it keeps is counted in the structures of a
64-bit machine, which are larger than a microcontroller's, and a test holds the sum against the real interpreter. Only
its reference kernels are counted: those of a vendor (CMSIS-NN, ESP-NN) want scratch memory on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from .flatbuffer import read_model

_ALIGNMENT = 16
_SIZES = {
    schema.TensorType.FLOAT32: 4,
    schema.TensorType.INT32: 4,
    schema.TensorType.INT16: 2,
    schema.TensorType.INT8: 1,
    schema.TensorType.UINT8: 1,
    schema.TensorType.BOOL: 1,
    schema.TensorType.INT64: 8,
}
_TENSOR_BYTES = 24
_OPERATOR_BYTES = 64
_STATE_BYTES = 160
"""What an operator's kernel keeps, besides a multiplier and a shift for every output channel."""
_CHANNEL_BYTES = 8
_FIXED_BYTES = 1_280
_PLANNING_BYTES = 72
"""For every tensor, while the plan is made; before the activations take the same place."""


@dataclass(frozen=True)
class Buffer:
    """An activation.

    Attributes:
        size_bytes: rounded up to the alignment.
        first: position of the operator that writes it; -1 for the input.
        last: position of the last operator that reads it.
    """

    size_bytes: int
    first: int
    last: int


def arena_bytes(content: bytes) -> int:
    """Return an arena that is enough for the TFLite model `content`, in bytes, a multiple of 16."""
    model = read_model(content)
    graph = model.subgraphs[0]
    planning = _PLANNING_BYTES * len(graph.tensors)
    kept = _TENSOR_BYTES * len(graph.tensors) + (_OPERATOR_BYTES + _STATE_BYTES) * len(graph.operators)
    channels = sum(len(_scales(graph.tensors[operator.inputs[1]])) for operator in _weighted(graph, model))
    return _aligned(max(plan(buffers(model)), planning) + kept + _CHANNEL_BYTES * channels + _FIXED_BYTES)


def buffers(model: Any) -> list[Buffer]:
    """Return the activations of a model, which are all tensors that the file holds no values of."""
    graph = model.subgraphs[0]
    first = dict.fromkeys(graph.inputs, -1)
    last = dict.fromkeys(graph.inputs, -1)
    for position, operator in enumerate(graph.operators):
        first |= dict.fromkeys(operator.outputs, position)
        last |= dict.fromkeys([*operator.outputs, *(index for index in operator.inputs if index in first)], position)
    last |= dict.fromkeys(graph.outputs, len(graph.operators))
    tensors = sorted(first, reverse=True)  # of buffers of one size, the planner begins with the last
    return [Buffer(_size(graph.tensors[index]), first[index], last[index]) for index in tensors]


def plan(activations: list[Buffer]) -> int:
    """Return how many bytes hold all `activations`, those that never live together in one place.

    >>> plan([Buffer(64, 0, 1), Buffer(32, 1, 2), Buffer(64, 2, 3)])
    96
    """
    placed: list[tuple[int, Buffer]] = []
    for buffer in sorted(activations, key=lambda entry: -entry.size_bytes):
        start = 0
        for begin, other in sorted(placed, key=lambda entry: entry[0]):
            together = buffer.first <= other.last and other.first <= buffer.last
            if together and begin < start + buffer.size_bytes:
                start = max(start, begin + other.size_bytes)
        placed.append((start, buffer))
    return max((start + buffer.size_bytes for start, buffer in placed), default=0)


def _weighted(graph: Any, model: Any) -> list[Any]:
    stored = [model.buffers[tensor.buffer].data is not None for tensor in graph.tensors]
    return [operator for operator in graph.operators if len(operator.inputs) > 1 and stored[operator.inputs[1]]]


def _scales(tensor: Any) -> list[float]:
    quantization = tensor.quantization
    return [] if quantization is None or quantization.scale is None else list(quantization.scale)


def _size(tensor: Any) -> int:
    return _aligned(int(np.prod(tensor.shape)) * _SIZES[tensor.type])


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // _ALIGNMENT) * _ALIGNMENT

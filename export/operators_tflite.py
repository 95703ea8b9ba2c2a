"""The operators of a TFLite file as LiteRT executes them: those of the flatbuffer, and who takes them.

LiteRT does not change operators; it hands groups of them to the XNNPACK delegate. Which ones, the interpreter lists
behind the flatbuffer's own operators.
"""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ..runtime.runner import open_interpreter
from .flatbuffer import operator_name, read_model
from .operators import Execution, LayerKind, Operator, Port, arithmetic_of, count_macs

_DELEGATED, _BUILT_IN = "XNNPACK", "built-in"
_UNTOLD = "this LiteRT does not tell which operators its XNNPACK delegate takes"


@dataclass(frozen=True)
class _Layer:
    """Where a convolution or dense layer has its picture, weights and biases.

    Attributes:
        kind: which of the two.
        channels: axis of the weights that counts the output channels; of a transposed convolution, the input channels;
            None where it is not known.
        source: position of the input.
        bias: position of the biases; None where it has none.
        transposed: whether its input is spread instead of its output gathered.
    """

    kind: LayerKind
    channels: int | None
    source: int = 0
    bias: int | None = 2
    transposed: bool = False


_WEIGHTS = 1  # in every layer
_LAYERS: Mapping[str, _Layer] = {
    "CONV_2D": _Layer("convolution", channels=0),
    "DEPTHWISE_CONV_2D": _Layer("convolution", channels=3),
    "TRANSPOSE_CONV": _Layer("convolution", channels=3, source=2, bias=3, transposed=True),
    "CONV_3D": _Layer("convolution", channels=4),
    "FULLY_CONNECTED": _Layer("dense", channels=0),
    "BATCH_MATMUL": _Layer("dense", channels=-1, bias=None),
}
_LIKE_A_LAYER = re.compile(r"(CONV_|CONVOLUTION)|FULLY_CONNECTED|MATMUL|DOT_GENERAL")
"""Operators that are layers, too, whatever they are called: none shall pass for something else."""
_WITH_PARAMETERS = {"ADD", "SUB", "MUL", "DIV", "PRELU", "GATHER"}
"""Other operators whose constants are trained numbers."""


def read_tflite(path: Path) -> Execution:
    """Let LiteRT load the model at `path`, and read what it executes.

    Raises:
        EdgeError: LiteRT is not installed, or cannot run the model.
    """
    interpreter = open_interpreter(path, 1)
    model = read_model(path.read_bytes())
    reader = _Reader(model)
    delegated = _delegated(interpreter, model)
    notes = [_UNTOLD] if delegated is None else []
    if len(model.subgraphs) > 1:
        notes.append(f"what runs inside {len(model.subgraphs) - 1} more subgraphs is not listed")
    return Execution(
        runtime=f"LiteRT {version('ai-edge-litert')} on this machine ({platform.machine()})",
        operators=tuple(reader.operators(delegated)),
        inputs=tuple(_port(entry) for entry in interpreter.get_input_details()),
        outputs=tuple(_port(entry) for entry in interpreter.get_output_details()),
        notes=tuple(notes),
    )


def _delegated(interpreter: Any, model: Any) -> set[int] | None:
    """Return the positions of the operators that a delegate takes, or None where the interpreter does not tell.

    It lists the flatbuffer's operators and, behind them, one ``DELEGATE`` for each group taken, with the group's inputs
    and outputs: what is computed between the two belongs to the group.
    """
    operators = model.subgraphs[0].operators
    details = interpreter._get_ops_details() if hasattr(interpreter, "_get_ops_details") else []
    if [entry["op_name"] for entry in details[: len(operators)]] != [operator_name(model, op) for op in operators]:
        return None
    producers = {index: position for position, op in enumerate(operators) for index in _indices(op.outputs)}
    taken: set[int] = set()
    for group in details[len(operators) :]:
        outside = set(np.asarray(group["inputs"]).tolist())
        pending = np.asarray(group["outputs"]).tolist()
        while pending:
            position = producers.get(pending.pop())
            if position is not None and position not in taken:
                taken.add(position)
                pending += [index for index in _indices(operators[position].inputs) if index not in outside]
    return taken


class _Reader:
    """Turns the operators of a flatbuffer's first graph into ours."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._graph = model.subgraphs[0]
        self._producers = {index: op for op in self._graph.operators for index in _indices(op.outputs)}
        self._computed = set(_indices(self._graph.inputs))

    def operators(self, delegated: set[int] | None) -> list[Operator]:
        """Return the operators in order; `delegated` holds the positions that XNNPACK takes, None if unknown."""
        found = []
        for position, op in enumerate(self._graph.operators):  # each stands behind those that it takes values from
            kernel = "" if delegated is None else _DELEGATED if position in delegated else _BUILT_IN
            found.append(self._operator(op, kernel))
            if self._taken(op, None):
                self._computed.update(_indices(op.outputs))
        return found

    def _operator(self, op: Any, kernel: str) -> Operator:
        kind = operator_name(self._model, op)
        layer = _layer_of(kind)
        weights = int(op.inputs[_WEIGHTS]) if layer else -1
        stored = self._stored(weights) if layer else None
        given = [self._type(index) for index in _indices(op.outputs)]
        output = next(iter(_indices(op.outputs)), -1)
        taken = [self._type(index) for index in self._taken(op, layer)]
        return Operator(
            kind=kind,
            name=self._name(output) if given else "",
            kernel=kernel,
            layer=layer.kind if layer else None,
            arithmetic=arithmetic_of(taken, given, self._type(weights) if layer else None),
            input_type=taken[0] if taken else None,
            weights=None if stored is None else self._type(stored),
            output_type=given[0] if given else "none",
            output_shape=self._shape(output) if given else (),
            parameters=self._parameters(op, kind, layer, stored),
            macs=self._macs(op, layer, weights) if layer else 0,
        )

    def _taken(self, op: Any, layer: _Layer | None) -> list[int]:
        """Return the inputs that are computed from the picture; of a layer, the picture before its weights."""
        inputs = _indices(op.inputs)
        first = inputs[layer.source : layer.source + 1] if layer else []
        return [index for index in [*first, *inputs] if index in self._computed]

    def _tensor(self, index: int) -> Any:
        return self._graph.tensors[index]

    def _name(self, index: int) -> str:
        name = self._tensor(index).name
        return str(name.decode(errors="replace") if isinstance(name, bytes) else name).split(";")[0]

    def _type(self, index: int) -> str:
        """Name the type of a tensor.

        The schema numbers types; its names are the usual ones in capitals.
        """
        number = self._tensor(index).type
        return next(
            (str(name) for name, value in vars(schema.TensorType).items() if value == number), "unknown"
        ).lower()

    def _shape(self, index: int) -> tuple[int, ...]:
        shape = self._tensor(index).shape
        return () if shape is None else tuple(int(side) for side in shape)

    def _stored(self, index: int) -> int | None:
        """Return the constant behind a tensor: itself, or what is dequantized to it; None where it is computed."""
        producer = self._producers.get(index)
        if producer is None:
            return index if index >= 0 and index not in self._computed else None
        return self._stored(int(producer.inputs[0])) if operator_name(self._model, producer) == "DEQUANTIZE" else None

    def _parameters(self, op: Any, kind: str, layer: _Layer | None, stored: int | None) -> int:
        if layer is None:
            others = [index for index in _indices(op.inputs) if index >= 0 and index not in self._computed]
            counts = [math.prod(self._shape(index)) for index in others]
            return sum(count for count in counts if count > 1) if kind in _WITH_PARAMETERS else 0
        has_bias = layer.bias is not None and layer.bias < len(op.inputs)
        bias = self._stored(int(op.inputs[layer.bias])) if has_bias else None
        return sum(math.prod(self._shape(index)) for index in (stored, bias) if index is not None)

    def _macs(self, op: Any, layer: _Layer, weights: int) -> int | None:
        shape = self._shape(weights)
        if len(shape) < 2 or layer.channels is None:
            return None
        if layer.channels < 0:  # the weights are computed, too: a matrix for each of the batch
            shape = shape[-2:]
        counted = self._shape(int(op.inputs[layer.source] if layer.transposed else op.outputs[0]))
        return count_macs(counted, math.prod(shape), counted[-1] if layer.channels < 0 else shape[layer.channels])


def _indices(indices: Sequence[int] | None) -> list[int]:
    """Return the tensors that an operator takes or gives; the schema has None for a list without any."""
    return [] if indices is None else [int(index) for index in indices]


def _layer_of(kind: str) -> _Layer | None:
    """Return where a convolution or dense layer has its inputs; None is another operator.

    >>> _layer_of("RELU") is None, _layer_of("STABLEHLO_CONVERT") is None, _layer_of("STABLEHLO_CONVOLUTION").kind
    (True, True, 'convolution')
    """
    like = _LIKE_A_LAYER.search(kind)
    unknown = _Layer("convolution" if like and like[1] else "dense", channels=None, bias=None) if like else None
    return _LAYERS.get(kind, unknown)


def _port(entry: Mapping[str, Any]) -> Port:
    sides: Sequence[int] = entry["shape_signature"].tolist()
    return Port(entry["name"], np.dtype(entry["dtype"]).name, tuple("?" if side < 0 else side for side in sides))

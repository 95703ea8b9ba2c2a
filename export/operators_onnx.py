"""The operators of an ONNX file as onnxruntime executes them on this machine: those of the graph that it optimized.

onnxruntime fuses, replaces and moves operators when it loads a model, and which ones depends on the processor. So the
graph is taken from it (``optimized_model_filepath``), with the options that the models run with; and types and shapes
are those that it computes with, observed by making every value an output
(https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html).
"""

from __future__ import annotations

import math
import platform
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime

from ..runtime.runner import open_session, session_options
from .operators import Execution, LayerKind, Operator, Port, Shape, arithmetic_of, count_macs

_GRAPH, _WEIGHTS, _OBSERVED = "optimized.onnx", "weights.bin", "observed.onnx"
_LARGE_BYTES = "1024"
"""Weights of more bytes are written beside the graph, where reading its operators need not read them, too."""


@dataclass(frozen=True)
class _Layer:
    """Where a convolution or dense layer has its weights and biases, and how the weights are laid out."""

    kind: LayerKind
    layout: Literal["out first", "in first", "matrix", "packed", "unknown"]
    weights: int
    bias: int | None


_CONVOLUTION = _Layer("convolution", "out first", 1, 2)
_DENSE = _Layer("dense", "matrix", 1, 2)
# Inputs: https://onnx.ai/onnx/operators and github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
_LAYERS: Mapping[str, _Layer] = {
    **dict.fromkeys(("Conv", "FusedConv", "NhwcConv", "NhwcFusedConv"), _CONVOLUTION),
    "ConvTranspose": _Layer("convolution", "in first", 1, 2),
    "ConvInteger": _Layer("convolution", "out first", 1, None),
    "QLinearConv": _Layer("convolution", "out first", 3, 8),
    **dict.fromkeys(("Gemm", "FusedGemm"), _DENSE),
    **dict.fromkeys(("MatMul", "FusedMatMul", "MatMulInteger"), _Layer("dense", "matrix", 1, None)),
    "MatMulIntegerToFloat": _Layer("dense", "matrix", 1, 6),
    "DynamicQuantizeMatMul": _Layer("dense", "matrix", 1, 4),
    "QLinearMatMul": _Layer("dense", "matrix", 3, None),
    "QGemm": _Layer("dense", "matrix", 3, 6),
    "MatMulNBits": _Layer("dense", "packed", 1, 5),
}
_WITH_PARAMETERS = {"Add", "Sub", "Mul", "Div", "PRelu", "BatchNormalization", "LayerNormalization", "Gather"}
"""Other operators whose constants are trained numbers."""
_LIKE_A_LAYER = re.compile(r"(Conv(?!ert))|Gemm|MatMul")
"""Operators that are layers, too, whatever they will be called: none shall pass for something else."""
_TYPES = {"float": "float32", "double": "float64"}


@dataclass(frozen=True)
class _Value:
    """Type and shape of a value or constant."""

    dtype: str
    shape: Shape

    @property
    def count(self) -> int:
        return math.prod(side or 0 for side in self.shape)


def read_onnx(path: Path) -> Execution:
    """Let onnxruntime load and optimize the model at `path`, and read what came of it.

    Raises:
        EdgeError: onnxruntime cannot load the file.
    """
    with tempfile.TemporaryDirectory(prefix="fmnist-edge-") as name:
        folder = Path(name)
        session = open_session(path, _optimizing_options(folder))
        model = onnx.load(folder / _GRAPH, load_external_data=False)
        values = _observe(model, folder)
    notes = [f"what runs inside {node.op_type} is not listed" for node in model.graph.node if _has_subgraph(node)]
    return Execution(
        runtime=f"onnxruntime {onnxruntime.__version__} on this machine ({platform.machine()})",
        operators=tuple(_Reader(model, values).operators()),
        inputs=tuple(_port(entry) for entry in session.get_inputs()),
        outputs=tuple(_port(entry) for entry in session.get_outputs()),
        notes=tuple(notes),
    )


def _optimizing_options(folder: Path) -> onnxruntime.SessionOptions:
    options = session_options(1)
    options.optimized_model_filepath = str(folder / _GRAPH)
    entries = {"file_name": _WEIGHTS, "min_size_in_bytes": _LARGE_BYTES}
    for key, value in entries.items():
        options.add_session_config_entry(f"session.optimized_model_external_initializers_{key}", value)
    return options


def _observe(model: Any, folder: Path) -> dict[str, _Value]:
    """Return type and shape of every value that the optimized graph computes from one picture.

    Without free sides but the batch, the graph is run, because onnxruntime cannot infer every shape; on ones, by which
    integers may be divided.
    """
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    names = [name for node in probe.graph.node for name in node.output if name]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    fixed = [_fix_batch(entry) for entry in probe.graph.input]
    (folder / _OBSERVED).write_bytes(probe.SerializeToString())
    options = session_options(1)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = open_session(folder / _OBSERVED, options)
    found = {entry.name: _Value(_type_name(entry.type), _sides(entry.shape)) for entry in session.get_outputs()}
    shapes = _run_on_ones(session, probe) if all(fixed) else {}
    inputs = {entry.name: _Value(_type_name(entry.type), _sides(entry.shape)) for entry in session.get_inputs()}
    return inputs | {name: _Value(value.dtype, shapes.get(name, value.shape)) for name, value in found.items()}


def _fix_batch(entry: Any) -> bool:
    """Set a free first side of an input to 1; return whether all sides are fixed then."""
    sides = entry.type.tensor_type.shape.dim
    if len(sides) and not sides[0].HasField("dim_value"):
        sides[0].dim_value = 1
    return all(side.HasField("dim_value") for side in sides)


def _run_on_ones(session: onnxruntime.InferenceSession, model: Any) -> dict[str, Shape]:
    kinds = {entry.name: entry.type.tensor_type.elem_type for entry in model.graph.input}
    names = [entry.name for entry in session.get_outputs()]
    try:
        ones = {
            entry.name: np.ones(entry.shape, onnx.helper.tensor_dtype_to_np_dtype(kinds[entry.name]))
            for entry in session.get_inputs()
        }
        return {name: tuple(np.shape(value)) for name, value in zip(names, session.run(names, ones), strict=True)}
    except Exception:  # whatever another's graph makes of ones; the shapes that could be inferred remain
        return {}


class _Reader:
    """Turns the nodes of an optimized graph into operators."""

    def __init__(self, model: Any, values: Mapping[str, _Value]) -> None:
        self._nodes = list(model.graph.node)
        self._constants = {
            entry.name: _Value(_element_name(entry.data_type), tuple(entry.dims)) for entry in model.graph.initializer
        }
        self._values = values
        self._producers = {name: node for node in self._nodes for name in node.output}
        self._computed = {entry.name for entry in model.graph.input} - set(self._constants)

    def operators(self) -> list[Operator]:
        """Return the operators in the order of their execution."""
        found = []
        for node in self._nodes:  # each node stands behind those that it takes values from
            found.append(self._operator(node))
            if self._taken(node):
                self._computed.update(node.output)
        return found

    def _operator(self, node: Any) -> Operator:
        layer = _layer_of(node.op_type)
        weights = self._at(node, layer.weights) if layer else ""
        stored = self._stored(weights)
        taken = [self._seen(name).dtype for name in self._taken(node)]
        given = [self._seen(name).dtype for name in node.output if name]
        output = self._seen(node.output[0])
        return Operator(
            kind=node.op_type,
            name=node.name or node.output[0],
            kernel=node.domain or "onnx",
            layer=layer.kind if layer else None,
            arithmetic=arithmetic_of(taken, given, self._seen(weights).dtype if layer else None),
            input_type=taken[0] if taken else None,
            weights=stored.dtype if stored else None,
            output_type=output.dtype,
            output_shape=output.shape,
            parameters=self._parameters(node, layer, stored),
            macs=self._macs(node, layer, output) if layer else 0,
        )

    def _taken(self, node: Any) -> list[str]:
        return [name for name in node.input if name in self._computed]

    def _seen(self, name: str) -> _Value:
        """Return type and shape as the kernel sees them."""
        return self._constants.get(name) or self._values.get(name) or _Value("unknown", (None,))

    def _stored(self, name: str) -> _Value | None:
        """Return type and shape of the constant behind a value: itself, or what is dequantized to it."""
        producer = self._producers.get(name)
        if producer is not None and producer.op_type in {"DequantizeLinear", "Cast"}:
            return self._stored(producer.input[0])
        return self._constants.get(name)

    def _parameters(self, node: Any, layer: _Layer | None, stored: _Value | None) -> int:
        if layer is None:
            constants = [self._constants[name] for name in node.input if name in self._constants]
            trained = [value.count for value in constants if "float" in value.dtype and value.count > 1]
            return sum(trained) if node.op_type in _WITH_PARAMETERS else 0
        bias = self._stored(self._at(node, layer.bias)) if layer.bias is not None else None
        biases = bias.count if bias else 0
        if layer.layout == "packed":
            return _attribute(node, "K") * _attribute(node, "N") + biases
        return (stored.count if stored else 0) + biases

    def _macs(self, node: Any, layer: _Layer, output: _Value) -> int | None:
        if layer.layout == "packed":
            return count_macs(output.shape, _attribute(node, "K"), 1)
        weights = self._seen(self._at(node, layer.weights)).shape
        sides = [side for side in weights if side is not None]
        if len(sides) < max(len(weights), 2) or layer.layout == "unknown":
            return None
        if layer.layout == "matrix":
            return count_macs(output.shape, math.prod(sides[-2:]), output.shape[-1] or 0)
        position = node.input[0] if layer.layout == "in first" else node.output[0]
        return count_macs(self._seen(position).shape, math.prod(sides), sides[0])

    @staticmethod
    def _at(node: Any, position: int) -> str:
        return str(node.input[position]) if position < len(node.input) else ""


def _layer_of(kind: str) -> _Layer | None:
    """Return how the weights of a convolution or dense layer are found; None is another operator.

    >>> _layer_of("Relu") is None, _layer_of("FusedMatMulOfTomorrow")
    (True, _Layer(kind='dense', layout='unknown', weights=1, bias=None))
    """
    like = _LIKE_A_LAYER.search(kind)
    unknown = _Layer("convolution" if like and like[1] else "dense", "unknown", 1, None) if like else None
    return _LAYERS.get(kind, unknown)


def _attribute(node: Any, name: str) -> int:
    return next((int(entry.i) for entry in node.attribute if entry.name == name), 0)


def _has_subgraph(node: Any) -> bool:
    return any(entry.type in {onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS} for entry in node.attribute)


def _port(entry: Any) -> Port:
    shape = tuple(side if isinstance(side, int) else side or "?" for side in entry.shape)
    return Port(entry.name, _type_name(entry.type), shape)


def _sides(shape: Sequence[object]) -> Shape:
    return tuple(side if isinstance(side, int) else None for side in shape)


def _type_name(text: str) -> str:
    """Shorten onnxruntime's name of a type.

    >>> _type_name("tensor(float)"), _type_name("tensor(uint8)"), _type_name("seq(int64)")
    ('float32', 'uint8', 'seq(int64)')
    """
    name = text.removeprefix("tensor(").removesuffix(")") if text.startswith("tensor(") else text
    return _TYPES.get(name, name)


def _element_name(number: int) -> str:
    """Name an element type of ONNX.

    >>> _element_name(onnx.TensorProto.FLOAT), _element_name(onnx.TensorProto.INT8)
    ('float32', 'int8')
    """
    name = str(onnx.TensorProto.DataType.Name(number)).lower()
    return _TYPES.get(name, name)

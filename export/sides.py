"""Both sides of a picture, in a file: the picture and its mirror image pass through the graph as a batch of two.

A network of `train.sides` is converted one-sided, and what its mirror image takes is put around the finished graph: an
operator that mirrors and one that joins in front, one that takes the mean behind. They are exact, so nothing of what
was calibrated, rounded or audited changes. The file grows by some hundred bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import helper, numpy_helper

from .flatbuffer import add_buffer, operator_code, operator_name, read_model, write_model
from .onnx_file import serialize
from .pixels import INPUT, OUTPUT
from .recipe import Format

_WIDTH = 2
"""The axis of a picture ``(n, 28, 28)`` that mirroring turns round."""
_BOTH = "both"


def both_sides(content: bytes, kind: Format) -> bytes:
    """Put both sides around a graph that takes one picture.

    Args:
        content: of uint8 pixels ``(n, 28, 28)``, in TFLite ``(1, 28, 28)``, to float32 ``(n, classes)``.
        kind: the format; C source is made of TFLite.
    """
    return _onnx(content) if kind == "onnx" else _tflite(content)


def _onnx(content: bytes) -> bytes:
    model = onnx.load_from_string(content)
    graph = model.graph
    classes = graph.output[0].type.tensor_type.shape.dim[1].dim_value
    joined, answers, mirrored, paired = f"{INPUT}.{_BOTH}", f"{OUTPUT}.{_BOTH}", f"{INPUT}.mirrored", f"{OUTPUT}.paired"
    for node in graph.node:
        _rename(node.input, INPUT, joined)
        _rename(node.input, OUTPUT, answers)
        _rename(node.output, OUTPUT, answers)
    constants = {
        "mirror.from": np.array([-1]),
        "mirror.to": np.array([np.iinfo(np.int64).min]),
        "mirror.axis": np.array([_WIDTH]),
        "mirror.step": np.array([-1]),
        "mirror.pairs": np.array([2, -1, classes]),
    }
    before = [
        helper.make_node("Slice", [INPUT, *list(constants)[:4]], [mirrored], mirrored),
        helper.make_node("Concat", [INPUT, mirrored], [joined], joined, axis=0),
    ]
    behind = [
        helper.make_node("Reshape", [answers, "mirror.pairs"], [paired], paired),
        helper.make_node("ReduceMean", [paired], [OUTPUT], OUTPUT, axes=[0], keepdims=0),
    ]
    nodes = [*before, *graph.node, *behind]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(array.astype(np.int64), name) for name, array in constants.items())
    del graph.value_info[:]  # they tell of batches of one side
    return serialize(model)


def _rename(names: Any, old: str, new: str) -> None:
    for position, name in enumerate(names):
        if name == old:
            names[position] = new


def _tflite(content: bytes) -> bytes:
    model = read_model(content)
    _double_batch(model)
    graph = model.subgraphs[0]
    builder = _Builder(model)
    pixels, probabilities = int(graph.inputs[0]), int(graph.outputs[0])
    _, *sides = graph.tensors[pixels].shape.tolist()
    mirrored = builder.tensor_like(pixels, f"{INPUT}.mirrored", [1, *sides])
    joined = builder.tensor_like(pixels, f"{INPUT}.{_BOTH}", [2, *sides])
    mean = builder.tensor_like(probabilities, OUTPUT, [1, *graph.tensors[probabilities].shape.tolist()[1:]])
    for operator in graph.operators:
        operator.inputs = np.where(np.asarray(operator.inputs) == pixels, joined, operator.inputs).astype(np.int32)
    reverse = builder.operator(
        "REVERSE_V2", [pixels, builder.axis("mirror.axis", _WIDTH)], mirrored, schema.ReverseV2OptionsT()
    )
    join = builder.operator("CONCATENATION", [pixels, mirrored], joined, schema.ConcatenationOptionsT())
    join.builtinOptions.axis = 0
    reduce = builder.operator("MEAN", [probabilities, builder.axis("mirror.batch", 0)], mean, schema.ReducerOptionsT())
    reduce.builtinOptions.keepDims = True
    graph.operators = [reverse, join, *graph.operators, reduce]
    graph.outputs = np.array([mean], np.int32)
    return write_model(model)


def _double_batch(model: Any) -> None:
    """Say of every value that is computed from the picture that there are two of it."""
    graph = model.subgraphs[0]
    computed = set(graph.inputs.tolist())
    for operator in graph.operators:
        if computed.isdisjoint(np.asarray(operator.inputs).tolist()):
            continue
        for index in operator.outputs.tolist():
            graph.tensors[index].shape = np.array([2, *graph.tensors[index].shape.tolist()[1:]], np.int32)
            computed.add(index)
        if operator_name(model, operator) == "RESHAPE":
            _free_batch(model, operator)


def _free_batch(model: Any, reshape: Any) -> None:
    """Leave the batch free in a reshape to one picture."""
    buffer = model.buffers[model.subgraphs[0].tensors[int(reshape.inputs[1])].buffer]
    sides = np.frombuffer(bytes(buffer.data), np.int32).copy()
    if sides[0] == 1:
        sides[0] = -1
        buffer.data = np.frombuffer(sides.tobytes(), np.uint8)
    if reshape.builtinOptions is not None and reshape.builtinOptions.newShape is not None:
        reshape.builtinOptions = None
        reshape.builtinOptionsType = schema.BuiltinOptions.NONE


class _Builder:
    """Adds tensors and operators to a model's first graph."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._graph = model.subgraphs[0]

    def tensor_like(self, index: int, name: str, shape: list[int]) -> int:
        """Add a computed tensor of the type and quantization of another."""
        like = self._graph.tensors[index]
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), np.array(shape, np.int32), like.type
        tensor.quantization = like.quantization
        return self._add(tensor)

    def axis(self, name: str, value: int) -> int:
        """Add the constant of an axis."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), np.array([1], np.int32), schema.TensorType.INT32
        tensor.buffer = add_buffer(self._model, np.array([value], np.int32).tobytes())
        return self._add(tensor)

    def operator(self, kind: str, inputs: list[int], output: int, options: Any) -> Any:
        """Make an operator; where it belongs in the graph is for the caller to say."""
        operator = schema.OperatorT()
        operator.opcodeIndex = operator_code(self._model, kind)
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        operator.builtinOptions = options
        name = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        return operator

    def _add(self, tensor: Any) -> int:
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

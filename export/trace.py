"""Run a TFLite model: its answers, or every value that it computes on the way."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from ..common.quiet import quiet_standard_error
from .flatbuffer import operator_name, read_model

_AT_ONCE = 32
"""Images a call, where the graph allows it."""
_COMPUTING = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "MEAN"}


def layer_names(content: bytes) -> list[str]:
    """Return the names of the values that convolutions, dense layers, sums and means compute, without the logits."""
    model = read_model(content)
    graph = model.subgraphs[0]
    outputs = [op.outputs[0] for op in graph.operators if operator_name(model, op) in _COMPUTING]
    logits = {op.inputs[0] for op in graph.operators if operator_name(model, op) == "DEQUANTIZE"}
    return [graph.tensors[index].name.decode() for index in outputs if index not in logits]


def infer(content: bytes, images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the model's answers to `images`, float32 ``(n, classes)``; those of its kernels for one image a call.

    Many images a call take a large dense layer a fraction of the time, because its weights are read once for all of
    them. Not every graph can be run so, and some answer with something else, so it is tried.
    """
    single = _open(content)
    whole = len(images) // _AT_ONCE * _AT_ONCE
    many = _open_for_many(content, single, images[:_AT_ONCE]) if whole else None
    if many is None:
        return _answers(single, images, 1)
    parts = [_answers(many, images[:whole], _AT_ONCE)]
    return np.concatenate(parts + ([_answers(single, images[whole:], 1)] if whole < len(images) else []))


def trace(content: bytes, images: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.float32]]:
    """Return every activation by its name, as real numbers, float32 ``(n, ...)``; what was fused away is left out."""
    interpreter = _open(content, keep_values=True)
    source = interpreter.get_input_details()[0]["index"]
    activations = [entry for entry in interpreter.get_tensor_details() if tuple(entry["shape"][:1]) == (1,)]
    values: dict[str, list[npt.NDArray[np.float32]]] = {}
    for image in images:
        interpreter.set_tensor(source, image[np.newaxis])
        interpreter.invoke()
        for entry in activations:
            value = _real_values(interpreter, entry)
            if value is not None:
                values.setdefault(entry["name"], []).append(value)
    return {name: np.concatenate(parts) for name, parts in values.items()}


def _open_for_many(content: bytes, single: Any, sample: npt.NDArray[Any]) -> Any | None:
    """Return an interpreter for as many images a call as `sample` has, if it answers to them as `single` does."""
    interpreter = _open(content)
    details = interpreter.get_input_details()[0]
    try:
        with quiet_standard_error():
            interpreter.resize_tensor_input(details["index"], [len(sample), *details["shape"][1:]])
            interpreter.allocate_tensors()
    except RuntimeError:  # a shape in the graph is for one image
        return None
    if interpreter.get_output_details()[0]["shape"][0] != len(sample):
        return None
    same = np.array_equal(_answers(interpreter, sample, len(sample)), _answers(single, sample, 1))
    return interpreter if same else None


def _answers(interpreter: Any, images: npt.NDArray[Any], at_once: int) -> npt.NDArray[Any]:
    """Return the answers to a whole number of batches."""
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    answers = []
    for start in range(0, len(images), at_once):
        interpreter.set_tensor(source, images[start : start + at_once])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(target))
    return np.concatenate(answers)


def _open(content: bytes, *, keep_values: bool = False) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with quiet_standard_error(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that keeping all values takes memory, which is what is wanted
        interpreter = Interpreter(model_content=content, experimental_preserve_all_tensors=keep_values)
        try:
            interpreter.allocate_tensors()
        except RuntimeError as error:
            hint = f"look at {_finest_layer(content)}, train the model again, or export it with --float32"
            raise EdgeError("LiteRT cannot run the converted model", got=str(error), hint=hint) from error
    return interpreter


def _finest_layer(content: bytes) -> str:
    """Name the layer whose output changes least, which is what makes steps too small to compute with."""
    model = read_model(content)
    graph = model.subgraphs[0]
    outputs = [graph.tensors[operator.outputs[0]] for operator in graph.operators]
    steps = {
        tensor.name.decode().split(";")[0]: float(tensor.quantization.scale[0])
        for tensor in outputs
        if tensor.quantization is not None and tensor.quantization.scale is not None
    }
    return min(steps, key=lambda name: steps[name], default="the layers")


def _real_values(interpreter: Any, entry: dict[str, Any]) -> npt.NDArray[np.float32] | None:
    try:
        value: npt.NDArray[np.float32] = interpreter.get_tensor(entry["index"]).astype(np.float32)
    except ValueError:  # a value that the runtime fused away
        return None
    scale, zero_point = entry["quantization"]
    return (value - zero_point) * np.float32(scale) if scale else value

"""Run a TFLite model image by image: its answers, or every value that it computes on the way."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from ..common.quiet import quiet_standard_error
from .flatbuffer import operator_name, read_model

_COMPUTING = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "MEAN"}


def layer_names(content: bytes) -> list[str]:
    """Return the names of the values that convolutions, dense layers, sums and means compute, without the logits."""
    model = read_model(content)
    graph = model.subgraphs[0]
    outputs = [op.outputs[0] for op in graph.operators if operator_name(model, op) in _COMPUTING]
    logits = {op.inputs[0] for op in graph.operators if operator_name(model, op) == "DEQUANTIZE"}
    return [graph.tensors[index].name.decode() for index in outputs if index not in logits]


def infer(content: bytes, images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the model's answers to `images`, float32 ``(n, classes)``."""
    interpreter = _open(content, keep_values=False)
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    answers = []
    for image in images:
        interpreter.set_tensor(source, image[np.newaxis])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(target))
    return np.concatenate(answers)


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


def _open(content: bytes, *, keep_values: bool) -> Any:
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

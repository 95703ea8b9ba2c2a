"""How far the int8 network strays from the float one, layer by layer: where to look when too much was lost."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from ..common.quiet import quiet_standard_error
from .flatbuffer import operator_name, read_model

_FLOOR = 1e-12  # of the mean squared error, so that an exact layer has a finite ratio


@dataclass(frozen=True)
class LayerError:
    """The quantization error of one layer's output.

    Attributes:
        layer: its name in the graph.
        sqnr_db: signal to quantization noise ratio in decibels, ``10 log10(mean(x^2) / mean((x - q(x))^2))``; all
            error of the layers before is in it.
    """

    layer: str
    sqnr_db: float


def layer_errors(
    float_content: bytes, int8_content: bytes, pixels: npt.NDArray[np.uint8], scaled: npt.NDArray[np.float32]
) -> list[LayerError]:
    """Compare every layer that both models have, worst first.

    The logits are left out: their range is narrow on purpose (see `logits`).

    Args:
        float_content: the network as float TFLite, which takes scaled pixels.
        int8_content: the network as int8 TFLite, which takes raw pixels.
        pixels: uint8 ``(n, 28, 28)``.
        scaled: the same, scaled, float32 ``(n, 28, 28)``.

    Raises:
        EdgeError: the two models have no layer in common.
    """
    expected, got = _trace(float_content, scaled), _trace(int8_content, pixels)
    names = [name for name in layer_names(int8_content) if name in expected and name in got]
    if not names:
        raise EdgeError("cannot compare the layers of the float and the int8 model", got="no name in common")
    errors = [LayerError(name.split(";")[0], _sqnr_db(expected[name], got[name])) for name in names]
    return sorted(errors, key=lambda error: error.sqnr_db)


def layer_names(content: bytes) -> list[str]:
    """Return the names of the values that convolutions, dense layers, sums and means compute, without the logits."""
    model = read_model(content)
    graph = model.subgraphs[0]
    computing = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "MEAN"}
    outputs = [op.outputs[0] for op in graph.operators if operator_name(model, op) in computing]
    logits = {op.inputs[0] for op in graph.operators if operator_name(model, op) == "DEQUANTIZE"}
    return [graph.tensors[index].name.decode() for index in outputs if index not in logits]


def _sqnr_db(expected: npt.NDArray[np.float32], got: npt.NDArray[np.float32]) -> float:
    noise = float(np.mean((expected - got) ** 2, dtype=np.float64))
    signal = float(np.mean(expected**2, dtype=np.float64))
    return 10 * float(np.log10(max(signal, _FLOOR) / max(noise, _FLOOR)))


def _trace(content: bytes, images: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.float32]]:
    """Run a TFLite model on `images`, one by one, and keep every activation as float32 ``(n, ...)``, by name."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet_standard_error(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that keeping all values takes memory, which is what is wanted
        interpreter = Interpreter(model_content=content, experimental_preserve_all_tensors=True)
        interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    activations = [entry for entry in interpreter.get_tensor_details() if tuple(entry["shape"][:1]) == (1,)]
    values: dict[str, list[npt.NDArray[np.float32]]] = {}
    for image in images:
        interpreter.set_tensor(source, image[np.newaxis])
        interpreter.invoke()
        for entry in activations:
            values.setdefault(entry["name"], []).append(_real_values(interpreter, entry))
    return {name: np.concatenate(parts) for name, parts in values.items()}


def _real_values(interpreter: Any, entry: dict[str, Any]) -> npt.NDArray[np.float32]:
    try:
        value: npt.NDArray[np.float32] = interpreter.get_tensor(entry["index"]).astype(np.float32)
    except ValueError:  # a value that the runtime fused away
        return np.zeros((1, 0), np.float32)
    scale, zero_point = entry["quantization"]
    return (value - zero_point) * np.float32(scale) if scale else value

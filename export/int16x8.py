"""The int16x8 network: int8 weights, int16 activations, in TFLite.

Sixteen bits take the error of the activations away, so that what is left is the error of the weights; `rounding` makes
that small. Two edits of what the converter writes make the file take raw pixels and run at a useful speed:

- The converter wants float32 or int16 as input. A DEQUANTIZE in front gives pixels, uint8, their real values, and the
  converter's own QUANTIZE then makes them int16 of the same scale: every pixel comes through exactly. Both are
  built-in operators of LiteRT and of its little sister for microcontrollers, which has no CAST of uint8.
- Biases are int64, for which LiteRT has reference kernels only. Where no input can make a sum leave 32 bits, the bias
  becomes int32, and the layer runs in the optimized kernel: 24 times faster for the compact network on x86.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
from ai_edge_litert import schema_py_generated as schema

from ..common.progress import Progress, silent
from .agreement import agreement
from .biases import narrow_biases, rescale_biases
from .calibration import Calibration
from .flatbuffer import operator_name, read_model, write_model
from .int8 import MIN_MAX
from .pixels import Scaling
from .reference import Reference
from .rounding import METHOD as COMPENSATED
from .rounding import round_with_compensation
from .scales import scales_of, set_scale
from .tflite import convert_int16x8, convert_scaled, pixel_quantization

NEAREST = "nearest"
ROUNDING_COUNT = 1_000
ROUNDING_SEED = 1
JUDGED_COUNT = 1_000
"""Validation images that the ways of rounding are held against, which for the seed takes half a minute."""


@dataclass(frozen=True)
class Int16x8Network:
    """An int16x8 network, as TFLite without a card.

    Attributes:
        content: the flatbuffer.
        rounding: how its weights were rounded.
        mean_changes: mean absolute change of a probability on validation images, by way of rounding. So few labels
            change that they would not tell the ways apart.
    """

    content: bytes
    rounding: str
    mean_changes: Mapping[str, float]

    def describe(self) -> dict[str, Any]:
        """Return what the ModelCard records of the choice."""
        changes = {name: round(change, 7) for name, change in self.mean_changes.items()}
        return {"method": MIN_MAX, "rounding": self.rounding, "mean_change_on_validation": changes}


def quantize_int16x8(
    model: keras.Model,
    calibration: Calibration,
    rounding_calibration: Calibration,
    reference: Reference,
    *,
    progress: Progress = silent,
) -> Int16x8Network:
    """Quantize `model`, by rounding to nearest and with compensation, and keep what is nearer to the float model.

    Args:
        model: the float model.
        calibration: images that the ranges of the activations are measured on.
        rounding_calibration: images that the weights are rounded for.
        reference: the float model's answers to the validation split.
        progress: told of every layer.

    Raises:
        EdgeError: see `convert_int16x8`.
    """
    content, scaling = convert_int16x8(model, calibration)
    content = take_pixels(content, scaling)
    float_content = convert_scaled(model).content
    pixels = rounding_calibration.split.images
    shared: dict[str, Any] = {"twins": True, "progress": progress}
    rounded = round_with_compensation(content, float_content, pixels, scaling.apply(pixels), **shared)
    candidates = {NEAREST: narrow_biases(content), COMPENSATED: narrow_biases(rounded)}
    found = {name: agreement(entry, reference, count=JUDGED_COUNT).mean_change for name, entry in candidates.items()}
    best = min(found, key=lambda name: found[name])
    return Int16x8Network(candidates[best], best, found)


def take_pixels(content: bytes, scaling: Scaling) -> bytes:
    """Let an int16x8 model that takes float32 take raw uint8 pixels, each of which becomes int16 without rounding.

    Raises:
        EdgeError: no zero point states the scaling.
    """
    model = read_model(content)
    graph = model.subgraphs[0]
    scale, zero_point = pixel_quantization(scaling)
    quantize = graph.operators[0]
    (source,), (target,) = quantize.inputs, quantize.outputs
    before = scales_of(model)
    real = _float_like(model, graph.tensors[source])
    graph.tensors[source].type = schema.TensorType.UINT8
    set_scale(graph.tensors[source], scale, zero_point)
    quantize.inputs = [real]
    graph.operators.insert(0, _dequantize(model, source, real))
    same = {target}
    for operator in graph.operators:
        if operator_name(model, operator) == "RESHAPE" and operator.inputs[0] in same:
            same.add(operator.outputs[0])
    for index in same:
        set_scale(graph.tensors[index], scale, 0)
    rescale_biases(model, before)
    return write_model(model)


def _float_like(model: Any, tensor: Any) -> int:
    """Add a float32 tensor of the shape of `tensor`, and return its index."""
    real = schema.TensorT()
    real.name, real.shape, real.type = b"pixels_real", tensor.shape, schema.TensorType.FLOAT32
    real.shapeSignature = tensor.shapeSignature
    model.buffers.append(schema.BufferT())
    real.buffer = len(model.buffers) - 1
    model.subgraphs[0].tensors.append(real)
    return len(model.subgraphs[0].tensors) - 1


def _dequantize(model: Any, source: int, target: int) -> Any:
    names = {operator_name(model, entry): entry.opcodeIndex for entry in model.subgraphs[0].operators}
    operator = schema.OperatorT()
    operator.opcodeIndex = names["DEQUANTIZE"]  # the one before the softmax
    operator.inputs, operator.outputs = [source], [target]
    return operator

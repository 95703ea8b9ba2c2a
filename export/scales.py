"""The scale and the zero point of a tensor in a TFLite model: what its whole numbers stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

Range = tuple[float, float]
_LOWEST, _HIGHEST = -128, 127


def scale_of(tensor: Any) -> float | None:
    """Return the scale of a tensor, or None where it has none."""
    quantization = tensor.quantization
    return None if quantization is None or quantization.scale is None else float(quantization.scale[0])


def scales_of(model: Any) -> dict[int, float | None]:
    """Return the scale of every tensor by its index, None for those that have none."""
    return {index: scale_of(tensor) for index, tensor in enumerate(model.subgraphs[0].tensors)}


def set_scale(tensor: Any, scale: float, zero_point: int | None = None) -> None:
    """Give a tensor a scale, and a zero point where one is named; minimum and maximum, which are notes, are dropped."""
    quantization = tensor.quantization = tensor.quantization or schema.QuantizationParametersT()
    quantization.scale = np.array([scale], np.float32)
    if zero_point is not None:
        quantization.zeroPoint = np.array([zero_point], np.int64)
    quantization.min = quantization.max = None


def range_of(tensor: Any) -> Range:
    """Return the real numbers that int8 -128 and 127 stand for."""
    scale, zero_point = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
    return (_LOWEST - zero_point) * scale, (_HIGHEST - zero_point) * scale


def set_range(tensor: Any, low: float, high: float) -> None:
    """Let int8 -128 and 127 stand for `low` and `high`; an empty range changes nothing.

    An activation that is always 0 keeps the range that the converter gave it.
    """
    scale = float(np.float32((high - low) / (_HIGHEST - _LOWEST)))
    if scale > 0:
        set_scale(tensor, scale, round(-low / scale) + _LOWEST)

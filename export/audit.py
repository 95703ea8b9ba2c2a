"""How far the int8 network strays from the float one, layer by layer: where to look when too much was lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .trace import layer_names, trace

_FLOOR = 1e-12  # of a mean square, so that a layer that is always 0 has a finite ratio
_EXACT_DB = 150.0
"""The ratio of a layer without any error, also of one that is always 0."""


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
    """Compare every layer that both models have, worst first; none, where they have no layer in common.

    The logits are left out: their range is narrow on purpose (see `logits`).

    Args:
        float_content: the network as float TFLite, which takes scaled pixels.
        int8_content: the network as int8 TFLite, which takes raw pixels.
        pixels: uint8 ``(n, 28, 28)``.
        scaled: the same, scaled, float32 ``(n, 28, 28)``.
    """
    expected, got = trace(float_content, scaled), trace(int8_content, pixels)
    names = [name for name in layer_names(int8_content) if name in expected and name in got]
    errors = [LayerError(name.split(";")[0], sqnr_db(expected[name], got[name])) for name in names]
    return sorted(errors, key=lambda error: error.sqnr_db)


def sqnr_db(expected: npt.NDArray[np.float32], got: npt.NDArray[np.float32]) -> float:
    """Return the signal to quantization noise ratio of two arrays of one shape, in decibels.

    >>> round(sqnr_db(np.array([3.0, 4.0]), np.array([3.5, 4.5])), 2)
    16.99
    """
    noise = float(np.mean((expected - got) ** 2, dtype=np.float64))
    if noise == 0:
        return _EXACT_DB
    signal = float(np.mean(expected**2, dtype=np.float64))
    return min(10 * float(np.log10(max(signal, _FLOOR) / noise)), _EXACT_DB)

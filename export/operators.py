"""One operator of a network as a runtime executes it: its types, shape, parameters and multiply-accumulates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LayerKind = Literal["convolution", "dense"]
Shape = tuple[int | None, ...]

_BYTES = ("int8", "uint8")
_INTEGERS = (*_BYTES, "int16", "int16x8")
CONSTANT = "constant"
"""The arithmetic of an operator that computes nothing from the picture."""


@dataclass(frozen=True)
class Port:
    """One input or output of a network: part of its contract."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        kind: as the runtime calls it, such as ``QLinearConv`` or ``CONV_2D``.
        name: its name in the file.
        kernel: whose kernel executes it, such as ``XNNPACK`` or ``com.microsoft``; empty where that cannot be told.
        layer: whether it is a convolution or a dense layer, which is where nearly all time goes; None is neither.
        arithmetic: see `arithmetic_of`.
        input_type: type of what it takes; None where it takes nothing computed from the picture.
        weights: type that its weights are stored in; None without weights.
        output_type: type of its first output.
        output_shape: for one picture; None in place of a side that cannot be told.
        parameters: numbers in its weights and biases.
        macs: multiply-accumulates for one picture; None where they cannot be told.
    """

    kind: str
    name: str
    kernel: str
    layer: LayerKind | None
    arithmetic: str
    input_type: str | None
    weights: str | None
    output_type: str
    output_shape: Shape
    parameters: int
    macs: int | None

    @property
    def is_quantized(self) -> bool:
        """Whether it computes on quantized integers."""
        return self.arithmetic in _INTEGERS

    @property
    def is_float(self) -> bool:
        """Whether it takes or gives real numbers; "dynamic" does."""
        return "float" in self.arithmetic or self.arithmetic == "dynamic"


@dataclass(frozen=True)
class Execution:
    """What a runtime makes of a file.

    Attributes:
        runtime: which one, its version and where.
        operators: in the order of their execution.
        inputs: of the network.
        outputs: of the network.
        notes: what could not be told.
    """

    runtime: str
    operators: tuple[Operator, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    notes: tuple[str, ...]


def arithmetic_of(taken: Sequence[str], given: Sequence[str], weights: str | None) -> str:
    """Name the arithmetic of an operator by the types that its kernel sees.

    Args:
        taken: types of the inputs that are computed from the picture.
        given: types of the outputs.
        weights: of a convolution or dense layer, the type that the kernel sees; None for any other operator.

    Returns:
        For a layer ``int8`` (8-bit activations and weights), ``int16x8`` (16-bit activations, 8-bit weights),
        ``dynamic`` (float activations, 8-bit weights), or a float type. For any other operator a float type where it
        takes or gives one, and otherwise the type that it takes; ``constant`` where it takes nothing.

    >>> arithmetic_of(["uint8"], ["uint8"], "int8"), arithmetic_of(["float32"], ["float32"], "int8")
    ('int8', 'dynamic')
    >>> arithmetic_of(["int16"], ["int16"], "int8"), arithmetic_of(["int8"], ["float32"], None)
    ('int16x8', 'float32')
    """
    if not taken:
        return CONSTANT
    if weights is not None:
        return _layer_arithmetic(taken[0], weights)
    return next((kind for kind in (*taken, *given) if "float" in kind), taken[0])


def _layer_arithmetic(activations: str, weights: str) -> str:
    if weights not in _BYTES:
        return activations if activations == weights else f"{activations} x {weights}"
    if activations in _BYTES:
        return "int8"
    if activations == "int16":
        return "int16x8"
    return "dynamic" if "float" in activations else f"{activations} x {weights}"


def count_macs(output_shape: Shape, weights_count: int, outputs_per_weight: int) -> int | None:
    """Return the multiply-accumulates of a layer: each output number takes its share of the weights once.

    Args:
        output_shape: of the layer; for a transposed convolution, of its input.
        weights_count: numbers in the weights.
        outputs_per_weight: output channels; for a transposed convolution, input channels.

    >>> count_macs((1, 26, 26, 32), 32 * 3 * 3 * 1, 32)  # 26 * 26 * 32 numbers, 9 products each
    194688
    """
    sides = [side for side in output_shape if side is not None]
    if len(sides) < len(output_shape) or not output_shape or outputs_per_weight == 0:
        return None
    return math.prod(sides) * weights_count // outputs_per_weight


def float_islands(operators: Sequence[Operator]) -> tuple[Operator, ...]:
    """Return the float operators between the first and the last quantized one, in their order.

    What is float before the first or after the last, such as the softmax, is no island. A reshape of the raw pixels is
    quantized, so that a scaling behind it is an island.
    """
    quantized = [position for position, operator in enumerate(operators) if operator.is_quantized]
    if not quantized:
        return ()
    return tuple(operator for operator in operators[quantized[0] : quantized[-1]] if operator.is_float)


def layers_of(operators: Sequence[Operator]) -> tuple[Operator, ...]:
    """Return the convolutions and dense layers."""
    return tuple(operator for operator in operators if operator.layer is not None)

"""Values of a quantized graph that must share their scale, because an operator only moves numbers between them.

A reshape, a maximum and a concatenation copy int8 numbers; what a number stands for may not change on the way.
"""

from __future__ import annotations

from typing import Any

from .flatbuffer import operator_name

_MOVING = {"RESHAPE": 1, "MAX_POOL_2D": 1, "CONCATENATION": None}
"""Operators that move numbers, and how many of their inputs those are; None is all of them."""


class Ties:
    """The values of a graph in groups that share scale and zero point."""

    def __init__(self, model: Any) -> None:
        """Read the groups off the operators of `model`."""
        graph = model.subgraphs[0]
        self._group = {index: {index} for index in range(len(graph.tensors))}
        for operator in graph.operators:
            name = operator_name(model, operator)
            if name in _MOVING:
                for source in operator.inputs[: _MOVING[name]]:
                    self._join(int(source), int(operator.outputs[0]))

    def of(self, index: int) -> set[int]:
        """Return the group of a value, itself among them."""
        return self._group[index]

    def groups(self) -> list[set[int]]:
        """Return every group once, by its first value."""
        return [group for index, group in self._group.items() if index == min(group)]

    def _join(self, first: int, second: int) -> None:
        joined = self._group[first] | self._group[second]
        for index in joined:
            self._group[index] = joined

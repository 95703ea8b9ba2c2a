"""Values of a quantized graph that must share their scale, because an operator only moves numbers between them.

A reshape, a maximum and a concatenation copy int8 numbers; what a number stands for may not change on the way.
"""

from __future__ import annotations

from typing import Any

from .flatbuffer import operator_name

_MOVING = {"RESHAPE": 1, "MAX_POOL_2D": 1, "CONCATENATION": None}
"""Operators that move numbers, and how many of their inputs those are; None is all of them."""


class Groups:
    """Numbered values in groups that are joined one by one; at first each is on its own."""

    def __init__(self, count: int) -> None:
        """Begin with values 0 to `count` - 1.

        >>> groups = Groups(4)
        >>> groups.join(3, 1)
        >>> groups.all()
        [[0], [1, 3], [2]]
        """
        self._group = {index: {index} for index in range(count)}

    def join(self, first: int, second: int) -> None:
        """Make one group of those of two values."""
        joined = self._group[first] | self._group[second]
        for index in joined:
            self._group[index] = joined

    def of(self, index: int) -> set[int]:
        """Return the group of a value, itself among them."""
        return self._group[index]

    def all(self) -> list[list[int]]:
        """Return every group once, by its first value, its values in ascending order."""
        return [sorted(group) for index, group in self._group.items() if index == min(group)]


class Ties(Groups):
    """The values of a graph in groups that share scale and zero point."""

    def __init__(self, model: Any) -> None:
        """Read the groups off the operators of `model`."""
        graph = model.subgraphs[0]
        super().__init__(len(graph.tensors))
        for operator in graph.operators:
            name = operator_name(model, operator)
            if name in _MOVING:
                for source in operator.inputs[: _MOVING[name]]:
                    self.join(int(source), int(operator.outputs[0]))

"""One model, one ONNX graph: what tf2onnx leaves to chance is settled here.

Its optimizers visit sets, whose order is another in every process and at every call. So two conversions of one model
part in the numbers in made-up names, in the order of constants, in which of equal constants is kept, and in whether the
shape that a Reshape is given was reckoned beforehand. Here the shape is written down, what nothing reads is dropped,
and names and constants follow the order of the graph.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import onnx

_NUMBERED = re.compile(r"__\d+(?=:\d+$|$)")


def settle(model: Any) -> None:
    """Settle what may be different in two conversions of one model; its answers stay the same.

    Args:
        model: an `onnx.ModelProto` with a free batch dimension, changed in place.
    """
    _write_shapes(model)
    _drop_unread(model.graph)
    del model.graph.value_info[:]  # a runtime infers them again
    _number_names(model.graph)
    _name_batch(model.graph)


def _write_shapes(model: Any) -> None:
    """Give every Reshape of which all dimensions but the batch's are known its shape as a constant."""
    graph = model.graph
    known = {entry.name: entry for entry in onnx.shape_inference.infer_shapes(model).graph.value_info}
    for node in graph.node:
        if node.op_type != "Reshape" or node.output[0] not in known:
            continue
        sizes = [dim.dim_value for dim in known[node.output[0]].type.tensor_type.shape.dim]
        if len(sizes) > 1 and all(sizes[1:]):
            name = f"{node.name}__shape"
            graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, *sizes[1:]], np.int64), name))
            node.input[1] = name


def _drop_unread(graph: Any) -> None:
    """Drop nodes and constants that no output depends on."""
    read, kept = {entry.name for entry in graph.output}, []
    for node in reversed(graph.node):
        if read.intersection(node.output):
            read.update(node.input)
            kept.append(node)
    constants = [entry for entry in graph.initializer if entry.name in read]
    _replace(graph.node, kept[::-1])
    _replace(graph.initializer, constants)


def _replace(entries: Any, those: list[Any]) -> None:
    """Put `those` into a repeated field of a protocol buffer, which cannot be assigned to."""
    del entries[:]
    entries.extend(those)


class _Names:
    """Gives new names in the order in which the old ones are met."""

    def __init__(self, constants: set[str]) -> None:
        self._constants = constants
        self._numbers: dict[str, int] = {}

    def new(self, name: str) -> str:
        """Return the new name: a constant's is but a number; of others, the number at the end is another."""
        key = name.partition(":")[0]
        if name in self._constants:
            return f"constant__{self._numbers.setdefault(name, len(self._numbers))}"
        if not _NUMBERED.search(key):
            return name
        return _NUMBERED.sub(f"__{self._numbers.setdefault(key, len(self._numbers))}", name)


def _number_names(graph: Any) -> None:
    """Number names in the order of the graph, and put constants in that order."""
    names, used = _Names({entry.name for entry in graph.initializer}), dict[str, None]()
    for node in graph.node:
        node.name = names.new(node.name)
        for tensors in (node.input, node.output):
            tensors[:] = [names.new(name) for name in tensors]
        used.update(dict.fromkeys(node.input))
    for entry in graph.initializer:
        entry.name = names.new(entry.name)
    order = {name: position for position, name in enumerate(used)}
    _replace(graph.initializer, sorted(graph.initializer, key=lambda entry: order[entry.name]))


def _name_batch(graph: Any) -> None:
    """Call the free dimension, which tf2onnx numbers, too, what the ModelCard calls it."""
    for entry in (*graph.input, *graph.output):
        for dim in entry.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value"):
                dim.dim_param = "n"

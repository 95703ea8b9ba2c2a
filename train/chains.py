"""Which layers become one operator in int8, and so whose outputs are tensors that are rounded.

The converter makes one operator of a convolution, the normalization behind it and a rectifier, and of a sum and a
rectifier. Only what such a chain answers last is rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

_DENSE_OR_FULL = (layers.Conv2D, layers.Dense)
_WITH_KERNEL = (*_DENSE_OR_FULL, layers.DepthwiseConv2D)


def rounded_outputs(model: keras.Model) -> set[int]:
    """Return, by their `id`, the layers whose output is a tensor of its own in int8; models inside count, too.

    The answer of the whole model is not among them, because the softmax stays float.
    """
    graph = _Graph.of(model)
    found = {id(layer) for layer in graph.leaves() if graph.readers[layer.name] and graph.ends_chain(layer)}
    for inner in (layer for layer in model.layers if isinstance(layer, keras.Model)):
        graph = _Graph.of(inner)
        found |= {id(layer) for layer in graph.leaves() if graph.ends_chain(layer)}
    return found


@dataclass(frozen=True)
class _Graph:
    """The layers of a model, and by the name of each those that take what it answers."""

    model: keras.Model
    readers: dict[str, list[layers.Layer]]

    @classmethod
    def of(cls, model: keras.Model) -> _Graph:
        """Read who takes what from the configuration of a model."""
        readers: dict[str, list[layers.Layer]] = {layer.name: [] for layer in model.layers}
        if isinstance(model, keras.Sequential):
            for layer, reader in zip(model.layers, model.layers[1:], strict=False):
                readers[layer.name].append(reader)
            return cls(model, readers)
        for entry in model.get_config()["layers"]:
            for name in sorted(set(_sources(entry["inbound_nodes"]))):
                readers[name].append(model.get_layer(entry["name"]))
        return cls(model, readers)

    def leaves(self) -> Iterator[layers.Layer]:
        """Yield the layers that are no models themselves."""
        return (layer for layer in self.model.layers if not isinstance(layer, keras.Model))

    def ends_chain(self, layer: layers.Layer) -> bool:
        """Tell whether the output of `layer` is the last of its chain.

        A normalization without a rectifier behind a depthwise convolution goes into the layer after it, so the
        convolution's own output is the tensor there.
        """
        if isinstance(layer, layers.BatchNormalization):
            sources = [other for other in self.leaves() if layer in self.readers[other.name]]
            if any(isinstance(other, layers.DepthwiseConv2D) and self.ends_chain(other) for other in sources):
                return False
        return not self._goes_on(layer)

    def _goes_on(self, layer: layers.Layer) -> bool:
        """Tell whether the one reader of `layer` becomes part of the same operator."""
        readers = self.readers[layer.name]
        if len(readers) != 1 or getattr(layer, "activation", keras.activations.linear) is not keras.activations.linear:
            return False
        (reader,) = readers
        if _rectifies(reader):
            return isinstance(layer, (*_WITH_KERNEL, layers.BatchNormalization, layers.Add))
        if not isinstance(reader, layers.BatchNormalization):
            return False
        behind = self.readers[reader.name]
        rectified = len(behind) == 1 and _rectifies(behind[0])
        return isinstance(layer, _WITH_KERNEL if rectified else _DENSE_OR_FULL)


def _rectifies(layer: layers.Layer) -> bool:
    if isinstance(layer, layers.Activation):
        return layer.activation is keras.activations.relu
    return isinstance(layer, layers.ReLU)


def _sources(node: Any) -> Iterator[str]:
    """Yield the names of the layers that a part of a model's configuration reads.

    >>> list(_sources([{"args": [[{"config": {"keras_history": ["left", 0, 0]}}], 3], "kwargs": {}}]))
    ['left']
    """
    if isinstance(node, dict):
        if "keras_history" in node:
            yield node["keras_history"][0]
        for value in node.values():
            yield from _sources(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _sources(value)

"""Values that an operator only moves are in one group, whatever lies between."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fmnist_edge.export.flatbuffer import operator_name, read_model
from fmnist_edge.export.ties import Ties

if TYPE_CHECKING:
    import keras


def test_a_group_is_what_moving_operators_join(
    network: Callable[..., keras.Model], to_int8: Callable[[keras.Model], bytes]
) -> None:
    from keras import layers

    def middle(x: Any) -> Any:
        left, right = layers.Conv2D(4, 3)(x), layers.Conv2D(2, 3)(x)
        return layers.MaxPooling2D()(layers.Concatenate()([left, right]))

    model = read_model(to_int8(network(middle)))
    graph = model.subgraphs[0]
    outputs: dict[str, list[int]] = {}
    for operator in graph.operators:
        outputs.setdefault(operator_name(model, operator), []).append(int(operator.outputs[0]))
    moved = {*outputs["CONV_2D"], *outputs["CONCATENATION"], *outputs["MAX_POOL_2D"], outputs["RESHAPE"][-1]}
    assert len(moved) >= 5
    ties = Ties(model)
    assert all(ties.of(index) == ties.of(outputs["CONCATENATION"][0]) for index in moved)
    assert outputs["FULLY_CONNECTED"][0] not in ties.of(outputs["CONCATENATION"][0])
    groups = ties.all()
    assert sorted(index for group in groups for index in group) == list(range(len(graph.tensors)))

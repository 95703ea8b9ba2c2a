"""What holds of every ONNX file: the card stands behind the graph, and a malformed one is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.export.onnx_file import append_card, check_model
from fmnist_edge.export.recipe import RECIPES
from fmnist_edge.runtime.card import ONNX_KEY, read_onnx_card
from fmnist_edge.runtime.integrity import SEAL_KEY

IN_ONNX = [name for name, recipe in RECIPES.items() if "onnx" not in recipe.refusals]


@pytest.mark.parametrize("recipe", IN_ONNX)
def test_the_card_stands_behind_the_graph(recipe: str, exports: Path) -> None:
    path = exports / f"fmnist-compact-{recipe}.onnx"
    content = path.read_bytes()
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert list(metadata) == [ONNX_KEY, SEAL_KEY]
    card = read_onnx_card(metadata, source="it")
    graph = content[: card.graph_bytes]
    assert hashlib.sha256(graph).hexdigest() == card.graph_sha256
    assert not onnx.load_model_from_string(graph).metadata_props
    assert append_card(graph, card) == content


def test_a_malformed_onnx_file_is_refused() -> None:
    node = helper.make_node("Nonsense", ["a"], ["b"])
    a, b = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "ab")
    model = helper.make_model(helper.make_graph([node], "it", [a], [b]))
    with pytest.raises(EdgeError, match="the ONNX file is malformed; got No Op registered for Nonsense"):
        check_model(model.SerializeToString())

"""Small model files made for one test: a real ONNX graph with a card, or without, or with a wrong one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fmnist_edge.common.files import sha256_hex
from fmnist_edge.dataset import LABELS
from fmnist_edge.runtime import ModelCard
from fmnist_edge.runtime.card import CARD_VERSION, ONNX_KEY
from fmnist_edge.runtime.integrity import SEAL_KEY, UNSEALED, seal

OnnxMaker = Callable[..., Path]
GOOD = "a card with the digest of the graph"


@pytest.fixture
def card() -> ModelCard:
    """A card with something in every field."""
    return ModelCard(
        card_version=CARD_VERSION,
        name="fmnist-tiny-int8",
        arch="tiny",
        recipe="int8",
        labels=LABELS,
        input={"name": "pixels", "dtype": "uint8", "shape": ["n", 28, 28], "meaning": "grey"},
        output={"name": "probabilities", "dtype": "float32", "shape": ["n", 10], "meaning": "sum to 1"},
        calibration={"split": "train", "indices": [1, 2], "dataset_sha256": "ab"},
        training={"options": {"epochs": 2}, "validation_accuracy": 0.9},
        versions={"onnx": "1"},
        graph_bytes=5,
        graph_sha256="cd",
    )


@pytest.fixture
def make_onnx(tmp_path: Path, card: ModelCard) -> OnnxMaker:
    """Return a maker of ONNX files: the softmax of the first pixels, with whatever contract a test asks for."""

    def make(
        *,
        text: str | bytes | None = GOOD,
        batch: int | str | None = "n",
        sides: Sequence[int] = (28, 28),
        pixels: str = "UINT8",
        classes: int = len(LABELS),
        sealed: bool = True,
        about: ModelCard | None = None,
    ) -> Path:
        from onnx import ModelProto, TensorProto, helper

        images = helper.make_tensor_value_info("images", TensorProto.DataType.Value(pixels), [batch, *sides])
        result = helper.make_tensor_value_info("result", TensorProto.FLOAT, [batch, classes])
        bounds = [helper.make_tensor(name, TensorProto.INT64, [1], [n]) for name, n in (("a", 0), ("z", classes))]
        axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
        nodes = [
            helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["float"], ["flat"]),
            helper.make_node("Slice", ["flat", "a", "z", "axis"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["result"], axis=-1),
        ]
        graph = helper.make_graph(nodes, "tiny", [images], [result], [*bounds, axis])
        model: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        content = model.SerializeToString()
        if text == GOOD:
            text = dataclasses.replace(
                about or card, graph_bytes=len(content), graph_sha256=sha256_hex(content)
            ).to_json()
        if text is not None:
            raw = text if isinstance(text, bytes) else text.encode()
            placeholder = ModelProto()
            placeholder.metadata_props.add(key=ONNX_KEY, value="?" * len(raw))
            content += placeholder.SerializeToString().replace(b"?" * len(raw), raw)  # a str could hold UTF-8 only
        if sealed:
            end = ModelProto()
            end.metadata_props.add(key=SEAL_KEY, value=UNSEALED.decode())
            content = seal(content + end.SerializeToString())
        path = tmp_path / "tiny.onnx"
        path.write_bytes(content)
        return path

    return make


@pytest.fixture
def other_labels(card: ModelCard) -> ModelCard:
    """A card that promises three classes."""
    return dataclasses.replace(card, labels=LABELS[:3])

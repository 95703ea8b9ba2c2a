"""An ONNX file: the versions it is written for, its bytes, its ModelCard, and ONNX's own check of it."""

from __future__ import annotations

from typing import Any

import onnx

from ..common.errors import EdgeError
from ..runtime.card import ONNX_KEY, ModelCard
from ..runtime.integrity import SEAL_KEY, UNSEALED, seal

# Chosen, not left to the newest onnx: an older onnxruntime on a device refuses a newer IR version.
OPSET = 17
IR_VERSION = 8


def serialize(model: Any) -> bytes:
    """Serialize a graph without metadata, the same graph to the same bytes."""
    del model.metadata_props[:]
    model.graph.ClearField("doc_string")  # tf2onnx writes a number there that grows with every conversion
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def append_card(graph: bytes, card: ModelCard) -> bytes:
    """Return the finished file: the serialized model, then its ``metadata_props``, the digest of it all at their end.

    Protocol Buffers merge messages that follow each other, so that the card can stand behind a graph whose bytes, and
    so whose hash, stay as they are.
    """
    metadata = onnx.ModelProto()
    for key, value in ((ONNX_KEY, card.to_json()), (SEAL_KEY, UNSEALED.decode())):
        metadata.metadata_props.add(key=key, value=value)
    content: bytes = graph + metadata.SerializeToString(deterministic=True)
    return seal(content)


def check_model(content: bytes) -> None:
    """Run ONNX's own checker over a serialized model.

    Raises:
        EdgeError: the model is malformed.
    """
    try:
        onnx.checker.check_model(content)
    except onnx.checker.ValidationError as error:
        raise EdgeError("the ONNX file is malformed", got=str(error)) from error

"""Does an ONNX file want other files? Its weights may name any path, which the runtime would open for whoever wrote it.

The field is ``TensorProto.external_data`` (https://onnx.ai/onnx/repo-docs/ExternalData.html). One file is all that is
ever exported here, so none is allowed to have it. It is looked for before a runtime sees the file, and without the onnx
package, which a device does not have: a message is fields one after another, most of which are passed over.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ..common.errors import EdgeError
from .card import read_varint

_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION, _TRAINING = range(8)
_INNER: Mapping[int, Mapping[int, int]] = {
    _MODEL: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _FUNCTION: {7: _NODE},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
}
"""Which field of which message holds which: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""
_EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 13, 14, 1
_MAX_DEPTH = 64
"""Messages within each other; Protocol Buffers' own parsers stop at 100."""

MAX_FIELDS = 200_000
"""Of all messages together; ours have up to a thousand."""


def require_one_file(path: Path) -> None:
    """Check that no tensor of an ONNX file lies in another file.

    Raises:
        EdgeError: one does; or the file is no Protocol Buffers message, or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            external = _has_external(stream, size, _MODEL, _MAX_DEPTH, itertools.count())
    except OSError as error:
        raise EdgeError(f"cannot read {path}", expected="a model file", got=error.strerror or str(error)) from error
    except ValueError as error:
        hint = "export or copy it again"
        raise EdgeError(f"cannot load {path}", expected="a whole ONNX model", got=str(error), hint=hint) from error
    if external:
        hint = "save it with its weights inside: onnx.save(onnx.load(FILE), OTHER)"
        raise EdgeError(f"{path} wants other files", expected="weights inside", got="external data", hint=hint)


def _has_external(stream: BinaryIO, end: int, kind: int, depth: int, count: Iterator[int]) -> bool:
    """Tell whether the message from here to byte `end` has a tensor in another file; leave the stream anywhere.

    Every field takes one of `count`, in whatever message it lies.
    """
    if depth == 0:
        raise ValueError(f"more than {_MAX_DEPTH} messages within each other")
    inner = _INNER.get(kind, {})
    for number, value, length in _fields(stream, end, count):
        if kind == _TENSOR and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == _EXTERNAL)):
            return True
        if not length or number not in inner:
            continue
        if _has_external(stream, stream.tell() + length, inner[number], depth - 1, count):
            return True
    return False


def _fields(stream: BinaryIO, end: int, count: Iterator[int]) -> Iterator[tuple[int, int, int]]:
    """Yield number, value and length of the fields up to byte `end`; the stream stands at the content meanwhile.

    Raises:
        ValueError: it is no message, or ends too early.
    """
    at = stream.tell()
    while at < end:
        if next(count) == MAX_FIELDS:
            raise ValueError(f"more than {MAX_FIELDS:,} fields")
        tag = read_varint(stream)
        value = length = 0
        if tag & 7 == 0:
            value = read_varint(stream)
        elif tag & 7 == 2:
            length = read_varint(stream)
        elif tag & 7 in _FIXED:
            stream.seek(_FIXED[tag & 7], io.SEEK_CUR)
        else:
            raise ValueError(f"no field at byte {at}")
        at = stream.tell() + length
        if at > end:
            raise ValueError(f"the field at byte {at - length} is longer than its message")
        yield tag >> 3, value, length
        stream.seek(at)


_FIXED = {1: 8, 5: 4}
"""Bytes of a field of fixed size, by its wire type (https://protobuf.dev/programming-guides/encoding/)."""

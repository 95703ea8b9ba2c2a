"""What a model file holds its numbers in, read from the file itself: a name is a claim, these bytes are not.

Both formats are read just far enough to add up the constants by type; no library of theirs is needed, so it works on a
device. Sources: the wire format of Protocol Buffers (https://protobuf.dev/programming-guides/encoding/) with the field
numbers of onnx.proto; the binary format of FlatBuffers (https://flatbuffers.dev/internals/) with the fields of
LiteRT's schema.fbs.
"""

from __future__ import annotations

import mmap
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

Buffer = mmap.mmap | memoryview | bytes

_ONNX_TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16"}
_TFLITE_TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8"}
_GRAPH, _INITIALIZER, _DATA_TYPE = 7, 5, 2
_DATA = {4, 5, 7, 9, 10, 11}
"""Fields of a TensorProto that hold its numbers."""
_SMALL_RECIPES = {"float16": "float16", "dynamic": "int8", "int8": "int8"}


def read_weight_bytes(path: Path) -> dict[str, int] | None:
    """Return the bytes of all constants by type; None for another format, or where the file cannot be read so far.

    >>> read_weight_bytes(Path("model.keras")) is None
    True
    """
    readers = {".onnx": _onnx_constants, ".tflite": _tflite_constants}
    if path.suffix not in readers:
        return None
    found: Counter[str] = Counter()
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for kind, size in readers[path.suffix](content):
                found[kind] += size
    except (OSError, ValueError, IndexError, struct.error):
        return None
    return dict(sorted(found.items()))


def recipe_finding(name: str, recipe: str, weight_bytes: dict[str, int] | None) -> str | None:
    """Say what is wrong when a file is named after a small type, and most of its bytes are float32.

    >>> recipe_finding("a.onnx", "int8", {"float32": 990, "int8": 10})
    'a.onnx is called int8, but 99% of the bytes of its weights are float32'
    >>> recipe_finding("a.onnx", "int8", {"float32": 40, "int8": 990}) is None
    True
    """
    if recipe not in _SMALL_RECIPES or not weight_bytes:
        return None
    share = weight_bytes.get("float32", 0) / max(1, sum(weight_bytes.values()))
    if share <= 0.5:
        return None
    return f"{name} is called {recipe}, but {share:.0%} of the bytes of its weights are float32"


def _onnx_constants(content: Buffer) -> Iterator[tuple[str, int]]:
    """Yield type and size in bytes of every initializer of an ONNX file."""
    for number, start, end in _fields(content, 0, len(content)):
        if number != _GRAPH:
            continue
        for inner, first, last in _fields(content, start, end):
            if inner == _INITIALIZER:
                yield _onnx_tensor(content, first, last)


def _onnx_tensor(content: Buffer, start: int, end: int) -> tuple[str, int]:
    kind, size = 0, 0
    for number, first, last in _fields(content, start, end):
        if number == _DATA_TYPE:
            kind, _ = _varint(content, first)
        elif number in _DATA:
            size += last - first
    return _ONNX_TYPES.get(kind, f"type {kind}"), size


def _fields(content: Buffer, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of every field of a Protocol Buffers message."""
    at = start
    while at < end:
        key, at = _varint(content, at)
        number, wire = key >> 3, key & 7
        first = at
        if wire == 0:
            _, at = _varint(content, at)
        elif wire == 2:
            length, first = _varint(content, at)
            at = first + length
        elif wire in {1, 5}:
            at += 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        yield number, first, at


def _varint(content: Buffer, at: int) -> tuple[int, int]:
    """Return a number of variable length and where it ends."""
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number without end")


def _tflite_constants(content: Buffer) -> Iterator[tuple[str, int]]:
    """Yield type and size in bytes of every constant tensor of a TFLite file; a buffer that two share counts once."""
    model = _u32(content, 0)
    sizes = [_vector_length(content, buffer, 0) for buffer in _tables(content, model, 4)]
    seen = set()
    for subgraph in _tables(content, model, 2):
        for tensor in _tables(content, subgraph, 0):
            kind_at, buffer_at = _field(content, tensor, 1), _field(content, tensor, 2)
            buffer = _u32(content, buffer_at) if buffer_at else 0
            if sizes[buffer] and buffer not in seen:
                seen.add(buffer)
                kind = content[kind_at] if kind_at else 0
                yield _TFLITE_TYPES.get(kind, f"type {kind}"), sizes[buffer]


def _field(content: Buffer, table: int, index: int) -> int:
    """Return where a field of a FlatBuffers table stands; 0 where it has its default."""
    vtable = table - struct.unpack_from("<i", content, table)[0]
    length: int = struct.unpack_from("<H", content, vtable)[0]
    position = 4 + 2 * index
    offset: int = struct.unpack_from("<H", content, vtable + position)[0] if position < length else 0
    return table + offset if offset else 0


def _tables(content: Buffer, table: int, index: int) -> list[int]:
    """Return where the tables of a vector of tables stand."""
    at = _field(content, table, index)
    if not at:
        return []
    vector = at + _u32(content, at)
    starts = [vector + 4 + 4 * entry for entry in range(_u32(content, vector))]
    return [start + _u32(content, start) for start in starts]


def _vector_length(content: Buffer, table: int, index: int) -> int:
    at = _field(content, table, index)
    return _u32(content, at + _u32(content, at)) if at else 0


def _u32(content: Buffer, at: int) -> int:
    value: int = struct.unpack_from("<I", content, at)[0]
    return value

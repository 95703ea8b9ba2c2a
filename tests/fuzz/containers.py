"""What wraps an input: checksums and lengths that random bytes never get right, taken off and put on again."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping

from fmnist_edge.runtime.card import MAX_CARD_BYTES, ONNX_KEY, TFLITE_MEMBER

Wrapped = tuple[bytes, Callable[[bytes], bytes]]
"""What is inside, and what wraps something else in the same way."""


def varint(value: int) -> bytes:
    """Write an integer of Protocol Buffers: seven bits a byte, least significant first."""
    low = bytes([value & 0x7F | (0x80 if value > 0x7F else 0)])
    return low if value <= 0x7F else low + varint(value >> 7)


def message(number: int, content: bytes | int) -> bytes:
    """Write one field of a Protocol Buffers message; number 0 stands for 1."""
    if isinstance(content, int):
        return varint(max(number, 1) << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def zipped(before: bytes, members: Mapping[str, str | bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Append a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return before + file.getvalue()


def unwrap_gzip(data: bytes) -> Wrapped | None:
    """Take off gzip."""
    try:
        inner = zlib.decompressobj(31).decompress(data, 1 << 16)
    except zlib.error:
        return None
    return inner, lambda new: gzip.compress(new, mtime=0)


def unwrap_onnx(data: bytes) -> Wrapped | None:
    """Take the card out of an ONNX file; what stands before its entry stays."""
    start, key, _ = data.partition(message(1, ONNX_KEY.encode()))
    at = start.rfind(b"\x72")
    if not key or at < 0:
        return None
    value = data[len(start) + len(key) :]
    inner = value[2:] if value[1:2] < b"\x80" else value[3:]
    return inner, lambda new: start[:at] + message(14, key + message(2, new))


def unwrap_tflite(data: bytes) -> Wrapped | None:
    """Take the card out of a TFLite file's archive; what stands before the archive stays."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            info = archive.getinfo(TFLITE_MEMBER)
            small = info.file_size <= MAX_CARD_BYTES and info.compress_type in {
                zipfile.ZIP_STORED,
                zipfile.ZIP_DEFLATED,
            }
            inner = archive.read(info) if small else None
            before = data[: min(each.header_offset for each in archive.infolist())]
    except Exception:  # of a damaged archive, zipfile lets through whatever its decompressors raise
        return None
    return None if inner is None else (inner, lambda new: zipped(before, {TFLITE_MEMBER: new}, info.compress_type))


def unwrap_nothing(data: bytes) -> Wrapped | None:
    """Take off nothing."""
    return data, bytes


def unwrap_png(data: bytes) -> Wrapped | None:
    """Take lengths and checksums as they come, and put the right checksums on."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    return data, mend_png


def mend_png(data: bytes) -> bytes:
    """Put the right checksum behind every chunk that lies within the data."""
    mended, at = bytearray(data), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", mended, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(mended)


CONTAINERS: Mapping[str, Callable[[bytes], Wrapped | None]] = {
    "idx": unwrap_gzip,
    "onnx": unwrap_onnx,
    "tflite": unwrap_tflite,
    "picture": unwrap_png,
    "report": unwrap_nothing,
}
HOLD_JSON = ("onnx", "tflite", "report")
"""The readers of what is JSON, inside its container."""

"""IDX, the file format of MNIST and its successors: a big-endian header, then raw bytes.

Source of the format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError

_UINT8_TYPE_CODE = 0x08
_GZIP_MAGIC = b"\x1f\x8b"
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
"""The largest payload that is decompressed; the largest of Fashion-MNIST has 47,040,016 bytes."""


def read_payload(path: Path) -> bytes:
    """Read a file, decompressed where it is gzip, never more than `MAX_PAYLOAD_BYTES`.

    Raises:
        EdgeError: the file is missing, unreadable, a broken or truncated gzip, or larger than the bound.
    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if compressed else raw
            payload: bytes = stream.read(MAX_PAYLOAD_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise EdgeError(f"cannot decompress {path}", expected="a whole gzip file", got=str(error)) from error
    except OSError as error:
        raise EdgeError(f"cannot read {path}", got=error.strerror or str(error)) from error
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise EdgeError(f"cannot read {path}", expected=f"at most {MAX_PAYLOAD_BYTES:,} bytes", got="more")
    return payload


def parse_idx(payload: bytes, *, name: str) -> npt.NDArray[np.uint8]:
    """Turn an IDX payload of unsigned bytes into an array without copying it.

    Args:
        payload: the whole file, decompressed.
        name: what to call it in errors.

    Returns:
        A read-only uint8 array with the shape that the header states.

    Raises:
        EdgeError: wrong magic number, wrong element type, a size that does not match the header, or sides that no array
            can have.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), name="two labels")
    array([7, 9], dtype=uint8)
    """
    if len(payload) < 4 or payload[0] or payload[1] or payload[2] != _UINT8_TYPE_CODE or not 1 <= payload[3] <= 3:
        expected = "an IDX file of unsigned bytes (magic number 00 00 08 01 to 00 00 08 03)"
        raise EdgeError(f"{name} has a wrong magic number", expected=expected, got=payload[:4].hex(" ") or "nothing")
    dimensions = payload[3]
    header_bytes = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(payload[i : i + 4], "big") for i in range(4, header_bytes, 4))
    expected_bytes = header_bytes + int(np.prod([int(side) for side in shape], dtype=object))
    if len(payload) != expected_bytes:
        raise EdgeError(
            f"{name} has a wrong size",
            expected=f"{expected_bytes:,} bytes for shape {shape}",
            got=f"{len(payload):,} bytes",
        )
    pixels = np.frombuffer(payload, dtype=np.uint8, offset=header_bytes)
    try:
        return pixels.reshape(shape)
    except ValueError as error:  # no elements, but sides whose product is too large for an address
        raise EdgeError(f"{name} has an unusable shape", expected="sides of an array", got=str(shape)) from error

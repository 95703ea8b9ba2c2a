"""IDX files: what is read from good ones, and what is said of bad ones."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from fmnist_edge import EdgeError
from fmnist_edge.dataset import idx
from fmnist_edge.dataset.idx import parse_idx, read_payload


def header(*shape: int) -> bytes:
    """Return the header of an IDX file of unsigned bytes."""
    return bytes([0, 0, 8, len(shape)]) + b"".join(side.to_bytes(4, "big") for side in shape)


@pytest.mark.parametrize("shape", [(6,), (2, 3), (3, 1, 2), (0,), (0, 28, 28)])
def test_the_array_has_the_shape_of_the_header_and_the_bytes_in_order(shape: tuple[int, ...]) -> None:
    count = int(np.prod(shape))
    array = parse_idx(header(*shape) + bytes(range(count)), name="it")
    assert array.shape == shape
    assert array.dtype == np.uint8
    assert array.ravel().tolist() == list(range(count))
    assert not array.flags.writeable


@pytest.mark.parametrize(
    ("payload", "match"),
    [
        (b"", "it has a wrong magic number; expected an IDX file .*; got nothing"),
        (b"\0\0\x08", "got 00 00 08"),
        (b"\0\0\x08\x01", "it has a wrong size; expected .* bytes for shape .*; got 4 bytes"),
        (b"\x1f\x8b\x08\0" + bytes(8), "got 1f 8b 08 00"),
        (b"\x01\0\x08\x01\0\0\0\0", "got 01 00 08 01"),
        (b"\0\x01\x08\x01\0\0\0\0", "got 00 01 08 01"),
        (b"\0\0\x0d\x01\0\0\0\0", "expected an IDX file of unsigned bytes .*; got 00 00 0d 01"),
        (b"\0\0\x08\0", "got 00 00 08 00"),
        (b"\0\0\x08\x04" + bytes(16), "got 00 00 08 04"),
        (header(2)[:-1], "it has a wrong size; expected 8 bytes for shape .*; got 7 bytes"),
        (header(2) + b"a", r"it has a wrong size; expected 10 bytes for shape \(2,\); got 9 bytes"),
        (header(2) + b"abc", "expected 10 bytes .*; got 11 bytes"),
        (header(*[0xFFFFFFFF] * 3), "expected 79,228,162,458,924,105,385,300,197,391 bytes .*; got 16 bytes"),
        (
            header(0, 0xFFFFFFFF, 0xFFFFFFFF),
            r"it has an unusable shape; expected .*; got \(0, 4294967295, 4294967295\)",
        ),
    ],
)
def test_what_does_not_match_its_header_is_refused(payload: bytes, match: str) -> None:
    with pytest.raises(EdgeError, match=match):
        parse_idx(payload, name="it")


def test_a_file_reads_the_same_with_and_without_gzip(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a", tmp_path / "a.gz"
    plain.write_bytes(header(2) + b"ab")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_payload(plain) == read_payload(packed) == header(2) + b"ab"


def flipped(content: bytes, position: int) -> bytes:
    """Return `content` with one byte changed."""
    changed = bytearray(content)
    changed[position] ^= 0xFF
    return bytes(changed)


PACKED = gzip.compress(bytes(range(256)) * 40)


@pytest.mark.parametrize(
    "content",
    [PACKED[:2], PACKED[:12], PACKED[: len(PACKED) // 2], PACKED[:-1], flipped(PACKED, 20), flipped(PACKED, -5)],
    ids=["two bytes", "header", "half", "all but one byte", "changed inside", "changed checksum"],
)
def test_a_broken_gzip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    with pytest.raises(EdgeError, match=rf"cannot decompress {re.escape(str(path))}; expected a whole gzip file; got "):
        read_payload(path)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*absent; got No such file"):
        read_payload(tmp_path / "absent")
    with pytest.raises(EdgeError, match=f"cannot read {re.escape(str(tmp_path))}; got Is a directory"):
        read_payload(tmp_path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip bomb"])
def test_more_than_the_bound_is_refused_however_small_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: type[bytes]
) -> None:
    monkeypatch.setattr(idx, "MAX_PAYLOAD_BYTES", 1_000)
    path = tmp_path / "a"
    path.write_bytes(pack(bytes(1_000)))
    assert len(read_payload(path)) == 1_000
    path.write_bytes(pack(bytes(1_001)))
    with pytest.raises(EdgeError, match=r"cannot read .*; expected at most 1,000 bytes; got more"):
        read_payload(path)

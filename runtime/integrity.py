"""Is this the file that was exported? It ends in a digest of itself, and its card knows the digest of its graph.

The last 64 bytes of an exported file are the SHA-256, in hexadecimal, of everything before them. In ONNX they are the
value of the last entry of ``metadata_props``, in TFLite the comment of the zip archive, so that other tools read the
file as ever; and ``head -c -64 FILE | sha256sum`` tells whether it is whole, without any of our code. A digest that
stood inside the card would leave out the card, or what the archive says of it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.errors import EdgeError
from .card import CARD_VERSION, ModelCard

SEAL_KEY = "fmnist_edge.file_sha256"
"""Key of the entry in an ONNX file's metadata whose value is the seal."""
SEAL_BYTES = 64
UNSEALED = b"0" * SEAL_BYTES
"""What stands in the seal's place while a file is put together."""
_CHUNK_BYTES = 1 << 20
_SMALL_BYTES = 4 << 20


def seal(content: bytes) -> bytes:
    """Put the digest of everything before it into the last 64 bytes of a finished file.

    Raises:
        ValueError: `content` does not end in `UNSEALED`.

    >>> seal(b"model" + UNSEALED)[:13]
    b'model9372c470'
    """
    if not content.endswith(UNSEALED):
        raise ValueError("no place for the seal at the end of the file")
    digest = new_sha256(len(content))
    digest.update(memoryview(content)[:-SEAL_BYTES])
    return content[:-SEAL_BYTES] + str(digest.hexdigest()).encode()


@dataclass(frozen=True)
class Digests:
    """What one reading of a file found.

    Attributes:
        graph: SHA-256 of as many bytes as the card says the graph has; empty where the file is shorter.
        body: SHA-256 of everything but the seal.
        whole: SHA-256 of the file, as other tools compute it.
        seal: the last 64 bytes, if they are a SHA-256 in hexadecimal; else empty.
    """

    graph: str
    body: str
    whole: str
    seal: str


def digests_of(path: Path, graph_bytes: int = 0) -> Digests:
    """Read a file once and compute its digests, at about 0.7 milliseconds a megabyte with SHA instructions.

    Raises:
        EdgeError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            body_end = max(0, size - SEAL_BYTES)
            digest, at, seen = new_sha256(size), 0, {}
            for end in sorted({min(graph_bytes, body_end), body_end}):
                at = _update(digest, stream, at, end)
                seen[end] = str(digest.hexdigest())
            tail = stream.read(SEAL_BYTES)
            digest.update(tail)
    except OSError as error:
        raise EdgeError(f"cannot read {path}", expected="a model file", got=error.strerror or str(error)) from error
    hexadecimal = len(tail) == SEAL_BYTES and not set(tail) - set(b"0123456789abcdef")
    graph = seen.get(graph_bytes, "") if graph_bytes <= body_end else ""
    return Digests(graph, seen[body_end], str(digest.hexdigest()), tail.decode() if hexadecimal else "")


def _update(digest: Any, stream: Any, at: int, end: int) -> int:
    while at < end and (chunk := stream.read(min(end - at, _CHUNK_BYTES))):
        digest.update(chunk)
        at += len(chunk)
    return at


def require_intact(path: Path, card: ModelCard | None, found: Digests | None = None) -> None:
    """Check that a file is the one that was exported: a flipped bit would otherwise answer wrongly, and silently.

    This finds damage, not forgery: who can change a file can compute its digest. Against that there are signatures.

    Args:
        path: the file.
        card: its card; None where it has none that can be read.
        found: its digests, where they are known.

    Raises:
        EdgeError: a byte of it is not as it was exported, or it carries no digest of itself.
    """
    found = found or digests_of(path, card.graph_bytes if card else 0)
    if card is not None and card.card_version < CARD_VERSION:
        _require(path, card.graph_sha256, found.graph)
        hint = "export it again: fmnist-edge export --force, or take it as it is: --allow-unverified"
        what, got = f"{path} was exported by an earlier release", "one of its graph alone"
        raise EdgeError(what, expected="a digest of the whole file", got=got, hint=hint)
    if found.seal:
        _require(path, found.seal, found.body)
    elif card is not None:
        raise _changed(path, "its own SHA-256 at its end", "something else")
    if card is not None:
        _require(path, card.graph_sha256, found.graph)


def _require(path: Path, expected: str, got: str) -> None:
    if got != expected:
        raise _changed(path, f"SHA-256 {expected[:16]}…", f"{got[:16]}…" if got else "a shorter file")


def _changed(path: Path, expected: str, got: str) -> EdgeError:
    return EdgeError(f"{path} was changed or damaged", expected=expected, got=got, hint="export or copy it again")


def new_sha256(size_bytes: int) -> Any:
    """Return a new SHA-256 for so many bytes, with the methods of hashlib's.

    hashlib loads OpenSSL, which is several times faster and takes 3.5 MiB of memory. For a small file, CPython's own
    will do, which hashlib itself falls back on (PEP 452); it is called `_sha256` in Python 3.11 and `_sha2` after.

    >>> new_sha256(0).hexdigest() == new_sha256(1 << 30).hexdigest()
    True
    """
    if size_bytes <= _SMALL_BYTES:
        for name in ("_sha2", "_sha256"):
            try:
                return importlib.import_module(name).sha256()
            except ImportError:
                continue
    import hashlib

    return hashlib.sha256()

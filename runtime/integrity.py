"""Is this the file that was exported? Its graph is hashed on loading and held against its ModelCard."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from ..common.errors import EdgeError
from .card import ModelCard

_CHUNK_BYTES = 1 << 20
_SMALL_BYTES = 4 << 20


def require_intact(path: Path, card: ModelCard) -> None:
    """Check the graph's digest: a flipped bit on an SD card would otherwise answer wrongly, and silently.

    This finds damage, not forgery: who can change the graph can change the card. It takes about 0.7 milliseconds a
    megabyte on a machine with SHA instructions.

    Raises:
        EdgeError: the first `card.graph_bytes` bytes of the file are not those that were exported.
    """
    digest = new_sha256(card.graph_bytes)
    left = card.graph_bytes
    with path.open("rb") as stream:
        while left > 0 and (chunk := stream.read(min(left, _CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
    if left or digest.hexdigest() != card.graph_sha256:
        expected, got = f"SHA-256 {card.graph_sha256[:16]}…", f"{digest.hexdigest()[:16]}…"
        raise EdgeError(f"{path} was changed or damaged", expected=expected, got=got, hint="export or copy it again")


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

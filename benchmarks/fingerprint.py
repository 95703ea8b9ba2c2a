"""The digest of a model file: the same bytes are the same model, whatever the file is called."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..common.errors import EdgeError


def file_sha256(path: Path) -> str:
    """Hash a file without holding it in memory.

    Raises:
        EdgeError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise EdgeError(f"cannot read {path}", got=error.strerror or str(error)) from error

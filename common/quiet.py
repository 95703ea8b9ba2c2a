"""Silence for libraries whose C++ writes to standard error before, or without, being asked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_standard_error() -> Iterator[None]:
    """Send file descriptor 2 to nowhere while the block runs; Python exceptions pass through as usual."""
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)

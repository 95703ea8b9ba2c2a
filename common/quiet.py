"""Silence for libraries whose C++ writes to standard error before, or without, being asked."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_saved: list[int] = []
"""A copy of the descriptor for every block that runs: all but the first are of the silence."""


@contextlib.contextmanager
def quiet_standard_error() -> Iterator[None]:
    """Send file descriptor 2 to nowhere while the block runs; Python exceptions pass through as usual.

    It is the whole process's: while blocks of several threads overlap, it is silent until the last of them ends.
    """
    with _lock:
        _saved.append(os.dup(2))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
    try:
        yield
    finally:
        with _lock:
            last = _saved.pop()  # whichever it is, the first is the last to go
            if not _saved:
                os.dup2(last, 2)
            os.close(last)

"""What a reader of untrusted input promises: a value of the documented type or `EdgeError`, soon, in little memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

from fmnist_edge import EdgeError

MOST_SECONDS = 1.0
"""Of processor time: by the clock on the wall, a busy machine would be called a hang."""
MOST_MEMORY_BYTES = 512 << 20
"""Of the whole process: Python, the libraries and the fuzzer are among them."""
_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


class BrokenContractError(Exception):
    """A reader did what it promises not to do."""


def require(kept: bool, broken: str) -> None:
    """Raise `BrokenContractError` where something was not kept; an assert would vanish under ``-O``."""
    if not kept:
        raise BrokenContractError(broken)


def peak_bytes() -> int:
    """Return the most memory that this process has had at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT_BYTES


def keep_contract(read: Callable[[bytes], None], data: bytes) -> bool:
    """Run `read`, which raises `BrokenContractError` where its value is not of the documented type.

    Returns:
        Whether the data was accepted; False where it was refused by an `EdgeError`.

    Raises:
        BrokenContractError: the value, the error's text, the time or the memory is not as promised.
        Exception: whatever else `read` lets through.
    """
    begun = time.process_time()
    before = peak_bytes()
    try:
        read(data)
        accepted = True
    except EdgeError as error:
        require_readable(error)
        accepted = False
    took = time.process_time() - begun
    require(took <= MOST_SECONDS, f"it took {took:.1f} s")
    after = peak_bytes()
    require(after == before or after <= MOST_MEMORY_BYTES, f"it took {after >> 20} MiB of memory")
    return accepted


def require_readable(error: EdgeError) -> None:
    """Check that the error is one line that any terminal can show, and that no file can play tricks with."""
    text = str(error)
    require(bool(text) and len(text) <= 600, f"an error of {len(text)} characters")
    require(text.isprintable(), f"an error that cannot be printed: {text!r}")
    require(error.exit_code == 2, f"exit code {error.exit_code}")

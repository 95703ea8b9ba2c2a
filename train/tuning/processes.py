"""Which process runs a trial, so that the next one on the same machine knows when it was killed."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def own_process() -> str:
    """Name this process, on whatever machine, as no later one will be named."""
    return _name(os.getpid())


def is_gone(process: str) -> bool:
    """Tell whether `process`, as `own_process` named it, ran on this machine and runs no more.

    >>> is_gone(own_process()), is_gone("another machine/1/2")
    (False, False)
    """
    machine, _, rest = process.rpartition("/")[0].rpartition("/")
    number = rest
    return machine == platform.node() and number.isdigit() and _name(int(number)) != process


def _name(number: int) -> str:
    return f"{platform.node()}/{number}/{_started(number)}"


def _started(number: int) -> str:
    """Return when a process began, in the kernel's clock ticks; where there is no /proc, whether it is there."""
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="ascii", errors="replace")
        state, *fields = text.rpartition(")")[2].split()
        return "" if state == "Z" else fields[18]
    except OSError:
        return "" if Path("/proc/self").exists() or not _is_there(number) else "running"


def _is_there(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

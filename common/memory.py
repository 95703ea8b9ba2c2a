"""How much memory this process may still take."""

from __future__ import annotations

import sys

from .errors import EdgeError


def available_bytes() -> int | None:
    """Return the memory in bytes that this process may take: what is free, or less if its addresses are limited.

    None where neither is known: only Linux counts free memory, and ``ulimit -v`` is seldom set.
    """
    known = [count for count in (_free_bytes(), unreserved_bytes()) if count is not None]
    return min(known, default=None)


def unreserved_bytes() -> int | None:
    """Return how many bytes of addresses this process may still reserve (``ulimit -v``); None without a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    return max(0, limit - (_reserved_bytes() or 0))


def require_addresses(count: int, *, module: str, name: str) -> None:
    """Refuse to import a library that would end this process, or crash, for want of addresses to reserve.

    Args:
        count: bytes that it reserves while it is imported.
        module: what is imported; once it is, nothing is refused.
        name: what people call it, for the error.

    Raises:
        EdgeError: fewer are left (``ulimit -v``).
    """
    if module in sys.modules:
        return
    unreserved = unreserved_bytes()
    if unreserved is not None and unreserved < count:
        expected, got = (f"{number / 1e6:,.0f} MB" for number in (count, unreserved))
        raise EdgeError(
            f"not enough memory for {name}", expected=f"{expected} of addresses", got=got, hint="raise ulimit -v"
        )


def _free_bytes() -> int | None:
    return _kilobytes_at("/proc/meminfo", "MemAvailable")


def _reserved_bytes() -> int | None:
    return _kilobytes_at("/proc/self/status", "VmSize")


def _kilobytes_at(path: str, field: str) -> int | None:
    """Read a field of one of Linux' tables, in bytes; None on other systems."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123
            fields = dict(line.split(":", 1) for line in file)
        return int(fields[field].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None

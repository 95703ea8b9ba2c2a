"""What the doctor says: one finding a check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Inference works, but slower, or not for long."""
    FAULT = "fault"
    """Inference does not work."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        name: what was looked at.
        status: how bad it is.
        found: what was found, in one line.
        mend: the one command or step that mends it; empty when nothing needs mending.
    """

    name: str
    status: Status
    found: str
    mend: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the finding as JSON.

        >>> ok("board", "Raspberry Pi 5").as_json()
        {'name': 'board', 'status': 'ok', 'found': 'Raspberry Pi 5', 'mend': ''}
        """
        return {"name": self.name, "status": self.status.value, "found": self.found, "mend": self.mend}

    def as_text(self) -> str:
        """Return the finding as a line, and a second one where something needs mending.

        >>> print(warning("disk", "40 MiB free", "sudo apt clean").as_text())
        warning  disk            40 MiB free
                                 next: sudo apt clean
        """
        line = f"{self.status.value:<8} {self.name:<15} {self.found}"
        return f"{line}\n{'':<24} next: {self.mend}" if self.mend else line


def verdict(findings: Iterable[Finding]) -> tuple[bool, str]:
    """Tell whether nothing prevents inference, and the line that says so.

    >>> verdict([ok("board", "Raspberry Pi 5")])
    (True, 'ready')
    """
    ready = all(finding.status is not Status.FAULT for finding in findings)
    return ready, "ready" if ready else "not ready: mend the faults from the top"


def ok(name: str, found: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(name, Status.OK, found)


def warning(name: str, found: str, mend: str) -> Finding:
    """Return a finding of what makes inference slower or short-lived."""
    return Finding(name, Status.WARNING, found, mend)


def fault(name: str, found: str, mend: str) -> Finding:
    """Return a finding of what prevents inference."""
    return Finding(name, Status.FAULT, found, mend)

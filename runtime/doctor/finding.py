"""What the doctor says: one finding a check."""

from __future__ import annotations

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


def ok(name: str, found: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(name, Status.OK, found)


def warning(name: str, found: str, mend: str) -> Finding:
    """Return a finding of what makes inference slower or short-lived."""
    return Finding(name, Status.WARNING, found, mend)


def fault(name: str, found: str, mend: str) -> Finding:
    """Return a finding of what prevents inference."""
    return Finding(name, Status.FAULT, found, mend)

"""``python -m fmnist_edge.runtime.doctor [MODEL]``: the doctor where no other package can be installed."""

from __future__ import annotations

import sys
from pathlib import Path

from . import Machine, examine
from .finding import verdict


def main(arguments: list[str]) -> int:
    """Print the findings; return 1 if something prevents inference."""
    findings = []
    for finding in examine(Machine(), Path(arguments[0]) if arguments else None):
        findings.append(finding)
        sys.stdout.write(f"{finding.as_text()}\n")
        sys.stdout.flush()
    ready, line = verdict(findings)
    sys.stdout.write(f"\n{line}\n")
    return 0 if ready else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

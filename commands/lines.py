"""Where a command's lines go: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def fail(line: str) -> None:
    """Print one line of what is wrong to standard error."""
    print(f"fmnist-edge: {line}", file=sys.stderr)


def say(line: str) -> None:
    """Print one line of progress to standard error."""
    print(line, file=sys.stderr)


def print_json(content: Any) -> None:
    """Print a result as one line of JSON."""
    print(json.dumps(content, ensure_ascii=False))


def drop_output() -> None:
    """Send what is still to be printed to nowhere: the interpreter shall not try again when it ends."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115

"""Where a command's lines go: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import json
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
